//! No panic can be caught without std: one that comes out of a waker aborts.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    env,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::pin,
    process::Command,
    task::Context,
};

use common::Panics;
use dynaphore::{
    OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    future::{Acquire, AcquireOwned, Idle, ResizeDrained},
    generation::{Pending, Token, Tracker},
};

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
