//! Which waker is woken.

use std::{
    sync::Arc,
    task::{Poll, Waker},
};

use dynaphore_loom_tests::{Count, Waiter, assert_at_rest, model, semaphore, spawn, take};

/// Polled with A, then with B while a permit comes back: B is woken, and A not,
/// or the second poll has the permit.
#[test]
fn waker_replaced_against_grant() {
    let (replaced, ready) = (Count::default(), Count::default());
    let (replaces, readies) = (replaced.clone(), ready.clone());
    model(3, move || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut waiter = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        let release = spawn(move || drop(held));
        let newest = Arc::new(Count::default());
        let polled = waiter.poll_with(&Waker::from(newest.clone()));
        release.join().unwrap();
        let permit = match polled {
            Poll::Ready(permit) => {
                readies.add();
                assert_eq!(newest.get(), 0);
                permit.unwrap()
            }
            Poll::Pending => {
                replaces.add();
                assert_eq!((waiter.woken(), newest.get()), (0, 1));
                waiter.granted()
            }
        };
        drop(permit);
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
    assert!(replaced.get() > 0 && ready.get() > 0);
}

/// The same for one that stands aside, and is let in by growth.
#[test]
fn waker_replaced_against_growth() {
    model(2, || {
        let s = semaphore(0);
        let mut waiter = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let other = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(1));
        let newest = Arc::new(Count::default());
        let polled = waiter.poll_with(&Waker::from(newest.clone()));
        assert_eq!(grow.join().unwrap(), 0);
        let permit = match polled {
            Poll::Ready(permit) => permit.unwrap(),
            Poll::Pending => {
                assert_eq!((waiter.woken(), newest.get()), (0, 1));
                waiter.granted()
            }
        };
        drop(permit);
        other.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// A future that has returned and is kept is nobody's predecessor any more.
#[test]
fn completed_future_holds_up_nobody() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut kept = Waiter::queued(&s, 1);
        let next = Waiter::queued(&s, 1);
        drop(held);
        let permit = kept.granted();
        let release = spawn(move || drop(permit));
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(next.wait().unwrap());
        release.join().unwrap();
        arrival.join().unwrap();
        drop(kept);
        assert_at_rest(&s, 1);
    });
}
