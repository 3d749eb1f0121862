//! The module `rayon`, whole, on a thread pool whose threads are shuttle's (see
//! `rayon-core/`): where a wake-up is lost, or all wait for each other, nothing can
//! be scheduled any more, and shuttle says so.

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use dynaphore::{
    KeyedSemaphore, OwnedSemaphorePermit, Semaphore,
    throttle::{KeyedSource, Throttle, ThrottleExt, ThrottlePermit},
};
use dynaphore_shuttle_tests::{below, explore_fairly, join, spawn, take, yield_now};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

fn pool(workers: usize) -> ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(workers);
    builder.build().unwrap()
}

/// Counts how many are inside at once. No scheduling point but the stay itself.
#[derive(Default)]
struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
    visits: AtomicUsize,
}

impl Room {
    fn visit(&self) {
        let inside = self.inside.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(inside, Relaxed);
        self.visits.fetch_add(1, Relaxed);
        yield_now();
        self.inside.fetch_sub(1, Relaxed);
    }

    #[track_caller]
    fn check(&self, visits: usize, max: usize) {
        assert_eq!(self.visits.load(Relaxed), visits);
        let most = self.most.load(Relaxed);
        assert!(most <= max, "{most} of {max} at once");
    }
}

/// All is given back, and nobody is in line.
#[track_caller]
fn assert_at_rest(semaphore: &Semaphore) {
    let now = semaphore.snapshot();
    assert_eq!((now.active, now.waiting), (0, 0), "{semaphore:?}");
}

/// Runs `job` with `n` permits.
fn call(semaphore: &Semaphore, n: u32, job: impl Fn() + Sync + Send) {
    rayon::iter::once(n)
        .throttle_weighted_for_each(semaphore, |&n| n, |_| job())
        .unwrap();
}

/// Gives permits back from another thread, at some time.
fn give_back(held: Option<OwnedSemaphorePermit>) -> shuttle::thread::JoinHandle<()> {
    spawn(move || drop(held))
}

#[test]
fn every_item_is_run_once_and_max_at_a_time() {
    explore_fairly(2_000, || {
        let max = 1 + below(2);
        let semaphore = Arc::new(Semaphore::new(max));
        let held = (below(2) == 0).then(|| take(&semaphore, 1));
        let other = give_back(held);
        let room = Room::default();
        pool(1 + below(3)).install(|| {
            let items = (0..5).into_par_iter().with_max_len(1);
            let squares: Vec<usize> = items
                .throttle_map_collect(&semaphore, |n| {
                    room.visit();
                    n * n
                })
                .unwrap();
            assert_eq!(squares, [0, 1, 4, 9, 16]);
        });
        join([other]);
        room.check(5, max);
        assert_at_rest(&semaphore);
    });
}

#[test]
fn nested_calls_go_on() {
    explore_fairly(1_000, || {
        let max = 1 + below(2);
        let semaphore = Semaphore::new(max);
        let room = Room::default();
        pool(1 + below(3)).install(|| {
            let outer = (0..2).into_par_iter().with_max_len(1);
            let nested = |_| {
                (0..2).into_par_iter().with_max_len(1).for_each(|_| {
                    let inner = (0..2).into_par_iter().with_max_len(1);
                    inner
                        .throttle_for_each(&semaphore, |_| room.visit())
                        .unwrap();
                });
            };
            outer.throttle_for_each(&semaphore, nested).unwrap();
        });
        room.check(8, max);
        assert_at_rest(&semaphore);
    });
}

#[test]
fn every_job_of_a_scope_is_run_once_and_max_at_a_time() {
    explore_fairly(3_000, || {
        let max = 1 + below(2);
        let semaphore = Arc::new(Semaphore::new(max));
        let held = (below(2) == 0).then(|| take(&semaphore, 1));
        let other = give_back(held);
        let (jobs, room) = (1 + below(3), Room::default());
        pool(1 + below(3)).scope(|scope| {
            let throttle = Throttle::new(Arc::clone(&semaphore)).scoped();
            for _ in 0..jobs {
                let (more, room) = (throttle.clone(), &room);
                let spawned = throttle.spawn(scope, move |scope, permit| {
                    room.visit();
                    // Nobody but the job itself may be there for the next one then.
                    let permit = (below(2) == 0).then_some(permit);
                    more.spawn(scope, |_, _permit| room.visit()).unwrap();
                    drop(permit);
                });
                spawned.unwrap();
            }
        });
        join([other]);
        room.check(2 * jobs, max);
        assert_at_rest(&semaphore);
    });
}

