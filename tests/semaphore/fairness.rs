//! The three ways to decide who gets a permit while others wait.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use crate::{
    common::{FAIRNESSES, watchdog},
    reentrancy::hooked::{Hooked, Moment},
};
use dynaphore::{AcquireTimeoutError, Builder, Fairness, Semaphore};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

const NEVER: Duration = Duration::MAX;

fn eventual(max: usize, bound: Duration) -> Builder {
    Semaphore::builder(max)
        .fairness(Fairness::Eventual)
        .bound(bound)
}

fn barging(max: usize) -> Builder {
    Semaphore::builder(max)
        .fairness(Fairness::Barging)
        .bound(NEVER)
}

/// The modes in which a waiter is called rather than handed a permit.
fn competing(max: usize) -> [Semaphore; 2] {
    [barging(max).build(), eventual(max, NEVER).build()]
}

#[test]
fn a_builder_alone_makes_what_new_makes() {
    let semaphore = Semaphore::builder(3).build();
    assert_eq!(semaphore.fairness(), Fairness::Fifo);
    assert_eq!(semaphore.max(), 3);
}

#[test]
fn with_fifo_a_newcomer_does_not_pass() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    drop(held);
    assert!(semaphore.try_acquire().is_err());
    assert!(matches!(waiter.poll(), Poll::Ready(Ok(_))));
}

#[test]
fn a_newcomer_may_take_what_a_woken_waiter_has_not() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = spawn(semaphore.acquire());
        assert_pending!(waiter.poll());
        drop(held);
        assert!(waiter.is_woken());
        assert_eq!(semaphore.active(), 0, "called, not granted");
        assert_eq!(semaphore.available_permits(), 1);

        let newcomer = semaphore.try_acquire().expect("it may barge");
        assert_pending!(waiter.poll());
        assert_eq!(semaphore.waiting(), 1);
        drop(newcomer);
        assert!(waiter.is_woken());
        assert!(matches!(waiter.poll(), Poll::Ready(Ok(_))));
        assert_eq!((semaphore.waiting(), semaphore.available_permits()), (0, 1));
    }
}

#[test]
fn a_future_that_comes_later_may_barge_too() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = spawn(semaphore.acquire());
        assert_pending!(waiter.poll());
        drop(held);
        let mut later = spawn(semaphore.acquire());
        assert!(matches!(later.poll(), Poll::Ready(Ok(_))));
    }
}

#[test]
fn waiters_are_called_in_order_and_as_many_as_permits_are_free() {
    for semaphore in competing(3) {
        let mut held: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
        let mut waiters: Vec<_> = (0..3).map(|_| spawn(semaphore.acquire())).collect();
        for waiter in &mut waiters {
            assert_pending!(waiter.poll());
        }
        for called in 1..=3 {
            drop(held.pop());
            let woken = waiters.iter().map(|waiter| waiter.is_woken());
            assert!(woken.eq((0..3).map(|at| at < called)), "{called} free");
        }
        for waiter in &mut waiters {
            let Poll::Ready(Ok(permit)) = waiter.poll() else {
                panic!("there is one for each");
            };
            held.push(permit);
        }
    }
}

#[test]
fn a_call_that_goes_unheard_does_not_keep_the_next_permit_from_others() {
    for semaphore in competing(2) {
        let two = semaphore.try_acquire_many(2).unwrap();
        let (mut deaf, mut other) = (spawn(semaphore.acquire()), spawn(semaphore.acquire()));
        assert_pending!(deaf.poll());
        assert_pending!(other.poll());
        drop(two);
        assert!(deaf.is_woken() && other.is_woken());
        assert!(matches!(other.poll(), Poll::Ready(Ok(_))));
    }
}

#[test]
fn a_request_for_several_is_handed_them_when_they_are_there() {
    for semaphore in competing(3) {
        let mut held = semaphore.try_acquire_many(3).unwrap();
        let mut heavy = spawn(semaphore.acquire_many(2));
        assert_pending!(heavy.poll());
        drop(held.split(1));
        assert!(!heavy.is_woken());
        drop(held.split(1));
        assert!(heavy.is_woken());
        assert_eq!(semaphore.active(), 3, "granted, not called");
        assert!(matches!(heavy.poll(), Poll::Ready(Ok(_))));
    }
}

