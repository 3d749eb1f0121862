//! Those who compete. The clock of unit tests moves when the test says so.

use std::{collections::VecDeque, time::Duration};

use tokio_test::{
    assert_pending, assert_ready_err, assert_ready_ok,
    task::{Spawn, spawn},
};

use super::*;
use crate::{Acquire, Builder, Semaphore};

/// The bound of `eventual`, in nanoseconds.
const BOUND: u64 = 10_000;

fn eventual(max: usize) -> Semaphore {
    Semaphore::builder(max)
        .fairness(Fairness::Eventual)
        .bound(Duration::from_nanos(BOUND))
        .build()
}

fn competing(max: usize) -> [Builder; 2] {
    [Fairness::Barging, Fairness::Eventual]
        .map(|fairness| Semaphore::builder(max).fairness(fairness))
}

#[track_caller]
fn waiting(semaphore: &Semaphore, permits: u32) -> Spawn<Acquire<'_>> {
    let mut waiter = spawn(semaphore.acquire_many(permits));
    assert_pending!(waiter.poll());
    waiter
}

/// Somebody comes and goes as often as it takes to make newcomers look at the clock.
#[track_caller]
fn pass(semaphore: &Semaphore) {
    for _ in 0..LATE_AFTER {
        drop(semaphore.try_acquire().expect("who is woken may come yet"));
    }
}

#[test]
fn a_permit_is_left_to_one_that_is_overdue_and_has_not_come() {
    let semaphore = eventual(1);
    let held = semaphore.try_acquire().unwrap();
    let (mut deaf, mut other) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
    drop(held);
    semaphore.queue.at(BOUND);
    pass(&semaphore);
    assert!(deaf.is_woken() && !other.is_woken());
    assert!(semaphore.try_acquire().is_err(), "it is for the two");
    let _newcomer = waiting(&semaphore, 1);
    assert_pending!(other.poll(), "not woken, it leaves the permit too");
    let permit = assert_ready_ok!(deaf.poll());
    drop(permit);
    assert!(other.is_woken());
}

#[test]
fn one_that_came_late_is_not_overdue_early() {
    let semaphore = eventual(1);
    semaphore.queue.at(5 * BOUND);
    let held = semaphore.try_acquire().unwrap();
    let _deaf = waiting(&semaphore, 1);
    drop(held);
    semaphore.queue.at(6 * BOUND - 1);
    pass(&semaphore);
    drop(semaphore.try_acquire().unwrap());
    semaphore.queue.at(6 * BOUND);
    assert!(semaphore.try_acquire().is_err());
}

#[test]
fn one_is_overdue_whoever_comes_after_it() {
    let semaphore = eventual(1);
    let held = semaphore.try_acquire().unwrap();
    let (mut deaf, mut later) = (spawn(semaphore.acquire()), spawn(semaphore.acquire()));
    assert_pending!(deaf.poll());
    semaphore.queue.at(BOUND - 1);
    assert_pending!(later.poll());
    drop(held);
    pass(&semaphore);
    drop(semaphore.try_acquire().unwrap());
    semaphore.queue.at(BOUND);
    assert!(semaphore.try_acquire().is_err());
}

