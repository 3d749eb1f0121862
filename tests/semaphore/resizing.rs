//! What a change of max does, and when.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    task::{Context, Waker},
    thread,
};

use crate::common::watchdog;
use dynaphore::{Semaphore, TryAcquireError};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};

// Scenario 17.
#[test]
fn growing_from_none_to_k_admits_exactly_k() {
    const K: usize = 20;
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..=K).map(|_| spawn(semaphore.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }

    semaphore.set_max(K);
    assert_eq!((semaphore.active(), semaphore.waiting()), (K, 1));
    let mut last = waiters.pop().unwrap();
    assert!(waiters.iter().all(|waiter| waiter.is_woken()));
    assert!(!last.is_woken());
    assert!(semaphore.try_acquire().is_err());

    drop(assert_ready_ok!(waiters[7].poll()));
    let _permit = assert_ready_ok!(last.poll());
}

/// One waiter for `need` of `max`, which it cannot have; max is raised to
/// `raised`, where it is served and nothing is left. Meanwhile a newcomer
/// tries and tries.
fn nobody_slips_in(max: usize, need: u32, raised: usize) {
    watchdog(move || {
        for round in 0..300 {
            let semaphore = Semaphore::new(max);
            let held = semaphore.try_acquire_many(max as u32).unwrap();
            let mut waiter = Box::pin(semaphore.acquire_many(need));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(waiter.as_mut().poll(&mut cx).is_pending());

            let (tries, raise) = (AtomicBool::new(false), AtomicBool::new(false));
            thread::scope(|scope| {
                let newcomer = scope.spawn(|| {
                    let mut got = None;
                    while got.is_none() && !raise.load(SeqCst) {
                        got = semaphore.try_acquire().ok();
                        tries.store(true, SeqCst);
                    }
                    got.is_some()
                });
                while !tries.load(SeqCst) {
                    thread::yield_now();
                }
                if round % 2 == 0 {
                    semaphore.set_max(raised);
                } else {
                    semaphore.add_permits(raised - max);
                }
                raise.store(true, SeqCst);
                let slipped_in = newcomer.join().unwrap();
                assert!(!slipped_in, "round {round}: passed a waiter");
            });
            assert!(waiter.as_mut().poll(&mut cx).is_ready());
            drop(held);
        }
    });
}

// Scenario 17.
#[test]
fn nobody_slips_in_while_a_pause_ends() {
    nobody_slips_in(0, 1, 1);
}

#[test]
fn nobody_slips_in_while_a_full_semaphore_grows() {
    nobody_slips_in(1, 1, 2);
}

#[test]
fn nobody_slips_in_while_a_request_for_more_than_max_becomes_possible() {
    nobody_slips_in(3, 5, 8);
}

// Scenario 18.
#[test]
fn after_a_shrink_and_a_growth_nobody_enters_until_active_is_below_max() {
    let semaphore = Semaphore::new(5);
    let mut held: Vec<_> = (0..5).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    assert_eq!((semaphore.set_max(1), semaphore.set_max(3)), (5, 1));

    for active in [5, 4, 3] {
        assert_eq!(semaphore.active(), active);
        assert!(!waiter.is_woken());
        assert_eq!(
            semaphore.try_acquire().unwrap_err(),
            TryAcquireError::NoPermits
        );
        held.pop();
    }
    assert!(waiter.is_woken());
    let _permit = assert_ready_ok!(waiter.poll());
    assert_eq!(semaphore.active(), 3);
}

// Scenario 19.
#[test]
fn idle_permits_beyond_the_new_max_are_gone_at_once() {
    let semaphore = Semaphore::new(10);
    let mut held = semaphore.try_acquire_many(8).unwrap();
    assert_eq!(semaphore.set_max(6), 10);
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.try_acquire().is_err());
    let snapshot = semaphore.snapshot();
    assert_eq!((snapshot.available(), snapshot.excess()), (0, 2));

    drop(held.split(2));
    assert!(
        semaphore.try_acquire().is_err(),
        "six are out, and six is all"
    );
    drop(held.split(1));
    assert!(semaphore.try_acquire().is_ok());
}

