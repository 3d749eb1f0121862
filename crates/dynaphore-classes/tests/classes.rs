//! Classes and their permits. `src/shares/tests.rs` has the shares, in simulated time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use dynaphore::{AcquireError, Semaphore, TryAcquireError};
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
fn bad_input_is_refused_before_anything_changes() {
    fn message<T>(call: impl FnOnce() -> T) -> String {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let caught = catch_unwind(AssertUnwindSafe(|| drop(call())));
        std::panic::set_hook(hook);
        *caught.unwrap_err().downcast::<String>().unwrap()
    }
    let classes = classes(1);
    let unknown = "no class is called \"other\"";
    assert_eq!(message(|| classes.acquire_in("other")), unknown);
    let mixed = [("web", 1), ("other", 1)];
    assert_eq!(message(|| classes.set_shares(&mixed)), unknown);
    assert_eq!(classes.share("web"), 8);
    let none = message(|| classes.set_share("web", 0));
    assert_eq!(none, "class \"web\" has no share");
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
