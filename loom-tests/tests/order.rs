//! Lines that are not served in the order of arrival, and waits that are too long. The clock
//! stands still: a target of nothing is always over, any other never.

use std::{sync::Arc, time::Duration};

use dynaphore::{AcquireError, Order, Semaphore};
use dynaphore_loom_tests::{Waiter, assert_at_rest, block_on, join, model, spawn, take};

fn lifo(max: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::builder(max).order(Order::Lifo).build())
}

/// One comes while another, who needs more, is in line, and a permit comes back: whoever
/// looks last serves whom it can.
#[test]
fn lifo_arrival_against_release() {
    model(3, || {
        let s = lifo(2);
        let held = take(&s, 2);
        let heavy = Waiter::queued(&s, 2);
        let theirs = s.clone();
        let light = spawn(move || drop(block_on(theirs.acquire()).unwrap()));
        drop(held);
        drop(heavy.wait().unwrap());
        light.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// The next gives up while a permit comes back: the one before it has it.
#[test]
fn lifo_cancel_against_release() {
    model(3, || {
        let s = lifo(1);
        let held = take(&s, 1);
        let mut first = Waiter::queued(&s, 1);
        let last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        drop(last);
        release.join().unwrap();
        drop(first.granted());
        assert_at_rest(&s, 1);
    });
}

/// Two that will not wait come while a permit goes back: each has it or is told, and nobody
/// is left.
fn two_overdue_against_release(max_waiting: usize) {
    model(3, move || {
        let nothing = Duration::ZERO;
        let builder = Semaphore::builder(1).overdue(nothing, nothing);
        let s = Arc::new(builder.max_waiting(max_waiting).build());
        let held = take(&s, 1);
        let threads = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || match block_on(s.acquire()) {
                Ok(permit) => drop(permit),
                Err(error) => assert_eq!(error, AcquireError::Overdue),
            })
        });
        drop(held);
        join(threads);
        assert_at_rest(&s, 1);
    });
}

#[test]
fn overdue_against_release() {
    two_overdue_against_release(usize::MAX);
}

/// One that is overdue has no place that a newcomer would need.
#[test]
fn overdue_in_a_full_line_against_release() {
    two_overdue_against_release(1);
}
