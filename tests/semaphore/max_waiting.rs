//! A bound on how many wait.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::common::{FAIRNESSES, Start, until, watchdog};
use dynaphore::{AcquireError, AcquireTimeoutError, Fairness, Semaphore, TryAcquireError};
use tokio_test::{assert_pending, assert_ready, task::spawn};

fn bounded(max: usize, max_waiting: usize, fairness: Fairness) -> Arc<Semaphore> {
    let builder = Semaphore::builder(max).fairness(fairness);
    Arc::new(builder.max_waiting(max_waiting).build())
}

#[test]
fn one_beyond_the_bound_is_refused_at_once_and_changes_nothing() {
    for fairness in FAIRNESSES {
        let s = bounded(1, 2, fairness);
        let held = s.try_acquire().unwrap();
        let mut first = spawn(s.acquire());
        let mut second = spawn(s.acquire());
        assert_pending!(first.poll());
        assert_pending!(second.poll());
        let before = s.snapshot();
        let refused = assert_ready!(spawn(s.acquire()).poll()).unwrap_err();
        assert_eq!(refused, AcquireError::TooManyWaiters, "{fairness:?}");
        let refused = assert_ready!(spawn(s.clone().acquire_owned()).poll()).unwrap_err();
        assert_eq!(refused, AcquireError::TooManyWaiters);
        assert_eq!(s.snapshot(), before);
        drop(held);
        let permit = assert_ready!(first.poll()).unwrap();
        drop(permit);
        drop(assert_ready!(second.poll()).unwrap());
    }
}

#[test]
fn blocking_calls_are_refused_too() {
    for fairness in FAIRNESSES {
        watchdog(move || {
            let s = bounded(1, 0, fairness);
            let held = s.blocking_acquire().unwrap();
            assert_eq!(
                s.blocking_acquire().unwrap_err(),
                AcquireError::TooManyWaiters
            );
            let patience = Duration::from_secs(3600);
            assert_eq!(
                s.blocking_acquire_timeout(patience).unwrap_err(),
                AcquireTimeoutError::TooManyWaiters
            );
            drop(held);
            assert!(s.blocking_acquire().is_ok());
        });
    }
}

