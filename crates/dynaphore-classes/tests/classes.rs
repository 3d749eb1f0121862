//! Classes and their permits. `src/shares/tests.rs` has the shares, in simulated time.

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
    thread,
};

use dynaphore::{AcquireError, Order, Semaphore, TryAcquireError};
use dynaphore_classes::{AcquireIn, ClassPermit, Classes};
use tokio_test::{
    assert_pending, assert_ready_err, assert_ready_ok,
    task::{Spawn, spawn},
};

const TWO: &[(&str, u32)] = &[("web", 8), ("batch", 1)];

fn classes(max: usize) -> Classes {
    Classes::new(Arc::new(Semaphore::new(max)), TWO)
}

fn waiting(classes: &Classes, class: &str) -> Spawn<AcquireIn> {
    let mut waiting = spawn(classes.acquire_in(class));
    assert_pending!(waiting.poll());
    waiting
}

fn waiting_for(classes: &Classes, class: &str, n: u32) -> Spawn<AcquireIn> {
    let mut waiting = spawn(classes.acquire_many_in(class, n));
    assert_pending!(waiting.poll());
    waiting
}

fn assert_at_rest(classes: &Classes) {
    for class in ["web", "batch"] {
        assert_eq!((classes.active(class), classes.waiting(class)), (0, 0));
    }
    let state = classes.semaphore().snapshot();
    assert_eq!((state.active, state.waiting), (0, 0));
}

#[test]
fn a_class_is_served_in_order() {
    let classes = classes(1);
    let mut held = classes.try_acquire_in("web").ok();
    let mut line: Vec<_> = (0..5).map(|_| waiting(&classes, "web")).collect();
    assert_eq!(classes.waiting("web"), 5);
    while !line.is_empty() {
        drop(held.take());
        assert!(line[0].is_woken());
        assert!(line[1..].iter().all(|waiter| !waiter.is_woken()));
        held = Some(assert_ready_ok!(line.remove(0).poll()));
    }
    drop(held);
    assert_at_rest(&classes);
}

#[test]
fn one_waits_for_one_hold_beside_ten_thousand_of_another_class() {
    for (crowd, lone) in [("batch", "web"), ("web", "batch")] {
        let classes = classes(1);
        let held = classes.try_acquire_in(crowd).unwrap();
        let crowd: Vec<_> = (0..10_000).map(|_| waiting(&classes, crowd)).collect();
        let mut one = waiting(&classes, lone);
        drop(held);
        let permit = assert_ready_ok!(one.poll());
        assert_eq!(permit.class(), lone);
        drop((permit, crowd));
        assert_at_rest(&classes);
    }
}

