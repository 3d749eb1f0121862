//! Throttled jobs that have nothing to do with each other, and come to lie on the
//! same stacks. Where one of these hangs, so do all workers of its pool: each runs
//! in a process of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::child::in_child;
use crate::common::until;
use crate::room::{beside, pool};
use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt, ThrottlePermit},
};
use rayon::prelude::*;

/// A worker waits within a job for something that another one runs, and comes by
/// an item that needs more than its job leaves.
#[test]
fn an_item_that_is_too_heavy_beside_another_call_waits_for_it() {
    in_child(
        "an_item_that_is_too_heavy_beside_another_call_waits_for_it",
        || {
            let semaphore = Semaphore::new(3);
            let (held, light) = (AtomicBool::new(false), AtomicBool::new(false));
            let ran = AtomicUsize::new(0);
            let run = |&n: &u32| {
                light.fetch_or(n == 1, SeqCst);
                ran.fetch_add(1, SeqCst);
            };
            let call = |items: &[u32]| {
                let items = items.par_iter().with_max_len(1);
                items
                    .throttle_weighted_for_each(&semaphore, |&&n| n, run)
                    .unwrap();
            };
            pool(3).install(|| {
                let holder = || {
                    let item = [2].into_par_iter();
                    let hold = |_| {
                        // The others are busy with this and with the other call, so
                        // that it is this worker that steals the heavy item.
                        beside(
                            || (),
                            || {
                                held.store(true, SeqCst);
                                until(|| semaphore.waiting() > 0 || light.load(SeqCst));
                                std::thread::sleep(Duration::from_millis(200));
                            },
                        );
                    };
                    item.throttle_weighted_for_each(&semaphore, |&n| n, hold)
                        .unwrap();
                };
                beside(holder, || {
                    until(|| held.load(SeqCst));
                    call(&[1, 3]);
                });
            });
            assert_eq!(ran.into_inner(), 2);
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        },
    );
}

/// A worker that waits within a job cannot tell what for.
#[test]
fn a_call_that_is_too_heavy_beside_another_waits_for_it() {
    in_child(
        "a_call_that_is_too_heavy_beside_another_waits_for_it",
        || {
            let semaphore = Semaphore::new(3);
            let held = AtomicBool::new(false);
            let ran = AtomicUsize::new(0);
            pool(3).install(|| {
                let holder = || {
                    let item = [2].into_par_iter();
                    let hold = |_| {
                        beside(
                            || (),
                            || {
                                held.store(true, SeqCst);
                                until(|| semaphore.waiting() > 0 || ran.load(SeqCst) > 0);
                                std::thread::sleep(Duration::from_millis(200));
                            },
                        );
                    };
                    item.throttle_weighted_for_each(&semaphore, |&n| n, hold)
                        .unwrap();
                };
                beside(holder, || {
                    until(|| held.load(SeqCst));
                    let item = [3].into_par_iter();
                    let run = |_| {
                        ran.fetch_add(1, SeqCst);
                    };
                    item.throttle_weighted_for_each(&semaphore, |&n| n, run)
                        .unwrap();
                });
            });
            assert_eq!(ran.into_inner(), 1);
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        },
    );
}

/// What waits for a permit lies on top of a plain job, for which the job waits that
/// has the permit.
#[test]
fn a_scope_that_waits_does_not_hold_up_what_is_beneath() {
    in_child(
        "a_scope_that_waits_does_not_hold_up_what_is_beneath",
        || {
            let semaphore = Arc::new(Semaphore::new(1));
            let ran = AtomicUsize::new(0);
            pool(2).scope(|scope| {
                let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
                let (more, semaphore, ran) = (jobs.clone(), &semaphore, &ran);
                let spawned = jobs.spawn(scope, move |scope, _permit| {
                    let plain = || {
                        beside(
                            || (),
                            || {
                                let job = |_: &_, _: ThrottlePermit<'_>| {
                                    ran.fetch_add(1, SeqCst);
                                };
                                more.spawn(scope, job).unwrap();
                                until(|| semaphore.waiting() > 0 || ran.load(SeqCst) > 0);
                            },
                        );
                    };
                    beside(|| (), plain);
                });
                spawned.unwrap();
            });
            assert_eq!(ran.into_inner(), 1);
        },
    );
}
