//! Throttled parallel iterators.

use std::{
    hint::black_box,
    sync::{
        Mutex, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::child::in_child;
use crate::common::{FAIRNESSES, Random, silence, silently, until, watchdog};
use crate::room::{Room, message, moment, pool};
use dynaphore::{AcquireError, Fairness, Semaphore, throttle::ThrottleExt};
use proptest::prelude::*;
use rayon::prelude::*;

const POOLS_AND_MAXIMA: [(usize, usize); 6] = [(1, 1), (4, 1), (4, 2), (4, 3), (2, 4), (4, 100)];

#[test]
fn every_item_is_run_once_and_max_at_a_time() {
    watchdog(|| {
        for (workers, max) in POOLS_AND_MAXIMA {
            let semaphore = Semaphore::new(max);
            let room = Room::default();
            let seen: Vec<_> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
            let run = || {
                (0..1000)
                    .into_par_iter()
                    .throttle_for_each(&semaphore, |n: usize| {
                        room.visit(|| {
                            seen[n].fetch_add(1, SeqCst);
                            moment();
                        });
                    })
            };
            pool(workers).install(run).unwrap();
            assert!(seen.iter().all(|seen| seen.load(SeqCst) == 1));
            assert!(room.most() <= max, "{} of {max}", room.most());
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn all_permits_are_used() {
    watchdog(|| {
        // Each item waits until three are inside.
        let semaphore = Semaphore::new(3);
        let room = Room::default();
        let run = || {
            (0..9)
                .into_par_iter()
                .with_max_len(1)
                .throttle_for_each(&semaphore, |_| {
                    room.visit(|| until(|| room.most() == 3));
                })
        };
        pool(4).install(run).unwrap();
        assert_eq!(room.visits(), 9);
    });
}

#[test]
fn from_outside_of_any_pool_the_global_one_is_used() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let room = Room::default();
        let run = (0..100).into_par_iter().throttle_for_each(&semaphore, |_| {
            assert!(rayon::current_thread_index().is_some());
            room.visit(moment);
        });
        run.unwrap();
        assert_eq!((room.visits(), room.most()), (100, 1));
    });
}

#[test]
fn items_that_are_not_indexed_are_throttled_too() {
    watchdog(|| {
        for max in [1, 3] {
            let semaphore = Semaphore::new(max);
            let room = Room::default();
            let run = || {
                let some = (0..1000).into_par_iter().filter(|n| n % 3 == 0);
                some.throttle_for_each(&semaphore, |_| room.visit(moment))
                    .unwrap();
                let bridged = (0..100).par_bridge();
                bridged
                    .throttle_for_each(&semaphore, |_| room.visit(moment))
                    .unwrap();
            };
            pool(4).install(run);
            assert_eq!(room.visits(), 434);
            assert!(room.most() <= max);
        }
    });
}

#[test]
fn no_permit_is_held_while_items_come_into_being() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let run = || {
            let items = (0..1000).into_par_iter().map(|n| {
                // Nobody else is there: the one worker holds nothing.
                assert_eq!(semaphore.active(), 0);
                n
            });
            items.throttle_for_each(&semaphore, |_| assert_eq!(semaphore.active(), 1))
        };
        pool(1).install(run).unwrap();
    });
}

#[test]
fn a_pause_in_the_middle_is_kept_and_growth_resumes() {
    in_child("a_pause_in_the_middle_is_kept_and_growth_resumes", || {
        let semaphore = Semaphore::new(3);
        let (room, paused) = (Room::default(), AtomicBool::new(false));
        let pause_once = Once::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| semaphore.max() == 0);
                semaphore.blocking_settled();
                paused.store(true, SeqCst);
                // It stands in line, and waits.
                until(|| semaphore.waiting() == 1);
                (0..1000).for_each(|_| moment());
                paused.store(false, SeqCst);
                semaphore.set_max(2);
            });
            let run = || {
                (0..2000)
                    .into_par_iter()
                    .throttle_for_each(&semaphore, |_| {
                        assert!(!paused.load(SeqCst), "begun during the pause");
                        room.visit(moment);
                        if room.visits() >= 50 {
                            // By an item, so that others are left for certain.
                            pause_once.call_once(|| {
                                semaphore.set_max(0);
                            });
                        }
                    })
            };
            pool(4).install(run).unwrap();
        });
        assert_eq!(room.visits(), 2000);
    });
}

