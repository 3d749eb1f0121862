//! The clock of unit tests moves when the test says so.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::Order;
use crate::{AcquireError, Builder, OwnedSemaphorePermit, Semaphore, future::AcquireOwned};

const MS: u64 = 1_000_000;

fn overdue(builder: Builder, target: u64, interval: u64) -> Semaphore {
    let [target, interval] = [target, interval].map(Duration::from_millis);
    builder.overdue(target, interval).build()
}

/// One that waits, in a box.
struct Waiting(Pin<Box<AcquireOwned>>);

impl Waiting {
    fn new(semaphore: &Arc<Semaphore>, n: u32) -> Self {
        let mut waiting = Self(Box::pin(semaphore.clone().acquire_many_owned(n)));
        assert!(waiting.told().is_none());
        waiting
    }

    fn told(&mut self) -> Option<Result<OwnedSemaphorePermit, AcquireError>> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.0.as_mut().poll(&mut cx) {
            Poll::Ready(told) => Some(told),
            Poll::Pending => None,
        }
    }

    fn is_overdue(&mut self) -> bool {
        self.told()
            .is_some_and(|told| told.is_err_and(|error| error == AcquireError::Overdue))
    }

    fn granted(&mut self) -> OwnedSemaphorePermit {
        self.told().expect("told").expect("granted")
    }
}

#[test]
fn a_burst_may_wait_for_the_interval() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 100));
    let held = semaphore.try_acquire().unwrap();
    let mut burst = Waiting::new(&semaphore, 1);
    semaphore.queue.at(99 * MS);
    drop(held);
    let _held = burst.granted();
}

#[test]
fn in_overload_one_may_wait_for_the_target() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 100));
    let held = semaphore.try_acquire().unwrap();
    let _aside = Waiting::new(&semaphore, 2);
    let mut first = Waiting::new(&semaphore, 1);
    semaphore.queue.at(95 * MS);
    let mut late = Waiting::new(&semaphore, 1);
    semaphore.queue.at(96 * MS);
    let mut in_time = Waiting::new(&semaphore, 1);
    assert!(first.told().is_none(), "the interval is not over");
    semaphore.queue.at(100 * MS);
    drop(held);
    assert!(first.is_overdue());
    assert!(late.is_overdue());
    let _held = in_time.granted();
    assert_eq!(semaphore.waiting(), 1, "the one aside");
}

#[test]
fn a_line_that_was_empty_is_not_overloaded() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 100));
    let held = semaphore.try_acquire().unwrap();
    drop(Waiting::new(&semaphore, 1));
    semaphore.queue.at(99 * MS);
    let mut burst = Waiting::new(&semaphore, 1);
    semaphore.queue.at(190 * MS);
    drop(held);
    let _held = burst.granted();
}

#[test]
fn an_arrival_tells_who_is_overdue() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 10));
    let _held = semaphore.try_acquire().unwrap();
    let mut old = Waiting::new(&semaphore, 1);
    semaphore.queue.at(10 * MS);
    assert!(old.told().is_none(), "time alone does nothing");
    let _new = Waiting::new(&semaphore, 1);
    assert!(old.is_overdue());
    assert_eq!(semaphore.waiting(), 1);
}

#[test]
fn an_arrival_has_the_place_of_one_that_is_overdue() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1).max_waiting(10), 5, 10));
    let _held = semaphore.try_acquire().unwrap();
    let mut line: Vec<_> = (0..10).map(|_| Waiting::new(&semaphore, 1)).collect();
    let refused = || semaphore.blocking_acquire().unwrap_err();
    assert_eq!(refused(), AcquireError::TooManyWaiters);
    semaphore.queue.at(10 * MS);
    let mut new = Waiting::new(&semaphore, 1);
    assert!(line.iter_mut().all(Waiting::is_overdue));
    // The line has been empty since.
    semaphore.queue.at(19 * MS);
    let _line: Vec<_> = (0..9).map(|_| Waiting::new(&semaphore, 1)).collect();
    assert_eq!(refused(), AcquireError::TooManyWaiters);
    assert!(new.told().is_none());
}

