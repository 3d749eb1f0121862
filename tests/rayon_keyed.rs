//! Jobs and iterators that are throttled by a key of a keyed semaphore.
#![cfg(feature = "keyed")]

#[path = "rayon/child.rs"]
mod child;
mod common;
#[path = "rayon/room.rs"]
mod room;

use std::{
    hash::{BuildHasherDefault, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use child::in_child;
use common::{Random, until, watchdog};
use dynaphore::{
    KeyedAcquireError, KeyedSemaphore,
    rayon::{KeyedSource, OwnedKeyedSource, Throttle, ThrottleExt, ThrottlePermit},
};
use rayon::prelude::*;
use room::{Room, message, moment, pool};

type Hosts = KeyedSemaphore<String>;

fn key(hosts: &Arc<Hosts>, key: &str) -> OwnedKeyedSource<String> {
    OwnedKeyedSource::new(Arc::clone(hosts), key.to_owned())
}

#[test]
fn every_item_is_run_once_and_max_at_a_time() {
    watchdog(|| {
        for (workers, max) in [(1, 1), (4, 1), (4, 3), (2, 100)] {
            let hosts = Hosts::new(max);
            let room = Room::default();
            let run = || {
                (0..1000)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .map_collect(|n: usize| {
                        room.visit(moment);
                        2 * n
                    })
            };
            let doubled: Vec<usize> = pool(workers).install(run).unwrap();
            assert!(doubled.into_iter().eq((0..1000).map(|n| 2 * n)));
            assert!(room.most() <= max, "{} of {max}", room.most());
            assert!(hosts.is_empty());
        }
    });
}

#[test]
fn jobs_of_their_own_are_throttled_by_their_key() {
    watchdog(|| {
        let hosts = Arc::new(Hosts::new(2));
        let pool = pool(4);
        let rooms: Arc<[Room; 3]> = Arc::default();
        let (sender, receiver) = mpsc::channel();
        for n in 0..600 {
            let source = key(&hosts, ["a", "b", "c"][n % 3]);
            let (rooms, sender) = (Arc::clone(&rooms), sender.clone());
            let need = 1 + n % 2;
            let job = move |permit: ThrottlePermit<'_>| {
                let inside = rooms[n % 3].enter(need);
                moment();
                drop((inside, permit));
                sender.send(()).unwrap();
            };
            let throttle = Throttle::in_pool(source, Arc::clone(&pool));
            throttle.spawn_many(need as u32, job).unwrap();
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 600);
        assert!(
            rooms
                .iter()
                .all(|room| room.visits() == 200 && room.most() <= 2)
        );
        until(|| hosts.is_empty());
    });
}

#[test]
fn jobs_in_a_scope_borrow_and_share_the_place_in_line() {
    watchdog(|| {
        let hosts = Arc::new(Hosts::new(0));
        let room = Room::default();
        thread::scope(|outside| {
            outside.spawn(|| {
                until(|| hosts.snapshot("a").waiting == 1);
                hosts.set_default_max(2);
            });
            pool(3).scope(|scope| {
                let jobs = Throttle::new(key(&hosts, "a")).scoped();
                for _ in 0..300 {
                    jobs.spawn(scope, |_, _permit| room.visit(moment)).unwrap();
                }
            });
        });
        assert_eq!(room.visits(), 300);
        assert!(room.most() <= 2);
        assert!(hosts.is_empty());
    });
}

#[test]
fn weights_add_up_to_the_keys_max_at_most() {
    watchdog(|| {
        let hosts = Hosts::new(1);
        hosts.set_max("a", 8).unwrap();
        let room = Room::default();
        let run = || {
            (0..500)
                .into_par_iter()
                .throttle_by(KeyedSource::new(&hosts, "a"))
                .weighted_for_each(
                    |n| n % 9,
                    |n: u32| {
                        let _inside = room.enter(n as usize % 9);
                        moment();
                    },
                )
        };
        pool(4).install(run).unwrap();
        assert_eq!(room.visits(), 500);
        assert!(room.most() <= 8, "{} of 8", room.most());
        hosts.clear_max("a");
        assert!(hosts.is_empty());
    });
}

#[test]
fn a_pause_of_the_key_is_kept_and_growth_resumes() {
    in_child("a_pause_of_the_key_is_kept_and_growth_resumes", || {
        let hosts = Hosts::new(3);
        let (room, paused) = (Room::default(), AtomicBool::new(false));
        let pause_once = Once::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| hosts.max("a") == 0 && hosts.snapshot("a").active == 0);
                paused.store(true, SeqCst);
                until(|| hosts.snapshot("a").waiting == 1);
                (0..1000).for_each(|_| moment());
                paused.store(false, SeqCst);
                hosts.clear_max("a");
            });
            let run = || {
                (0..2000)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .for_each(|_| {
                        assert!(!paused.load(SeqCst), "begun during the pause");
                        room.visit(moment);
                        if room.visits() >= 50 {
                            // By an item, so that others are left for certain.
                            pause_once.call_once(|| {
                                hosts.set_max("a", 0).unwrap();
                            });
                        }
                    })
            };
            pool(4).install(run).unwrap();
        });
        assert_eq!(room.visits(), 2000);
        assert!(hosts.is_empty());
    });
}

