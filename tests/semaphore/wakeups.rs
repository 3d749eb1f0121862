//! Nobody who could go on is left waiting.

use std::{pin::pin, task::Context, thread};

use crate::common::{Start, Wakes, watchdog};
use dynaphore::Semaphore;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};

// Scenario 1.
#[test]
fn two_releases_with_no_poll_between_wake_two_waiters() {
    let semaphore = Semaphore::new(2);
    let one = semaphore.try_acquire().unwrap();
    let two = semaphore.try_acquire().unwrap();
    let mut first = spawn(semaphore.acquire());
    let mut second = spawn(semaphore.acquire());
    assert_pending!(first.poll());
    assert_pending!(second.poll());

    drop(one);
    drop(two);
    assert!(first.is_woken() && second.is_woken());
    let _one = assert_ready_ok!(first.poll());
    let _two = assert_ready_ok!(second.poll());
}

// Scenario 2.
#[test]
fn a_finished_future_that_is_kept_holds_up_nobody() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut first = spawn(semaphore.acquire());
    let mut second = spawn(semaphore.acquire());
    assert_pending!(first.poll());
    assert_pending!(second.poll());

    drop(held);
    drop(assert_ready_ok!(first.poll()));
    assert!(second.is_woken());
    let _permit = assert_ready_ok!(second.poll());
    drop(first);
    assert_eq!(semaphore.active(), 1);
}

// Scenario 3.
#[test]
fn the_first_wait_ever_does_not_miss_the_first_release() {
    watchdog(|| {
        for _ in 0..2_000 {
            let semaphore = Semaphore::new(1);
            let held = semaphore.try_acquire().unwrap();
            let start = Start::of(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    semaphore.blocking_acquire().map(drop)
                });
                start.wait();
                drop(held);
            });
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

// Scenario 4.
#[test]
fn a_heavy_waiter_is_served_exactly_when_its_permits_are_there() {
    let semaphore = Semaphore::new(100);
    let mut held: Vec<_> = (0..100).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut heavy = spawn(semaphore.acquire_many(10));
    assert_pending!(heavy.poll());

    for back in 1..10 {
        held.pop();
        assert!(!heavy.is_woken(), "after {back}");
        assert_pending!(heavy.poll());
    }
    held.pop();
    assert!(heavy.is_woken());
    assert_eq!(assert_ready_ok!(heavy.poll()).num_permits(), 10);
    assert_eq!(semaphore.active(), 90);
}

#[test]
fn what_was_kept_for_a_heavy_head_goes_to_the_next_once_that_is_served() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(3).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(3));
    let mut light = spawn(semaphore.acquire());
    assert_pending!(heavy.poll());
    assert_pending!(light.poll());
    // Just what the heavy one needs, while two more are there already.
    drop(held);
    assert!(heavy.is_woken());
    assert!(light.is_woken(), "{semaphore:?}");
}

// Scenario 5.
#[test]
fn when_the_heavy_head_is_cancelled_the_next_proceeds_at_once() {
    let semaphore = Semaphore::new(10);
    let _held = semaphore.try_acquire().unwrap();
    let mut head = spawn(semaphore.acquire_many(10));
    let mut next = spawn(semaphore.acquire());
    let mut third = spawn(semaphore.acquire_many(9));
    assert_pending!(head.poll());
    assert_pending!(next.poll());
    assert_pending!(third.poll());

    drop(head);
    assert!(next.is_woken());
    let _permit = assert_ready_ok!(next.poll());
    assert!(!third.is_woken(), "eight are left");
}

// Scenario 6.
#[test]
fn the_permit_of_a_woken_waiter_that_is_dropped_goes_to_the_next() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut first = spawn(semaphore.acquire());
    let mut second = spawn(semaphore.acquire());
    assert_pending!(first.poll());
    assert_pending!(second.poll());

    drop(held);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    let _permit = assert_ready_ok!(second.poll());
}

#[test]
fn the_permits_of_a_woken_heavy_waiter_that_is_dropped_go_to_several() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire_many(3).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(3));
    let mut light: Vec<_> = (0..4).map(|_| spawn(semaphore.acquire())).collect();
    assert_pending!(heavy.poll());
    for waiter in &mut light {
        assert_pending!(waiter.poll());
    }
    drop(held);
    drop(heavy);
    let woken: Vec<_> = light.iter().map(|waiter| waiter.is_woken()).collect();
    assert_eq!(woken, [true, true, true, false]);
}

// Scenario 7.
#[test]
fn acquirers_and_watchers_do_not_swallow_each_others_wake_ups() {
    let semaphore = Semaphore::new(2);
    let one = semaphore.try_acquire().unwrap();
    let two = semaphore.try_acquire().unwrap();
    semaphore.set_max(1);
    let mut idle = spawn(semaphore.idle());
    let mut acquire = spawn(semaphore.acquire());
    let mut settled = spawn(semaphore.settled());
    assert_pending!(idle.poll());
    assert_pending!(acquire.poll());
    assert_pending!(settled.poll());

    drop(one);
    assert!(settled.is_woken() && !acquire.is_woken() && !idle.is_woken());
    assert_ready!(settled.poll());
    drop(two);
    assert!(acquire.is_woken() && !idle.is_woken());
    drop(assert_ready_ok!(acquire.poll()));
    assert!(idle.is_woken());
    assert_ready!(idle.poll());
}