#[test]
fn one_joins_the_line_when_it_has_waited_for_the_bound() {
    let semaphore = eventual(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = waiting(&semaphore, 1);
    drop(held);
    for (now, joins) in [(0, false), (BOUND - 1, false), (BOUND, true)] {
        assert!(waiter.is_woken());
        let held = semaphore.try_acquire().unwrap();
        semaphore.queue.at(now);
        assert_pending!(waiter.poll(), "woken in vain");
        drop(held);
        assert_eq!(semaphore.active(), usize::from(joins), "at {now}");
    }
    drop(assert_ready_ok!(waiter.poll()));
}

#[test]
fn one_that_is_not_woken_takes_a_permit_that_is_free() {
    for semaphore in competing(1).map(Builder::build) {
        let held = semaphore.try_acquire().unwrap();
        let (deaf, mut other) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
        drop(held);
        assert!(deaf.is_woken() && !other.is_woken());
        drop(assert_ready_ok!(other.poll()));
    }
}

#[test]
fn one_more_is_woken_after_so_many_releases_and_not_before() {
    for semaphore in competing(1).map(Builder::build) {
        let held = semaphore.try_acquire().unwrap();
        let (_deaf, next) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
        drop(held);
        for _ in 0..NOTIFY_ANOTHER_AFTER {
            drop(semaphore.try_acquire().unwrap());
            assert!(!next.is_woken());
        }
        drop(semaphore.try_acquire().unwrap());
        assert!(next.is_woken());
    }
}

#[test]
fn while_all_come_who_are_woken_there_is_one_for_each_permit() {
    for semaphore in competing(1).map(Builder::build) {
        let wait = || waiting(&semaphore, 1);
        let mut held = semaphore.try_acquire().unwrap();
        let mut waiters: VecDeque<_> = (0..3).map(|_| wait()).collect();
        for _ in 0..2 * NOTIFY_ANOTHER_AFTER {
            drop(held);
            let woken = waiters.iter().map(|waiter| waiter.is_woken());
            assert!(woken.eq([true, false, false]));
            let mut first = waiters.pop_front().unwrap();
            held = assert_ready_ok!(first.poll());
            waiters.push_back(wait());
        }
    }
}

/// Or each release would take the lock from then on.
#[test]
fn when_nobody_waits_the_word_says_so_again() {
    for semaphore in competing(1).map(Builder::build) {
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = waiting(&semaphore, 1);
        drop(held);
        drop(assert_ready_ok!(waiter.poll()));
        assert!(!semaphore.word.load().is_queued());
    }
}

#[test]
fn one_that_may_not_wait_does_not_say_that_it_does() {
    for builder in competing(1) {
        let semaphore = builder.max_waiting(0).build();
        let _held = semaphore.try_acquire().unwrap();
        assert_ready_err!(spawn(semaphore.acquire()).poll());
        assert!(!semaphore.word.load().is_queued());
    }
}

/// Somebody is in line, and a permit is free that is too little for it.
#[test]
fn a_permit_of_the_line_is_for_nobody_who_competes() {
    let semaphore = eventual(2);
    let (one, _two) = (semaphore.try_acquire(), semaphore.try_acquire());
    let [mut called, quitter, other] = [(); 3].map(|()| waiting(&semaphore, 1));
    drop(one);
    assert!(called.is_woken());
    let _heavy = waiting(&semaphore, 2);
    assert_pending!(called.poll(), "it has come too late");
    drop(quitter);
    assert!(!other.is_woken());
}

#[test]
fn one_that_gives_up_and_was_not_woken_wakes_nobody() {
    for semaphore in competing(1).map(Builder::build) {
        let _held = semaphore.try_acquire().unwrap();
        let (quitter, other) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
        drop(quitter);
        assert!(!other.is_woken());
    }
}

/// As often as it takes releases to wake one more.
#[test]
fn one_that_gives_up_behind_another_wakes_nobody_who_competes() {
    let semaphore = Semaphore::builder(2).fairness(Fairness::Barging).build();
    let (one, _two) = (semaphore.try_acquire(), semaphore.try_acquire());
    let (deaf, other) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
    drop(one);
    let _heavy = waiting(&semaphore, 2);
    for _ in 0..=NOTIFY_ANOTHER_AFTER {
        let _behind = waiting(&semaphore, 2);
    }
    assert!(deaf.is_woken() && !other.is_woken());
}

#[test]
fn a_line_that_gives_up_leaves_its_permit_to_those_who_compete() {
    let semaphore = eventual(2);
    let _held = semaphore.try_acquire().unwrap();
    let (heavy, light) = (waiting(&semaphore, 2), waiting(&semaphore, 1));
    drop(heavy);
    assert!(light.is_woken());
}

#[test]
#[cfg(all(feature = "rayon", feature = "std"))]
fn under_fifo_alone_one_that_is_woken_has_its_permits() {
    let fairness = |fairness| Semaphore::builder(1).fairness(fairness);
    let overdue = Duration::from_millis(1);
    for (builder, hands_over) in [
        (fairness(Fairness::Fifo), true),
        (fairness(Fairness::Eventual), false),
        (fairness(Fairness::Barging), false),
        (fairness(Fairness::Fifo).overdue(overdue, overdue), false),
        (fairness(Fairness::Fifo).grant_to_tasks(true), false),
    ] {
        let semaphore = builder.build();
        assert_eq!(semaphore.queue.hands_over(), hands_over, "{semaphore:?}");
    }
}