/// Hashes all keys to one.
#[derive(Default)]
struct Poor;

impl Hasher for Poor {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

/// Each in every form, keys that come and go all the time, and all of them with
/// one hash: what one key holds is never shared with another.
#[test]
fn nested_keys_share_with_themselves_and_nobody_else() {
    type Poorly = KeyedSemaphore<u32, BuildHasherDefault<Poor>>;

    fn descend(keyed: &Arc<Poorly>, rooms: &[Room; 3], within: u32, depth: usize, random: usize) {
        if depth == 0 {
            return;
        }
        let mut choose = Random::new(random);
        let key = choose.below(3);
        // In the order of the keys, since whoever nests them in both orders may
        // well wait for ever, here as anywhere.
        let key = key.max(within);
        let down = |n: usize| {
            let visit = || {
                assert!(keyed.snapshot(&key).active > 0, "no permit of its own");
                moment();
            };
            match depth {
                1 => rooms[key as usize].visit(visit),
                _ => visit(),
            }
            descend(keyed, rooms, key, depth - 1, random * 5 + n);
        };
        match choose.below(3) {
            0 => (0..3)
                .into_par_iter()
                .throttle_by(KeyedSource::new(keyed, &key))
                .for_each(down)
                .unwrap(),
            1 => {
                let owned = OwnedKeyedSource::new(Arc::clone(keyed), key);
                let items = (0..3).into_par_iter().throttle_by(owned);
                let all: Vec<()> = items.map_collect(down).unwrap();
                assert_eq!(all.len(), 3);
            }
            _ => rayon::scope(|scope| {
                let owned = OwnedKeyedSource::new(Arc::clone(keyed), key);
                let jobs = Throttle::new(owned).scoped();
                for n in 0..3 {
                    let down = &down;
                    jobs.spawn(scope, move |_, _permit| down(n)).unwrap();
                }
            }),
        }
    }
    in_child("nested_keys_share_with_themselves_and_nobody_else", || {
        for (workers, max) in [(1, 1), (2, 1), (3, 2), (8, 1)] {
            for random in 1..12 {
                let builder = KeyedSemaphore::builder(max).shards(1);
                let keyed: Arc<Poorly> =
                    Arc::new(builder.hasher(BuildHasherDefault::default()).build());
                let rooms: [Room; 3] = Default::default();
                pool(workers).install(|| descend(&keyed, &rooms, 0, 5, random));
                assert_eq!(rooms.iter().map(Room::visits).sum::<usize>(), 243);
                assert!(rooms.iter().all(|room| room.most() <= max));
                assert!(keyed.is_empty());
            }
        }
    });
}

/// The only permit is held by a worker that waits for an item which another one
/// has stolen for certain.
#[test]
fn a_worker_that_waits_lends_its_permit_of_the_key() {
    in_child("a_worker_that_waits_lends_its_permit_of_the_key", || {
        let hosts = Arc::new(Hosts::new(1));
        let ran = AtomicUsize::new(0);
        let nested = |source: OwnedKeyedSource<String>| {
            [()].into_par_iter()
                .throttle_by(source)
                .for_each(|()| {
                    ran.fetch_add(1, SeqCst);
                })
                .unwrap();
        };
        pool(2).install(|| {
            [()].into_par_iter()
                .throttle_by(KeyedSource::new(&hosts, "a"))
                .for_each(|()| {
                    let stolen = AtomicBool::new(false);
                    rayon::join(
                        || until(|| stolen.load(SeqCst)),
                        || {
                            stolen.store(true, SeqCst);
                            nested(key(&hosts, "a"));
                            nested(key(&hosts, "b"));
                        },
                    );
                })
                .unwrap();
        });
        assert_eq!(ran.into_inner(), 2);
        assert!(hosts.is_empty());
    });
}

#[test]
fn a_job_of_its_own_is_dropped_if_its_key_is_refused() {
    watchdog(|| {
        let hosts = Hosts::builder(1).max_keys(1).max_waiters_per_key(1).build();
        let hosts = Arc::new(hosts);
        let kept = Arc::new(());
        let spawn = |name| {
            let kept = Arc::clone(&kept);
            let throttle = Throttle::in_pool(key(&hosts, name), pool(1));
            throttle.spawn(move |_permit| assert_eq!(*kept, ()))
        };
        let held = hosts.try_acquire("a").unwrap();
        assert_eq!(spawn("b"), Err(KeyedAcquireError::TooManyKeys));
        assert_eq!(Arc::strong_count(&kept), 1);
        assert_eq!(spawn("a"), Ok(()));
        assert_eq!(spawn("a"), Err(KeyedAcquireError::TooManyWaiters));
        assert_eq!(Arc::strong_count(&kept), 2, "the one that waits");
        drop(held);
        until(|| Arc::strong_count(&kept) == 1 && hosts.is_empty());
        hosts.close();
        assert_eq!(spawn("a"), Err(KeyedAcquireError::Closed));
    });
}

#[test]
fn a_call_whose_key_is_refused_returns_the_reason() {
    in_child("a_call_whose_key_is_refused_returns_the_reason", || {
        for workers in [1, 4] {
            let hosts = Hosts::builder(1).max_keys(1).max_waiters_per_key(0).build();
            let run = |name: &'static str, before: &(dyn Fn() + Sync)| {
                let kept = Arc::new(());
                let items: Vec<_> = (0..100).map(|_| Arc::clone(&kept)).collect();
                let run = || {
                    items
                        .into_par_iter()
                        .throttle_by(KeyedSource::new(&hosts, name))
                        .for_each(|_| before())
                };
                let ended = pool(workers).install(run);
                assert_eq!(Arc::strong_count(&kept), 1, "an item is left over");
                ended
            };
            let held = hosts.try_acquire("a").unwrap();
            let never = || unreachable!();
            assert_eq!(run("b", &never), Err(KeyedAcquireError::TooManyKeys));
            assert_eq!(run("a", &never), Err(KeyedAcquireError::TooManyWaiters));
            drop(held);

            // It need not wait as long as it has a permit.
            let visits = AtomicUsize::new(0);
            let visit = || {
                visits.fetch_add(1, SeqCst);
                moment();
            };
            assert_eq!(run("a", &visit), Ok(()));
            assert_eq!(visits.load(SeqCst), 100);

            // And has to when it gives that up.
            let pause = || {
                visits.fetch_add(1, SeqCst);
                hosts.set_max("a", 0).unwrap();
            };
            assert_eq!(run("a", &pause), Err(KeyedAcquireError::TooManyWaiters));
            assert_eq!(visits.load(SeqCst), 101);
            hosts.clear_max("a");
            assert!(hosts.is_empty());
            hosts.close();
            assert_eq!(run("a", &never), Err(KeyedAcquireError::Closed));
        }
    });
}

