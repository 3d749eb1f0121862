//! Jobs that share the scope's place in line.

use std::{
    sync::{
        Arc, Barrier, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottlePermit},
};

use rayon::{Scope, Yield};

use crate::{
    child::in_child,
    common::{silence, silently, until, watchdog},
    room::{Room, message, moment, pool},
};

#[test]
fn every_job_is_run_once_and_max_at_a_time() {
    watchdog(|| {
        for (workers, max) in [(1, 1), (4, 1), (4, 3), (2, 100)] {
            let semaphore = Arc::new(Semaphore::new(max));
            let throttle = Throttle::new(Arc::clone(&semaphore));
            let room = Room::default();
            pool(workers).scope(|scope| {
                let jobs = throttle.scoped();
                for _ in 0..1000 {
                    jobs.spawn(scope, |_, _permit| room.visit(moment)).unwrap();
                }
            });
            assert_eq!(room.visits(), 1000);
            assert!(room.most() <= max, "{} of {max}", room.most());
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn jobs_borrow_and_spawn_jobs() {
    watchdog(|| {
        let throttle = Throttle::new(Arc::new(Semaphore::new(2)));
        let room = Room::default();
        rayon::in_place_scope(|scope| {
            let jobs = throttle.scoped();
            for _ in 0..50 {
                let more = jobs.clone();
                let room = &room;
                jobs.spawn(scope, move |scope, _permit| {
                    room.visit(moment);
                    more.spawn(scope, |_, _permit| room.visit(moment)).unwrap();
                })
                .unwrap();
            }
        });
        assert_eq!(room.visits(), 100);
        assert!(room.most() <= 2);
    });
}

#[test]
fn all_permits_are_used() {
    watchdog(|| {
        let throttle = Throttle::new(Arc::new(Semaphore::new(3)));
        let room = Room::default();
        pool(4).scope(|scope| {
            let jobs = throttle.scoped();
            for _ in 0..9 {
                let job = |_: &_, _: ThrottlePermit<'_>| {
                    room.visit(|| until(|| room.most() == 3));
                };
                jobs.spawn(scope, job).unwrap();
            }
        });
    });
}

#[test]
fn a_scope_waits_through_a_pause() {
    in_child("a_scope_waits_through_a_pause", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let throttle = Throttle::new(Arc::clone(&semaphore));
        let room = Room::default();
        thread::scope(|outside| {
            outside.spawn(|| {
                until(|| semaphore.waiting() == 1);
                assert_eq!(room.visits(), 0);
                semaphore.set_max(2);
            });
            pool(2).scope(|scope| {
                let jobs = throttle.scoped();
                for _ in 0..100 {
                    jobs.spawn(scope, |_, _permit| room.visit(moment)).unwrap();
                }
            });
        });
        assert_eq!(room.visits(), 100);
        assert!(room.most() <= 2);
    });
}

#[test]
fn a_pause_in_the_middle_is_kept_and_growth_resumes() {
    in_child("a_pause_in_the_middle_is_kept_and_growth_resumes", || {
        for alone in [false, true] {
            let semaphore = Arc::new(Semaphore::new(3));
            let throttle = Throttle::new(Arc::clone(&semaphore));
            let (room, paused) = (Room::default(), AtomicBool::new(false));
            let pause_once = Once::new();
            thread::scope(|outside| {
                outside.spawn(|| {
                    until(|| semaphore.max() == 0);
                    semaphore.blocking_settled();
                    paused.store(true, SeqCst);
                    until(|| semaphore.waiting() > 0);
                    (0..1000).for_each(|_| moment());
                    paused.store(false, SeqCst);
                    semaphore.set_max(2);
                });
                pool(4).scope(|scope| {
                    let jobs = throttle.scoped();
                    for _ in 0..1000 {
                        let job = |_: &_, _: ThrottlePermit<'_>| {
                            assert!(!paused.load(SeqCst), "begun during the pause");
                            room.visit(moment);
                            if room.visits() >= 50 {
                                // By a job, so that others are left for certain.
                                pause_once.call_once(|| {
                                    semaphore.set_max(0);
                                });
                            }
                        };
                        match alone {
                            true => throttle.scope_spawn(scope, job).unwrap(),
                            false => jobs.spawn(scope, job).unwrap(),
                        }
                    }
                });
            });
            assert_eq!(room.visits(), 1000);
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn an_early_drop_lets_the_next_in() {
    watchdog(|| {
        let throttle = Throttle::new(Arc::new(Semaphore::new(1)));
        let together = Barrier::new(3);
        pool(3).scope(|scope| {
            let jobs = throttle.scoped();
            for _ in 0..3 {
                jobs.spawn(scope, |_, permit| {
                    drop(permit);
                    together.wait();
                })
                .unwrap();
            }
        });
    });
}

#[test]
fn a_permit_goes_to_whoever_waits_rather_than_to_the_next_job() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let throttle = Throttle::new(Arc::clone(&semaphore));
        let (room, let_in) = (Room::default(), AtomicBool::new(false));
        thread::scope(|outside| {
            outside.spawn(|| {
                until(|| room.visits() == 1);
                let permit = semaphore.blocking_acquire().unwrap();
                let_in.store(true, SeqCst);
                drop(permit);
            });
            pool(1).scope(|scope| {
                let jobs = throttle.scoped();
                let waits = |_: &_, _: ThrottlePermit<'_>| {
                    // The thread, and perhaps the scope's own request.
                    room.visit(|| until(|| semaphore.waiting() > 0));
                };
                jobs.spawn(scope, waits).unwrap();
            });
            until(|| let_in.load(SeqCst));
        });
    });
}

#[test]
fn many_permits_are_had_together() {
    watchdog(|| {
        let throttle = Throttle::new(Arc::new(Semaphore::new(5)));
        let room = Room::default();
        pool(4).scope(|scope| {
            let jobs = throttle.scoped();
            for n in 0..200_usize {
                let (need, room) = (n % 6, &room);
                let job = move |_: &_, permit: ThrottlePermit<'_>| {
                    assert_eq!(permit.num_permits(), need);
                    let _inside = room.enter(need);
                    moment();
                };
                jobs.spawn_many(scope, need as u32, job).unwrap();
            }
        });
        assert_eq!(room.visits(), 200);
        assert!(room.most() <= 5);
    });
}