#[test]
fn nobody_passes_those_who_wait() {
    let classes = classes(1);
    let held = classes.try_acquire_in("batch").unwrap();
    let mut waiter = waiting(&classes, "batch");
    assert_eq!(
        classes.try_acquire_in("web").unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(held);
    assert!(classes.try_acquire_in("web").is_err());
    drop(assert_ready_ok!(waiter.poll()));
    assert!(classes.try_acquire_in("web").is_ok());
    assert_at_rest(&classes);
}

#[test]
fn a_growth_serves_as_many_as_fit_and_a_pause_none() {
    let classes = classes(0);
    let mut line: Vec<_> = ["web", "web", "batch", "web"]
        .into_iter()
        .map(|class| waiting(&classes, class))
        .collect();
    classes.semaphore().set_max(3);
    let served: Vec<_> = line.iter_mut().map(|waiter| waiter.poll()).collect();
    let count = served.iter().filter(|polled| polled.is_ready()).count();
    assert_eq!((count, classes.active("batch")), (3, 1));
    classes.semaphore().set_max(0);
    drop(served);
    assert_eq!(classes.waiting("web"), 1);
    drop(line);
    assert_at_rest(&classes);
}

#[test]
fn permits_that_come_back_pay_a_debt_first() {
    let classes = classes(3);
    let mut held: Vec<_> = (0..3)
        .map(|_| classes.try_acquire_in("web").unwrap())
        .collect();
    let mut waiter = waiting(&classes, "batch");
    classes.semaphore().set_max(1);
    held.pop();
    held.pop();
    assert_pending!(waiter.poll());
    held.pop();
    drop(assert_ready_ok!(waiter.poll()));
    assert_at_rest(&classes);
}

#[test]
fn closing_tells_all_who_wait_and_all_who_come() {
    let classes = classes(1);
    let held = classes.try_acquire_in("web").unwrap();
    let mut line = ["web", "batch", "web"].map(|class| waiting(&classes, class));
    classes.semaphore().close();
    for waiter in &mut line {
        assert!(waiter.is_woken());
        assert_eq!(assert_ready_err!(waiter.poll()), AcquireError::Closed);
    }
    let late = assert_ready_err!(spawn(classes.acquire_in("web")).poll());
    assert_eq!(late, AcquireError::Closed);
    assert_eq!(
        classes.try_acquire_in("web").unwrap_err(),
        TryAcquireError::Closed
    );
    drop(held);
    assert_at_rest(&classes);
}

#[test]
fn who_gives_up_leaves_no_trace() {
    let classes = classes(1);
    let held = classes.try_acquire_in("web").unwrap();
    let first = waiting(&classes, "web");
    let mut second = waiting(&classes, "batch");
    drop(first);
    assert_eq!((classes.waiting("web"), classes.waiting("batch")), (0, 1));
    drop(held);
    drop(assert_ready_ok!(second.poll()));
    assert_at_rest(&classes);

    let held = classes.try_acquire_in("web").unwrap();
    drop(waiting(&classes, "batch"));
    assert_eq!(
        classes.semaphore().waiting(),
        0,
        "there is nobody to wait for"
    );
    drop(held);
    assert_at_rest(&classes);
}

#[test]
fn what_is_granted_and_not_fetched_goes_to_the_next() {
    let classes = classes(1);
    let held = classes.try_acquire_in("web").unwrap();
    let granted = waiting(&classes, "web");
    let mut next = waiting(&classes, "web");
    drop(held);
    assert!(granted.is_woken() && !next.is_woken());
    drop(granted);
    drop(assert_ready_ok!(next.poll()));
    assert_at_rest(&classes);
}

#[test]
fn light_requests_do_not_pass_a_heavy_one_whose_turn_it_is() {
    let classes = classes(4);
    let mut held: Vec<_> = (0..4)
        .map(|_| classes.try_acquire_in("web").unwrap())
        .collect();
    let mut heavy = waiting_for(&classes, "batch", 4);
    let mut light = [waiting(&classes, "batch"), waiting(&classes, "web")];
    while held.pop().is_some() {
        assert_eq!(heavy.is_woken(), held.is_empty());
        assert!(light.iter().all(|waiter| !waiter.is_woken()));
        assert!(classes.try_acquire_in("web").is_err());
    }
    let permits = assert_ready_ok!(heavy.poll());
    assert_eq!((permits.num_permits(), classes.active("batch")), (4, 4));
    drop(permits);
    for waiter in &mut light {
        drop(assert_ready_ok!(waiter.poll()));
    }
    assert_at_rest(&classes);
}

#[test]
fn when_a_heavy_head_gives_up_the_next_have_what_is_free() {
    let classes = classes(4);
    let held = classes.try_acquire_many_in("web", 2).unwrap();
    let heavy = waiting_for(&classes, "batch", 4);
    let mut light = [waiting(&classes, "batch"), waiting(&classes, "web")];
    drop(heavy);
    for waiter in &mut light {
        assert!(waiter.is_woken());
        drop(assert_ready_ok!(waiter.poll()));
    }
    drop(held);
    assert_at_rest(&classes);
}

#[test]
fn a_request_for_more_than_max_holds_up_nobody_and_keeps_its_place() {
    let classes = classes(2);
    let mut heavy = waiting_for(&classes, "web", 3);
    let permit = classes.try_acquire_in("web").unwrap();
    let light = assert_ready_ok!(spawn(classes.acquire_in("web")).poll());
    let mut next = waiting_for(&classes, "web", 2);
    classes.semaphore().set_max(3);
    assert!(!heavy.is_woken() && !next.is_woken());
    drop((permit, light));
    drop(assert_ready_ok!(heavy.poll()));
    drop(assert_ready_ok!(next.poll()));
    assert_at_rest(&classes);
}

#[test]
fn a_shrink_below_the_one_whose_turn_it_is_lets_the_others_go_on() {
    for other in ["web", "batch"] {
        let classes = classes(8);
        let held = classes.try_acquire_many_in("web", 4).unwrap();
        let mut heavy = waiting_for(&classes, "batch", 8);
        let mut medium = waiting_for(&classes, other, 7);
        let mut light = waiting_for(&classes, other, 2);
        classes.semaphore().set_max(6);
        assert!(!heavy.is_woken() && !medium.is_woken());
        let light = assert_ready_ok!(light.poll());
        classes.semaphore().set_max(8);
        drop((held, light));
        drop(assert_ready_ok!(heavy.poll()));
        drop(assert_ready_ok!(medium.poll()));
        assert_at_rest(&classes);
    }
}

#[test]
fn of_those_that_are_all_too_heavy_the_first_whom_max_allows_is_served() {
    let classes = classes(2);
    let mut heavy = [8, 6, 7].map(|n| waiting_for(&classes, "web", n));
    classes.semaphore().set_max(5);
    assert!(heavy.iter().all(|waiter| !waiter.is_woken()));
    classes.semaphore().set_max(6);
    drop(assert_ready_ok!(heavy[1].poll()));
    classes.semaphore().set_max(8);
    drop(assert_ready_ok!(heavy[0].poll()));
    drop(assert_ready_ok!(heavy[2].poll()));
    assert_at_rest(&classes);
}

#[test]
fn who_waits_for_several_keeps_no_permit_from_a_pause() {
    let classes = classes(4);
    let mut held: Vec<_> = (0..4)
        .map(|_| classes.try_acquire_in("web").unwrap())
        .collect();
    let mut heavy = waiting_for(&classes, "batch", 3);
    let light = waiting(&classes, "web");
    held.truncate(2);
    classes.semaphore().set_max(0);
    let mut idle = spawn(classes.semaphore().idle());
    assert_pending!(idle.poll());
    drop(held);
    assert!(idle.poll().is_ready());
    classes.semaphore().set_max(3);
    drop(assert_ready_ok!(heavy.poll()));
    drop(light);
    assert_at_rest(&classes);
}

#[test]
fn closing_tells_those_who_are_too_heavy_as_well() {
    let classes = classes(2);
    let held = classes.try_acquire_in("web").unwrap();
    let mut line = [
        waiting_for(&classes, "web", 3),
        waiting_for(&classes, "web", 2),
        waiting_for(&classes, "batch", 4),
    ];
    classes.semaphore().close();
    for waiter in &mut line {
        assert_eq!(assert_ready_err!(waiter.poll()), AcquireError::Closed);
    }
    drop(held);
    assert_at_rest(&classes);
}

#[test]
fn zero_permits_are_had_at_once() {
    let classes = classes(1);
    let held = classes.try_acquire_in("web").unwrap();
    let waiter = waiting(&classes, "web");
    let none = assert_ready_ok!(spawn(classes.acquire_many_in("web", 0)).poll());
    assert_eq!(none.num_permits(), 0);
    assert!(classes.try_acquire_many_in("batch", 0).is_ok());
    drop((held, waiter, none));
    assert_at_rest(&classes);
}

#[test]
fn with_lifo_a_light_request_passes_a_heavy_one_and_both_are_served() {
    let semaphore = Semaphore::builder(4).order(Order::Lifo).build();
    let classes = Classes::new(Arc::new(semaphore), TWO);
    let mut held: Vec<_> = (0..4)
        .map(|_| classes.try_acquire_in("web").unwrap())
        .collect();
    let mut heavy = waiting_for(&classes, "batch", 4);
    let mut light = waiting(&classes, "web");
    held.pop();
    let light = assert_ready_ok!(light.poll());
    assert!(!heavy.is_woken());
    drop((held, light));
    drop(assert_ready_ok!(heavy.poll()));
    assert_at_rest(&classes);
}

/// A bound of the semaphore's is about what stands in its line for us.
#[test]
fn where_too_many_wait_one_is_told_so() {
    let semaphore = Semaphore::builder(4).max_waiting(1).build();
    let classes = Classes::new(Arc::new(semaphore), TWO);
    let held = classes.try_acquire_in("web").unwrap();
    let mut heavy = waiting_for(&classes, "web", 4);
    // It needs a second request.
    let light = assert_ready_err!(spawn(classes.acquire_in("batch")).poll());
    assert_eq!(light, AcquireError::TooManyWaiters);
    drop(held);
    drop(assert_ready_ok!(heavy.poll()));
    assert_at_rest(&classes);
}

/// A waker that asks for permits itself, from inside the release.
struct Greedy(Classes);

impl Wake for Greedy {
    fn wake(self: Arc<Self>) {
        assert!(self.0.try_acquire_in("web").is_err());
        let mut more = spawn(self.0.acquire_in("batch"));
        assert_pending!(more.poll());
    }
}

#[test]
fn a_waker_may_call_back() {
    let classes = classes(1);
    let held = classes.try_acquire_in("web").unwrap();
    let mut waiter = Box::pin(classes.acquire_in("web"));
    let waker = Waker::from(Arc::new(Greedy(classes.clone())));
    let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(held);
    let polled = waiter
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(_))));
    drop(polled);
    assert_at_rest(&classes);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("a waker that panics"));
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_waiting() {
    let classes = classes(2);
    let held: Vec<ClassPermit> = (0..2)
        .map(|_| classes.try_acquire_in("web").unwrap())
        .collect();
    let mut first = Box::pin(classes.acquire_in("web"));
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let mut second = waiting(&classes, "web");
    assert!(catch_unwind(AssertUnwindSafe(|| drop(held))).is_err());
    let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(_))));
    let second = assert_ready_ok!(second.poll());
    drop((polled, second));
    assert_at_rest(&classes);
}

