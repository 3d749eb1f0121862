//! Requests that have been told of a place which is gone when they come for it.

use std::task::Poll;

use dynaphore_loom_tests::{model, spawn};

use crate::{A, B, Waiter, assert_at_rest, pool};

/// One that has been told in vain goes back while a place comes up: it takes
/// that, and not the one behind it.
#[test]
fn put_back_against_raise() {
    model(3, || {
        let pool = pool(0, 0);
        let mut first = Waiter::queued(&pool);
        let second = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let theirs = pool.clone();
        let raise = spawn(move || drop(theirs.set(B, 1).to_string()));
        let lease = match first.poll() {
            Poll::Ready(lease) => lease.unwrap(),
            Poll::Pending => {
                assert_eq!(second.woken.get(), 0);
                first.wait().unwrap()
            }
        };
        raise.join().unwrap();
        assert_eq!((*lease.key(), second.woken.get()), (B, 0));
        drop(lease);
        drop(second.wait().unwrap());
        assert_at_rest(&pool, 0, 1);
    });
}

/// The same with a lease that comes back.
#[test]
fn put_back_against_release() {
    model(3, || {
        let pool = pool(0, 1);
        let held = pool.try_acquire().unwrap();
        let first = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let mut second = Waiter::queued(&pool);
        let release = spawn(move || drop(held));
        let lease = first.wait().unwrap();
        release.join().unwrap();
        assert!(second.poll().is_pending());
        drop(lease);
        drop(second.served());
        assert_at_rest(&pool, 0, 1);
    });
}

/// The same with two that come back at once, and places for one.
#[test]
fn two_put_back_against_raise() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiters = [Waiter::queued(&pool), Waiter::queued(&pool)];
        pool.set(A, 2);
        pool.set(A, 0);
        let theirs = pool.clone();
        let raise = spawn(move || drop(theirs.set(B, 1).to_string()));
        let [ref mut first, ref mut second] = waiters;
        let second = second.poll();
        let first = first.poll();
        raise.join().unwrap();
        let mut leases: Vec<_> = [first, second]
            .into_iter()
            .filter_map(|polled| match polled {
                Poll::Ready(lease) => Some(lease.unwrap()),
                Poll::Pending => None,
            })
            .collect();
        assert!(leases.len() <= 1);
        if leases.is_empty() {
            // Both are back in line, in their order.
            leases.push(waiters[0].served());
            assert!(waiters[1].poll().is_pending());
        }
        drop(leases);
        drop(waiters);
        assert_at_rest(&pool, 0, 1);
    });
}

/// One that goes back gives up, while a place comes up: that is the next one's.
#[test]
fn put_back_and_cancelled_against_raise() {
    model(3, || {
        let pool = pool(0, 0);
        let mut first = Waiter::queued(&pool);
        let second = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let theirs = pool.clone();
        let raise = spawn(move || drop(theirs.set(B, 1).to_string()));
        drop(first.poll());
        drop(first);
        drop(second.wait().unwrap());
        raise.join().unwrap();
        assert_at_rest(&pool, 0, 1);
    });
}
