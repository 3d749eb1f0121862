//! Jobs that are spawned alone, each with a place in line of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottlePermit},
};

use crate::{
    child::in_child,
    common::{silence, silently, until},
    room::{Room, message, moment, pool},
};

/// Far more than there is stack for, if each waited on top of the other.
#[test]
fn jobs_that_are_spawned_alone_are_run_once_and_max_at_a_time() {
    in_child(
        "jobs_that_are_spawned_alone_are_run_once_and_max_at_a_time",
        || {
            for (workers, max) in [(1, 1), (4, 1), (4, 3), (2, 100)] {
                let semaphore = Arc::new(Semaphore::new(max));
                let throttle = Throttle::new(Arc::clone(&semaphore));
                let (room, words) = (Room::default(), vec![String::from("borrowed"); 2000]);
                pool(workers).scope(|scope| {
                    for word in &words {
                        let room = &room;
                        throttle
                            .scope_spawn(scope, move |scope, permit| {
                                room.visit(|| assert_eq!(word.len(), 8));
                                drop(permit);
                                scope.spawn(move |_| drop(room.enter(0)));
                            })
                            .unwrap();
                    }
                });
                assert_eq!(room.visits(), 4000);
                assert!(room.most() <= max, "{} of {max}", room.most());
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        },
    );
}

/// The one permit is held by who spawns, which waits for a place to wait, and
/// shares the permit.
#[test]
fn a_throttled_job_spawns_alone_more_than_may_wait() {
    in_child("a_throttled_job_spawns_alone_more_than_may_wait", || {
        for workers in [1, 2, 4] {
            let semaphore = Arc::new(Semaphore::new(1));
            let throttle = Throttle::new(Arc::clone(&semaphore));
            let room = Room::default();
            pool(workers).scope(|scope| {
                let (throttle, room) = (&throttle, &room);
                throttle
                    .scope_spawn(scope, move |scope, permit| {
                        for _ in 0..200 {
                            let job = |_: &_, _: ThrottlePermit<'_>| room.visit(moment);
                            throttle.scope_spawn(scope, job).unwrap();
                        }
                        drop(permit);
                    })
                    .unwrap();
            });
            assert_eq!((room.visits(), room.most()), (200, 1));
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn a_panic_of_a_job_alone_reaches_the_owner_of_the_scope() {
    in_child(
        "a_panic_of_a_job_alone_reaches_the_owner_of_the_scope",
        || {
            silence("twenty");
            for workers in [1, 3] {
                let semaphore = Arc::new(Semaphore::new(1));
                let throttle = Throttle::new(Arc::clone(&semaphore));
                let room = Room::default();
                let run = || {
                    pool(workers).scope(|scope| {
                        for n in 0..100 {
                            let room = &room;
                            let job = move |_: &_, _: ThrottlePermit<'_>| {
                                room.visit(moment);
                                assert!(n != 20, "twenty");
                            };
                            throttle.scope_spawn(scope, job).unwrap();
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
fn a_closed_semaphore_drops_a_job_alone() {
    in_child("a_closed_semaphore_drops_a_job_alone", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let throttle = Throttle::new(Arc::clone(&semaphore));
        let kept = Arc::new(());
        thread::scope(|outside| {
            outside.spawn(|| {
                until(|| semaphore.waiting() > 0);
                semaphore.close();
            });
            pool(2).scope(|scope| {
                // More than have a place to wait: the last wait for the close.
                for _ in 0..100 {
                    let kept = Arc::clone(&kept);
                    let ended = throttle.scope_spawn(scope, move |_, _permit| panic!("{kept:?}"));
                    assert!(ended.is_ok() || semaphore.is_closed());
                }
            });
        });
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

/// The scope's request is looked after on top of the one job that has a permit, by
/// its own thread while that waits for something else: the job goes on all the same.
#[test]
fn who_waits_for_permits_does_not_hold_up_the_job_beneath() {
    in_child(
        "who_waits_for_permits_does_not_hold_up_the_job_beneath",
        || {
            for alone in [false, true] {
                let semaphore = Arc::new(Semaphore::new(1));
                let throttle = Throttle::new(Arc::clone(&semaphore));
                let room = Room::default();
                let (busy, over) = (AtomicBool::new(false), AtomicBool::new(false));
                pool(2).scope(|scope| {
                    let (busy, over) = (&busy, &over);
                    scope.spawn(|_| {
                        busy.store(true, SeqCst);
                        until(|| over.load(SeqCst));
                    });
                    until(|| busy.load(SeqCst));
                    let (jobs, throttle, room) = (throttle.scoped(), &throttle, &room);
                    let more = jobs.clone();
                    jobs.spawn(scope, move |scope, permit| {
                        for _ in 0..10 {
                            let job = |_: &_, _: ThrottlePermit<'_>| room.visit(moment);
                            match alone {
                                true => throttle.scope_spawn(scope, job).unwrap(),
                                false => more.spawn(scope, job).unwrap(),
                            }
                            // The only worker that is left takes up what it finds.
                            rayon::yield_now();
                        }
                        over.store(true, SeqCst);
                        drop(permit);
                    })
                    .unwrap();
                });
                assert_eq!((room.visits(), room.most()), (10, 1));
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        },
    );
}
