//! Throttled jobs that wait for throttled jobs. Where one of these hangs, so do
//! all workers of its pool: each runs in a process of its own.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use crate::child::in_child;
use crate::common::{Random, until};
use crate::room::{Room, message, moment, on_another, pool};
use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::prelude::*;

const POOLS: [usize; 4] = [1, 2, 3, 8];

#[test]
fn every_workers_job_runs_a_nested_call_of_the_same_semaphore() {
    in_child(
        "every_workers_job_runs_a_nested_call_of_the_same_semaphore",
        || {
            for (workers, max) in POOLS.into_iter().flat_map(|w| [(w, 1), (w, 2), (w, w)]) {
                let semaphore = Semaphore::new(max);
                let room = Room::default();
                pool(workers).install(|| {
                    (0..workers * 4).into_par_iter().for_each(|_| {
                        let outer = (0..4).into_par_iter();
                        let nested = |_| {
                            let inner = (0..4).into_par_iter();
                            inner
                                .throttle_for_each(&semaphore, |_| room.visit(moment))
                                .unwrap();
                        };
                        outer.throttle_for_each(&semaphore, nested).unwrap();
                    });
                });
                assert_eq!(room.visits(), workers * 64);
                assert!(room.most() <= max, "{} of {max}", room.most());
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        },
    );
}

#[test]
fn a_nested_plain_iterator_whose_items_are_stolen_and_throttled() {
    in_child(
        "a_nested_plain_iterator_whose_items_are_stolen_and_throttled",
        || {
            for (workers, max) in POOLS.into_iter().flat_map(|w| [(w, 1), (w, 2)]) {
                let semaphore = Semaphore::new(max);
                let room = Room::default();
                pool(workers).install(|| {
                    (0..8).into_par_iter().for_each(|_| {
                        (0..4)
                            .into_par_iter()
                            .throttle_for_each(&semaphore, |_| {
                                (0..8).into_par_iter().with_max_len(1).for_each(|_| {
                                    moment();
                                    let inner = (0..4).into_par_iter();
                                    inner
                                        .throttle_for_each(&semaphore, |_| room.visit(moment))
                                        .unwrap();
                                });
                            })
                            .unwrap();
                    });
                });
                assert_eq!(room.visits(), 8 * 4 * 8 * 4);
                assert!(room.most() <= max, "{} of {max}", room.most());
            }
        },
    );
}

/// The only permit is held by a worker that waits for an item which another one
/// has stolen for certain.
#[test]
fn a_worker_that_waits_lends_its_permit() {
    in_child("a_worker_that_waits_lends_its_permit", || {
        let semaphore = Semaphore::new(1);
        let (holder, ran) = (AtomicUsize::new(9), AtomicBool::new(false));
        pool(2).install(|| {
            [()].into_par_iter()
                .throttle_for_each(&semaphore, |()| {
                    holder.store(rayon::current_thread_index().unwrap(), SeqCst);
                    on_another(|| {
                        assert_ne!(rayon::current_thread_index(), Some(holder.load(SeqCst)));
                        [()].into_par_iter()
                            .throttle_for_each(&semaphore, |()| {
                                assert_eq!(semaphore.active(), 1);
                                ran.store(true, SeqCst);
                            })
                            .unwrap();
                    });
                })
                .unwrap();
        });
        assert!(ran.into_inner());
    });
}

/// What is held beneath is not enough for the first item of a nested call, and is
/// all that there is for the second.
#[test]
fn a_call_that_was_denied_a_loan_asks_again_for_less() {
    in_child("a_call_that_was_denied_a_loan_asks_again_for_less", || {
        let semaphore = Arc::new(Semaphore::new(4));
        let ran = AtomicUsize::new(0);
        let held = Arc::clone(&semaphore).try_acquire_many_owned(3).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| semaphore.waiting() == 1);
                scope.spawn(|| {
                    let _held = semaphore.blocking_acquire_many(3).unwrap();
                    until(|| ran.load(SeqCst) == 2);
                });
                until(|| semaphore.waiting() == 2);
                drop(held);
            });
            let nested = || {
                let items = [3, 1].into_par_iter().with_min_len(2);
                let visit = |_| {
                    ran.fetch_add(1, SeqCst);
                };
                items
                    .throttle_weighted_for_each(&semaphore, |&n| n, visit)
                    .unwrap();
            };
            let outer = |()| {
                on_another(|| {
                    nested();
                });
            };
            pool(2).install(|| {
                let items = [()].into_par_iter();
                items.throttle_for_each(&semaphore, outer).unwrap();
            });
        });
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    });
}