/// Jobs in jobs, in all forms. Returns how many visits there are in the end.
fn descend(semaphore: &Arc<Semaphore>, room: &Room, depth: usize) -> usize {
    if depth == 0 {
        let item = [()].into_par_iter();
        item.throttle_for_each(semaphore, |()| room.visit())
            .unwrap();
        return 1;
    }
    let visits = AtomicUsize::new(0);
    let down = |_: usize| {
        let n = descend(semaphore, room, depth - 1);
        visits.fetch_add(n, Relaxed);
    };
    let down = &down;
    let throttle = || Throttle::new(Arc::clone(semaphore));
    let items = (0..2).into_par_iter().with_max_len(1);
    match below(6) {
        0 => items.for_each(down),
        1 => items.throttle_for_each(semaphore, down).unwrap(),
        2 => {
            let all: Vec<()> = items.throttle_map_collect(semaphore, down).unwrap();
            assert_eq!(all.len(), 2);
        }
        3 => rayon::scope(|scope| {
            let jobs = throttle().scoped();
            for n in 0..2 {
                jobs.spawn(scope, move |_, _permit| down(n)).unwrap();
            }
        }),
        4 => rayon::scope(|scope| {
            for n in 0..2 {
                let throttle = throttle();
                throttle
                    .scope_spawn(scope, move |_, _permit| down(n))
                    .unwrap();
            }
        }),
        _ => drop(rayon::join(|| down(0), || down(1))),
    }
    visits.into_inner()
}

#[test]
fn jobs_in_jobs_in_every_form() {
    explore_fairly(3_000, || {
        let max = 1 + below(2);
        let semaphore = Arc::new(Semaphore::new(max));
        let room = Room::default();
        let visits = pool(1 + below(3)).install(|| descend(&semaphore, &room, 3));
        room.check(visits, max);
        assert_at_rest(&semaphore);
    });
}

/// Somebody holds what a call needs, and is not waiting for it.
#[test]
fn too_heavy_beside_another_call_is_not_refused() {
    explore_fairly(2_000, || {
        let semaphore = Semaphore::new(3);
        let room = Room::default();
        let call = |weight: u32, depth: usize| {
            let item = [()].into_par_iter();
            let run = |()| {
                (0..depth).into_par_iter().with_max_len(1).for_each(|_| {
                    yield_now();
                });
                room.visit();
            };
            item.throttle_weighted_for_each(&semaphore, |()| weight, run)
                .unwrap();
        };
        pool(2 + below(2)).install(|| rayon::join(|| call(2, 2), || call(3, 0)));
        room.check(2, 1);
        assert_at_rest(&semaphore);
    });
}

/// Weights, in jobs beside each other, with plain jobs in between. Nested ones need
/// no more than they can share.
#[test]
fn weights_beside_each_other() {
    explore_fairly(2_000, || {
        let semaphore = Semaphore::new(3);
        let inside = AtomicUsize::new(0);
        let visits = AtomicUsize::new(0);
        let visit = |weight: u32| {
            let now = inside.fetch_add(weight as usize, Relaxed) + weight as usize;
            assert!(now <= 3, "{now} of 3 at once");
            yield_now();
            visits.fetch_add(1, Relaxed);
            inside.fetch_sub(weight as usize, Relaxed);
        };
        pool(1 + below(3)).install(|| {
            (0..2).into_par_iter().with_max_len(1).for_each(|_| {
                let items = [1, 3, 2].into_par_iter().with_max_len(1);
                items
                    .throttle_weighted_for_each(&semaphore, |&n| n, visit)
                    .unwrap();
            });
        });
        assert_eq!(visits.into_inner(), 6);
        assert_at_rest(&semaphore);
    });
}

/// Down to nothing and up again, from outside.
#[test]
fn resizes_are_followed() {
    explore_fairly(2_000, || {
        let semaphore = Arc::new(Semaphore::new(2));
        let theirs = Arc::clone(&semaphore);
        let other = spawn(move || {
            for max in [0, 1, 0, 2] {
                theirs.set_max(max);
                yield_now();
            }
        });
        let room = Room::default();
        let pool = pool(1 + below(3));
        match below(3) {
            0 => pool.install(|| {
                let items = (0..5).into_par_iter().with_max_len(1);
                items
                    .throttle_for_each(&semaphore, |_| room.visit())
                    .unwrap();
            }),
            1 => pool.scope(|scope| {
                let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
                for _ in 0..5 {
                    jobs.spawn(scope, |_, _permit| room.visit()).unwrap();
                }
            }),
            _ => pool.scope(|scope| {
                let throttle = Throttle::new(Arc::clone(&semaphore));
                for _ in 0..5 {
                    let job = |_: &_, _: ThrottlePermit<'_>| room.visit();
                    throttle.scope_spawn(scope, job).unwrap();
                }
            }),
        }
        join([other]);
        room.check(5, 2);
        assert_at_rest(&semaphore);
    });
}