#[test]
fn when_all_are_overdue_the_permit_is_free() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 10));
    let held = semaphore.try_acquire().unwrap();
    let mut line: Vec<_> = (0..100).map(|_| Waiting::new(&semaphore, 1)).collect();
    semaphore.queue.at(20 * MS);
    drop(held);
    assert!(line.iter_mut().all(Waiting::is_overdue));
    assert!(semaphore.try_acquire().is_ok());
}

#[test]
fn an_interval_below_the_target_counts_as_the_target() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 50, 0));
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = Waiting::new(&semaphore, 1);
    semaphore.queue.at(49 * MS);
    drop(held);
    let _held = waiter.granted();
}

#[test]
fn while_all_stand_aside_the_line_is_not_overloaded() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 100));
    let held = semaphore.try_acquire().unwrap();
    let mut heavy = Waiting::new(&semaphore, 2);
    semaphore.queue.at(200 * MS);
    semaphore.set_max(2);
    let mut burst = Waiting::new(&semaphore, 1);
    semaphore.queue.at(299 * MS);
    drop(held);
    drop(heavy.granted());
    let _held = burst.granted();
}

#[test]
fn one_that_stood_aside_is_not_overdue() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 10));
    let mut heavy = Waiting::new(&semaphore, 2);
    semaphore.queue.at(100 * MS);
    semaphore.set_max(2);
    let _held = heavy.granted();
}

#[test]
fn a_wait_across_the_end_of_the_clock_is_overdue_all_the_same() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 10));
    let held = semaphore.try_acquire().unwrap();
    semaphore.queue.at((1 << 32) * 1_000 - MS);
    let mut old = Waiting::new(&semaphore, 1);
    semaphore.queue.at((1 << 32) * 1_000 + 9 * MS);
    drop(held);
    assert!(old.is_overdue());
}

#[test]
fn with_an_interval_for_ever_nobody_is_overdue() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, u64::MAX));
    let held = semaphore.try_acquire().unwrap();
    let mut old = Waiting::new(&semaphore, 1);
    semaphore.queue.at(2 * 3_600_000 * MS);
    drop(held);
    let _held = old.granted();
}

#[test]
fn with_lifo_the_last_is_first() {
    let semaphore = Arc::new(Semaphore::builder(1).order(Order::Lifo).build());
    let mut held = Some(semaphore.clone().try_acquire_owned().unwrap());
    let mut line: Vec<_> = (0..20).map(|_| Waiting::new(&semaphore, 1)).collect();
    // Holes in the middle, and at the end that is served.
    drop(line.remove(19));
    drop(line.remove(7));
    while let Some(mut last) = line.pop() {
        drop(held.take());
        held = Some(last.granted());
        assert!(line.iter_mut().all(|waiter| waiter.told().is_none()));
    }
    drop(held);
    assert_eq!((semaphore.waiting(), semaphore.active()), (0, 0));
    assert!(semaphore.try_acquire().is_ok());
}

/// Nobody else will look: all permits that are out are its own concern.
#[test]
fn with_lifo_who_comes_and_fits_is_served_at_once() {
    let semaphore = Arc::new(Semaphore::builder(4).order(Order::Lifo).build());
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut heavy = Waiting::new(&semaphore, 3);
    let mut light = Box::pin(semaphore.clone().acquire_owned());
    let polled = light.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(_))));
    assert!(heavy.told().is_none());
    drop((held, light));
    let _held = heavy.granted();
}

#[test]
fn with_lifo_one_that_leaves_lets_its_successor_be_looked_at() {
    let semaphore = Arc::new(Semaphore::builder(4).order(Order::Lifo).build());
    let mut held = semaphore.try_acquire_many(3).unwrap();
    let mut light = Waiting::new(&semaphore, 2);
    let heavy = Waiting::new(&semaphore, 3);
    drop(held.split(1));
    assert!(light.told().is_none());
    drop(heavy);
    let _light = light.granted();
}