#[test]
fn growth_brings_more_at_once() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let (room, first) = (Room::default(), AtomicBool::new(true));
        let run = || {
            let items = (0..100).into_par_iter().with_max_len(1);
            items.throttle_for_each(&semaphore, |_| {
                if first.swap(false, SeqCst) {
                    semaphore.set_max(4);
                } else {
                    // Not reached by one alone.
                    room.visit(|| until(|| room.most() == 4));
                }
            })
        };
        pool(4).install(run).unwrap();
        assert_eq!((room.visits(), room.most()), (99, 4));
    });
}

#[test]
fn a_shrink_is_followed_after_one_item() {
    watchdog(|| {
        // Four are inside when it shrinks. Whoever comes later comes alone.
        let semaphore = Semaphore::new(4);
        let (room, first, shrunk) = (
            Room::default(),
            AtomicBool::new(true),
            AtomicBool::new(false),
        );
        let visit = || {
            if shrunk.load(SeqCst) {
                assert_eq!(room.inside(), 1);
                return moment();
            }
            until(|| room.inside() == 4 || shrunk.load(SeqCst));
            if first.swap(false, SeqCst) {
                semaphore.set_max(1);
                shrunk.store(true, SeqCst);
            }
            until(|| shrunk.load(SeqCst));
        };
        let run = || {
            let items = (0..100).into_par_iter().with_max_len(1);
            items.throttle_for_each(&semaphore, |_| room.visit(visit))
        };
        pool(4).install(run).unwrap();
        assert_eq!((room.visits(), room.most()), (100, 4));
    });
}

#[test]
fn a_shrink_is_followed_after_one_item_among_thousands_of_small_ones() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let begun = AtomicUsize::new(0);
        // One worker, so that they come in order, many at a time, and none is
        // in the way when the pause begins.
        let run = || {
            let items = (0..100_000).into_par_iter().with_min_len(100_000);
            items.throttle_for_each(&semaphore, |item| {
                begun.store(item + 1, SeqCst);
                // More than 2.5 ns on any machine: a look comes after each of those.
                black_box((0..20).fold(item, |n, _| black_box(n * 31 % 1000)));
                if item % 20_000 == 12_345 {
                    semaphore.set_max(0);
                }
            })
        };
        thread::scope(|scope| {
            let done = scope.spawn(|| pool(1).install(run));
            let begun_at_pauses = [(); 5].map(|()| {
                until(|| semaphore.max() == 0 && semaphore.active() == 0);
                let so_far = begun.load(SeqCst);
                semaphore.set_max(1);
                so_far
            });
            done.join().unwrap().unwrap();
            assert_eq!(begun_at_pauses, [12_346, 32_346, 52_346, 72_346, 92_346]);
        });
        assert_eq!(begun.load(SeqCst), 100_000);
    });
}

/// To set an item aside takes no time, which says nothing of how long it runs.
#[test]
fn a_shrink_is_followed_after_one_item_among_those_that_were_set_aside() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let held = Mutex::new(semaphore.try_acquire().ok());
        let begun = AtomicUsize::new(0);
        // One worker, so that they come in order, and many are set aside together.
        let run = || {
            let items = (0..40_000).into_par_iter().with_min_len(40_000);
            items
                .inspect(|&item| {
                    if item == 20_000 {
                        drop(held.lock().unwrap().take());
                    }
                })
                .throttle_for_each(&semaphore, |item| {
                    begun.fetch_add(1, SeqCst);
                    if item == 300 {
                        semaphore.set_max(0);
                    }
                })
        };
        thread::scope(|scope| {
            let done = scope.spawn(|| pool(1).install(run));
            until(|| semaphore.max() == 0 && semaphore.active() == 0);
            let so_far = begun.load(SeqCst);
            semaphore.set_max(1);
            done.join().unwrap().unwrap();
            assert_eq!(so_far, 301);
        });
        assert_eq!(begun.into_inner(), 40_000);
    });
}

#[test]
fn resizing_without_pause_loses_no_item() {
    in_child("resizing_without_pause_loses_no_item", || {
        let semaphore = Semaphore::new(2);
        let (room, done) = (Room::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = Random::new(7);
                while !done.load(SeqCst) {
                    semaphore.set_max(random.below(4) as usize);
                    moment();
                }
                semaphore.set_max(1);
            });
            let run = || {
                for _ in 0..10 {
                    let items = (0..500).into_par_iter();
                    items
                        .throttle_for_each(&semaphore, |_| room.visit(moment))
                        .unwrap();
                }
                done.store(true, SeqCst);
            };
            pool(4).install(run);
        });
        assert_eq!(room.visits(), 5000);
        assert!(room.most() <= 3);
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    });
}