// Scenario 20.
#[test]
fn a_shrink_is_paid_before_the_line_is_served() {
    let semaphore = Semaphore::new(4);
    let mut held: Vec<_> = (0..4).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut waiters: Vec<_> = (0..4).map(|_| spawn(semaphore.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    semaphore.set_max(2);
    let mut settled = spawn(semaphore.settled());
    assert_pending!(settled.poll());

    held.pop();
    assert!(!settled.is_woken());
    held.pop();
    assert_ready!(settled.poll());
    assert!(!waiters[0].is_woken());
    held.pop();
    assert!(waiters[0].is_woken() && !waiters[1].is_woken());
    assert_eq!((semaphore.active(), semaphore.waiting()), (2, 3));
}

// Scenario 20.
#[test]
fn a_shrink_takes_effect_under_load() {
    watchdog(|| {
        let semaphore = Semaphore::new(6);
        let (held, rounds) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (settled, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        let _permit = semaphore.blocking_acquire().unwrap();
                        let was_settled = settled.load(SeqCst);
                        let now = held.fetch_add(1, SeqCst) + 1;
                        assert!(!was_settled || now <= 2, "{now} hold one of two");
                        thread::yield_now();
                        held.fetch_sub(1, SeqCst);
                        rounds.fetch_add(1, SeqCst);
                    }
                });
            }
            semaphore.set_max(2);
            semaphore.blocking_settled();
            settled.store(true, SeqCst);
            let then = rounds.load(SeqCst);
            while rounds.load(SeqCst) < then + 2_000 {
                assert!(semaphore.active() <= 2);
            }
            stop.store(true, SeqCst);
        });
        assert_eq!((semaphore.max(), semaphore.active()), (2, 0));
    });
}

// Scenario 21.
#[test]
fn a_new_semaphore_of_zero_is_a_pause() {
    let semaphore = Semaphore::new(0);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    assert_eq!(semaphore.waiting(), 1);
    semaphore.set_max(1);
    let _permit = assert_ready_ok!(waiter.poll());
}

// Scenario 21.
#[test]
fn zero_is_a_pause_for_one_in_use() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = spawn(semaphore.acquire_many(2));
    assert_pending!(waiter.poll());
    assert_eq!(semaphore.set_max(0), 2);
    drop(held);
    assert_pending!(waiter.poll());
    assert!(semaphore.try_acquire().is_err());
    assert_eq!(semaphore.set_max(2), 0);
    let _permits = assert_ready_ok!(waiter.poll());
}

// Scenario 22.
#[test]
fn a_request_for_more_than_max_waits_and_holds_up_nobody() {
    let semaphore = Semaphore::new(3);
    let mut heavy = spawn(semaphore.acquire_many(5));
    assert_pending!(heavy.poll());
    assert_eq!(semaphore.available_permits(), 3);
    let held = semaphore.try_acquire_many(3).unwrap();
    let mut light = spawn(semaphore.acquire());
    assert_pending!(light.poll());
    assert_eq!(semaphore.waiting(), 2);
    drop(held);
    drop(assert_ready_ok!(light.poll()));

    assert_pending!(heavy.poll());
    semaphore.set_max(5);
    assert!(heavy.is_woken());
    assert_eq!(assert_ready_ok!(heavy.poll()).num_permits(), 5);
}

// Unlike tokio's, which would let the heavy one gather: the README says so.
#[test]
fn in_a_token_bucket_who_wants_more_than_is_left_steps_aside() {
    let bucket = Semaphore::new(0);
    let mut heavy = spawn(bucket.acquire_many(3));
    let mut light = spawn(bucket.acquire());
    assert_pending!(heavy.poll());
    assert_pending!(light.poll());
    bucket.add_permits(1);
    assert!(light.is_woken() && !heavy.is_woken());
    assert_ready_ok!(light.poll()).forget();
    assert_eq!((bucket.max(), bucket.active(), bucket.waiting()), (0, 0, 1));
    bucket.add_permits(2);
    assert!(!heavy.is_woken());
    bucket.add_permits(1);
    assert_ready_ok!(heavy.poll()).forget();
    assert_eq!(bucket.max(), 0);
}

