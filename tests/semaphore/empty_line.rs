//! A line that has gone holds up nobody: not for a moment, in one thread. What
//! other threads may know of it is in `loom-tests/`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::common::FAIRNESSES;
use dynaphore::{Semaphore, future::AcquireOwned};

/// One of each kind, with `max` permits.
fn each(max: usize, test: impl Fn(Arc<Semaphore>)) {
    for fairness in FAIRNESSES {
        for bound in [Duration::ZERO, Duration::MAX] {
            let builder = Semaphore::builder(max).fairness(fairness);
            test(Arc::new(builder.bound(bound).build()));
        }
    }
}

/// A request that waits, to be woken by `waker`.
fn waiting(semaphore: &Arc<Semaphore>, n: u32, waker: &Waker) -> std::pin::Pin<Box<AcquireOwned>> {
    let mut waiter = Box::pin(semaphore.clone().acquire_many_owned(n));
    let polled = waiter.as_mut().poll(&mut Context::from_waker(waker));
    assert!(matches!(polled, Poll::Pending));
    waiter
}

#[test]
fn when_the_last_was_served() {
    each(2, |semaphore| {
        let held = semaphore.try_acquire_many(2).unwrap();
        let _last = waiting(&semaphore, 1, Waker::noop());
        drop(held);
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn when_the_last_was_served_by_a_growth() {
    each(0, |semaphore| {
        let _last = waiting(&semaphore, 1, Waker::noop());
        semaphore.set_max(2);
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn when_the_last_has_given_up() {
    each(2, |semaphore| {
        let _held = semaphore.try_acquire().unwrap();
        drop(waiting(&semaphore, 2, Waker::noop()));
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn when_the_last_has_timed_out() {
    each(2, |semaphore| {
        let _held = semaphore.try_acquire().unwrap();
        let late = semaphore.blocking_acquire_many_timeout(2, Duration::ZERO);
        assert!(late.is_err() && semaphore.try_acquire().is_ok());
    });
}

#[test]
fn when_the_last_has_dropped_what_it_was_granted() {
    each(1, |semaphore| {
        let held = semaphore.try_acquire().unwrap();
        let last = waiting(&semaphore, 1, Waker::noop());
        drop(held);
        drop(last);
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn when_the_last_needs_more_than_max() {
    each(3, |semaphore| {
        let _held = semaphore.try_acquire().unwrap();
        let _last = waiting(&semaphore, 3, Waker::noop());
        semaphore.set_max(2);
        assert!(semaphore.try_acquire().is_ok());
    });
}

/// Enters when it is woken, for a moment.
struct Enters {
    semaphore: Arc<Semaphore>,
    entered: AtomicUsize,
}

impl Wake for Enters {
    fn wake(self: Arc<Self>) {
        let entered = self.semaphore.try_acquire().is_ok();
        self.entered.fetch_add(usize::from(entered), SeqCst);
    }
}

fn enters(semaphore: &Arc<Semaphore>) -> (Arc<Enters>, Waker) {
    let enters = Arc::new(Enters {
        semaphore: semaphore.clone(),
        entered: AtomicUsize::new(0),
    });
    (enters.clone(), Waker::from(enters))
}

#[test]
fn when_the_last_is_woken() {
    each(2, |semaphore| {
        let held = semaphore.try_acquire_many(2).unwrap();
        let (enters, waker) = enters(&semaphore);
        let _last = waiting(&semaphore, 1, &waker);
        drop(held);
        assert_eq!(enters.entered.load(SeqCst), 1);
    });
}

#[test]
fn when_those_before_a_request_for_more_than_max_are_woken() {
    // More than two and no more than one critical section serves, and more.
    for many in [1, 2, 3, 8, 9] {
        each(many + 2, |semaphore| {
            let held = semaphore.try_acquire_many(many as u32 + 2).unwrap();
            let (enters, waker) = enters(&semaphore);
            let _many: Vec<_> = (0..many).map(|_| waiting(&semaphore, 1, &waker)).collect();
            let _heavy = waiting(&semaphore, many as u32 + 2, Waker::noop());
            semaphore.set_max(many + 1);
            drop(held);
            assert!(enters.entered.load(SeqCst) > 0, "{many}");
        });
    }
}