#[test]
fn a_permit_is_given_up_to_whoever_waits_after_one_item() {
    watchdog(|| {
        for fairness in FAIRNESSES {
            let semaphore = Semaphore::builder(1).fairness(fairness).build();
            let (visits, begun) = (AtomicUsize::new(0), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    until(|| begun.load(SeqCst));
                    let permit = semaphore.blocking_acquire().unwrap();
                    let at = visits.load(SeqCst);
                    (0..100).for_each(|_| moment());
                    assert_eq!(visits.load(SeqCst), at, "inside beside a permit");
                    assert!(
                        fairness != Fairness::Fifo || at < 100,
                        "not let in before the end"
                    );
                    drop(permit);
                });
                let run = || {
                    (0..100).into_par_iter().throttle_for_each(&semaphore, |_| {
                        begun.store(true, SeqCst);
                        // The one that waits is in line before the item ends.
                        if fairness == Fairness::Fifo && visits.load(SeqCst) == 0 {
                            until(|| semaphore.waiting() > 0);
                        }
                        visits.fetch_add(1, SeqCst);
                    })
                };
                pool(2).install(run).unwrap();
            });
            assert_eq!(visits.into_inner(), 100);
        }
    });
}

#[test]
fn calls_side_by_side_share_one_max() {
    watchdog(|| {
        let semaphore = Semaphore::new(2);
        let room = Room::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let run = || {
                        let items = (0..300).into_par_iter();
                        items.throttle_for_each(&semaphore, |_| room.visit(moment))
                    };
                    pool(3).install(run).unwrap();
                });
            }
        });
        assert_eq!(room.visits(), 1200);
        assert!(room.most() <= 2);
    });
}

/// A thread that waits within an item may come by others of the same call, which
/// get no share of its permit: they are not nested in it.
#[test]
fn what_is_run_on_top_of_an_item_by_chance_gets_no_share() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let room = Room::default();
        let run = || {
            let items = (0..64).into_par_iter().with_max_len(1);
            items.throttle_for_each(&semaphore, |_| {
                // Runs some other piece of the same call on top of this one.
                room.visit(rayon::yield_now);
            })
        };
        pool(1).install(run).unwrap();
        assert_eq!((room.visits(), room.most()), (64, 1));
    });
}

/// Jobs that wait for plain nested ones suspend their threads, which take on
/// other items meanwhile: those of a call that is not nested get no share.
#[test]
fn plain_nesting_lets_no_more_in() {
    watchdog(|| {
        let semaphore = Semaphore::new(2);
        let room = Room::default();
        let run = || {
            (0..200).into_par_iter().throttle_for_each(&semaphore, |_| {
                room.visit(|| (0..16).into_par_iter().for_each(|_| moment()));
            })
        };
        pool(4).install(run).unwrap();
        assert_eq!(room.visits(), 200);
        assert!(room.most() <= 2, "{} of 2", room.most());
    });
}

#[test]
fn weights_add_up_to_max_at_most() {
    watchdog(|| {
        for workers in [1, 4] {
            let semaphore = Semaphore::new(8);
            let room = Room::default();
            let weight = |n: &usize| (n % 9) as u32;
            let run = || {
                let items = (0..500).into_par_iter();
                items.throttle_weighted_for_each(&semaphore, weight, |n| {
                    let _inside = room.enter(n % 9);
                    assert!(semaphore.active() >= n % 9);
                    moment();
                })
            };
            pool(workers).install(run).unwrap();
            assert_eq!(room.visits(), 500);
            assert!(room.most() <= 8, "{} of 8", room.most());
        }
    });
}

#[test]
fn an_item_heavier_than_max_waits_for_growth() {
    watchdog(|| {
        let semaphore = Semaphore::new(2);
        let room = Room::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| semaphore.waiting() == 1 && semaphore.active() == 0);
                // It holds up nobody else.
                drop(semaphore.blocking_acquire_many(2).unwrap());
                semaphore.set_max(5);
            });
            let run = || {
                let items = [1, 5, 1, 1].into_par_iter();
                items.throttle_weighted_for_each(&semaphore, |&n| n, |_| room.visit(moment))
            };
            pool(2).install(run).unwrap();
        });
        assert_eq!(room.visits(), 4);
    });
}