#[test]
fn deep_nesting_in_every_form() {
    fn descend(semaphore: &Arc<Semaphore>, room: &Room, depth: usize, random: usize) {
        if depth == 0 {
            room.visit(moment);
            return;
        }
        let down = |n: usize| descend(semaphore, room, depth - 1, random * 5 + n);
        match Random::new(random).below(4) {
            0 => (0..3).into_par_iter().for_each(down),
            1 => (0..3)
                .into_par_iter()
                .throttle_for_each(semaphore, down)
                .unwrap(),
            2 => {
                let all: Vec<()> = (0..3)
                    .into_par_iter()
                    .throttle_map_collect(semaphore, down)
                    .unwrap();
                assert_eq!(all.len(), 3);
            }
            _ => {
                rayon::scope(|scope| {
                    let jobs = Throttle::new(Arc::clone(semaphore)).scoped();
                    for n in 0..3 {
                        let down = &down;
                        jobs.spawn(scope, move |_, _permit| down(n)).unwrap();
                    }
                });
            }
        }
    }
    in_child("deep_nesting_in_every_form", || {
        for (workers, max) in POOLS.into_iter().flat_map(|w| [(w, 1), (w, 2)]) {
            for random in 1..12 {
                let semaphore = Arc::new(Semaphore::new(max));
                let room = Room::default();
                pool(workers).install(|| descend(&semaphore, &room, 5, random));
                assert_eq!(room.visits(), 243);
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        }
    });
}

#[test]
fn two_semaphores_nested_in_both_orders() {
    in_child("two_semaphores_nested_in_both_orders", || {
        for workers in POOLS {
            let (one, two) = (Semaphore::new(1), Semaphore::new(1));
            let (in_one, in_two) = (Room::default(), Room::default());
            pool(workers).install(|| {
                (0..100).into_par_iter().with_max_len(1).for_each(|n| {
                    let ((outer, inner), room) = match n % 2 {
                        0 => ((&one, &two), &in_two),
                        _ => ((&two, &one), &in_one),
                    };
                    (0..2)
                        .into_par_iter()
                        .throttle_for_each(outer, |_| {
                            moment();
                            let items = (0..2).into_par_iter();
                            items
                                .throttle_for_each(inner, |_| room.visit(moment))
                                .unwrap();
                        })
                        .unwrap();
                });
            });
            assert_eq!((in_one.visits(), in_two.visits()), (200, 200));
            assert!(in_one.most() <= 1 && in_two.most() <= 1);
        }
    });
}

#[test]
fn nested_in_a_spawned_job() {
    in_child("nested_in_a_spawned_job", || {
        let semaphore = Arc::new(Semaphore::new(1));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(3));
        let room = Arc::new(Room::default());
        let (sender, receiver) = mpsc::channel();
        for n in 0..30 {
            let (semaphore, room) = (Arc::clone(&semaphore), Arc::clone(&room));
            let sender = sender.clone();
            throttle
                .spawn(move |permit| {
                    // What has been dropped cannot be shared.
                    let permit = (n % 2 == 0).then_some(permit);
                    let items = (0..10).into_par_iter();
                    items
                        .throttle_for_each(&semaphore, |_| room.visit(moment))
                        .unwrap();
                    (0..4).into_par_iter().with_max_len(1).for_each(|_| {
                        let items = (0..4).into_par_iter();
                        items
                            .throttle_for_each(&semaphore, |_| room.visit(moment))
                            .unwrap();
                    });
                    drop(permit);
                    sender.send(()).unwrap();
                })
                .unwrap();
        }
        assert_eq!(receiver.iter().take(30).count(), 30);
        assert_eq!((room.visits(), room.most()), (30 * 26, 1));
    });
}

