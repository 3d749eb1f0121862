//! Requests for several permits: how they are served together with light ones.

use std::task::Poll;

use crate::common::{Panics, panic_of};
use dynaphore::{Semaphore, SemaphorePermit};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

/// Takes all of `semaphore`'s permits in such a way that they were handed over:
/// such permits are handed on without going back first.
fn all_handed(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    let all = semaphore.max() as u32;
    let held = semaphore.try_acquire_many(all).unwrap();
    let mut waiter = spawn(semaphore.acquire_many(all));
    assert_pending!(waiter.poll());
    drop(held);
    assert_ready_ok!(waiter.poll())
}

/// Puts requests of these `needs` in line and releases the `max` permits of a
/// semaphore, handed over or not. Says who was woken.
fn woken(max: usize, needs: &[u32]) -> Vec<bool> {
    let woken = [true, false].map(|handed| {
        let semaphore = Semaphore::new(max);
        let held = if handed {
            all_handed(&semaphore)
        } else {
            semaphore.try_acquire_many(max as u32).unwrap()
        };
        let mut line: Vec<_> = needs
            .iter()
            .map(|&need| spawn(semaphore.acquire_many(need)))
            .collect();
        for waiter in &mut line {
            assert_pending!(waiter.poll());
        }
        drop(held);
        let woken: Vec<_> = line.iter().map(|waiter| waiter.is_woken()).collect();
        let polled = line.iter_mut().map(|waiter| waiter.poll());
        let told: Vec<_> = polled.collect();
        assert!(told.iter().map(Poll::is_ready).eq(woken.iter().copied()));
        let granted = needs.iter().zip(&woken).filter(|(_, woken)| **woken);
        let granted: u32 = granted.map(|(need, _)| need).sum();
        assert_eq!(semaphore.active(), granted as usize);
        if woken.iter().all(|&woken| woken) {
            // Nobody stands in line: what is left is anybody's.
            let left = max as u32 - granted;
            assert!(semaphore.try_acquire_many(left).is_ok());
            assert_eq!(semaphore.available_permits(), left as usize);
        }
        drop((told, line));
        assert!(semaphore.try_acquire_many(max as u32).is_ok());
        woken
    });
    assert_eq!(woken[0], woken[1]);
    woken[0].clone()
}

#[test]
fn one_release_serves_as_many_as_fit_and_nobody_behind_them() {
    assert_eq!(woken(2, &[1, 1]), [true, true]);
    assert_eq!(woken(3, &[1, 1]), [true, true]);
    assert_eq!(woken(2, &[1, 1, 1]), [true, true, false]);
    assert_eq!(woken(3, &[1, 2, 1]), [true, true, false]);
    assert_eq!(woken(3, &[2, 1, 1]), [true, true, false]);
    assert_eq!(woken(3, &[1, 1, 1]), [true, true, true]);
    assert_eq!(woken(3, &[1, 1, 1, 1]), [true, true, true, false]);
    assert_eq!(woken(5, &[1, 1, 1, 1, 1]), [true; 5]);
}

#[test]
fn a_second_that_does_not_fit_holds_back_a_third_that_would() {
    assert_eq!(woken(3, &[1, 3, 1]), [true, false, false]);
    assert_eq!(woken(4, &[2, 3, 2]), [true, false, false]);
    assert_eq!(woken(4, &[4, 1, 1]), [true, false, false]);
    assert_eq!(woken(4, &[1, 1, 3, 1]), [true, true, false, false]);
}

#[test]
fn a_second_that_needs_more_than_max_holds_up_nobody() {
    assert_eq!(woken(3, &[1, 4, 1]), [true, false, true]);
    assert_eq!(woken(3, &[1, 4, 2, 1]), [true, false, true, false]);
    assert_eq!(woken(3, &[3, 4, 1]), [true, false, false]);
    assert_eq!(woken(3, &[1, 1, 4, 1]), [true, true, false, true]);
    assert_eq!(woken(3, &[4, 1, 1, 1]), [false, true, true, true]);
}

// Scenario 27.
#[test]
fn of_two_served_at_once_a_panicking_waker_keeps_neither_from_being_told() {
    for panics in [0, 1] {
        let semaphore = Semaphore::new(3);
        let held = all_handed(&semaphore);
        let mut line = [1, 2, 1].map(|need| spawn(semaphore.acquire_many(need)));
        for (at, waiter) in line.iter_mut().enumerate() {
            if at == panics {
                let waker = Panics::waker("woken");
                let polled = waiter.enter(|_, mut future| {
                    future
                        .as_mut()
                        .poll(&mut std::task::Context::from_waker(&waker))
                });
                assert_pending!(polled);
            } else {
                assert_pending!(waiter.poll());
            }
        }
        assert_eq!(panic_of(|| drop(held)), "woken");
        let [first, second, third] = &mut line;
        assert!([&first, &second][1 - panics].is_woken() && !third.is_woken());
        let permits = (
            assert_ready_ok!(first.poll()),
            assert_ready_ok!(second.poll()),
        );
        assert_eq!((semaphore.active(), semaphore.waiting()), (3, 1));
        drop(permits);
        assert!(third.is_woken());
        drop(third.poll());
    }
}

/// Found while the hand-over was made cheaper: it stopped after an exact one,
/// although what had been too little for the heavy waiter suits the light one.
#[test]
fn what_an_exact_hand_over_leaves_goes_to_the_next() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(2));
    let mut light = spawn(semaphore.acquire());
    assert!(heavy.poll().is_pending() && light.poll().is_pending());

    drop(held);
    assert!(heavy.is_woken() && light.is_woken());
    assert!(matches!(light.poll(), Poll::Ready(Ok(_))));
}
