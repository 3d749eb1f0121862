//! Wakers that panic where the panic surfaces in somebody who was about to get
//! a permit, or to give up: no permit may be lost or made by it.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    thread,
    time::Duration,
};

use crate::{
    common::{Panics, Wakes, silently, snapshot},
    reentrancy::hooked::{Hooked, Moment},
};
use dynaphore::{AcquireTimeoutError, Fairness, Semaphore, Snapshot};

fn at_rest(max: usize) -> Snapshot {
    snapshot(max, 0, 0, false)
}

/// With one permit, in each way in which requests compete. None waits for long enough to join
/// the line.
fn competing() -> [Semaphore; 2] {
    [Fairness::Barging, Fairness::Eventual].map(|fairness| {
        Semaphore::builder(1)
            .fairness(fairness)
            .bound(Duration::MAX)
            .build()
    })
}

/// The heavy head of the line gives up, which lets the light one behind in,
/// whose waker panics in the thread that gives up.
#[test]
fn a_time_out_that_wakes_a_panicking_waker_makes_no_permits() {
    let panicking = Panics::waker("a waker that panics");
    // It takes a round in which the light one came before the time was over.
    loop {
        let semaphore = Semaphore::new(2);
        let held = semaphore.try_acquire().unwrap();
        let panicked = thread::scope(|scope| {
            let heavy = scope.spawn(|| {
                let patience = Duration::from_millis(20);
                semaphore
                    .blocking_acquire_many_timeout(2, patience)
                    .map(drop)
            });
            while semaphore.waiting() == 0 && !heavy.is_finished() {
                thread::yield_now();
            }
            let mut light = pin!(semaphore.acquire());
            let waits = light
                .as_mut()
                .poll(&mut Context::from_waker(&panicking))
                .is_pending();
            let gave_up = heavy.join();
            assert_eq!(semaphore.active(), if waits { 2 } else { 1 });
            match gave_up {
                Ok(timed_out) => assert_eq!(timed_out, Err(AcquireTimeoutError::Timeout)),
                Err(_) => return true,
            }
            false
        });
        drop(held);
        assert_eq!(semaphore.snapshot(), at_rest(2));
        if panicked {
            return;
        }
    }
}

/// A woken waiter gives up, and passes what it was woken for to one whose waker panics.
#[test]
fn giving_up_that_wakes_a_panicking_waker_loses_no_permit() {
    let panicking = Panics::waker("a waker that panics");
    let mut quiet = Context::from_waker(Waker::noop());
    for semaphore in competing() {
        let held = semaphore.try_acquire().unwrap();
        let mut front = Box::pin(semaphore.acquire());
        let mut next = Box::pin(semaphore.acquire());
        assert!(front.as_mut().poll(&mut quiet).is_pending());
        let loud = &mut Context::from_waker(&panicking);
        assert!(next.as_mut().poll(loud).is_pending());
        drop(held);
        let dropped = silently(|| drop(front));
        assert!(dropped.is_err(), "the next was woken");
        assert!(next.as_mut().poll(&mut quiet).is_ready());
        drop(next);
        assert_eq!(semaphore.snapshot(), at_rest(1));
    }
}

/// A woken waiter is polled with another waker, and the one before panics as it is dropped.
#[test]
fn a_waker_that_panics_as_it_is_replaced_costs_nobody_its_turn() {
    for semaphore in competing() {
        let held = semaphore.try_acquire().unwrap();
        let mut front = Box::pin(semaphore.acquire());
        let mut next = Box::pin(semaphore.acquire());
        let (hooked, loud) = Hooked::new();
        let polled = front.as_mut().poll(&mut Context::from_waker(&loud));
        assert!(polled.is_pending());
        let (wakes, waker) = Wakes::new();
        let polled = next.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(held);
        hooked.arm(Moment::Drop, || panic!("a waker that panics"));
        let quiet = &mut Context::from_waker(Waker::noop());
        assert!(silently(|| front.as_mut().poll(quiet).is_ready()).is_err());
        drop(front);
        assert_eq!(wakes.count(), 1);
        assert!(next.as_mut().poll(quiet).is_ready());
        drop(next);
        assert_eq!(semaphore.snapshot(), at_rest(1));
    }
}

/// It has its permit, and needs its waker no more.
#[test]
fn a_waker_that_panics_as_its_waiter_is_served_loses_no_permit() {
    for semaphore in competing() {
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = Box::pin(semaphore.acquire());
        let (hooked, loud) = Hooked::new();
        let loud = &mut Context::from_waker(&loud);
        assert!(waiter.as_mut().poll(loud).is_pending());
        drop(held);
        hooked.arm(Moment::Drop, || panic!("a waker that panics"));
        assert!(silently(|| waiter.as_mut().poll(loud).is_ready()).is_err());
        drop(waiter);
        assert_eq!(semaphore.snapshot(), at_rest(1));
    }
}

/// It is closed while a waker is cloned for it, and has no use for the clone.
#[test]
fn a_waker_that_panics_as_a_closed_semaphore_drops_it_is_heard() {
    for semaphore in competing().map(Arc::new) {
        let _held = semaphore.try_acquire().unwrap();
        let mut waiter = Box::pin(semaphore.acquire());
        let (hooked, loud) = Hooked::new();
        let close = {
            let (semaphore, hooked) = (semaphore.clone(), hooked.clone());
            move || {
                semaphore.close();
                hooked.arm(Moment::Drop, || panic!("a waker that panics"));
            }
        };
        hooked.arm(Moment::Clone, close);
        let loud = &mut Context::from_waker(&loud);
        assert!(silently(|| waiter.as_mut().poll(loud).is_ready()).is_err());
    }
}