#[test]
fn a_request_that_a_shrink_made_impossible_lets_the_others_pass() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(4));
    let mut light = spawn(semaphore.acquire());
    assert_pending!(heavy.poll());
    assert_pending!(light.poll());

    semaphore.set_max(3);
    let light = assert_ready_ok!(light.poll());
    drop(held);
    assert!(semaphore.try_acquire().is_ok());
    assert!(!heavy.is_woken());
    semaphore.set_max(4);
    assert!(!heavy.is_woken(), "one is out");
    drop(light);
    let _permits = assert_ready_ok!(heavy.poll());
}

#[test]
fn who_stepped_aside_is_back_before_those_that_came_later() {
    let semaphore = Semaphore::new(3);
    let mut held = semaphore.try_acquire_many(3).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(5));
    let mut light = spawn(semaphore.acquire());
    assert_pending!(heavy.poll());
    assert_pending!(light.poll());

    semaphore.set_max(5);
    assert!(!light.is_woken(), "the heavy one was here first");
    drop(held.split(2));
    assert!(!light.is_woken() && !heavy.is_woken());
    drop(held);
    assert!(heavy.is_woken() && !light.is_woken());
    drop(assert_ready_ok!(heavy.poll()));
    let _permit = assert_ready_ok!(light.poll());
}

#[test]
fn a_request_for_more_than_max_can_be_cancelled() {
    let semaphore = Semaphore::new(3);
    let mut heavy = spawn(semaphore.acquire_many(5));
    assert_pending!(heavy.poll());
    drop(heavy);
    assert_eq!(semaphore.waiting(), 0);
    semaphore.set_max(5);
    assert!(semaphore.try_acquire_many(5).is_ok());
}

// Scenario 23.
#[test]
fn after_set_max_zero_has_returned_nothing_is_granted() {
    watchdog(|| {
        let semaphore = Semaphore::new(4);
        let (paused, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        let was_paused = paused.load(SeqCst);
                        let got = semaphore.try_acquire().is_ok();
                        // Paused before the try and after it, by one pause or more.
                        assert!(!(was_paused && got && paused.load(SeqCst)));
                    }
                });
            }
            semaphore.set_max(0);
            paused.store(true, SeqCst);
            for _ in 0..10_000 {
                assert!(semaphore.try_acquire().is_err());
            }
            stop.store(true, SeqCst);
        });
        semaphore.blocking_idle();
    });
}

#[test]
fn growth_admits_the_waiters_that_now_fit_in_their_order() {
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = [1, 3, 1].map(|n| spawn(semaphore.acquire_many(n))).into();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    semaphore.set_max(4);
    let woken: Vec<_> = waiters.iter().map(|waiter| waiter.is_woken()).collect();
    assert_eq!(woken, [true, true, false]);
    semaphore.add_permits(1);
    assert!(waiters[2].is_woken());
}

#[test]
fn what_belongs_to_the_line_cannot_be_forgotten() {
    let semaphore = Semaphore::new(3);
    let _held = semaphore.try_acquire_many(2).unwrap();
    let mut waiter = spawn(semaphore.acquire_many(2));
    assert_pending!(waiter.poll());
    assert_eq!((semaphore.forget_permits(3), semaphore.max()), (0, 3));
    drop(waiter);
    assert_eq!((semaphore.forget_permits(3), semaphore.max()), (1, 2));
}

#[test]
fn forget_permits_takes_no_more_than_there_are() {
    let semaphore = Semaphore::new(3);
    assert_eq!(semaphore.forget_permits(2), 2);
    assert_eq!(semaphore.forget_permits(2), 1);
    assert_eq!(semaphore.forget_permits(2), 0);
    assert_eq!(semaphore.max(), 0);
}