/// A waker that panics when it goes.
struct PanicsOnDrop;

impl Wake for PanicsOnDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a waker that panics when it goes"));
    }
}

/// Each clone of it panics when it goes.
fn clones_panic_on_drop() -> Waker {
    const fn nothing(_: *const ()) {}
    const LASTS: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    const GOES: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, goes);

    fn clone(data: *const ()) -> RawWaker {
        RawWaker::new(data, &GOES)
    }

    fn goes(_: *const ()) {
        std::panic::resume_unwind(Box::new("a waker that panics when it goes"));
    }

    // SAFETY: there is no data.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &LASTS)) }
}

#[test]
fn a_waker_that_panics_when_it_goes_leaves_no_permit_to_its_class() {
    let classes = classes(1);
    let held = classes.try_acquire_in("web").unwrap();
    let mut waiter = Box::pin(classes.acquire_in("web"));
    let polled = waiter
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(held);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let waker = clones_panic_on_drop();
        drop(waiter.as_mut().poll(&mut Context::from_waker(&waker)));
    }));
    assert!(polled.is_err());
    drop(waiter);
    assert_at_rest(&classes);
}

#[test]
fn a_waker_that_panics_when_it_goes_keeps_nobody_else_waiting() {
    let classes = classes(2);
    let held = classes.try_acquire_in("web").unwrap();
    let mut heavy = Box::pin(classes.acquire_many_in("web", 2));
    let waker = Waker::from(Arc::new(PanicsOnDrop));
    let polled = heavy.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(waker);
    let mut light = waiting(&classes, "web");
    assert!(catch_unwind(AssertUnwindSafe(|| drop(heavy))).is_err());
    drop(assert_ready_ok!(light.poll()));
    drop(held);
    assert_at_rest(&classes);
}