#[test]
fn calls_that_only_try_are_told_as_before() {
    let s = bounded(1, 0, Fairness::Fifo);
    let _held = s.try_acquire().unwrap();
    assert_eq!(s.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
}

#[test]
fn requests_count_whatever_their_weight_and_wherever_they_wait() {
    for fairness in FAIRNESSES {
        let s = bounded(2, 2, fairness);
        // More than max: aside.
        let mut aside = spawn(s.acquire_many(3));
        assert_pending!(aside.poll());
        let held = s.try_acquire_many(2).unwrap();
        let mut single = spawn(s.acquire());
        assert_pending!(single.poll());
        assert_eq!(s.waiting(), 2);
        for n in [1, 2, 3] {
            let refused = assert_ready!(spawn(s.acquire_many(n)).poll()).unwrap_err();
            assert_eq!(refused, AcquireError::TooManyWaiters, "{fairness:?}, {n}");
        }
        drop(held);
        drop(assert_ready!(single.poll()).unwrap());
        // A permit that is there is had, whoever is aside.
        drop(assert_ready!(spawn(s.acquire()).poll()).unwrap());
    }
}

#[test]
fn a_permit_is_had_although_the_bound_is_reached() {
    for fairness in FAIRNESSES {
        let s = bounded(2, 1, fairness);
        let mut aside = spawn(s.acquire_many(3));
        assert_pending!(aside.poll());
        let _one = assert_ready!(spawn(s.acquire()).poll()).unwrap();
        let _two = s.blocking_acquire_timeout(Duration::ZERO).unwrap();
        assert!(assert_ready!(spawn(s.acquire()).poll()).is_err());
    }
}

#[test]
fn one_that_finds_no_place_passes_nobody_in_line() {
    for fairness in [Fairness::Fifo, Fairness::Eventual] {
        let s = bounded(2, 1, fairness);
        let _held = s.try_acquire().unwrap();
        let mut heavy = spawn(s.acquire_many(2));
        assert_pending!(heavy.poll());
        let refused = assert_ready!(spawn(s.acquire()).poll()).unwrap_err();
        assert_eq!(refused, AcquireError::TooManyWaiters, "{fairness:?}");
    }
}

#[test]
fn a_place_is_free_again_once_its_holder_is_served_or_leaves() {
    for fairness in FAIRNESSES {
        let s = bounded(1, 1, fairness);
        let held = s.try_acquire().unwrap();
        let mut first = spawn(s.acquire());
        assert_pending!(first.poll());
        drop(first);
        let mut second = spawn(s.acquire());
        assert_pending!(second.poll());
        drop(held);
        let held = assert_ready!(second.poll()).unwrap();
        assert_pending!(spawn(s.acquire()).poll());
        drop(held);
    }
}

#[test]
fn under_fifo_a_grant_frees_the_place_before_it_is_picked_up() {
    let s = bounded(1, 1, Fairness::Fifo);
    let held = s.try_acquire().unwrap();
    let mut first = spawn(s.acquire());
    assert_pending!(first.poll());
    drop(held);
    assert_eq!(s.waiting(), 0);
    assert_pending!(spawn(s.acquire()).poll());
    drop(first);
}

#[test]
fn one_that_joins_the_line_of_eventual_needs_no_second_place() {
    const BOUND: Duration = Duration::from_millis(20);
    watchdog(|| {
        let builder = Semaphore::builder(1).fairness(Fairness::Eventual);
        let s = builder.bound(BOUND).max_waiting(1).build();
        loop {
            let held = s.try_acquire().unwrap();
            let mut waiter = spawn(s.acquire());
            assert_pending!(waiter.poll());
            drop(held);
            let Ok(barged) = s.try_acquire() else {
                // It was overdue already. Once more.
                continue;
            };
            // Woken in vain, and late.
            thread::sleep(BOUND);
            assert_pending!(waiter.poll());
            assert_eq!(s.waiting(), 1);
            assert!(assert_ready!(spawn(s.acquire()).poll()).is_err());
            drop(barged);
            drop(assert_ready!(waiter.poll()).unwrap());
            break;
        }
    });
}

#[test]
fn closing_is_told_before_the_bound() {
    for fairness in FAIRNESSES {
        let s = bounded(1, 0, fairness);
        let _held = s.try_acquire().unwrap();
        s.close();
        let refused = assert_ready!(spawn(s.acquire()).poll()).unwrap_err();
        assert_eq!(refused, AcquireError::Closed);
    }
}

/// Whoever is let in to wait, of singles and pairs in all fairnesses, is counted before the
/// next one looks.
#[test]
fn never_more_wait_than_may() {
    const THREADS: usize = 4;
    const BOUND: usize = 2;
    for fairness in FAIRNESSES {
        watchdog(move || {
            for _ in 0..300 {
                let s = bounded(2, BOUND, fairness);
                let held = s.try_acquire_many(2).unwrap();
                let (start, ended) = (Start::of(THREADS), Start::of(THREADS));
                let (waits, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
                thread::scope(|scope| {
                    for thread in 0..THREADS {
                        let (s, start, ended) = (&s, &start, &ended);
                        let (waits, refused) = (&waits, &refused);
                        scope.spawn(move || {
                            let mut acquire = pin!(s.acquire_many(1 + thread as u32 % 2));
                            let mut cx = Context::from_waker(Waker::noop());
                            start.wait();
                            let polled = acquire.as_mut().poll(&mut cx);
                            match polled {
                                Poll::Pending => waits.fetch_add(1, SeqCst),
                                Poll::Ready(answer) => {
                                    let error = answer.err();
                                    assert_eq!(error, Some(AcquireError::TooManyWaiters));
                                    refused.fetch_add(1, SeqCst)
                                }
                            };
                            ended.wait();
                        });
                    }
                });
                let counts = (waits.into_inner(), refused.into_inner());
                assert_eq!(counts, (BOUND, THREADS - BOUND), "{fairness:?}");
                drop(held);
                assert_eq!((s.waiting(), s.available_permits()), (0, 2));
            }
        });
    }
}

#[test]
fn blocked_threads_count() {
    watchdog(|| {
        let s = bounded(1, 1, Fairness::Fifo);
        let held = s.clone().try_acquire_owned().unwrap();
        let theirs = Arc::clone(&s);
        let waiter = thread::spawn(move || theirs.blocking_acquire().map(drop));
        until(|| s.waiting() == 1);
        assert_eq!(
            s.blocking_acquire().unwrap_err(),
            AcquireError::TooManyWaiters
        );
        drop(held);
        waiter.join().unwrap().unwrap();
    });
}

#[cfg(feature = "stats")]
#[test]
fn statistics_count_those_refused() {
    let s = Semaphore::builder(0).max_waiting(0).stats(true).build();
    assert!(s.blocking_acquire().is_err());
    let interval = s.stats().blocking_take();
    assert_eq!((interval.too_many_waiters, interval.rejected), (1, 0));
}
