//! Requests for as many permits as there are, up to some number.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    thread,
};

use common::panic_of;
use dynaphore::{AcquireError, Fairness, Semaphore, TryAcquireError};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task::spawn};

const FAIRNESSES: [Fairness; 3] = [Fairness::Fifo, Fairness::Eventual, Fairness::Barging];

fn semaphore(max: usize, fairness: Fairness) -> Semaphore {
    Semaphore::builder(max).fairness(fairness).build()
}

#[test]
fn what_is_there_is_taken_at_once() {
    for fairness in FAIRNESSES {
        let semaphore = semaphore(5, fairness);
        let three = semaphore.try_acquire_up_to(3).unwrap();
        assert_eq!(three.num_permits(), 3);
        let rest = assert_ready_ok!(spawn(semaphore.acquire_up_to(u32::MAX)).poll());
        assert_eq!((rest.num_permits(), semaphore.active()), (2, 5));
        assert_eq!(
            semaphore.try_acquire_up_to(1).unwrap_err(),
            TryAcquireError::NoPermits
        );
        drop((three, rest));
        assert_eq!(
            semaphore.blocking_acquire_up_to(9).unwrap().num_permits(),
            5
        );
        assert_eq!(semaphore.active(), 0);
    }
}

#[test]
fn one_in_line_takes_what_has_come_back_when_its_turn_comes() {
    for fairness in FAIRNESSES {
        for (most, returned, granted) in [(4, 1, 1), (4, 3, 3), (2, 3, 2), (9, 5, 5)] {
            let semaphore = semaphore(5, fairness);
            let mut held = semaphore.try_acquire_many(5).unwrap();
            let mut some = spawn(semaphore.acquire_up_to(most));
            assert_pending!(some.poll());
            drop(held.split(returned));
            assert!(some.is_woken());
            let room = assert_ready_ok!(some.poll());
            assert_eq!(room.num_permits(), granted, "{fairness:?}");
            assert_eq!(semaphore.active(), 5 - returned + granted);
            drop((room, held));
            assert_eq!(semaphore.active(), 0);
        }
    }
}

#[test]
fn those_behind_have_what_it_leaves() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(5).unwrap();
    let mut some = spawn(semaphore.acquire_up_to(3));
    let mut two = spawn(semaphore.acquire_many(2));
    let mut last = spawn(semaphore.acquire());
    assert_pending!(some.poll());
    assert_pending!(two.poll());
    assert_pending!(last.poll());
    drop(held);
    let some = assert_ready_ok!(some.poll());
    assert_eq!(some.num_permits(), 3);
    let _two = assert_ready_ok!(two.poll());
    assert_pending!(last.poll());
    drop(some);
    let _last = assert_ready_ok!(last.poll());
    assert_eq!(semaphore.active(), 3);
}

#[test]
fn it_does_not_pass_those_in_line() {
    let semaphore = Semaphore::new(5);
    let _held = semaphore.try_acquire_many(3).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(4));
    assert_pending!(heavy.poll());
    let mut some = spawn(semaphore.acquire_up_to(2));
    assert_pending!(some.poll());
    assert!(semaphore.try_acquire_up_to(2).is_err());
    drop(heavy);
    let room = assert_ready_ok!(some.poll());
    assert_eq!(room.num_permits(), 2);
}

#[test]
fn one_that_leaves_gives_back_all_that_it_was_granted() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(5).unwrap();
    let mut some = spawn(semaphore.acquire_up_to(4));
    assert_pending!(some.poll());
    drop(held);
    assert_eq!(semaphore.active(), 4);
    drop(some);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn one_that_is_granted_and_times_out_has_its_permits() {
    let semaphore = Semaphore::new(5);
    let mut held = semaphore.try_acquire_many(5).ok();
    // It is granted between its own look and the end of its time.
    let until = std::future::poll_fn(|_| {
        drop(held.take());
        Poll::Ready(())
    });
    let mut some = spawn(semaphore.acquire_up_to(3).until(until));
    let room = assert_ready_ok!(some.poll());
    assert_eq!((room.num_permits(), semaphore.active()), (3, 3));
}

#[test]
fn more_than_max_is_no_reason_to_stand_aside() {
    let semaphore = Semaphore::new(0);
    let mut some = spawn(semaphore.acquire_up_to(8));
    assert_pending!(some.poll());
    semaphore.set_max(3);
    let room = assert_ready_ok!(some.poll());
    assert_eq!(room.num_permits(), 3);
}

#[test]
fn closing_tells_it_as_all_others() {
    for fairness in FAIRNESSES {
        let semaphore = semaphore(1, fairness);
        let _held = semaphore.try_acquire().unwrap();
        let mut some = spawn(semaphore.acquire_up_to(2));
        assert_pending!(some.poll());
        semaphore.close();
        let told = assert_ready_err!(some.poll());
        assert_eq!(told, AcquireError::Closed);
        let told = assert_ready!(spawn(semaphore.acquire_up_to(2)).poll());
        assert_eq!(told.unwrap_err(), AcquireError::Closed);
    }
}

#[test]
fn up_to_none_is_refused_before_anything_changes() {
    let semaphore = Semaphore::new(1);
    let message = panic_of(|| drop(semaphore.acquire_up_to(0)));
    assert_eq!(message, "up to 0 permits, and at least one");
    assert_eq!(semaphore.active(), 0);
}

/// Each loses count of nothing: what is granted is what is counted.
#[test]
fn threads_that_take_what_there_is_lose_no_permit() {
    const MAX: usize = 6;
    for fairness in FAIRNESSES {
        let semaphore = Arc::new(semaphore(MAX, fairness));
        let out = AtomicUsize::new(0);
        thread::scope(|scope| {
            for most in [1_u32, 2, 4, 9] {
                let (semaphore, out) = (&semaphore, &out);
                scope.spawn(move || {
                    for _ in 0..100 {
                        let some = semaphore.blocking_acquire_up_to(most).unwrap();
                        let n = some.num_permits();
                        assert!((1..=most as usize).contains(&n));
                        assert!(out.fetch_add(n, Relaxed) + n <= MAX, "{fairness:?}");
                        thread::yield_now();
                        out.fetch_sub(n, Relaxed);
                    }
                });
            }
        });
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    }
}

#[test]
fn without_a_limit_nobody_waits_until_one_is_set() {
    let semaphore = Semaphore::unlimited();
    let many = semaphore.try_acquire_many(1_000_000).unwrap();
    assert!(semaphore.try_acquire().is_ok());
    semaphore.set_max(1_000_000);
    assert!(semaphore.try_acquire().is_err());
    drop(many);
}