#[test]
fn a_shrink_below_the_one_whose_turn_it_is_keeps_our_place_in_that_line() {
    let classes = classes(2);
    let mut held = classes.try_acquire_many_in("web", 2).ok();
    let mut heavy = waiting_for(&classes, "web", 2);
    let mut light = waiting(&classes, "web");
    let mut other = spawn(classes.semaphore().acquire());
    assert_pending!(other.poll());
    classes.semaphore().set_max(1);
    drop(held.take());
    let light = assert_ready_ok!(light.poll());
    assert_pending!(other.poll());
    drop(light);
    drop(assert_ready_ok!(other.poll()));
    classes.semaphore().set_max(2);
    drop(assert_ready_ok!(heavy.poll()));
    assert_at_rest(&classes);
}

#[test]
fn who_uses_the_semaphore_beside_us_is_in_the_same_line() {
    let classes = classes(1);
    let held = classes.semaphore().try_acquire().unwrap();
    let mut ours = waiting(&classes, "web");
    let mut other = spawn(classes.semaphore().acquire());
    assert_pending!(other.poll());
    drop(held);
    let permit = assert_ready_ok!(ours.poll());
    assert_pending!(other.poll());
    drop(permit);
    drop(assert_ready_ok!(other.poll()));
    assert_at_rest(&classes);
}