#[test]
fn adaptive_lifo_turns_with_the_load() {
    let builder = Semaphore::builder(1).order(Order::AdaptiveLifo);
    let semaphore = Arc::new(builder.build());
    let held = semaphore.clone().try_acquire_owned().unwrap();
    let mut line: Vec<_> = (0..4).map(|_| Waiting::new(&semaphore, 1)).collect();
    semaphore.queue.at(99 * MS);
    drop(held);
    let held = line.remove(0).granted();
    semaphore.queue.at(100 * MS);
    drop(held);
    let held = line.pop().unwrap().granted();
    drop(line);
    let mut line: Vec<_> = (0..2).map(|_| Waiting::new(&semaphore, 1)).collect();
    semaphore.queue.at(199 * MS);
    drop(held);
    let _held = line.remove(0).granted();
}

/// After `millis` milliseconds in which the line was never empty, is the last the first?
fn turns_within(builder: Builder, millis: u64) -> bool {
    let semaphore = Arc::new(builder.order(Order::AdaptiveLifo).build());
    let held = semaphore.try_acquire().unwrap();
    let _first = Waiting::new(&semaphore, 1);
    let mut last = Waiting::new(&semaphore, 1);
    semaphore.queue.at(millis * MS);
    drop(held);
    last.told().is_some_and(|told| told.is_ok())
}

#[test]
fn adaptive_lifo_turns_after_the_interval_and_not_before_the_target() {
    let overdue = |target, interval| {
        let interval = Duration::from_millis(interval);
        move || Semaphore::builder(1).overdue(target, interval)
    };
    let target = overdue(Duration::from_millis(50), 0);
    assert!(!turns_within(target(), 49));
    // Nobody is told.
    let interval = overdue(Duration::MAX, 10);
    assert!(!turns_within(interval(), 9));
    assert!(turns_within(interval(), 10));
    let never = overdue(Duration::MAX, u64::MAX);
    assert!(!turns_within(never(), 2 * 3_600_000));
}

#[test]
fn with_lifo_one_back_in_line_has_the_place_of_its_arrival() {
    let semaphore = Arc::new(Semaphore::builder(2).order(Order::Lifo).build());
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut first = Waiting::new(&semaphore, 2);
    let mut aside = Waiting::new(&semaphore, 3);
    let mut last = Waiting::new(&semaphore, 2);
    semaphore.set_max(3);
    assert!(last.told().is_none());
    semaphore.set_max(4);
    let last = last.granted();
    drop(held);
    assert!(aside.told().is_none());
    drop(last);
    let aside = aside.granted();
    assert!(first.told().is_none());
    drop(aside);
    let _first = first.granted();
}

#[test]
fn with_lifo_the_last_of_those_back_in_line_is_first() {
    let semaphore = Arc::new(Semaphore::builder(1).order(Order::Lifo).build());
    let mut line: Vec<_> = (0..3).map(|_| Waiting::new(&semaphore, 2)).collect();
    semaphore.set_max(2);
    while let Some(mut last) = line.pop() {
        let _held = last.granted();
        assert!(line.iter_mut().all(|waiter| waiter.told().is_none()));
    }
}

#[test]
fn closing_tells_all_whatever_the_order() {
    for order in [Order::Lifo, Order::AdaptiveLifo] {
        let semaphore = Arc::new(Semaphore::builder(1).order(order).build());
        let held = semaphore.try_acquire().unwrap();
        let mut granted = Waiting::new(&semaphore, 1);
        drop(held);
        let mut line: Vec<_> = (0..20).map(|_| Waiting::new(&semaphore, 1)).collect();
        semaphore.close();
        let closed = |waiter: &mut Waiting| waiter.told().is_some_and(|told| told.is_err());
        assert!(line.iter_mut().all(closed));
        assert!(granted.told().is_some_and(|told| told.is_ok()));
        assert_eq!(semaphore.queue.told_by_name(), 0);
    }
}

