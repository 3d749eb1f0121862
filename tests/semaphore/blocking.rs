//! Blocking the thread: for permits, with and without a bound on the time, and
//! for a state.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use crate::common::{Random, until, watchdog};
use dynaphore::{AcquireTimeoutError, Semaphore};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

use AcquireTimeoutError::Timeout;

/// A moment that is over.
fn past() -> Instant {
    Instant::now()
        .checked_sub(Duration::from_millis(1))
        .unwrap()
}

#[test]
fn a_blocked_thread_goes_on_when_its_permits_are_there() {
    watchdog(|| {
        let semaphore = &Semaphore::new(3);
        let mut held = semaphore.try_acquire_many(3).unwrap();
        let served = &AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let permits = semaphore.blocking_acquire_many(2).unwrap();
                assert_eq!(permits.num_permits(), 2);
                served.store(true, SeqCst);
            });
            until(|| semaphore.waiting() == 1);
            drop(held.split(1));
            assert!(!served.load(SeqCst));
            assert_eq!(semaphore.waiting(), 1, "two are needed");
            drop(held.split(1));
            until(|| served.load(SeqCst));
        });
        assert_eq!(semaphore.active(), 1);
    });
}

#[test]
fn a_growth_lets_blocked_threads_go_on() {
    watchdog(|| {
        let semaphore = &Arc::new(Semaphore::new(0));
        thread::scope(|scope| {
            for n in 1..=3 {
                scope.spawn(move || semaphore.clone().blocking_acquire_many_owned(n).map(drop));
            }
            until(|| semaphore.waiting() == 3);
            semaphore.set_max(3);
        });
        assert_eq!(semaphore.snapshot().available(), 3);
    });
}

// `park` may return for no reason at all.
#[test]
fn a_stray_unpark_grants_nothing() {
    watchdog(|| {
        let semaphore = &Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let served = &AtomicBool::new(false);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                thread::current().unpark();
                let _permit = semaphore.blocking_acquire().unwrap();
                served.store(true, SeqCst);
            });
            until(|| semaphore.waiting() == 1);
            for _ in 0..100 {
                waiter.thread().unpark();
                thread::yield_now();
                assert!(!served.load(SeqCst));
                assert_eq!(semaphore.waiting(), 1);
            }
            drop(held);
        });
    });
}

#[test]
fn when_the_time_is_over_there_is_no_trace() {
    let semaphore = Arc::new(Semaphore::new(1));
    let held = semaphore.try_acquire().unwrap();
    let before = semaphore.snapshot();
    let s = || Arc::clone(&semaphore);
    let soon = Duration::from_millis(2);
    let late = [
        semaphore.blocking_acquire_timeout(soon).map(drop),
        semaphore.blocking_acquire_timeout(Duration::ZERO).map(drop),
        semaphore.blocking_acquire_many_timeout(7, soon).map(drop),
        s().blocking_acquire_owned_timeout(soon).map(drop),
        s().blocking_acquire_many_owned_timeout(7, soon).map(drop),
        semaphore
            .blocking_acquire_deadline(Instant::now() + soon)
            .map(drop),
        semaphore.blocking_acquire_deadline(past()).map(drop),
        semaphore
            .blocking_acquire_many_deadline(7, past())
            .map(drop),
        s().blocking_acquire_owned_deadline(past()).map(drop),
        s().blocking_acquire_many_owned_deadline(7, past())
            .map(drop),
    ];
    assert_eq!(late, [Err(Timeout); 10]);
    assert_eq!(semaphore.snapshot(), before);
    assert_eq!(Arc::strong_count(&semaphore), 1);
    drop(held);
    assert!(semaphore.try_acquire().is_ok());
}

#[test]
fn the_time_is_waited_out() {
    let semaphore = Semaphore::new(0);
    let (start, patience) = (Instant::now(), Duration::from_millis(20));
    assert_eq!(
        semaphore.blocking_acquire_timeout(patience).unwrap_err(),
        Timeout
    );
    assert!(start.elapsed() >= patience);
}

#[test]
fn a_permit_that_is_there_is_taken_though_the_time_is_over() {
    let semaphore = Arc::new(Semaphore::new(4));
    let s = || Arc::clone(&semaphore);
    let _one = semaphore.blocking_acquire_timeout(Duration::ZERO).unwrap();
    let _two = semaphore.blocking_acquire_deadline(past()).unwrap();
    let _three = s().blocking_acquire_owned_timeout(Duration::ZERO).unwrap();
    let _four = s().blocking_acquire_many_owned_deadline(1, past()).unwrap();
    assert_eq!(semaphore.active(), 4);
}

