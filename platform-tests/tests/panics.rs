//! No panic can be caught without std: one that comes out of a waker aborts.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/semaphore/reentrancy/hooked.rs"]
mod hooked;

use std::{
    env,
    future::Future,
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    process::Command,
    task::{Context, Waker},
};

use common::Panics;
use dynaphore::{
    Fairness, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    future::{Acquire, AcquireOwned, Idle, ResizeDrained},
    generation::{Pending, Token, Tracker},
};
use hooked::{Hooked, Moment};

const fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

/// As with std.
const _: () = {
    everywhere::<Semaphore>();
    everywhere::<SemaphorePermit<'_>>();
    everywhere::<OwnedSemaphorePermit>();
    everywhere::<Acquire<'_>>();
    everywhere::<AcquireOwned>();
    everywhere::<Idle<'_>>();
    everywhere::<ResizeDrained<'_>>();
    everywhere::<Tracker>();
    everywhere::<Token<'_>>();
    everywhere::<Pending<'_>>();
};

/// Run by the other one, in a process of its own.
#[test]
#[ignore]
fn child() {
    let semaphore = Semaphore::new(0);
    let mut waiter = pin!(semaphore.acquire());
    let waker = Panics::waker("a waker's");
    let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let caught = std::panic::catch_unwind(|| semaphore.add_permits(1));
    println!("it goes on: {}", caught.is_err());
}

#[test]
fn a_waker_that_panics_aborts() {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "child", "--ignored", "--nocapture"]);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(output.stdout.windows(10).all(|text| text != b"it goes on"));
    assert!(said.contains("dynaphore aborts"), "{said}");
}

/// In the first clone or, if there is one, in the second: the next poll makes up for it.
#[test]
fn a_waker_that_panics_as_it_is_cloned_is_woken_if_it_is_polled_again() {
    for clones in [0, 1] {
        let semaphore = Semaphore::builder(1).fairness(Fairness::Barging).build();
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = pin!(semaphore.acquire());
        let quiet = &mut Context::from_waker(Waker::noop());
        assert!(waiter.as_mut().poll(quiet).is_pending());
        let (hooked, waker) = Hooked::new();
        let panics = || resume_unwind(Box::new("a waker's"));
        if clones == 0 {
            hooked.arm(Moment::Clone, panics);
        } else {
            let again = hooked.clone();
            hooked.arm(Moment::Clone, move || again.arm(Moment::Clone, panics));
        }
        let loud = &mut Context::from_waker(&waker);
        let mut poll = || waiter.as_mut().poll(loud).is_ready();
        let panicked = catch_unwind(AssertUnwindSafe(&mut poll)).is_err();
        assert!(panicked || clones > 0);
        hooked.disarm();
        assert!(!poll());
        hooked.arm(Moment::Wake, || {});
        drop(held);
        assert!(!hooked.disarm(), "not woken");
    }
}