#[test]
fn a_panic_reaches_the_owner_of_the_scope_and_the_others_finish() {
    in_child(
        "a_panic_reaches_the_owner_of_the_scope_and_the_others_finish",
        || {
            silence("twenty");
            for workers in [1, 3] {
                let semaphore = Arc::new(Semaphore::new(1));
                let throttle = Throttle::new(Arc::clone(&semaphore));
                let room = Room::default();
                let run = || {
                    pool(workers).scope(|scope| {
                        let jobs = throttle.scoped();
                        for n in 0..100 {
                            let room = &room;
                            let job = move |_: &_, _: ThrottlePermit<'_>| {
                                room.visit(moment);
                                assert!(n != 20, "twenty");
                            };
                            jobs.spawn(scope, job).unwrap();
                        }
                    });
                };
                let panic = silently(run).unwrap_err();
                assert_eq!(message(panic), "twenty");
                assert_eq!(room.visits(), 100);
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        },
    );
}

#[test]
fn a_closed_semaphore_drops_the_jobs_and_the_scope_ends() {
    in_child(
        "a_closed_semaphore_drops_the_jobs_and_the_scope_ends",
        || {
            let semaphore = Arc::new(Semaphore::new(0));
            let throttle = Throttle::new(Arc::clone(&semaphore));
            thread::scope(|outside| {
                outside.spawn(|| {
                    until(|| semaphore.waiting() == 1);
                    semaphore.close();
                });
                pool(2).scope(|scope| {
                    let jobs = throttle.scoped();
                    for _ in 0..100 {
                        let ended = jobs.spawn(scope, |_, _permit| unreachable!());
                        assert!(ended.is_ok() || semaphore.is_closed());
                    }
                });
            });
            pool(1).scope(|scope| {
                let jobs = throttle.scoped();
                assert!(jobs.spawn(scope, |_, _permit| unreachable!()).is_err());
            });
        },
    );
}

