//! The modes in which waiters compete with newcomers.
//!
//! Time stands still: a bound of zero has always passed, any other never has.

mod barging;
mod changes;
mod eventual;

use std::{sync::Arc, task::Poll};

use dynaphore::Semaphore;
use dynaphore_loom_tests::{Data, Waiter, assert_at_rest, block_on, spawn, take};

/// A release and two that come, one to sleep as a thread and one as a task.
fn release_against_arrival(s: &Arc<Semaphore>) {
    let held = take(s, 1);
    let release = spawn(move || drop(held));
    let theirs = s.clone();
    let blocking = spawn(move || drop(theirs.blocking_acquire().unwrap()));
    drop(block_on(s.acquire()).unwrap());
    release.join().unwrap();
    blocking.join().unwrap();
    assert_at_rest(s, 1);
}

/// max 1 is a mutex in this mode too: three that hold it in turn, one of them
/// called or passed.
fn ordering(s: &Arc<Semaphore>) {
    let data = Data::new();
    let held = take(s, 1);
    let mut waiter = Waiter::queued(s, 1);
    let shared = data.clone();
    let release = spawn(move || {
        shared.bump();
        drop(held);
    });
    let (theirs, shared) = (s.clone(), data.clone());
    let newcomer = spawn(move || {
        let permit = theirs.blocking_acquire().unwrap();
        shared.bump();
        drop(permit);
    });
    // Unwoken, too: what it takes by competing is in order with what came
    // before.
    let permit = match waiter.poll() {
        Poll::Ready(permit) => permit.unwrap(),
        Poll::Pending => waiter.wait().unwrap(),
    };
    assert!(data.bump() >= 2);
    drop(permit);
    release.join().unwrap();
    newcomer.join().unwrap();
    assert_eq!(data.read(), 3);
    assert_at_rest(s, 1);
}