#[test]
fn the_order_is_kept_whatever_is_set_aside() {
    watchdog(|| {
        for (workers, max) in POOLS_AND_MAXIMA {
            let semaphore = Semaphore::new(max);
            let map = |n: usize| {
                if n % 7 == 0 {
                    moment();
                }
                n * n
            };
            let run = || {
                (0..3000)
                    .into_par_iter()
                    .throttle_map_collect(&semaphore, map)
            };
            let squares: Vec<usize> = pool(workers).install(run).unwrap();
            assert!(squares.into_iter().eq((0..3000).map(|n| n * n)));
        }
    });
}

#[test]
fn results_stop_early() {
    watchdog(|| {
        for (workers, max) in [(1, 1), (4, 1), (4, 2)] {
            let semaphore = Semaphore::new(max);
            let visits = AtomicUsize::new(0);
            let map = |n: usize| {
                visits.fetch_add(1, SeqCst);
                moment();
                if n == 0 { Err("zero") } else { Ok(n) }
            };
            let run = || {
                (0..100_000)
                    .into_par_iter()
                    .throttle_map_collect(&semaphore, map)
            };
            let all: Result<Vec<usize>, &str> = pool(workers).install(run).unwrap();
            assert_eq!(all, Err("zero"));
            assert!(visits.into_inner() < 100_000);
            assert_eq!(semaphore.active(), 0);
        }
    });
}

#[test]
fn whatever_rayon_collects_into_can_be_collected() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let words = || ["a", "b", "c"].into_par_iter();
        let text: String = words()
            .throttle_map_collect(&semaphore, |word| word)
            .unwrap();
        assert_eq!(text, "abc");
        let all: Option<Vec<&str>> = words().throttle_map_collect(&semaphore, Some).unwrap();
        assert_eq!(all, Some(vec!["a", "b", "c"]));
        let none: Vec<u8> = [0; 0]
            .into_par_iter()
            .throttle_map_collect(&semaphore, |n| n)
            .unwrap();
        assert!(none.is_empty());
    });
}

#[test]
fn a_closed_semaphore_ends_it_with_an_error() {
    in_child("a_closed_semaphore_ends_it_with_an_error", || {
        for max in [0, 1] {
            for workers in [1, 4] {
                let semaphore = Semaphore::new(max);
                let visits = AtomicUsize::new(0);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        until(|| semaphore.waiting() > 0 || visits.load(SeqCst) > 10);
                        semaphore.close();
                    });
                    let run = || {
                        (0..1_000_000)
                            .into_par_iter()
                            .throttle_for_each(&semaphore, |_| {
                                visits.fetch_add(1, SeqCst);
                                moment();
                            })
                    };
                    // A pause sets them aside one and all: not too many.
                    let run_paused = || {
                        let items = (0..1000).into_par_iter();
                        items.throttle_for_each(&semaphore, |_| unreachable!())
                    };
                    let pool = pool(workers);
                    let ended = match max {
                        0 => pool.install(run_paused),
                        _ => pool.install(run),
                    };
                    assert!(ended.is_err());
                });
                let collected: Result<Vec<i32>, _> = (0..9)
                    .into_par_iter()
                    .throttle_map_collect(&semaphore, |n| n);
                assert!(collected.is_err());
            }
        }
    });
}