#[test]
fn a_turn_that_changes_keeps_our_place_in_that_line() {
    let classes = classes(2);
    let held = classes.try_acquire_in("web").unwrap();
    let mut heavy = waiting_for(&classes, "web", 2);
    let mut other = spawn(classes.semaphore().acquire_many(2));
    assert_pending!(other.poll());
    // It is its turn: its class has used nothing.
    let mut light = waiting(&classes, "batch");
    drop(held);
    let light = assert_ready_ok!(light.poll());
    assert_pending!(other.poll());
    drop(light);
    drop(assert_ready_ok!(other.poll()));
    drop(assert_ready_ok!(heavy.poll()));
    assert_at_rest(&classes);
}

#[test]
fn bad_input_is_refused_before_anything_changes() {
    fn message<T>(call: impl FnOnce() -> T) -> String {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let caught = catch_unwind(AssertUnwindSafe(|| drop(call())));
        std::panic::set_hook(hook);
        match caught.unwrap_err().downcast::<String>() {
            Ok(message) => *message,
            Err(fixed) => fixed.downcast::<&str>().unwrap().to_string(),
        }
    }
    let classes = classes(1);
    let unknown = "no class is called \"other\"";
    assert_eq!(message(|| classes.acquire_in("other")), unknown);
    let mixed = [("web", 1), ("other", 1)];
    assert_eq!(message(|| classes.set_shares(&mixed)), unknown);
    assert_eq!(classes.share("web"), 8);
    let none = message(|| classes.set_share("web", 0));
    assert_eq!(none, "class \"web\" has no share");
    let many = "a semaphore may not have more than MAX_PERMITS permits (2147483647)";
    let heavy = || classes.acquire_many_in("web", 1 << 31);
    assert_eq!(message(heavy), many);
    let semaphore = classes.semaphore().clone();
    let twice = message(|| Classes::new(semaphore, &[("a", 1), ("a", 2)]));
    assert_eq!(twice, "two classes are called \"a\"");
}

#[test]
fn threads_of_all_classes_lose_no_permit_and_all_finish() {
    const MAX: usize = 3;
    let classes = classes(MAX);
    let out = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (class, seed) in [
            ("web", 1_usize),
            ("batch", 2),
            ("web", 3),
            ("batch", 4),
            ("web", 5),
        ] {
            let (classes, out) = (&classes, &out);
            scope.spawn(move || {
                for turn in 0..1_000 {
                    match (turn + seed) % 5 {
                        0 => drop(spawn(classes.acquire_in(class)).poll()),
                        1 if seed == 1 => {
                            classes.semaphore().set_max(1 + turn % MAX);
                        }
                        _ => {
                            let permit = classes.blocking_acquire_in(class).unwrap();
                            assert!(out.fetch_add(1, Relaxed) < MAX);
                            thread::yield_now();
                            out.fetch_sub(1, Relaxed);
                            drop(permit);
                        }
                    }
                }
            });
        }
    });
    assert_at_rest(&classes);
}