#[test]
fn a_scope_whose_key_is_refused_says_so() {
    in_child("a_scope_whose_key_is_refused_says_so", || {
        for workers in [1, 4] {
            let hosts = Hosts::builder(1).max_keys(1).max_waiters_per_key(0).build();
            let hosts = Arc::new(hosts);
            let kept = Arc::new(());
            let held = hosts.try_acquire("a").unwrap();
            pool(workers).scope(|scope| {
                for (name, error) in [
                    ("b", KeyedAcquireError::TooManyKeys),
                    ("a", KeyedAcquireError::TooManyWaiters),
                ] {
                    let jobs = Throttle::new(key(&hosts, name)).scoped();
                    let kept = Arc::clone(&kept);
                    let job = move |_: &_, _: ThrottlePermit<'_>| panic!("{kept:?}");
                    assert_eq!(jobs.spawn(scope, job), Err(error));
                }
            });
            assert_eq!(Arc::strong_count(&kept), 1);
            drop(held);

            // The first job runs, those behind it wait for it, and find no place
            // in line when it gives its permit up.
            let run = || {
                pool(workers).scope(|scope| {
                    let jobs = Throttle::new(key(&hosts, "a")).scoped();
                    let (hosts, begun) = (&hosts, Arc::new(AtomicBool::new(false)));
                    let set_aside = Arc::clone(&begun);
                    jobs.spawn(scope, move |_, _permit| {
                        hosts.set_max("a", 0).unwrap();
                        if workers > 1 {
                            until(|| set_aside.load(SeqCst));
                        }
                    })
                    .unwrap();
                    for _ in 0..10 {
                        let kept = Arc::clone(&kept);
                        jobs.spawn(scope, move |_, _permit| drop(kept)).unwrap();
                    }
                    begun.store(true, SeqCst);
                });
            };
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(
                message(panic),
                "throttled jobs were turned away: too many wait for this key"
            );
            assert_eq!(Arc::strong_count(&kept), 1);
            hosts.clear_max("a");
            assert!(hosts.is_empty());
        }
    });
}