#[test]
fn a_paused_semaphore_lets_what_is_nested_finish() {
    in_child("a_paused_semaphore_lets_what_is_nested_finish", || {
        let semaphore = Semaphore::new(2);
        let (ended, in_all) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| semaphore.max() == 0 && semaphore.active() == 0);
                assert!(ended.load(SeqCst) >= 1);
                semaphore.set_max(1);
            });
            pool(2).install(|| {
                (0..10)
                    .into_par_iter()
                    .throttle_for_each(&semaphore, |n| {
                        if n == 5 {
                            semaphore.set_max(0);
                        }
                        (0..10)
                            .into_par_iter()
                            .throttle_for_each(&semaphore, |_| {
                                in_all.fetch_add(1, SeqCst);
                            })
                            .unwrap();
                        ended.fetch_add(1, SeqCst);
                    })
                    .unwrap();
            });
        });
        assert_eq!((ended.into_inner(), in_all.into_inner()), (10, 100));
    });
}

#[test]
fn what_is_nested_and_heavier_waits_for_what_is_free_and_shares_the_rest() {
    in_child(
        "what_is_nested_and_heavier_waits_for_what_is_free_and_shares_the_rest",
        || {
            for workers in POOLS {
                let semaphore = Semaphore::new(8);
                let visits = AtomicUsize::new(0);
                pool(workers).install(|| {
                    let outer = [2, 1].into_par_iter();
                    outer
                        .throttle_weighted_for_each(
                            &semaphore,
                            |&n| n,
                            |n| {
                                // As heavy, lighter, and heavier but to be had.
                                let inner = [n, 1, 4].into_par_iter().with_max_len(1);
                                let visit = |_| {
                                    visits.fetch_add(1, SeqCst);
                                };
                                inner
                                    .throttle_weighted_for_each(&semaphore, |&n| n, visit)
                                    .unwrap();
                            },
                        )
                        .unwrap();
                });
                assert_eq!(visits.into_inner(), 6);
                assert_eq!(semaphore.active(), 0);
            }
        },
    );
}

/// As much as max, while the job around it keeps its own: for a moment more are out than
/// max, as after a shrink.
#[test]
fn what_is_nested_and_needs_more_than_the_others_leave_goes_over_max() {
    in_child(
        "what_is_nested_and_needs_more_than_the_others_leave_goes_over_max",
        || {
            for workers in POOLS {
                let semaphore = Semaphore::new(3);
                let room = Room::default();
                let most = AtomicUsize::new(0);
                pool(workers).install(|| {
                    let outer = [2].into_par_iter();
                    let nested = |_| {
                        (0..8).into_par_iter().with_max_len(1).for_each(|_| {
                            moment();
                            let inner = [3].into_par_iter();
                            let visit = |_| {
                                most.fetch_max(semaphore.active(), SeqCst);
                                room.visit(moment);
                            };
                            inner
                                .throttle_weighted_for_each(&semaphore, |&n| n, visit)
                                .unwrap();
                        });
                    };
                    outer
                        .throttle_weighted_for_each(&semaphore, |&n| n, nested)
                        .unwrap();
                });
                assert_eq!((room.visits(), room.most()), (8, 1));
                // What is suspended and the rest.
                assert_eq!(most.into_inner(), 3);
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        },
    );
}

/// Two jobs with one permit each, of which each needs `need` more for what is
/// nested. Whoever is beside them does `meanwhile` when both wait, or when all is done.
/// Returns what came of it, and how many nested ones ran.
fn two_that_need_more(
    semaphore: &Arc<Semaphore>,
    need: u32,
    in_scope: bool,
    meanwhile: impl FnOnce() + Send,
) -> (thread::Result<()>, usize) {
    let both = Barrier::new(2);
    let (visits, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let visit = || {
        visits.fetch_add(1, SeqCst);
    };
    let nested = |_: usize| {
        both.wait();
        match in_scope {
            true => rayon::scope(|scope| {
                let jobs = Throttle::new(Arc::clone(semaphore)).scoped();
                jobs.spawn_many(scope, need, |_, _permit| visit()).unwrap();
            }),
            false => [()]
                .into_par_iter()
                .throttle_weighted_for_each(semaphore, |()| need, |()| visit())
                .unwrap(),
        }
    };
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            until(|| semaphore.waiting() == 2 || is_done.load(SeqCst));
            meanwhile();
        });
        let ended = catch_unwind(AssertUnwindSafe(|| {
            pool(2).install(|| {
                let outer = (0..2).into_par_iter().with_max_len(1);
                outer.throttle_for_each(semaphore, nested).unwrap();
            });
        }));
        is_done.store(true, SeqCst);
        ended
    });
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    (ended, visits.into_inner())
}