#[test]
fn one_that_is_woken_and_does_not_come_is_not_waited_for_through_many_releases() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let (mut deaf, mut next) = (spawn(semaphore.acquire()), spawn(semaphore.acquire()));
        assert_pending!(deaf.poll());
        assert_pending!(next.poll());
        drop(held);
        assert!(deaf.is_woken() && !next.is_woken());
        drop(semaphore.try_acquire().unwrap());
        assert!(!next.is_woken(), "it may be on its way");
        for _ in 0..100 {
            drop(semaphore.try_acquire().unwrap());
        }
        assert!(next.is_woken());
        assert!(matches!(next.poll(), Poll::Ready(Ok(_))));
    }
}

/// It used to keep all that was free from everybody else until it came.
#[test]
fn one_that_is_granted_and_does_not_come_keeps_no_other_permit() {
    let semaphore = eventual(11, Duration::ZERO).build();
    let all = semaphore.try_acquire_many(11).unwrap();
    let mut deaf = spawn(semaphore.acquire());
    assert_pending!(deaf.poll());
    drop(all);
    assert!(deaf.is_woken());
    let others: Vec<_> = (0..10).map(|_| semaphore.try_acquire()).collect();
    assert!(others.iter().all(Result::is_ok));
}

#[test]
fn a_called_waiter_that_gives_up_passes_the_permit_on() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let mut first = spawn(semaphore.acquire());
        let mut second = spawn(semaphore.acquire());
        assert_pending!(first.poll());
        assert_pending!(second.poll());
        drop(held);
        assert!(first.is_woken() && !second.is_woken());
        drop(first);
        assert!(second.is_woken());
        assert!(matches!(second.poll(), Poll::Ready(Ok(_))));
    }
}

/// Also while others have been called and have not come yet.
#[test]
fn each_called_waiter_that_gives_up_passes_its_permit_on() {
    for semaphore in competing(2) {
        let held = semaphore.try_acquire_many(2).unwrap();
        let mut first = spawn(semaphore.acquire());
        let mut second = spawn(semaphore.acquire());
        let mut third = spawn(semaphore.acquire());
        for waiter in [&mut first, &mut second, &mut third] {
            assert_pending!(waiter.poll());
        }
        drop(held);
        assert!(first.is_woken() && second.is_woken() && !third.is_woken());
        drop(first);
        assert!(third.is_woken(), "a permit is free for it");
    }
}

#[test]
fn growing_wakes_as_many_as_now_fit() {
    for semaphore in competing(0) {
        let mut waiters: Vec<_> = (0..3).map(|_| spawn(semaphore.acquire())).collect();
        for waiter in &mut waiters {
            assert_pending!(waiter.poll());
        }
        semaphore.set_max(2);
        let woken: Vec<_> = waiters.iter().map(|waiter| waiter.is_woken()).collect();
        assert_eq!(woken, [true, true, false]);
        let polled = waiters.iter_mut().map(|waiter| waiter.poll());
        let permits: Vec<_> = polled.filter(Poll::is_ready).collect();
        assert_eq!((permits.len(), semaphore.waiting()), (2, 1));
    }
}

#[test]
fn a_request_for_more_than_max_holds_nobody_up() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let mut heavy = spawn(semaphore.acquire_many(3));
        let mut light = spawn(semaphore.acquire());
        assert_pending!(heavy.poll());
        assert_pending!(light.poll());
        drop(held);
        let Poll::Ready(Ok(permit)) = light.poll() else {
            panic!("a permit is free");
        };
        semaphore.set_max(3);
        drop(permit);
        assert!(heavy.is_woken());
        assert!(matches!(heavy.poll(), Poll::Ready(Ok(_))));
    }
}

#[test]
fn lowering_max_leaves_nobody_behind_a_request_that_max_allows_no_more() {
    for semaphore in competing(5) {
        let mut held = semaphore.try_acquire_many(5).unwrap();
        let mut heavy = spawn(semaphore.acquire_many(5));
        let mut light = spawn(semaphore.acquire());
        assert_pending!(heavy.poll());
        assert_pending!(light.poll());
        semaphore.set_max(4);
        drop(held.split(4));
        assert!(light.is_woken());
        assert!(matches!(light.poll(), Poll::Ready(Ok(_))));
        assert_pending!(heavy.poll());
    }
}

#[test]
fn a_waiter_that_is_called_after_a_close_is_told() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = spawn(semaphore.acquire());
        assert_pending!(waiter.poll());
        drop(held);
        semaphore.close();
        assert!(matches!(waiter.poll(), Poll::Ready(Err(_))));
    }
}

