//! Requests for as many permits as there are, up to some number; and no limit at all.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
};

use crate::common::{FAIRNESSES, panic_of, watchdog};
use dynaphore::{AcquireError, Fairness, Semaphore, TryAcquireError};
use futures::{FutureExt, executor::block_on};

fn semaphore(max: usize, fairness: Fairness) -> Semaphore {
    Semaphore::builder(max).fairness(fairness).build()
}

#[test]
fn what_is_there_is_taken_at_once() {
    for fairness in FAIRNESSES {
        let semaphore = semaphore(5, fairness);
        let three = semaphore.try_acquire_up_to(3).unwrap();
        assert_eq!(three.num_permits(), 3);
        let rest = block_on(semaphore.acquire_up_to(1000)).unwrap();
        assert_eq!((rest.num_permits(), semaphore.active()), (2, 5));
        let none = semaphore.try_acquire_up_to(1).unwrap_err();
        assert_eq!(none, TryAcquireError::NoPermits);
        drop((three, rest));
        let all = semaphore.blocking_acquire_up_to(9).unwrap();
        assert_eq!(all.num_permits(), 5);
        drop(all);
        let owned = block_on(Arc::new(semaphore).acquire_up_to_owned(4)).unwrap();
        assert_eq!((owned.num_permits(), owned.semaphore().active()), (4, 4));
    }
}

#[test]
fn one_in_line_takes_what_has_come_back_when_its_turn_comes() {
    for fairness in FAIRNESSES {
        for (most, returned, granted) in [(4, 1, 1), (4, 3, 3), (2, 3, 2), (9, 5, 5)] {
            let semaphore = semaphore(5, fairness);
            let mut held = semaphore.try_acquire_many(5).unwrap();
            let mut some = pin!(semaphore.acquire_up_to(most));
            assert!(some.as_mut().now_or_never().is_none());
            drop(held.split(returned));
            let some = some.now_or_never().expect("its turn").unwrap();
            assert_eq!(some.num_permits(), granted, "{fairness:?}");
            assert_eq!(semaphore.active(), 5 - returned + granted);
        }
    }
}

#[test]
fn those_behind_are_served_before_it_takes_more_than_one() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(5).unwrap();
    let mut some = pin!(semaphore.acquire_up_to(3));
    let mut three = pin!(semaphore.acquire_many(3));
    assert!(some.as_mut().now_or_never().is_none());
    assert!(three.as_mut().now_or_never().is_none());
    drop(held);
    let some = some.now_or_never().expect("its turn").unwrap();
    assert_eq!(some.num_permits(), 2);
    assert!(three.now_or_never().is_some());
}

#[test]
fn nothing_is_taken_from_those_in_line() {
    for fairness in [Fairness::Fifo, Fairness::Eventual] {
        let semaphore = semaphore(5, fairness);
        let mut held = semaphore.try_acquire_many(2).unwrap();
        let mut heavy = pin!(semaphore.acquire_many(4));
        assert!(heavy.as_mut().now_or_never().is_none());
        // Three are free, and the first in line waits for a fourth.
        held.extend_up_to(5);
        assert_eq!(held.num_permits(), 2, "{fairness:?}");
        drop(held);
        assert!(heavy.now_or_never().is_some());
    }
}

#[test]
fn one_that_leaves_gives_back_what_it_was_granted() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut some = Box::pin(semaphore.acquire_up_to(4));
    assert!(some.as_mut().now_or_never().is_none());
    drop(held);
    assert_eq!(semaphore.active(), 1);
    drop(some);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn more_than_max_is_no_reason_to_stand_aside() {
    let semaphore = Semaphore::new(0);
    let mut some = pin!(semaphore.acquire_up_to(8));
    assert!(some.as_mut().now_or_never().is_none());
    semaphore.set_max(3);
    assert_eq!(block_on(some).unwrap().num_permits(), 3);
}

#[test]
fn closing_tells_it_as_all_others() {
    for fairness in FAIRNESSES {
        let semaphore = semaphore(2, fairness);
        let mut held = semaphore.try_acquire().unwrap();
        let mut other = semaphore.try_acquire().ok();
        let mut some = pin!(semaphore.acquire_up_to(2));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(some.as_mut().poll(&mut cx).is_pending());
        semaphore.close();
        match some.poll(&mut cx) {
            Poll::Ready(answer) => assert_eq!(answer.unwrap_err(), AcquireError::Closed),
            Poll::Pending => panic!("not told"),
        }
        drop(other.take());
        held.extend_up_to(2);
        assert_eq!(held.num_permits(), 1);
    }
}

#[test]
fn up_to_none_is_refused_before_anything_changes() {
    let semaphore = Semaphore::new(1);
    let message = panic_of(|| drop(semaphore.acquire_up_to(0)));
    assert_eq!(message, "up to 0 permits, and at least one");
    let message = panic_of(|| drop(semaphore.try_acquire_up_to(u32::MAX)));
    assert!(message.contains("MAX_PERMITS"), "{message}");
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn threads_that_take_what_there_is_lose_no_permit() {
    const MAX: usize = 6;
    for fairness in FAIRNESSES {
        watchdog(move || {
            let semaphore = semaphore(MAX, fairness);
            let out = AtomicUsize::new(0);
            thread::scope(|scope| {
                for most in [1, 2, 4, 9] {
                    let (semaphore, out) = (&semaphore, &out);
                    scope.spawn(move || {
                        for _ in 0..100 {
                            let some = semaphore.blocking_acquire_up_to(most).unwrap();
                            let n = some.num_permits();
                            assert!((1..=most as usize).contains(&n));
                            assert!(out.fetch_add(n, SeqCst) + n <= MAX, "{fairness:?}");
                            thread::yield_now();
                            out.fetch_sub(n, SeqCst);
                        }
                    });
                }
            });
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        });
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