#[test]
fn two_that_need_more_than_the_other_leaves_both_go_on() {
    in_child(
        "two_that_need_more_than_the_other_leaves_both_go_on",
        || {
            for in_scope in [false, true] {
                for need in [2, 3] {
                    let semaphore = Arc::new(Semaphore::new(3));
                    let (ended, visits) = two_that_need_more(&semaphore, need, in_scope, || {});
                    assert!(ended.is_ok());
                    assert_eq!(visits, 2);
                }
            }
        },
    );
}

/// What is needed is held by somebody who will give it back.
#[test]
fn two_that_wait_for_somebody_else_are_not_refused() {
    in_child("two_that_wait_for_somebody_else_are_not_refused", || {
        for in_scope in [false, true] {
            let semaphore = Arc::new(Semaphore::new(4));
            let held = Arc::clone(&semaphore).try_acquire_many_owned(2).unwrap();
            let meanwhile = || {
                // Longer than it takes to look again.
                thread::sleep(std::time::Duration::from_millis(200));
                drop(held);
            };
            let (ended, visits) = two_that_need_more(&semaphore, 2, in_scope, meanwhile);
            assert!(ended.is_ok());
            assert_eq!(visits, 2);
        }
    });
}

/// The last permit of somebody else comes back, and is not enough for anybody.
#[test]
fn two_for_whom_what_comes_back_is_not_enough_go_on() {
    in_child("two_for_whom_what_comes_back_is_not_enough_go_on", || {
        for _ in 0..2 {
            let semaphore = Arc::new(Semaphore::new(4));
            let held = Arc::clone(&semaphore).try_acquire_owned().unwrap();
            let meanwhile = || drop(held);
            let (ended, visits) = two_that_need_more(&semaphore, 3, false, meanwhile);
            assert!(ended.is_ok());
            assert_eq!(visits, 2);
        }
    });
}

/// Growth in time saves both.
#[test]
fn two_that_wait_for_each_other_during_a_pause_are_not_refused() {
    in_child(
        "two_that_wait_for_each_other_during_a_pause_are_not_refused",
        || {
            let semaphore = Arc::new(Semaphore::new(4));
            let held = Arc::clone(&semaphore).try_acquire_owned().unwrap();
            let meanwhile = || {
                semaphore.set_max(0);
                drop(held);
                thread::sleep(std::time::Duration::from_millis(200));
                semaphore.set_max(8);
            };
            let (ended, visits) = two_that_need_more(&semaphore, 3, false, meanwhile);
            assert!(ended.is_ok());
            assert_eq!(visits, 2);
        },
    );
}

#[test]
fn panics_among_nested_jobs_lose_no_permit() {
    in_child("panics_among_nested_jobs_lose_no_permit", || {
        for workers in POOLS {
            let semaphore = Semaphore::new(1);
            let run = || {
                (0..16)
                    .into_par_iter()
                    .with_max_len(1)
                    .throttle_for_each(&semaphore, |n| {
                        (0..4).into_par_iter().with_max_len(1).for_each(|_| {
                            let items = (0..4).into_par_iter();
                            items
                                .throttle_for_each(&semaphore, |m| {
                                    moment();
                                    assert!(n + m != 7, "seven");
                                })
                                .unwrap();
                        });
                    })
            };
            let run = AssertUnwindSafe(|| pool(workers).install(run));
            assert_eq!(message(catch_unwind(run).unwrap_err()), "seven");
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

/// The permits are held by a thread that knows nothing of rayon.
#[test]
fn nested_calls_wait_for_permits_that_are_held_elsewhere() {
    in_child(
        "nested_calls_wait_for_permits_that_are_held_elsewhere",
        || {
            let semaphore = Arc::new(Semaphore::new(2));
            let room = Room::default();
            let held = Arc::clone(&semaphore).try_acquire_many_owned(2).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    until(|| semaphore.waiting() > 0);
                    drop(held);
                });
                pool(2).install(|| {
                    (0..20).into_par_iter().for_each(|_| {
                        let items = (0..20).into_par_iter();
                        items
                            .throttle_for_each(&semaphore, |_| room.visit(moment))
                            .unwrap();
                    });
                });
            });
            assert_eq!(room.visits(), 400);
            assert!(room.most() <= 2);
        },
    );
}