#[test]
fn those_behind_a_called_waiter_are_told_of_a_close() {
    for semaphore in competing(1) {
        let held = semaphore.try_acquire().unwrap();
        let mut called = spawn(semaphore.acquire());
        let mut behind = spawn(semaphore.acquire());
        assert_pending!(called.poll());
        assert_pending!(behind.poll());
        drop(held);
        semaphore.close();
        assert!(called.is_woken() && behind.is_woken());
        assert!(matches!(behind.poll(), Poll::Ready(Err(_))));
        assert!(matches!(called.poll(), Poll::Ready(Err(_))));
        assert_eq!(semaphore.waiting(), 0);
    }
}

#[test]
fn one_that_comes_in_vain_is_woken_again() {
    for semaphore in competing(6) {
        let mut held = semaphore.try_acquire_many(6).unwrap();
        let (mut first, mut second) = (spawn(semaphore.acquire()), spawn(semaphore.acquire()));
        assert_pending!(first.poll());
        assert_pending!(second.poll());
        drop(held.split(2));
        assert!(first.is_woken() && second.is_woken());
        let newcomer = semaphore.try_acquire_many(2).unwrap();
        assert_pending!(first.poll());
        assert!(!first.is_woken());
        drop(newcomer);
        assert!(first.is_woken());
        assert!(matches!(first.poll(), Poll::Ready(Ok(_))));
        assert!(matches!(second.poll(), Poll::Ready(Ok(_))));
    }
}

/// It could not have it: the line has it, and its own time to join has not come.
#[test]
fn one_that_competes_is_not_woken_for_a_permit_of_the_line() {
    let semaphore = eventual(2, NEVER).build();
    let (one, two) = (
        semaphore.try_acquire().unwrap(),
        semaphore.try_acquire().unwrap(),
    );
    let mut heavy = spawn(semaphore.acquire_many(2));
    let mut light = spawn(semaphore.acquire());
    assert_pending!(heavy.poll());
    assert_pending!(light.poll());
    drop(one);
    assert!(!light.is_woken() && !heavy.is_woken());
    drop(two);
    assert!(!light.is_woken() && heavy.is_woken());
    drop(assert_ready_ok!(heavy.poll()));
    assert!(light.is_woken());
    assert!(matches!(light.poll(), Poll::Ready(Ok(_))));
}

/// The permit comes back after the look that found none, and before anybody says that
/// somebody waits.
#[test]
fn one_that_begins_to_compete_sees_a_permit_that_has_come_back_meanwhile() {
    for semaphore in competing(1).map(Arc::new) {
        let held = semaphore.clone().try_acquire_owned().unwrap();
        let (hooked, waker) = Hooked::new();
        hooked.arm(Moment::Clone, move || drop(held));
        let mut waiter = pin!(semaphore.acquire());
        let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(!hooked.disarm() && matches!(polled, Poll::Ready(Ok(_))));
    }
}

#[test]
fn one_that_begins_to_compete_sees_that_it_has_been_closed_meanwhile() {
    for semaphore in competing(1).map(Arc::new) {
        let _held = semaphore.try_acquire().unwrap();
        let (hooked, waker) = Hooked::new();
        let theirs = semaphore.clone();
        hooked.arm(Moment::Clone, move || theirs.close());
        let mut waiter = pin!(semaphore.acquire());
        let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(!hooked.disarm() && matches!(polled, Poll::Ready(Err(_))));
    }
}

/// A newcomer leaves a permit to one that is overdue, and that one has another already.
#[test]
fn one_that_is_served_tells_of_a_permit_that_was_left_to_it() {
    const BOUND: Duration = Duration::from_micros(1);
    let semaphore = Arc::new(eventual(2, BOUND).build());
    let mut held = semaphore.clone().try_acquire_many_owned(2).unwrap();
    let (hooked, waker) = Hooked::new();
    let mut cx = Context::from_waker(&waker);
    let mut overdue = pin!(semaphore.acquire());
    assert!(overdue.as_mut().poll(&mut cx).is_pending());
    let came = Instant::now();
    while came.elapsed() < BOUND {}
    drop(held.split(1));
    // Often enough that a newcomer looks at the clock after two releases more.
    for _ in 0..6 {
        drop(semaphore.try_acquire().unwrap());
    }
    held.merge(semaphore.clone().try_acquire_owned().unwrap());

    // It comes in vain, and the two come back before it is in line.
    let newcomer = Arc::new(Mutex::new(spawn(semaphore.clone().acquire_owned())));
    let (theirs, again) = (newcomer.clone(), hooked.clone());
    hooked.arm(Moment::Clone, move || {
        drop(held.split(1));
        drop(held);
        again.arm(Moment::Drop, move || {
            assert_pending!(theirs.lock().unwrap().poll(), "it leaves one");
        });
    });
    let polled = overdue.as_mut().poll(&mut cx);
    assert!(!hooked.disarm() && matches!(polled, Poll::Ready(Ok(_))));
    let mut newcomer = newcomer.lock().unwrap();
    assert!(newcomer.is_woken());
    drop(assert_ready_ok!(newcomer.poll()));
}

