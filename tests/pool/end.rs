//! The end: who waits is told, who holds may finish, who comes is refused.

use std::{thread, time::Duration};

use dynaphore::error::{LeaseError, LeaseTimeoutError, TryLeaseError};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task::spawn};

use crate::{
    common::{until, watchdog},
    pool, take,
};

#[test]
fn a_stopped_pool_lets_nobody_in() {
    let pool = pool([("a", 1), ("b", 1)]);
    let held = take(&pool, 1);
    pool.stop();
    assert!(pool.is_stopped());
    assert_eq!(pool.try_acquire().unwrap_err(), TryLeaseError::Stopped);
    assert_ready_err!(spawn(pool.acquire()).poll());
    assert_eq!(
        pool.blocking_acquire().unwrap_err().to_string(),
        "lease pool stopped"
    );
    let told = pool.blocking_acquire_timeout(Duration::MAX).unwrap_err();
    assert_eq!(told, LeaseTimeoutError::Stopped);
    pool.set("a", 5);
    assert_eq!(pool.try_acquire().unwrap_err(), TryLeaseError::Stopped);
    drop(held);
    assert_eq!(pool.active(), 0);
}

#[test]
fn stopping_tells_all_who_wait() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..40).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    let mut stopped = spawn(pool.stopped());
    assert_pending!(stopped.poll());
    pool.stop();
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
        let told: LeaseError = assert_ready_err!(waiter.poll());
        assert_eq!(told.to_string(), "lease pool stopped");
    }
    assert!(stopped.is_woken());
    assert_ready!(stopped.poll());
    assert_ready!(spawn(pool.stopped()).poll());
}

#[test]
fn no_lease_begins_once_stop_has_returned() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..2).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    pool.set("a", 2);
    let lease = assert_ready_ok!(waiters[0].poll());
    pool.stop();
    assert_ready_err!(waiters[1].poll());
    assert_eq!(pool.active(), 1);
    drop(lease);
    assert_eq!(pool.active(), 0);
}

#[test]
fn one_told_in_vain_is_told_of_the_end() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..2).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    pool.set("a", 1);
    pool.set("a", 0);
    assert_pending!(waiters[0].poll());
    pool.stop();
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
        assert_ready_err!(waiter.poll());
    }
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
}

#[test]
fn idle_waits_for_the_last_lease() {
    let pool = pool([("a", 2)]);
    let mut held = take(&pool, 2);
    let mut idle = spawn(pool.idle());
    assert_pending!(idle.poll());
    // One at its target, one beyond it.
    pool.set("a", 1);
    drop(held.pop());
    assert_pending!(idle.poll());
    pool.set("a", 0);
    drop(held.pop());
    assert!(idle.is_woken());
    assert_ready!(idle.poll());
}

#[test]
fn blocked_threads_are_served_and_told() {
    watchdog(|| {
        let pool = pool([("a", 1)]);
        let held = take(&pool, 1);
        thread::scope(|scope| {
            let served = scope.spawn(|| pool.blocking_acquire().map(|lease| *lease.key()));
            until(|| pool.waiting() == 1);
            drop(held);
            assert_eq!(served.join().unwrap(), Ok("a"));

            pool.set("a", 0);
            let told = scope.spawn(|| pool.blocking_acquire().map(drop));
            let stopped = scope.spawn(|| pool.blocking_stopped());
            until(|| pool.waiting() == 1);
            pool.stop();
            assert!(told.join().unwrap().is_err());
            stopped.join().unwrap();
            pool.blocking_idle();
        });
    });
}

#[test]
fn the_end_stays_when_it_has_come() {
    let pool = pool([("a", 1)]);
    pool.stop();
    let mut stopped = std::pin::pin!(pool.stopped());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..3 {
        assert!(stopped.as_mut().poll(&mut cx).is_ready());
    }
}

/// Runs something when its thread ends.
struct AtEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

#[test]
fn a_destructor_of_a_thread_local_may_block() {
    thread_local!(static AT_END: std::cell::RefCell<AtEnd> = const { std::cell::RefCell::new(AtEnd(None)) });
    let pool = pool([("a", 1)]);
    let held = pool.try_acquire().unwrap();
    let inner = pool.clone();
    let thread = std::thread::spawn(move || {
        AT_END.with_borrow_mut(|at_end| {
            at_end.0 = Some(Box::new(move || {
                drop(inner.blocking_acquire().unwrap());
                inner.blocking_idle();
                inner.stop();
                inner.blocking_stopped();
            }));
        });
    });
    crate::common::until(|| pool.waiting() == 1);
    drop(held);
    thread.join().unwrap();
    assert!(pool.is_stopped());
}
