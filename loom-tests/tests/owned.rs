//! Permits that keep the semaphore alive.

use std::sync::Arc;

use dynaphore_loom_tests::{Waiter, assert_at_rest, join, model, semaphore, spawn, take};

/// The last permits go on two threads, and with them the semaphore: a release
/// is through with it before its `Arc` goes.
#[test]
fn last_permits_against_last_arc() {
    model(3, || {
        let s = semaphore(2);
        let weak = Arc::downgrade(&s);
        let releases = [(); 2].map(|()| take(&s, 1));
        let waiter = Waiter::queued(&s, 1);
        let releases = releases.map(|held| spawn(move || drop(held)));
        drop(s);
        drop(waiter);
        join(releases);
        assert!(weak.upgrade().is_none());
    });
}

/// The parts of a permit come back one by one, from wherever they are.
#[test]
fn split_permits_on_two_threads() {
    model(3, || {
        let s = semaphore(2);
        let mut held = take(&s, 2);
        let half = held.split(1).expect("two");
        let waiter = Waiter::queued(&s, 2);
        let releases = [held, half].map(|held| spawn(move || drop(held)));
        drop(waiter.wait().unwrap());
        join(releases);
        assert_at_rest(&s, 2);
    });
}
