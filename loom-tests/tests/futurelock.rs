//! Futures of one task, where grants belong to tasks: one is kept and not polled.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
};

use dynaphore::{AcquireError, OwnedSemaphorePermit, Semaphore};
use dynaphore_loom_tests::{
    Count, Waiter, assert_at_rest, assert_ended, block_on, model, spawn, take,
};
use loom::thread::JoinHandle;

fn by_task(max: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::builder(max).grant_to_tasks(true).build())
}

/// A permit that is held, and two futures of one task that wait for it.
fn two_of_a_task() -> (Arc<Semaphore>, OwnedSemaphorePermit, Waker, [Waiter; 2]) {
    let s = by_task(1);
    let held = take(&s, 1);
    let waker = Waker::from(Arc::new(Count::default()));
    let two = [(); 2].map(|()| {
        let mut waiter = Waiter::new(&s, 1);
        assert!(waiter.poll_with(&waker).is_pending());
        waiter
    });
    (s, held, waker, two)
}

/// Polled once by its task, and to the end as a task of its own.
fn polled_or_waited(mut asked: Waiter, waker: &Waker) {
    match asked.poll_with(waker) {
        Poll::Ready(permit) => drop(permit.unwrap()),
        Poll::Pending => drop(asked.wait().unwrap()),
    }
}

/// A permit comes back while a task that keeps a future in line asks with another one: it has
/// that, whichever was granted.
#[test]
fn grant_against_siblings_poll() {
    model(3, || {
        let s = by_task(1);
        let held = take(&s, 1);
        let release = spawn(move || drop(held));
        block_on(async {
            let mut kept = pin!(s.acquire());
            let polled = poll_fn(|cx| Poll::Ready(kept.as_mut().poll(cx))).await;
            if polled.is_pending() {
                drop(s.acquire().await.unwrap());
                drop(kept.await.unwrap());
            }
        });
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The one that was granted is polled by another thread, while its sibling is: one of the two
/// has the permit, and the other one the next.
#[test]
fn claim_against_siblings_poll() {
    model(3, || {
        let (s, held, waker, [kept, asked]) = two_of_a_task();
        drop(held);
        // Each waits as a task of its own in the end.
        let claim = spawn(move || drop(kept.wait().unwrap()));
        polled_or_waited(asked, &waker);
        claim.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The one that was granted is dropped by another thread, while its sibling is polled.
#[test]
fn cancel_of_the_granted_against_siblings_poll() {
    model(3, || {
        let s = by_task(1);
        let held = take(&s, 1);
        let waker = Waker::from(Arc::new(Count::default()));
        let mut kept = Waiter::new(&s, 1);
        assert!(kept.poll_with(&waker).is_pending());
        drop(held);
        let cancel = spawn(move || drop(kept));
        polled_or_waited(Waiter::new(&s, 1), &waker);
        cancel.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The one that asks gives up while the permit comes back: the one that is kept has it, and so
/// has whoever comes then.
#[test]
fn cancel_of_the_asking_against_release() {
    model(3, || {
        let (s, held, waker, [kept, mut asked]) = two_of_a_task();
        let release = spawn(move || drop(held));
        if let Poll::Ready(permit) = asked.poll_with(&waker) {
            drop(permit.unwrap());
        }
        drop(asked);
        release.join().unwrap();
        drop(kept.wait().unwrap());
        assert_at_rest(&s, 1);
    });
}

/// It closes while one asks whose sibling has been granted: it has that permit or is refused,
/// and so is the other one.
#[test]
fn close_against_siblings_poll() {
    model(3, || {
        let (s, held, waker, [kept, mut asked]) = two_of_a_task();
        drop(held);
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        let first = asked.poll_with(&waker);
        close.join().unwrap();
        let asked = match first {
            Poll::Ready(asked) => asked,
            Poll::Pending => asked.wait(),
        };
        let kept = kept.wait();
        match (&asked, &kept) {
            (Ok(_), Err(AcquireError::Closed)) | (Err(AcquireError::Closed), Ok(_)) => {}
            other => panic!("{other:?}"),
        }
        drop((asked, kept));
        assert_ended(&s);
    });
}

/// The one that is kept is dropped while it is granted and its sibling takes that: it leaves
/// no place in line.
#[test]
fn cancel_against_grant_and_siblings_poll() {
    model(3, || {
        let (s, kept, release, asked) = kept_beside_release_and_sibling(|permit| permit);
        drop(kept);
        let (mut asked, permit) = asked.join().unwrap();
        release.join().unwrap();
        assert_eq!(s.waiting(), 0);
        drop(permit.unwrap_or_else(|| asked.granted()));
        assert_at_rest(&s, 1);
    });
}

/// It is polled by another thread meanwhile: that thread is woken when the permit comes back.
#[test]
fn claim_against_grant_and_siblings_poll() {
    model(3, || {
        let (s, kept, release, asked) = kept_beside_release_and_sibling(drop);
        drop(kept.wait().unwrap());
        drop(asked.join().unwrap());
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Its thread returns it, and what it has made of its permit.
type Polling<T> = JoinHandle<(Waiter, Option<T>)>;

/// One of a task that waits; a thread that gives the permit back, and one that polls another
/// future of the task, which does `then` with its permit.
fn kept_beside_release_and_sibling<T: 'static>(
    then: fn(OwnedSemaphorePermit) -> T,
) -> (Arc<Semaphore>, Waiter, JoinHandle<()>, Polling<T>) {
    let (s, held, waker, [kept, mut asked]) = two_of_a_task();
    let release = spawn(move || drop(held));
    let asked = spawn(move || match asked.poll_with(&waker) {
        Poll::Ready(permit) => (asked, Some(then(permit.unwrap()))),
        Poll::Pending => (asked, None),
    });
    (s, kept, release, asked)
}