/// Several items in one piece: a helper that gives its permit up puts the rest back.
#[test]
fn what_is_put_back_is_not_lost() {
    explore_fairly(5_000, || {
        let (semaphore, done) = (
            Arc::new(Semaphore::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (theirs, is_done) = (Arc::clone(&semaphore), Arc::clone(&done));
        let other = spawn(move || {
            while !is_done.load(Relaxed) {
                theirs.set_max(below(3));
                yield_now();
            }
            theirs.set_max(1);
        });
        let room = Room::default();
        pool(2 + below(2)).install(|| {
            let items = (0..7).into_par_iter().with_min_len(7);
            items
                .throttle_for_each(&semaphore, |_| room.visit())
                .unwrap();
        });
        done.store(true, Relaxed);
        join([other]);
        room.check(7, 2);
        assert_at_rest(&semaphore);
    });
}

/// Whatever waits, is dropped, and counted once: run or not.
#[test]
fn closing_drops_what_has_not_begun() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    explore_fairly(2_000, || {
        let semaphore = Arc::new(Semaphore::new(below(2)));
        let theirs = Arc::clone(&semaphore);
        let other = spawn(move || theirs.close());
        let (dropped, room) = (AtomicUsize::new(0), Room::default());
        let pool = pool(1 + below(3));
        if below(2) == 0 {
            pool.install(|| {
                let items = (0..4).into_par_iter().with_max_len(1);
                let ended = items
                    .map(|_| Counted(&dropped))
                    .throttle_for_each(&semaphore, |_| room.visit());
                assert_eq!(ended.is_ok(), room.visits.load(Relaxed) == 4);
            });
            // The first refusal stops what makes the items.
            assert!(dropped.into_inner() >= room.visits.load(Relaxed));
        } else {
            pool.scope(|scope| {
                let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
                for _ in 0..4 {
                    let (counted, room) = (Counted(&dropped), &room);
                    let _ = jobs.spawn(scope, move |_, _permit| {
                        let _counted = counted;
                        room.visit();
                    });
                }
            });
            assert_eq!(dropped.into_inner(), 4);
        }
        join([other]);
        assert_at_rest(&semaphore);
    });
}

/// Jobs of their own, woken by whoever gives a permit back, also while they ask.
#[test]
fn jobs_of_their_own_are_run() {
    explore_fairly(2_000, || {
        let semaphore = Arc::new(Semaphore::new(1 + below(2)));
        let held = (below(2) == 0).then(|| take(&semaphore, 1));
        let other = give_back(held);
        let room = Arc::new(Room::default());
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::new(pool(1 + below(3))));
        let (sender, receiver) = shuttle::sync::mpsc::channel();
        for n in 0..4 {
            let (room, sender) = (Arc::clone(&room), sender.clone());
            let job = move |permit: ThrottlePermit<'_>| {
                room.visit();
                if n % 2 == 0 {
                    drop(permit);
                }
                sender.send(()).unwrap();
            };
            throttle.spawn(job).unwrap();
        }
        drop(sender);
        for _ in 0..4 {
            receiver.recv().unwrap();
        }
        assert!(receiver.recv().is_err());
        join([other]);
        room.check(4, semaphore.max());
        // The last one's permit goes back after it has sent.
        semaphore.blocking_idle();
        assert_at_rest(&semaphore);
    });
}

/// A key goes out of use whenever nobody needs it.
#[test]
fn keys_come_and_go() {
    type Keyed = KeyedSemaphore<u8, BuildHasherDefault<DefaultHasher>>;
    explore_fairly(2_000, || {
        let keyed =
            KeyedSemaphore::<u8>::builder(1 + below(2)).hasher(BuildHasherDefault::default());
        let keyed: Arc<Keyed> = Arc::new(keyed.build());
        let max = keyed.max(&1);
        let theirs = Arc::clone(&keyed);
        let other = spawn(move || drop(theirs.try_acquire(&1)));
        let room = Room::default();
        pool(1 + below(3)).install(|| {
            let outer = (0..2).into_par_iter().with_max_len(1);
            outer.for_each(|_| {
                let items = (0..2).into_par_iter().with_max_len(1);
                items
                    .throttle_by(KeyedSource::new(&keyed, &1))
                    .for_each(|_| {
                        let nested = (0..2).into_par_iter().with_max_len(1);
                        nested
                            .throttle_by(KeyedSource::new(&keyed, &1))
                            .for_each(|_| room.visit())
                            .unwrap();
                    })
                    .unwrap();
            });
        });
        join([other]);
        room.check(8, max);
        assert!(keyed.is_empty());
    });
}

