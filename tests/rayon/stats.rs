//! What statistics say of throttled rayon jobs.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use crate::child::in_child;
use crate::common::{FAIRNESSES, watchdog};
use crate::room::{moment, pool};
use dynaphore::{
    AcquireError, Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::{ThreadPoolBuilder, prelude::*};

#[test]
fn what_is_run_counts_as_acquired_and_no_try_as_rejected() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::builder(2).stats(true).build());
        let pool = pool(4);
        let ends = || {
            let interval = semaphore.stats().blocking_take();
            let (rejected, cancelled) = (interval.rejected, interval.cancelled);
            assert_eq!((rejected, cancelled, interval.closed), (0, 0, 0));
            interval.acquired
        };
        pool.install(|| {
            let items = (0..200).into_par_iter().with_max_len(1);
            items.throttle_for_each(&semaphore, |_| moment()).unwrap();
        });
        // A permit is kept for item after item.
        assert!((1..=200).contains(&ends()));
        pool.scope(|scope| {
            let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
            for _ in 0..200 {
                jobs.spawn(scope, |_, _permit| moment()).unwrap();
            }
        });
        assert!((1..=200).contains(&ends()));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::clone(&pool));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..200 {
            let sender = sender.clone();
            throttle
                .spawn(move |_permit| sender.send(()).unwrap())
                .unwrap();
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 200);
        assert_eq!(ends(), 200);
    });
}

/// Whoever waits on behalf of a call leaves the line and joins it again as it needs to.
#[test]
fn a_call_that_waits_has_cancelled_nothing() {
    watchdog(|| {
        for fairness in FAIRNESSES {
            let builder = Semaphore::builder(3).fairness(fairness);
            let semaphore = builder.stats(true).build();
            let held = semaphore.try_acquire_many(3).unwrap();
            thread::scope(|threads| {
                threads.spawn(|| {
                    let items = [1, 3, 2, 1, 3_u32].into_par_iter().with_max_len(1);
                    let weighted = || items.throttle_weighted_for_each(&semaphore, |&n| n, |_| {});
                    pool(4).install(weighted).unwrap();
                });
                // Long enough to ask many times; less of that would only see less.
                thread::sleep(Duration::from_millis(10));
                drop(held);
            });
            assert_eq!(semaphore.stats().longest_wait(), None, "{fairness:?}");
            let interval = semaphore.stats().blocking_take();
            assert_eq!(
                (interval.cancelled, interval.rejected),
                (0, 0),
                "{fairness:?}"
            );
        }
    });
}

/// It looks again and again whether it can share, for 300 ms.
#[test]
fn a_call_that_is_turned_away_is_counted_once() {
    watchdog(|| {
        let semaphore = Semaphore::builder(1).max_waiting(0).stats(true).build();
        let held = semaphore.try_acquire().unwrap();
        let items = [(); 3].into_par_iter();
        let told = pool(2).install(|| items.throttle_for_each(&semaphore, |()| {}));
        assert_eq!(told, Err(AcquireError::TooManyWaiters));
        drop(held);
        let interval = semaphore.stats().blocking_take();
        let (refused, cancelled) = (interval.too_many_waiters, interval.cancelled);
        assert_eq!((refused, cancelled, interval.rejected), (1, 0, 0));
    });
}

/// The helper that it has sent for takes the permit when it begins.
#[test]
fn a_caller_that_is_no_worker_takes_no_permits_for_nobody() {
    in_child(
        "a_caller_that_is_no_worker_takes_no_permits_for_nobody",
        || {
            ThreadPoolBuilder::new()
                .num_threads(1)
                .build_global()
                .unwrap();
            let (begun, has_begun) = mpsc::channel();
            let (end, may_end) = mpsc::channel();
            rayon::spawn(move || {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
            });
            has_begun.recv().unwrap();
            let semaphore = &Semaphore::builder(1000).stats(true).build();
            thread::scope(|threads| {
                threads.spawn(|| {
                    let one = [()].into_par_iter();
                    one.throttle_for_each(semaphore, |()| ()).unwrap();
                });
                // Long enough for many looks at what is free.
                thread::sleep(Duration::from_millis(50));
                end.send(()).unwrap();
            });
            // One more at most, while the helper that begins has not taken the item yet.
            let acquired = semaphore.stats().blocking_take().acquired;
            assert!((1..=2).contains(&acquired), "{acquired}");
        },
    );
}
