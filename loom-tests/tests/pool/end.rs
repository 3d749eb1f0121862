//! The end: no lease begins after it, and all are told.

use std::task::Poll;

use dynaphore_loom_tests::{block_on, join, model, spawn};

use crate::{A, Waiter, pool};

/// One that goes back is told of the end, whether it is in line by then or not.
#[test]
fn put_back_against_stop() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let theirs = pool.clone();
        let stop = spawn(move || theirs.stop());
        if waiter.poll().is_pending() {
            assert!(waiter.wait().is_err());
        }
        stop.join().unwrap();
        assert_eq!((pool.active(), pool.waiting()), (0, 0));
    });
}

/// A lease that comes back, one that waits, and the end.
#[test]
fn stop_against_release_and_wait() {
    model(2, || {
        let pool = pool(1, 0);
        let held = pool.try_acquire().unwrap();
        let (theirs, stopping) = (pool.clone(), pool.clone());
        let wait = spawn(move || drop(theirs.blocking_acquire()));
        let stop = spawn(move || {
            stopping.stop();
            assert!(stopping.try_acquire().is_err());
        });
        drop(held);
        block_on(pool.stopped());
        join([wait, stop]);
        assert_eq!((pool.active(), pool.waiting()), (0, 0));
        block_on(pool.idle());
    });
}

/// Once stop has returned no lease begins, not for one that was told before.
#[test]
fn stop_against_pick() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        let theirs = pool.clone();
        let stop = spawn(move || {
            theirs.stop();
            theirs.counts(&A).active
        });
        let told = waiter.poll();
        let active = stop.join().unwrap();
        match told {
            Poll::Ready(Ok(lease)) => assert_eq!((active, lease.counts().active), (1, 1)),
            Poll::Ready(Err(_)) => assert_eq!(active, 0),
            Poll::Pending => panic!("told of neither"),
        }
        assert_eq!(pool.active(), 0);
    });
}