#[test]
fn a_time_too_far_to_be_told_is_never() {
    watchdog(|| {
        let semaphore = &Arc::new(Semaphore::new(0));
        let never = Duration::MAX;
        thread::scope(|scope| {
            scope.spawn(move || drop(semaphore.blocking_acquire_timeout(never).unwrap()));
            scope.spawn(move || drop(semaphore.blocking_acquire_many_timeout(2, never).unwrap()));
            let owned = semaphore.clone();
            scope.spawn(move || drop(owned.blocking_acquire_owned_timeout(never).unwrap()));
            // Centuries that can be told, and that no clock call can take at once.
            let far = Instant::now() + Duration::from_secs(1 << 34);
            scope.spawn(move || drop(semaphore.blocking_acquire_deadline(far).unwrap()));
            until(|| semaphore.waiting() == 4);
            semaphore.set_max(2);
        });
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    });
}

#[test]
fn a_heavy_waiter_whose_time_is_over_lets_the_next_proceed() {
    watchdog(|| {
        let semaphore = &Semaphore::new(2);
        let _held = semaphore.try_acquire().unwrap();
        let mut light = spawn(semaphore.acquire());
        thread::scope(|scope| {
            let heavy = scope.spawn(|| {
                let patience = Duration::from_millis(30);
                semaphore
                    .blocking_acquire_many_timeout(2, patience)
                    .map(drop)
            });
            // Behind the heavy one, unless that is so quick that it is gone.
            until(|| semaphore.waiting() == 1 || heavy.is_finished());
            let _ = light.poll();
            assert_eq!(heavy.join().unwrap(), Err(Timeout));
        });
        assert_eq!((semaphore.active(), semaphore.waiting()), (2, 0));
    });
}

#[test]
fn a_timeout_that_loses_against_a_release_keeps_the_count() {
    watchdog(|| {
        let semaphore = &Semaphore::new(1);
        thread::scope(|scope| {
            for seed in 0..3 {
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..2_000 {
                        let patience = Duration::from_nanos(random.below(20_000).into());
                        let permit = semaphore.blocking_acquire_timeout(patience);
                        if permit.is_ok() {
                            thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn a_timeout_then_a_release_serves_the_one_behind() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    assert!(
        semaphore
            .blocking_acquire_timeout(Duration::from_millis(1))
            .is_err()
    );
    let mut next = spawn(semaphore.acquire());
    assert_pending!(next.poll());
    assert!(
        semaphore
            .blocking_acquire_timeout(Duration::from_millis(1))
            .is_err()
    );
    drop(held);
    let _permit = assert_ready_ok!(next.poll());
}

#[test]
fn a_thread_can_wait_for_a_shrink() {
    watchdog(|| {
        let semaphore = &Semaphore::new(3);
        let mut held = semaphore.try_acquire_many(3).unwrap();
        semaphore.set_max(1);
        let back = &AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    semaphore.blocking_settled();
                    assert!(back.load(SeqCst), "settled with too many out");
                });
            }
            drop(held.split(1));
            thread::yield_now();
            back.store(true, SeqCst);
            drop(held.split(1));
        });
        assert_eq!(semaphore.active(), 1);
        semaphore.blocking_settled();
    });
}

#[test]
fn a_thread_can_wait_until_all_have_left() {
    watchdog(|| {
        for _ in 0..500 {
            let semaphore = &Semaphore::new(4);
            let left = &[const { AtomicBool::new(false) }; 4];
            thread::scope(|scope| {
                for left in left {
                    let permit = semaphore.try_acquire().unwrap();
                    scope.spawn(move || {
                        left.store(true, SeqCst);
                        drop(permit);
                    });
                }
                semaphore.close();
                semaphore.blocking_idle();
                assert!(left.iter().all(|left| left.load(SeqCst)));
            });
        }
    });
}

// tokio, which is asked with the feature, has locals of its own and panics.
#[cfg(not(feature = "tokio"))]
#[test]
fn a_thread_may_block_while_its_locals_are_dropped() {
    use std::cell::Cell;

    struct AtExit(Arc<Semaphore>);
    impl Drop for AtExit {
        fn drop(&mut self) {
            drop(self.0.blocking_acquire().unwrap());
        }
    }
    thread_local!(static LAST: Cell<Option<AtExit>> = const { Cell::new(None) });

    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let exits = semaphore.clone();
        let thread = thread::spawn(move || {
            LAST.set(Some(AtExit(exits)));
            // The thread's waker is made after `LAST`, so it is dropped before.
            let other = Semaphore::new(0);
            assert!(other.blocking_acquire_timeout(Duration::ZERO).is_err());
        });
        until(|| semaphore.waiting() == 1);
        semaphore.set_max(1);
        thread.join().unwrap();
        assert_eq!(semaphore.active(), 0);
    });
}