#[test]
fn with_a_bound_of_zero_nobody_passes_a_waiter() {
    let semaphore = eventual(4, Duration::ZERO).build();
    let _held = semaphore.try_acquire_many(3).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(2));
    assert_pending!(heavy.poll());
    assert!(semaphore.try_acquire().is_err());
}

#[test]
fn an_overdue_waiter_is_handed_the_permit() {
    let semaphore = eventual(1, Duration::ZERO).build();
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    drop(held);
    assert_eq!(semaphore.active(), 1, "granted, not called");
    assert!(semaphore.try_acquire().is_err());
    assert!(matches!(waiter.poll(), Poll::Ready(Ok(_))));
}

#[test]
fn nobody_barges_past_an_overdue_waiter() {
    let semaphore = eventual(2, Duration::ZERO).build();
    let (one, two) = (
        semaphore.try_acquire().unwrap(),
        semaphore.try_acquire().unwrap(),
    );
    let mut heavy = spawn(semaphore.acquire_many(2));
    assert_pending!(heavy.poll());
    drop(one);
    assert!(
        semaphore.try_acquire().is_err(),
        "the free one is kept for it"
    );
    assert_eq!(semaphore.available_permits(), 0);
    drop(two);
    assert!(matches!(heavy.poll(), Poll::Ready(Ok(_))));
    assert!(semaphore.try_acquire().is_ok(), "the line has moved on");
}

/// The permit that it needs is free all the time, and is not for it.
#[test]
fn a_blocking_call_behind_an_overdue_waiter_times_out() {
    let late = watchdog(|| {
        let semaphore = eventual(2, Duration::ZERO).build();
        let _held = semaphore.try_acquire().unwrap();
        let mut heavy = spawn(semaphore.acquire_many(2));
        assert_pending!(heavy.poll());
        let late = semaphore.blocking_acquire_timeout(Duration::from_millis(1));
        late.map(drop).unwrap_err()
    });
    assert_eq!(late, AcquireTimeoutError::Timeout);
}

/// Threads that never leave the semaphore alone, against one that waits: under
/// `Eventual` it is served a bounded number of releases after the bound.
#[test]
fn eventual_serves_a_waiter_under_constant_barging() {
    let bound = Duration::from_millis(1);
    let semaphore = Arc::new(eventual(1, bound).build());
    let stop = Arc::new(AtomicBool::new(false));
    let start = Arc::new(Barrier::new(4));
    let served = Arc::new(AtomicUsize::new(0));
    let bargers: Vec<_> = (0..3)
        .map(|_| {
            let (semaphore, stop, start) = (semaphore.clone(), stop.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                while !stop.load(SeqCst) {
                    drop(semaphore.blocking_acquire());
                }
            })
        })
        .collect();
    start.wait();
    // A hang would be the failure; the watchdog only names it.
    let patience = Instant::now() + Duration::from_secs(60);
    for _ in 0..200 {
        let permit = semaphore.clone().blocking_acquire_owned_deadline(patience);
        drop(permit.expect("served in time"));
        served.fetch_add(1, SeqCst);
    }
    stop.store(true, SeqCst);
    for barger in bargers {
        barger.join().unwrap();
    }
    assert_eq!(served.load(SeqCst), 200);
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

#[test]
fn permits_add_up_under_every_fairness() {
    for fairness in FAIRNESSES {
        let semaphore = Semaphore::builder(3).fairness(fairness).build();
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..6 {
                let (semaphore, inside) = (&semaphore, &inside);
                scope.spawn(move || {
                    for round in 0..2_000 {
                        let n = (thread + round) % 3 + 1;
                        let permit = semaphore.blocking_acquire_many(n as u32).unwrap();
                        assert!(inside.fetch_add(n, SeqCst) + n <= 3, "{fairness:?}");
                        inside.fetch_sub(n, SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        assert_eq!(semaphore.available_permits(), 3);
    }
}
