//! Targets that are raised and lowered against each other, and against a request.

use std::task::Poll;

use dynaphore::Counts;
use dynaphore_loom_tests::{join, model, spawn};

use crate::{A, B, Waiter, assert_at_rest, pool};

/// Two make the same key known.
#[test]
fn two_sets_of_a_new_key() {
    model(3, || {
        let pool = pool(0, 0);
        let waiter = Waiter::queued(&pool);
        let sets = [1, 2].map(|target| {
            let theirs = pool.clone();
            spawn(move || theirs.set(A, target))
        });
        let lease = waiter.wait().unwrap();
        let before = sets.map(|set| set.join().unwrap());
        assert_eq!(pool.len(), 1);
        drop(lease);
        let last = pool.counts(&A).target;
        assert!(
            matches!((before, last), ([0, 1], 2) | ([2, 0], 1)),
            "{before:?}, {last}"
        );
        assert_at_rest(&pool, last, 0);
    });
}

/// One raises, one lowers: whoever is last, its target stands.
#[test]
fn two_sets_of_a_known_key() {
    model(3, || {
        let pool = pool(1, 0);
        let held = pool.try_acquire().unwrap();
        let mut waiter = Waiter::queued(&pool);
        let sets = [0, 2].map(|target| {
            let theirs = pool.clone();
            spawn(move || drop(theirs.set(A, target).to_string()))
        });
        let polled = waiter.poll();
        join(sets);
        let told = match polled {
            Poll::Ready(lease) => Some(lease.unwrap()),
            Poll::Pending => match waiter.poll() {
                Poll::Ready(lease) => Some(lease.unwrap()),
                Poll::Pending => None,
            },
        };
        let Counts { target, active, .. } = pool.counts(&A);
        assert_eq!(active, 1 + usize::from(told.is_some()));
        assert!(target == 0 || told.is_some(), "beside a place");
        drop((told, held, waiter));
        assert_at_rest(&pool, target, 0);
    });
}

/// The place that a request has been told of goes while it comes for it. It is not
/// for a newcomer, gone or not.
#[test]
fn lowered_while_picked_up() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        let theirs = pool.clone();
        let lower = spawn(move || {
            theirs.set(A, 0);
            theirs.counts(&A).active
        });
        let theirs = pool.clone();
        let newcomer = spawn(move || assert!(theirs.try_acquire().is_err()));
        let picked = match waiter.poll() {
            Poll::Ready(lease) => Some(lease.unwrap()),
            Poll::Pending => None,
        };
        let after = lower.join().unwrap();
        newcomer.join().unwrap();
        // What is not out when the target is lowered does not come out later.
        assert_eq!(after, usize::from(picked.is_some()));
        assert_eq!(pool.counts(&A).active, after);
        drop(picked);
        if after == 0 {
            pool.set(B, 1);
            assert_eq!(*waiter.served().key(), B);
            pool.set(B, 0);
        }
        drop(waiter);
        assert_at_rest(&pool, 0, 0);
    });
}