/// Jobs of a scope, spawned by plain jobs that a job of it waits for.
#[test]
fn a_scope_that_waits_does_not_hold_up_what_is_beneath() {
    explore_fairly(2_000, || {
        let semaphore = Arc::new(Semaphore::new(1));
        let room = Room::default();
        pool(1 + below(3)).scope(|scope| {
            let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
            for _ in 0..2 {
                let (more, room) = (jobs.clone(), &room);
                jobs.spawn(scope, move |scope, _permit| {
                    (0..4).into_par_iter().with_max_len(1).for_each(|n| {
                        yield_now();
                        if n % 2 == 1 {
                            more.spawn(scope, |_, _permit| room.visit()).unwrap();
                        }
                    });
                })
                .unwrap();
            }
        });
        room.check(4, 1);
        assert_at_rest(&semaphore);
    });
}

/// A nested call that needs more than the job around it has, behind somebody in line
/// who needs what that one holds.
#[test]
fn a_nested_call_goes_ahead_of_who_waits_for_what_is_beneath_it() {
    explore_fairly(2_000, || {
        let semaphore = Arc::new(Semaphore::new(3));
        let room = Room::default();
        let outsider = Mutex::new(None);
        pool(1 + below(3)).install(|| {
            let job = |_: u32| {
                let semaphore = Arc::clone(&semaphore);
                let mut outsider = outsider.lock().unwrap();
                outsider
                    .get_or_insert_with(|| spawn(move || drop(semaphore.blocking_acquire_many(3))));
            };
            let job = |n| {
                job(n);
                yield_now();
                let nested = [2, 2].into_par_iter().with_max_len(1);
                nested
                    .throttle_weighted_for_each(&semaphore, |&n| n, |_| room.visit())
                    .unwrap();
            };
            [1].into_par_iter()
                .throttle_for_each(&semaphore, job)
                .unwrap();
        });
        room.check(2, 1);
        let outsider = outsider.into_inner().unwrap().unwrap();
        outsider.join().unwrap();
        assert_at_rest(&semaphore);
    });
}

/// A job runs plain ones, one after another, which another worker takes on top of a call
/// that needs more than the job leaves. They seem to stand still whenever one is done.
#[test]
fn a_call_beside_a_job_that_goes_on_is_not_refused() {
    explore_fairly(2_000, || {
        let semaphore = Semaphore::new(3);
        let room = Room::default();
        let (there, begun) = (AtomicBool::new(false), AtomicBool::new(false));
        let until = |flag: &AtomicBool| {
            while !flag.load(Relaxed) {
                yield_now();
            }
        };
        let job = || {
            until(&there);
            begun.store(true, Relaxed);
            for _ in 0..24 {
                rayon::join(yield_now, || {
                    for _ in 0..below(24) {
                        yield_now();
                    }
                });
            }
            room.visit();
        };
        let beside = || {
            there.store(true, Relaxed);
            until(&begun);
            call(&semaphore, 3, || room.visit());
        };
        pool(2).install(|| rayon::join(|| call(&semaphore, 2, job), beside));
        room.check(2, 1);
        assert_at_rest(&semaphore);
    });
}

/// A job waits for a plain one on another thread that needs more than the job leaves: it
/// goes over max.
#[test]
fn a_call_on_another_thread_that_needs_more_than_is_left_goes_on() {
    explore_fairly(300, || {
        let semaphore = Semaphore::new(3);
        let (there, room) = (AtomicBool::new(false), Room::default());
        let job = || {
            let wait = || {
                while !there.load(Relaxed) {
                    yield_now();
                }
            };
            let nested = || {
                there.store(true, Relaxed);
                call(&semaphore, 3, || room.visit());
            };
            rayon::join(wait, nested);
        };
        pool(2).install(|| call(&semaphore, 2, job));
        room.check(1, 1);
        assert_at_rest(&semaphore);
    });
}