#[test]
fn all_watchers_are_told_however_many() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire_many(2).unwrap();
    semaphore.set_max(1);
    let mut idle: Vec<_> = (0..40).map(|_| spawn(semaphore.idle())).collect();
    let mut settled: Vec<_> = (0..40).map(|_| spawn(semaphore.settled())).collect();
    for watcher in &mut idle {
        assert_pending!(watcher.poll());
    }
    for watcher in &mut settled {
        assert_pending!(watcher.poll());
    }
    drop(held);
    for watcher in &mut idle {
        assert!(watcher.is_woken());
        assert_ready!(watcher.poll());
    }
    for watcher in &mut settled {
        assert!(watcher.is_woken());
        assert_ready!(watcher.poll());
    }
}

#[test]
fn a_release_that_settles_the_semaphore_tells_who_waits_for_that() {
    let semaphore = Semaphore::new(3);
    let mut held = semaphore.try_acquire_many(3).unwrap();
    semaphore.set_max(1);
    let mut settled = spawn(semaphore.settled());
    assert_pending!(settled.poll());
    drop(held.split(1));
    assert!(!settled.is_woken());
    drop(held.split(1));
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
}

#[test]
fn a_resize_that_settles_the_semaphore_tells_who_waits_for_that() {
    let semaphore = Semaphore::new(2);
    let _held = semaphore.try_acquire_many(2).unwrap();
    semaphore.set_max(0);
    let mut settled = spawn(semaphore.settled());
    assert_pending!(settled.poll());
    semaphore.set_max(1);
    assert!(!settled.is_woken());
    semaphore.add_permits(1);
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
}

#[test]
fn forgetting_the_last_permits_tells_who_waits_for_idle() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut idle = spawn(semaphore.idle());
    assert_pending!(idle.poll());
    held.forget();
    assert!(idle.is_woken());
    assert_ready!(idle.poll());
}

#[test]
fn a_watcher_that_comes_too_late_waits_for_the_next_time() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut idle = spawn(semaphore.idle());
    assert_pending!(idle.poll());
    drop(held);
    assert!(idle.is_woken());
    let held = semaphore.try_acquire().unwrap();
    assert_pending!(idle.poll());
    drop(held);
    assert!(idle.is_woken());
    assert_ready!(idle.poll());
}

#[test]
fn a_watcher_that_is_dropped_leaves_no_trace() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let (wakes, waker) = Wakes::new();
    {
        let mut idle = pin!(semaphore.idle());
        let polled = idle.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    drop(held);
    assert_eq!(wakes.count(), 0);
}

// Scenario 8: documented at `acquire`, under cancel safety.
#[test]
fn a_granted_future_that_is_not_polled_keeps_its_permit_until_it_is_dropped() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut forgotten = spawn(semaphore.acquire());
    let mut other = spawn(semaphore.acquire());
    assert_pending!(forgotten.poll());
    assert_pending!(other.poll());

    drop(held);
    assert_eq!(semaphore.active(), 1);
    assert_pending!(other.poll());
    drop(forgotten);
    assert_eq!(semaphore.active(), 1);
    let _permit = assert_ready_ok!(other.poll());
}

// Scenario 9.
#[test]
fn only_the_newest_waker_is_woken() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let (old, old_waker) = Wakes::new();
    let (new, new_waker) = Wakes::new();
    let mut acquire = pin!(semaphore.acquire());
    let mut idle = pin!(semaphore.idle());
    for waker in [&old_waker, &new_waker] {
        let mut cx = Context::from_waker(waker);
        assert!(acquire.as_mut().poll(&mut cx).is_pending());
        assert!(idle.as_mut().poll(&mut cx).is_pending());
    }
    drop(held);
    assert_eq!((old.count(), new.count()), (0, 1), "the acquirer's");
    let mut cx = Context::from_waker(&new_waker);
    assert!(acquire.as_mut().poll(&mut cx).is_ready());
    assert_eq!((old.count(), new.count()), (0, 2), "the watcher's");
}

#[test]
fn a_waiter_that_moves_between_threads_is_woken_where_it_is() {
    watchdog(|| {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let mut moving = Box::pin(semaphore.acquire());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(moving.as_mut().poll(&mut cx).is_pending());
        let semaphore = &semaphore;
        thread::scope(|scope| {
            // The executor parks its thread: it ends only if it is woken.
            let there = scope.spawn(move || futures::executor::block_on(moving).map(drop));
            drop(held);
            there.join().unwrap().unwrap();
        });
        assert_eq!(semaphore.active(), 0);
    });
}

// The buffer of wakers on their way out is shorter than the line.
#[test]
fn a_long_line_is_served_in_one_call() {
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..1_000).map(|_| spawn(semaphore.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    assert_eq!(semaphore.waiting(), 1_000);
    semaphore.set_max(1_000);
    assert_eq!((semaphore.active(), semaphore.waiting()), (1_000, 0));
    assert!(waiters.iter().all(|waiter| waiter.is_woken()));
}

/// It used to watch again in silence.
#[test]
fn one_that_has_seen_its_state_does_not_wait_for_it_again() {
    let semaphore = Semaphore::new(1);
    let mut settled = spawn(semaphore.settled());
    let mut idle = spawn(semaphore.idle());
    assert_ready!(settled.poll());
    let held = semaphore.try_acquire().unwrap();
    assert_pending!(idle.poll());
    drop(held);
    assert_ready!(idle.poll());
    let _held = semaphore.try_acquire().unwrap();
    semaphore.set_max(0);
    assert_ready!(idle.poll());
    assert_ready!(settled.poll());
}
