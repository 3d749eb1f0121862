//! Calls that need more than the jobs leave that are suspended on other threads: none is
//! refused, and all go on. Where one of these hangs, so do all workers of its pool: each
//! runs in a process of its own.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::child::in_child;
use crate::common::until;
use crate::form::{FORMS, Form, call};
use crate::room::{on_another, pool};
use dynaphore::Semaphore;

/// Runs `job` with `n` permits, and returns when it is done.
fn run(form: Form, semaphore: &Arc<Semaphore>, n: u32, job: impl Fn() + Send + Sync) {
    call(form, semaphore, 1, n, job);
}

/// A job runs plain ones again and again, which another worker takes on top of a call
/// that waits for the job's permits. Whenever one of them is done, both workers may
/// seem to stand still. The call runs while the job is suspended, not while it is at work.
#[test]
fn a_call_beside_a_job_that_goes_on_is_not_refused() {
    in_child("a_call_beside_a_job_that_goes_on_is_not_refused", || {
        for form in FORMS {
            let semaphore = Arc::new(Semaphore::new(3));
            let pool = pool(2);
            let (begun, ran) = (AtomicBool::new(false), AtomicUsize::new(0));
            let job = || {
                begun.store(true, SeqCst);
                until(|| semaphore.waiting() > 0);
                for _ in 0..200 {
                    let before = ran.load(SeqCst);
                    thread::yield_now();
                    assert_eq!(ran.load(SeqCst), before);
                    on_another(|| thread::sleep(Duration::from_millis(2)));
                }
            };
            thread::scope(|scope| {
                scope.spawn(|| pool.install(|| run(form, &semaphore, 2, job)));
                until(|| begun.load(SeqCst));
                pool.install(|| {
                    run(form, &semaphore, 3, || _ = ran.fetch_add(1, SeqCst));
                });
            });
            assert_eq!(ran.into_inner(), 1);
        }
    });
}

/// The job waits for something else that somebody outside will give back.
#[test]
fn a_call_beside_a_job_that_waits_for_others_is_not_refused() {
    in_child(
        "a_call_beside_a_job_that_waits_for_others_is_not_refused",
        || {
            for form in FORMS {
                let [memory, disk] = [3, 1].map(|max| Arc::new(Semaphore::new(max)));
                let pool = pool(2);
                let (both, ran) = (Barrier::new(2), AtomicUsize::new(0));
                let reads = disk.blocking_acquire().unwrap();
                let job = || {
                    both.wait();
                    run(form, &disk, 1, || _ = ran.fetch_add(1, SeqCst));
                };
                let call = || {
                    // Not on top of the job, nor beneath what the job waits for.
                    both.wait();
                    until(|| disk.waiting() == 1);
                    run(form, &memory, 3, || _ = ran.fetch_add(1, SeqCst));
                };
                thread::scope(|scope| {
                    scope.spawn(|| pool.install(|| run(form, &memory, 2, job)));
                    scope.spawn(|| pool.install(call));
                    // The call runs while the job is suspended.
                    until(|| ran.load(SeqCst) == 1);
                    drop(reads);
                });
                assert_eq!(ran.into_inner(), 2);
            }
        },
    );
}

/// Each of three jobs has two permits of nine, and needs four more for what a plain job
/// of its own runs on another thread: three are left.
#[test]
fn those_that_wait_for_each_other_by_way_of_other_threads_go_on() {
    in_child(
        "those_that_wait_for_each_other_by_way_of_other_threads_go_on",
        || {
            for form in FORMS {
                let semaphore = Arc::new(Semaphore::new(9));
                let (all, ran) = (Barrier::new(3), AtomicUsize::new(0));
                let pool = pool(6);
                let begun = AtomicUsize::new(0);
                let all_begin = || until(|| begun.load(SeqCst) == 3);
                let job = || {
                    all.wait();
                    let nested = || {
                        begun.fetch_add(1, SeqCst);
                        // So that none is on top of a job, or of another one.
                        all_begin();
                        run(form, &semaphore, 4, || _ = ran.fetch_add(1, SeqCst));
                    };
                    rayon::join(all_begin, nested);
                };
                thread::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| pool.install(|| run(form, &semaphore, 2, job)));
                    }
                });
                assert_eq!(ran.into_inner(), 3, "{form:?}");
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        },
    );
}

/// What was free is taken by somebody outside, who gives it back.
#[test]
fn those_that_wait_for_somebody_outside_are_not_refused() {
    in_child(
        "those_that_wait_for_somebody_outside_are_not_refused",
        || {
            for form in FORMS {
                let semaphore = Arc::new(Semaphore::new(9));
                let (all, ran) = (Barrier::new(3), AtomicUsize::new(0));
                let pool = pool(6);
                let held = semaphore.try_acquire_many(4).unwrap();
                let job = || {
                    all.wait();
                    on_another(|| run(form, &semaphore, 3, || _ = ran.fetch_add(1, SeqCst)));
                };
                thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| pool.install(|| run(form, &semaphore, 2, job)));
                    }
                    all.wait();
                    until(|| semaphore.waiting() == 2 || ran.load(SeqCst) > 0);
                    drop(held);
                });
                assert_eq!(ran.into_inner(), 2, "{form:?}");
            }
        },
    );
}

/// What is lent goes to a call of another pool, which then needs a permit that lies suspended
/// on a thread of the lender's pool: nobody else waits for permits in there.
#[test]
fn what_a_call_of_another_pool_needs_besides_a_loan_is_found() {
    in_child(
        "what_a_call_of_another_pool_needs_besides_a_loan_is_found",
        || {
            for form in FORMS {
                let [lent, suspended] = [1, 1].map(|max| Arc::new(Semaphore::new(max)));
                let paused = Arc::new(Semaphore::new(0));
                let [others, own] = [2, 1].map(pool);
                let lender = || run(form, &lent, 1, || run(form, &paused, 1, || {}));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        others.install(|| run(form, &suspended, 1, || on_another(lender)));
                    });
                    until(|| paused.waiting() == 1);
                    own.install(|| run(form, &lent, 1, || run(form, &suspended, 1, || {})));
                    paused.set_max(1);
                });
            }
        },
    );
}