#[test]
fn what_is_not_begun_is_dropped_when_it_is_closed() {
    watchdog(|| {
        let semaphore = Semaphore::new(0);
        let items = std::sync::Arc::new(());
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| semaphore.waiting() > 0);
                semaphore.close();
            });
            let owned: Vec<_> = (0..100).map(|_| std::sync::Arc::clone(&items)).collect();
            let run = || {
                owned
                    .into_par_iter()
                    .throttle_for_each(&semaphore, |_| unreachable!())
            };
            assert!(pool(2).install(run).is_err());
        });
        assert_eq!(std::sync::Arc::strong_count(&items), 1);
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_others_finish() {
    in_child("a_panic_reaches_the_caller_and_the_others_finish", || {
        silence("twenty");
        for (workers, max) in [(1, 1), (4, 1), (4, 2)] {
            let semaphore = Semaphore::new(max);
            let room = Room::default();
            let run = || {
                (0..64)
                    .into_par_iter()
                    .with_max_len(1)
                    .throttle_for_each(&semaphore, |n| {
                        room.visit(|| {
                            moment();
                            assert!(n != 20, "twenty");
                        });
                    })
            };
            let run = || pool(workers).install(run);
            let panic = silently(run).unwrap_err();
            assert_eq!(message(panic), "twenty");
            // Each item was a piece of work of its own.
            assert_eq!((room.visits(), room.inside()), (64, 0));
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

/// A worker comes to an item of its own, and runs before it one that another piece of
/// work has set aside.
#[test]
fn a_panic_of_another_piece_of_work_drops_no_item() {
    in_child("a_panic_of_another_piece_of_work_drops_no_item", || {
        silence("first");
        let semaphore = Semaphore::new(1);
        let held = Mutex::new(semaphore.try_acquire().ok());
        let room = Room::default();
        let run = || {
            (0..3)
                .into_par_iter()
                .with_max_len(1)
                .inspect(|&n| {
                    if n == 1 {
                        drop(held.lock().unwrap().take());
                    }
                })
                .throttle_for_each(&semaphore, |n| room.visit(|| assert!(n != 0, "first")))
        };
        let panic = silently(|| pool(1).install(run)).unwrap_err();
        assert_eq!(message(panic), "first");
        assert_eq!((room.visits(), room.inside()), (3, 0));
    });
}

#[test]
fn panics_all_over_lose_no_permit() {
    in_child("panics_all_over_lose_no_permit", || {
        silence("three");
        let semaphore = Semaphore::new(2);
        for _ in 0..20 {
            let run = || {
                (0..100).into_par_iter().throttle_for_each(&semaphore, |n| {
                    moment();
                    assert!(n % 3 != 0, "three");
                })
            };
            let run = || pool(3).install(run);
            assert_eq!(message(silently(run).unwrap_err()), "three");
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn a_weight_that_no_max_can_allow_ends_the_call() {
    watchdog(|| {
        let semaphore = Semaphore::new(2);
        let most = Semaphore::MAX_PERMITS as u32;
        for at in [0, 50, 99] {
            let weigh = |&n: &u32| if n == at { most + 1 } else { 1 };
            let run = AtomicUsize::new(0);
            let told = pool(4).install(|| {
                let items = (0..100).into_par_iter().with_max_len(1);
                items.throttle_weighted_for_each(&semaphore, weigh, |n| {
                    assert_ne!(n, at);
                    run.fetch_add(1, SeqCst);
                })
            });
            assert_eq!(told, Err(AcquireError::TooManyPermits));
            assert!(run.into_inner() <= 99);
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
        // As much as there can be is no such weight.
        semaphore.set_max(Semaphore::MAX_PERMITS);
        let all = [0]
            .into_par_iter()
            .throttle_weighted_map_collect(&semaphore, |_| most, |n| n);
        assert_eq!(all, Ok(vec![0]));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Beside the plain iterator.
    #[test]
    fn collects_what_a_plain_iterator_does(
        items in prop::collection::vec(0..100_u32, 0..300),
        max in 1..5_usize,
        workers in 1..5_usize,
        failing in 0..200_u32,
    ) {
        let semaphore = Semaphore::new(max);
        let map = |n: &u32| {
            if n % 5 == 0 {
                moment();
            }
            if *n == failing { Err(*n) } else { Ok(n + 1) }
        };
        let run = || items.par_iter().throttle_map_collect(&semaphore, map);
        let ours: Result<Vec<u32>, u32> = pool(workers).install(run).unwrap();
        prop_assert_eq!(ours, items.iter().map(map).collect());
        prop_assert_eq!(semaphore.active(), 0);
    }
}

/// In as many pieces as there can be: every other item finds no permit.
#[test]
fn what_was_set_aside_in_many_pieces_is_put_together_in_order() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let held = Mutex::new(None);
        let items = (0..200_000_u32).into_par_iter().filter(|n| {
            let permit = (n % 2 == 0).then(|| semaphore.try_acquire().unwrap());
            *held.lock().unwrap() = permit;
            true
        });
        let run = || {
            items
                .chain(rayon::iter::once(200_000).inspect(|_| *held.lock().unwrap() = None))
                .throttle_map_collect(&semaphore, |n| n)
        };
        let all: Vec<u32> = pool(1).install(run).unwrap();
        assert!(all.into_iter().eq(0..=200_000));
    });
}