#[test]
fn the_last_job_is_begun_beside_the_one_that_runs() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let throttle = Throttle::new(Arc::clone(&semaphore));
        let (room, begun) = (Room::default(), AtomicBool::new(false));
        pool(3).scope(|scope| {
            let jobs = throttle.scoped();
            let (semaphore, room, begun) = (&semaphore, &room, &begun);
            jobs.spawn(scope, move |_, _permit| {
                begun.store(true, SeqCst);
                // The scope is in line for the other one.
                until(|| semaphore.waiting() == 1);
                semaphore.set_max(2);
                until(|| room.visits() == 1);
            })
            .unwrap();
            until(|| begun.load(SeqCst));
            jobs.spawn(scope, |_, _permit| room.visit(|| ())).unwrap();
        });
        assert_eq!(room.visits(), 1);
    });
}

/// A helper that runs on top of the call that waits uses the permit which that call has
/// got meanwhile. It is one like any other.
#[test]
fn a_shrink_is_followed_on_top_of_a_call_that_waits() {
    in_child("a_shrink_is_followed_on_top_of_a_call_that_waits", || {
        let semaphore = Arc::new(Semaphore::new(2));
        let held = semaphore.try_acquire_many(2).unwrap();
        let ran = AtomicUsize::new(0);
        let (begun, seen) = (AtomicBool::new(false), AtomicBool::new(false));
        let (semaphore, ran, begun, seen) = (&semaphore, &ran, &begun, &seen);
        pool(2).scope(|scope| {
            // The other worker takes no part.
            scope.spawn(|_| {
                begun.store(true, SeqCst);
                until(|| seen.load(SeqCst));
            });
            until(|| begun.load(SeqCst));
            let jobs = Throttle::new(Arc::clone(semaphore)).scoped();
            let job = move |_: &Scope<'_>, _: ThrottlePermit<'_>| {
                if ran.fetch_add(1, SeqCst) == 0 {
                    semaphore.set_max(0);
                }
            };
            let more = jobs.clone();
            scope.spawn(move |scope| {
                // On top of the call that waits, which gets one of these.
                assert_eq!(semaphore.waiting(), 1);
                drop(held);
                more.spawn(scope, job).unwrap();
                let other = semaphore.try_acquire().unwrap();
                while rayon::yield_now() == Some(Yield::Executed) {}
                seen.store(true, SeqCst);
                assert_eq!(ran.load(SeqCst), 1);
                drop(other);
                semaphore.set_max(1);
            });
            (0..3).for_each(|_| jobs.spawn(scope, job).unwrap());
        });
        assert_eq!(ran.load(SeqCst), 4);
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    });
}

/// Who finds it closed drops what waits, and does not wait for who waits on its behalf.
#[test]
fn a_closed_semaphore_drops_the_jobs_while_their_keeper_is_busy() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let throttle = Throttle::new(Arc::clone(&semaphore));
        let pool = pool(2);
        let captured = Arc::new(());
        pool.in_place_scope(|scope| {
            let jobs = throttle.scoped();
            let closed = Arc::new(AtomicBool::new(false));
            let is_closed = Arc::clone(&closed);
            jobs.spawn(scope, move |_, _permit| until(|| is_closed.load(SeqCst)))
                .unwrap();
            let theirs = Arc::clone(&captured);
            jobs.spawn_many(scope, 2, move |_, _permit| drop(theirs))
                .unwrap();
            until(|| semaphore.waiting() == 1);
            let (semaphore, captured) = (&semaphore, &captured);
            // One worker runs the first job, so this is for the one that waits.
            scope.spawn(move |_| {
                semaphore.close();
                closed.store(true, SeqCst);
                until(|| Arc::strong_count(captured) == 1);
            });
        });
    });
}

/// It has nobody to tell, and asks again.
#[test]
fn a_scope_is_not_turned_away_because_it_has_waited_for_long() {
    watchdog(|| {
        let builder = Semaphore::builder(0).overdue(Duration::ZERO, Duration::ZERO);
        let semaphore = Arc::new(builder.build());
        let throttle = Throttle::new(Arc::clone(&semaphore));
        let ran = AtomicBool::new(false);
        pool(2).in_place_scope(|scope| {
            let jobs = throttle.scoped();
            jobs.spawn(scope, |_, _permit| ran.store(true, SeqCst))
                .unwrap();
            // Long enough to be told many times; less of that would only see less.
            thread::sleep(Duration::from_millis(10));
            semaphore.set_max(1);
        });
        assert!(ran.into_inner());
    });
}