/// A call that has no place in line can still borrow.
#[test]
fn a_nested_call_whose_key_is_refused_borrows_what_is_suspended() {
    in_child(
        "a_nested_call_whose_key_is_refused_borrows_what_is_suspended",
        || {
            let hosts = Hosts::builder(1).max_waiters_per_key(0).build();
            let visits = AtomicUsize::new(0);
            for workers in [1, 2, 4] {
                pool(workers).install(|| {
                    let outer = [()].into_par_iter();
                    outer
                        .throttle_by(KeyedSource::new(&hosts, "a"))
                        .for_each(|()| {
                            (0..50).into_par_iter().with_max_len(1).for_each(|_| {
                                moment();
                                [()].into_par_iter()
                                    .throttle_by(KeyedSource::new(&hosts, "a"))
                                    .for_each(|()| {
                                        visits.fetch_add(1, SeqCst);
                                    })
                                    .unwrap();
                            });
                        })
                        .unwrap();
                });
            }
            assert_eq!(visits.into_inner(), 150);
            assert!(hosts.is_empty());
        },
    );
}

#[test]
fn panics_lose_no_permit_of_a_key() {
    watchdog(|| {
        let hosts = Hosts::new(2);
        for _ in 0..20 {
            let run = || {
                (0..100)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .for_each(|n| {
                        moment();
                        assert!(n % 3 != 0, "three");
                    })
            };
            let run = AssertUnwindSafe(|| pool(3).install(run));
            assert_eq!(message(catch_unwind(run).unwrap_err()), "three");
            assert!(hosts.is_empty());
        }
    });
}

#[test]
fn closing_drops_what_waits() {
    watchdog(|| {
        let hosts = Arc::new(Hosts::new(0));
        let kept = Arc::new(());
        let throttle = Throttle::in_pool(key(&hosts, "a"), pool(2));
        for _ in 0..10 {
            let kept = Arc::clone(&kept);
            throttle.spawn(move |_| panic!("{kept:?}")).unwrap();
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| hosts.snapshot("a").waiting == 11);
                hosts.close();
            });
            let run = || {
                (0..100)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .for_each(|_| unreachable!())
            };
            assert_eq!(pool(2).install(run), Err(KeyedAcquireError::Closed));
        });
        until(|| Arc::strong_count(&kept) == 1 && hosts.is_empty());
    });
}

#[test]
fn debug_shows_the_keyed_semaphore() {
    let hosts = Arc::new(Hosts::new(3));
    assert!(format!("{:?}", Throttle::new(key(&hosts, "a"))).contains("KeyedSemaphore"));
    assert!(format!("{:?}", KeyedSource::new(&hosts, "a")).contains("KeyedSemaphore"));
    assert_eq!(key(&hosts, "a").clone().key(), "a");
}
