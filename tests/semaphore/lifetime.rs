//! Who keeps the semaphore alive, and what the last of them leaves behind.

use std::{
    sync::{Arc, Weak},
    task::{Context, Waker},
    thread,
};

use crate::common::{Start, until, watchdog};
use dynaphore::Semaphore;
use futures::executor::block_on;
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

const ROUNDS: usize = 2_000;

fn gone(semaphore: &Weak<Semaphore>) -> bool {
    semaphore.upgrade().is_none()
}

#[test]
fn owned_permits_and_futures_keep_the_semaphore_alive() {
    let semaphore = Arc::new(Semaphore::new(1));
    let weak = Arc::downgrade(&semaphore);
    let permit = semaphore.clone().try_acquire_owned().unwrap();
    let mut waiter = spawn(semaphore.acquire_owned());
    assert_pending!(waiter.poll());

    drop(permit);
    assert!(!gone(&weak));
    let permit = assert_ready_ok!(waiter.poll());
    drop(waiter);
    assert!(Arc::ptr_eq(permit.semaphore(), &weak.upgrade().unwrap()));
    drop(permit);
    assert!(gone(&weak));
}

#[test]
fn a_permit_that_becomes_owned_stays_the_same_permit() {
    let plain = Semaphore::new(3);
    let with_generations = Semaphore::builder(3).generations(true).build();
    for semaphore in [plain, with_generations] {
        let semaphore = Arc::new(semaphore);
        let weak = Arc::downgrade(&semaphore);
        let permit = semaphore.try_acquire_many(2).unwrap();
        let generation = permit.generation();
        let owned = permit.into_owned(semaphore.clone());
        assert_eq!((owned.num_permits(), semaphore.active()), (2, 2));
        assert_eq!(owned.generation(), generation);
        assert!(Arc::ptr_eq(owned.semaphore(), &semaphore));
        drop(semaphore);
        assert!(!gone(&weak));
        assert_eq!(owned.semaphore().active(), 2);
        drop(owned);
        assert!(gone(&weak));
    }
}

// Scenario 29.
#[test]
fn the_last_permit_and_the_last_handle_may_be_dropped_at_once() {
    watchdog(|| {
        for _ in 0..ROUNDS {
            let semaphore = Arc::new(Semaphore::new(1));
            let weak = Arc::downgrade(&semaphore);
            let permit = semaphore.clone().try_acquire_owned().unwrap();
            let start = Start::of(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    drop(permit);
                });
                start.wait();
                drop(semaphore);
            });
            assert!(gone(&weak));
        }
    });
}

// Scenario 29: the waiter is alone with the semaphore as soon as it is woken,
// while the releaser may still be inside.
#[test]
fn a_woken_waiter_may_drop_the_last_handle_while_the_release_is_under_way() {
    watchdog(|| {
        for round in 0..ROUNDS {
            let semaphore = Arc::new(Semaphore::new(1));
            let weak = Arc::downgrade(&semaphore);
            let permit = semaphore.clone().try_acquire_owned().unwrap();
            thread::scope(|scope| {
                scope.spawn(move || match round % 2 {
                    0 => drop(semaphore.blocking_acquire_owned().unwrap()),
                    _ => drop(block_on(semaphore.acquire_owned()).unwrap()),
                });
                // Every other pair of rounds the waiter waits for certain.
                if round % 4 < 2 {
                    until(|| permit.semaphore().waiting() == 1);
                }
                drop(permit);
            });
            assert!(gone(&weak));
        }
    });
}

// Scenario 29.
#[test]
fn a_cancel_that_drops_the_last_handle_may_race_the_last_release() {
    watchdog(|| {
        for _ in 0..ROUNDS {
            let semaphore = Arc::new(Semaphore::new(1));
            let weak = Arc::downgrade(&semaphore);
            let permit = semaphore.clone().try_acquire_owned().unwrap();
            let mut waiter = Box::pin(semaphore.acquire_owned());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(waiter.as_mut().poll(&mut cx).is_pending());
            let start = Start::of(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    drop(permit);
                });
                start.wait();
                drop(waiter);
            });
            assert!(gone(&weak));
        }
    });
}

// Scenario 29.
#[test]
fn the_last_handle_may_go_while_another_thread_closes() {
    watchdog(|| {
        for _ in 0..ROUNDS {
            let semaphore = Arc::new(Semaphore::new(0));
            let weak = Arc::downgrade(&semaphore);
            let closer = semaphore.clone();
            let start = &Start::of(2);
            thread::scope(|scope| {
                scope.spawn(move || {
                    start.wait();
                    assert!(semaphore.blocking_acquire_owned().is_err());
                });
                start.wait();
                closer.close();
                drop(closer);
            });
            assert!(gone(&weak));
        }
    });
}

#[test]
fn a_semaphore_goes_with_its_used_up_line() {
    let semaphore = Arc::new(Semaphore::new(0));
    let weak = Arc::downgrade(&semaphore);
    let mut waiters: Vec<_> = (0..100)
        .map(|_| spawn(semaphore.clone().acquire_owned()))
        .collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    // Some served, some cancelled, some told that it is closed.
    semaphore.set_max(30);
    drop(waiters.split_off(60));
    semaphore.close();
    for waiter in &mut waiters {
        assert!(waiter.is_woken());
    }
    drop((waiters, semaphore));
    assert!(gone(&weak));
}

#[test]
fn a_static_semaphore_needs_no_handle() {
    static GATE: Semaphore = Semaphore::new(2);
    let permit = thread::spawn(|| GATE.blocking_acquire().unwrap())
        .join()
        .unwrap();
    assert_eq!(GATE.active(), 1);
    thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!(GATE.active(), 0);
}
