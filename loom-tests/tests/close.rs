//! The end, while others come and go. A waiter that hangs is a deadlock.

use std::task::Poll;

use dynaphore::{Semaphore, TryAcquireError};
use dynaphore_loom_tests::{Data, Waiter, assert_ended, block_on, model, semaphore, spawn, take};

/// Served or refused, and either way it ends.
#[test]
fn close_during_acquire() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire()));
        let release = spawn(move || drop(held));
        s.close();
        arrival.join().unwrap();
        release.join().unwrap();
        assert_ended(&s);
    });
}

/// No permit comes back: all must be refused, in line or on the way to it.
#[test]
fn close_against_enqueue() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let theirs = s.clone();
        let one = spawn(move || assert!(theirs.blocking_acquire().is_err()));
        let theirs = s.clone();
        let two = spawn(move || assert!(block_on(theirs.acquire()).is_err()));
        s.close();
        one.join().unwrap();
        two.join().unwrap();
        drop(held);
        assert_ended(&s);
    });
}

/// The arrival finds others in line, who are just being refused.
#[test]
fn close_against_enqueue_behind() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let first = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let arrival = spawn(move || assert!(block_on(theirs.acquire()).is_err()));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        assert!(first.wait().is_err());
        close.join().unwrap();
        arrival.join().unwrap();
        drop(held);
        assert_ended(&s);
    });
}

/// The arrival asks for more than max: it is not in line, and refused as well.
#[test]
fn close_against_aside() {
    model(3, || {
        let s = semaphore(1);
        let theirs = s.clone();
        let arrival = spawn(move || assert!(theirs.blocking_acquire_many(2).is_err()));
        let theirs = s.clone();
        let other = spawn(move || assert!(block_on(theirs.acquire_many(3)).is_err()));
        s.close();
        arrival.join().unwrap();
        other.join().unwrap();
        assert_ended(&s);
    });
}

/// The permit is on its way to the front: granted or refused, it comes back.
#[test]
fn close_against_handover() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut first = Waiter::queued(&s, 1);
        let second = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        assert!(second.wait().is_err());
        release.join().unwrap();
        close.join().unwrap();
        match first.poll() {
            Poll::Ready(told) => {
                assert_eq!(s.active(), usize::from(told.is_ok()));
                drop(told);
            }
            Poll::Pending => panic!("told nothing"),
        }
        assert_ended(&s);
    });
}

/// One that stood aside goes back to the line while the semaphore is closed.
#[test]
fn close_against_rejoin() {
    model(3, || {
        let s = semaphore(1);
        let mut aside = Waiter::queued(&s, 2);
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        assert_eq!(s.set_max(2), 1);
        close.join().unwrap();
        match aside.poll() {
            Poll::Ready(told) => drop(told),
            Poll::Pending => panic!("told nothing"),
        }
        assert_eq!(aside.woken(), 1);
        assert_ended(&s);
    });
}

/// The front is sent aside by a shrink while the semaphore is closed.
#[test]
fn close_against_stepping_aside() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 1);
        let heavy = Waiter::queued(&s, 2);
        let theirs = s.clone();
        let shrink = spawn(move || theirs.set_max(1));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        assert!(heavy.wait().is_err());
        assert_eq!(shrink.join().unwrap(), 2);
        close.join().unwrap();
        drop(held);
        assert_ended(&s);
    });
}

/// Both close: each waiter is told once, and no call returns before it.
#[test]
fn close_against_close() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut waiter = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        let release = spawn(move || drop(held));
        s.close();
        close.join().unwrap();
        release.join().unwrap();
        assert_eq!(waiter.woken(), 1);
        drop(waiter.poll());
        assert_ended(&s);
    });
}

/// More to tell than in one go: arrivals and releases come in between.
#[test]
fn close_in_batches() {
    const MANY: usize = 9;
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut waiters: Vec<_> = (0..MANY).map(|_| Waiter::queued(&s, 1)).collect();
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire()));
        drop(held);
        close.join().unwrap();
        let told: Vec<_> = waiters.iter_mut().map(Waiter::poll).collect();
        let granted = told
            .iter()
            .filter(|told| matches!(told, Poll::Ready(Ok(_))));
        assert_eq!(granted.count(), s.active());
        assert!(told.iter().all(Poll::is_ready));
        drop(told);
        arrival.join().unwrap();
        assert_ended(&s);
    });
}

/// Who is refused sees what the closer did before, however it asks.
#[test]
fn refusal_sees_what_the_closer_did() {
    for asks in [
        |s: &Semaphore| s.try_acquire().is_err_and(|e| e == TryAcquireError::Closed),
        |s: &Semaphore| {
            s.try_acquire_many(0)
                .is_err_and(|e| e == TryAcquireError::Closed)
        },
        |s: &Semaphore| s.blocking_acquire().is_err(),
    ] {
        model(3, move || {
            let (s, data) = (semaphore(1), Data::new());
            let (theirs, before) = (s.clone(), data.clone());
            let closer = spawn(move || {
                before.bump();
                theirs.close();
            });
            if asks(&s) {
                assert_eq!(data.bump(), 2);
            }
            closer.join().unwrap();
        });
    }
}
