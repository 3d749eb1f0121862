//! The end: who waits is told, who holds may finish, who comes is refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::common::{Start, until, watchdog};
use dynaphore::{AcquireTimeoutError, Semaphore, TryAcquireError};
use futures::executor::block_on;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task::spawn};

#[test]
fn every_waiter_is_told() {
    let semaphore = Semaphore::new(2);
    let _held = semaphore.try_acquire().unwrap();
    let mut waiters: Vec<_> = (0..100).map(|_| spawn(semaphore.acquire_many(2))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    semaphore.close();
    assert!(semaphore.is_closed());
    assert_eq!((semaphore.active(), semaphore.waiting()), (1, 0));
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
        assert_ready_err!(waiter.poll());
    }
}

#[test]
fn who_asked_for_more_than_max_is_told() {
    let semaphore = Semaphore::new(2);
    let mut waiters: Vec<_> = (0..20).map(|_| spawn(semaphore.acquire_many(3))).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    semaphore.close();
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
        assert_ready_err!(waiter.poll());
    }
}

#[test]
fn blocked_threads_are_told() {
    watchdog(|| {
        let semaphore = &Arc::new(Semaphore::new(0));
        thread::scope(|scope| {
            for way in 0..3 {
                scope.spawn(move || match way {
                    0 => assert!(semaphore.blocking_acquire().is_err()),
                    1 => assert!(semaphore.clone().blocking_acquire_many_owned(2).is_err()),
                    _ => {
                        let told = semaphore.blocking_acquire_timeout(Duration::MAX);
                        assert_eq!(told.unwrap_err(), AcquireTimeoutError::Closed);
                    }
                });
            }
            until(|| semaphore.waiting() == 3);
            semaphore.close();
        });
    });
}

#[test]
fn arrivals_are_refused() {
    let semaphore = Arc::new(Semaphore::new(2));
    semaphore.close();
    for n in [0, 1, 2, 3] {
        assert_eq!(
            semaphore.try_acquire_many(n).unwrap_err(),
            TryAcquireError::Closed
        );
        assert_ready_err!(spawn(semaphore.acquire_many(n)).poll());
        assert_ready_err!(spawn(semaphore.clone().acquire_many_owned(n)).poll());
        assert!(semaphore.blocking_acquire_many(n).is_err());
        let told = semaphore.blocking_acquire_many_timeout(n, Duration::ZERO);
        assert_eq!(told.unwrap_err(), AcquireTimeoutError::Closed);
    }
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn holders_give_their_permits_back() {
    let semaphore = Arc::new(Semaphore::new(3));
    let borrowed = semaphore.try_acquire().unwrap();
    let owned = semaphore.clone().try_acquire_many_owned(2).unwrap();
    let mut idle = spawn(semaphore.idle());
    assert_pending!(idle.poll());
    semaphore.close();
    assert_pending!(idle.poll());
    drop(borrowed);
    assert_eq!((semaphore.active(), semaphore.available_permits()), (2, 1));
    drop(owned);
    assert_eq!(semaphore.available_permits(), 3);
    assert!(idle.is_woken());
    assert_ready!(idle.poll());
}

#[test]
fn a_permit_that_was_granted_before_is_kept() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = spawn(semaphore.acquire());
    let mut behind = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    assert_pending!(behind.poll());
    drop(held);
    semaphore.close();
    drop(assert_ready_ok!(waiter.poll()));
    assert_ready_err!(behind.poll());
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn a_granted_permit_that_is_not_picked_up_comes_back() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    drop(held);
    semaphore.close();
    drop(waiter);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn resizing_a_closed_semaphore_admits_nobody() {
    let semaphore = Semaphore::new(0);
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    semaphore.close();
    semaphore.set_max(5);
    semaphore.add_permits(5);
    assert_ready_err!(waiter.poll());
    assert!(semaphore.try_acquire().is_err());
    assert_eq!((semaphore.max(), semaphore.active()), (10, 0));
}

// Scenario 30.
#[test]
fn waiters_holders_and_arrivals_in_flight_all_come_to_an_end() {
    const THREADS: usize = 6;
    watchdog(|| {
        for round in 0..100 {
            let semaphore = &Arc::new(Semaphore::new(2));
            let (granted, closed) = (&AtomicUsize::new(0), &AtomicBool::new(false));
            let start = &Start::of(THREADS + 1);
            thread::scope(|scope| {
                for who in 0..THREADS {
                    scope.spawn(move || {
                        start.wait();
                        loop {
                            let was_closed = closed.load(SeqCst);
                            let n = if who == 5 { 2 } else { 1 };
                            let permit = match who % 3 {
                                0 => semaphore.clone().blocking_acquire_owned(),
                                1 => block_on(semaphore.clone().acquire_owned()),
                                _ => block_on(semaphore.clone().acquire_many_owned(n)),
                            };
                            // The error is told once, so the loop ends.
                            let Ok(_permit) = permit else { break };
                            assert!(!was_closed, "granted after the end");
                            granted.fetch_add(1, SeqCst);
                        }
                    });
                }
                start.wait();
                // Before, at, or some time after the first arrivals.
                until(|| granted.load(SeqCst) >= round % 10);
                semaphore.close();
                closed.store(true, SeqCst);
            });
            let end = semaphore.snapshot();
            assert_eq!((end.active, end.waiting, end.available()), (0, 0, 2));
        }
    });
}

#[test]
fn two_may_close_at_once() {
    watchdog(|| {
        for _ in 0..500 {
            let semaphore = &Semaphore::new(0);
            let mut waiters: Vec<_> = (0..20).map(|_| spawn(semaphore.acquire())).collect();
            for waiter in &mut waiters {
                assert_pending!(waiter.poll());
            }
            let start = &Start::of(2);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(move || {
                        start.wait();
                        semaphore.close();
                    });
                }
            });
            assert!(waiters.iter().all(|waiter| waiter.is_woken()));
            assert_eq!(semaphore.waiting(), 0);
        }
    });
}
