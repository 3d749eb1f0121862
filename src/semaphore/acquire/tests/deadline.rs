//! The clock of the statistics moves when the test says so. Deadlines are seconds away, and
//! estimates hours, or the other way round: the real clock decides nothing.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use crate::{AcquireTimeoutError, Builder, Semaphore, future::AcquireOwned};

const HOUR: Duration = Duration::from_secs(3_600);

/// So many permits, which were held for an hour each in the last interval.
fn held_for_an_hour(builder: Builder) -> Arc<Semaphore> {
    let semaphore = Arc::new(builder.stats(true).build());
    hold(&semaphore, HOUR);
    let _ = semaphore.stats().blocking_take();
    semaphore
}

fn hold(semaphore: &Semaphore, time: Duration) {
    let permit = semaphore.try_acquire().unwrap();
    let counters = semaphore.optional.counters().unwrap();
    counters.advance(time.as_nanos() as u64);
    drop(permit);
}

fn waiting(semaphore: &Arc<Semaphore>, n: u32) -> Pin<Box<AcquireOwned>> {
    let mut waiting = Box::pin(semaphore.clone().acquire_many_owned(n));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    waiting
}

fn soon() -> Instant {
    Instant::now() + HOUR / 60
}

fn assert_about(wait: Option<Duration>, expected: Duration) {
    let off = wait.expect("an estimate").abs_diff(expected);
    assert!(off < Duration::from_secs(1), "{wait:?} is not {expected:?}");
}

#[test]
fn a_wait_is_what_the_line_takes_at_the_usual_hold() {
    let semaphore = held_for_an_hour(Semaphore::builder(2));
    let _held = semaphore.try_acquire_many(2).unwrap();
    let _line: Vec<_> = (0..5).map(|_| waiting(&semaphore, 1)).collect();
    assert_about(semaphore.expected_wait(1), 3 * HOUR);
    assert_about(semaphore.expected_wait(2), 7 * HOUR / 2);
    semaphore.set_max(3);
    semaphore.set_max(2);
    assert_about(semaphore.expected_wait(2), 3 * HOUR);
}

#[test]
fn who_cannot_make_it_is_refused_at_once() {
    let semaphore = held_for_an_hour(Semaphore::builder(1));
    let _held = semaphore.try_acquire().unwrap();
    let _line = waiting(&semaphore, 1);
    let would_time_out = Err(AcquireTimeoutError::WouldTimeOut);
    assert_eq!(semaphore.check_deadline(1, soon()), would_time_out);
    let refused = semaphore.acquire().by(soon());
    assert_eq!(refused.map(|_| ()), would_time_out);
    let refused = semaphore.clone().acquire_owned().by(soon());
    assert_eq!(refused.map(|_| ()), would_time_out);
    assert_eq!(semaphore.waiting(), 1);
    let interval = semaphore.stats().blocking_take();
    assert_eq!((interval.would_time_out, interval.cancelled), (3, 0));
}

#[test]
fn who_can_make_it_waits() {
    let semaphore = held_for_an_hour(Semaphore::builder(1));
    let _held = semaphore.try_acquire().unwrap();
    let _line = waiting(&semaphore, 1);
    let deadline = Instant::now() + 3 * HOUR;
    assert_eq!(semaphore.check_deadline(1, deadline), Ok(()));
    assert!(semaphore.acquire().by(deadline).is_ok());
    assert_eq!(semaphore.stats().blocking_take().would_time_out, 0);
}

#[test]
fn nobody_is_refused_where_nobody_waits() {
    let semaphore = held_for_an_hour(Semaphore::builder(1));
    let _held = semaphore.try_acquire().unwrap();
    assert_eq!(semaphore.expected_wait(1), None);
    assert!(semaphore.acquire().by(Instant::now()).is_ok());
}

#[test]
fn nobody_is_refused_who_need_not_wait() {
    use crate::Fairness::{Barging, Fifo};
    for fairness in [Fifo, Barging] {
        let semaphore = held_for_an_hour(Semaphore::builder(2).fairness(fairness));
        let _aside = waiting(&semaphore, 3);
        assert_eq!(
            semaphore.check_deadline(1, soon()),
            Ok(()),
            "only one aside"
        );
        let held = semaphore.try_acquire_many(2).unwrap();
        assert_eq!(
            semaphore.check_deadline(1, soon()),
            Ok(()),
            "only one aside"
        );
        let _line = waiting(&semaphore, 1);
        assert_eq!(semaphore.check_deadline(0, soon()), Ok(()), "of nothing");
        assert!(semaphore.check_deadline(1, soon()).is_err());
        drop(held);
        assert_eq!(semaphore.check_deadline(1, soon()), Ok(()), "two are free");
    }
}

#[test]
fn nobody_is_refused_without_a_figure() {
    let plain = Semaphore::builder(1);
    let generations = held_for_an_hour(plain.generations(true));
    let new = Arc::new(plain.stats(true).build());
    for semaphore in [Arc::new(plain.build()), new, generations] {
        let _held = semaphore.try_acquire().unwrap();
        let _line = waiting(&semaphore, 1);
        assert_eq!(semaphore.expected_wait(1), None);
        assert_eq!(semaphore.check_deadline(1, Instant::now()), Ok(()));
    }
}

#[test]
fn nobody_is_refused_who_waits_for_max_to_rise() {
    let semaphore = held_for_an_hour(Semaphore::builder(1));
    let _held = semaphore.try_acquire().unwrap();
    let _line = waiting(&semaphore, 1);
    assert_eq!(semaphore.expected_wait(2), None);
    semaphore.set_max(0);
    assert_eq!(semaphore.check_deadline(1, soon()), Ok(()));
}

#[test]
fn an_interval_in_which_no_permit_came_back_changes_nothing() {
    let semaphore = held_for_an_hour(Semaphore::builder(1));
    let _ = semaphore.stats().blocking_take();
    let held = semaphore.try_acquire().unwrap();
    let line = waiting(&semaphore, 1);
    assert_about(semaphore.expected_wait(1), 2 * HOUR);
    drop((line, held));
    let _ = semaphore.stats().blocking_take();
    hold(&semaphore, 2 * HOUR);
    let _ = semaphore.stats().blocking_take();
    let _held = semaphore.try_acquire().unwrap();
    let _line = waiting(&semaphore, 1);
    assert_about(semaphore.expected_wait(1), 4 * HOUR);
}
