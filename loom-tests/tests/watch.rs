//! Waiting for a state.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use dynaphore_loom_tests::{Waiter, assert_at_rest, block_on, join, model, semaphore, spawn, take};

#[test]
fn idle_against_release() {
    model(3, || {
        let s = semaphore(2);
        let releases = [(); 2].map(|()| take(&s, 1));
        let releases = releases.map(|held| spawn(move || drop(held)));
        s.blocking_idle();
        assert_eq!(s.active(), 0);
        join(releases);
        assert_at_rest(&s, 2);
    });
}

#[test]
fn idle_against_forget() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let release = spawn(move || drop(a));
        let forget = spawn(move || b.forget());
        block_on(s.idle());
        assert_eq!(s.active(), 0);
        release.join().unwrap();
        forget.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

#[test]
fn settled_against_release() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        assert_eq!(s.set_max(1), 2);
        let release = spawn(move || drop(a));
        let theirs = s.clone();
        let other = spawn(move || theirs.blocking_settled());
        block_on(s.settled());
        assert_eq!(s.snapshot().excess(), 0);
        release.join().unwrap();
        other.join().unwrap();
        drop(b);
        assert_at_rest(&s, 1);
    });
}

/// With a line, permits come back by another way: watchers are told there too.
#[test]
fn settled_against_release_with_a_line() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let waiter = Waiter::queued(&s, 1);
        assert_eq!(s.set_max(1), 2);
        let releases = [a, b].map(|held| spawn(move || drop(held)));
        s.blocking_settled();
        drop(waiter.wait().unwrap());
        join(releases);
        assert_at_rest(&s, 1);
    });
}

#[test]
fn settled_against_growth() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 2);
        assert_eq!(s.set_max(0), 2);
        let grow = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || s.add_permits(1))
        });
        s.blocking_settled();
        join(grow);
        drop(held);
        assert_at_rest(&s, 2);
    });
}

/// Neither swallows the other's wake-up.
#[test]
fn idle_and_acquire_together() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let theirs = s.clone();
        let acquire = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        let theirs = s.clone();
        let idle = spawn(move || theirs.blocking_idle());
        drop(held);
        acquire.join().unwrap();
        idle.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// What it was told of goes and comes again while it looks.
#[test]
fn idle_against_two_releases_in_turn() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let theirs = s.clone();
        let release = spawn(move || {
            drop(held);
            drop(theirs.try_acquire());
        });
        s.blocking_idle();
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The one in line gives up and leaves the semaphore to the watcher.
#[test]
fn idle_against_cancel() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let cancel = spawn(move || drop(waiter));
        let release = spawn(move || drop(held));
        s.blocking_idle();
        cancel.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Closing stops nobody from waiting until the holders are gone.
#[test]
fn idle_against_close() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        let release = spawn(move || drop(held));
        drop(waiter);
        block_on(s.idle());
        close.join().unwrap();
        release.join().unwrap();
        assert_eq!((s.active(), s.waiting()), (0, 0));
    });
}

/// A watcher that gives up takes nobody's wake-up along.
#[test]
#[ignore = "takes half a minute: `--include-ignored`, as `.ci/run --long` does"]
fn cancelled_watcher_against_release() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let theirs = s.clone();
        let quitter = spawn(move || {
            let mut idle = pin!(theirs.idle());
            let polled = idle.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending() || theirs.active() == 0);
        });
        let release = spawn(move || drop(held));
        block_on(s.idle());
        quitter.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}