/// What is told by name goes when it has been heard, and when it is never asked for.
#[test]
fn nothing_is_left_of_many_of_whom_most_are_overdue() {
    let semaphore = Arc::new(overdue(Semaphore::builder(1), 5, 100));
    let held = semaphore.clone().try_acquire_owned().unwrap();
    let mut line: Vec<_> = (0..99_000).map(|_| Waiting::new(&semaphore, 1)).collect();
    semaphore.queue.at(99 * MS);
    line.extend((0..1_000).map(|_| Waiting::new(&semaphore, 1)));
    semaphore.queue.at(100 * MS);
    drop(held);
    assert_eq!(semaphore.waiting(), 999);
    for mut waiter in line.drain(..50_000) {
        assert!(waiter.is_overdue());
    }
    drop(line);
    assert_eq!((semaphore.waiting(), semaphore.active()), (0, 0));
    assert_eq!(semaphore.queue.told_by_name(), 0);
    assert!(semaphore.queue.room() < 2_048, "{}", semaphore.queue.room());
}

/// Twice as many requests as can be served, from clients that leave after 100 ms and do not
/// say so. Says which part of what could be done in time was.
fn goodput_in_overload(builder: Builder, seed: u64) -> f64 {
    const PERMITS: usize = 10;
    const HOLD: u64 = 10 * MS;
    const PATIENCE: u64 = 100 * MS;
    const END: u64 = 5_000 * MS;

    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Event {
        Arrives,
        /// The request has been worked on.
        Ends(usize),
    }

    struct Woken(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    let semaphore = Arc::new(builder.build());
    let woken = Arc::new(Mutex::new(Vec::new()));
    let mut requests = Vec::new();
    let mut permits = Vec::new();
    let mut in_time = 0;
    let mut random = seed;
    // Uniform, with this mean.
    let mut about = |mean: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % (2 * mean)
    };
    let mut events = BinaryHeap::from([Reverse((0, Event::Arrives))]);
    while let Some(Reverse((now, event))) = events.pop() {
        if now > END {
            break;
        }
        semaphore.queue.at(now);
        match event {
            Event::Arrives => {
                let request = requests.len();
                requests.push(Some((now, Box::pin(semaphore.clone().acquire_owned()))));
                permits.push(None);
                woken.lock().unwrap().push(request);
                let next = about(HOLD / PERMITS as u64 / 2);
                events.push(Reverse((now + next, Event::Arrives)));
            }
            Event::Ends(request) => {
                let (came, permit) = permits[request].take().expect("at work");
                in_time += u64::from(now - came <= PATIENCE);
                drop::<OwnedSemaphorePermit>(permit);
            }
        }
        while let Some(request) = { woken.lock().unwrap().pop() } {
            let Some((came, acquire)) = &mut requests[request] else {
                continue;
            };
            let waker = Waker::from(Arc::new(Woken(request, woken.clone())));
            let Poll::Ready(told) = acquire.as_mut().poll(&mut Context::from_waker(&waker)) else {
                continue;
            };
            if let Ok(permit) = told {
                permits[request] = Some((*came, permit));
                events.push(Reverse((now + about(HOLD), Event::Ends(request))));
            }
            requests[request] = None;
        }
    }
    in_time as f64 / (PERMITS as u64 * END / HOLD) as f64
}

#[test]
fn in_overload_the_work_is_for_those_who_still_wait() {
    for seed in 0..5 {
        let [target, interval] = [5, 100].map(Duration::from_millis);
        let fifo = goodput_in_overload(Semaphore::builder(10), seed);
        let adaptive = Semaphore::builder(10)
            .order(Order::AdaptiveLifo)
            .overdue(target, interval);
        let adaptive = goodput_in_overload(adaptive, seed);
        assert!(fifo < 0.2, "Fifo: {fifo}");
        assert!(adaptive >= 0.9, "AdaptiveLifo: {adaptive}");
    }
}
