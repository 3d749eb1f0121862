//! Waiting for permits until a future completes.

use std::{
    future::{pending, poll_fn, ready},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use crate::common::FAIRNESSES;
use dynaphore::{AcquireTimeoutError, Fairness, Semaphore};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task::spawn};

fn semaphore(max: usize, fairness: Fairness) -> Arc<Semaphore> {
    Arc::new(Semaphore::builder(max).fairness(fairness).build())
}

#[test]
fn a_permit_that_is_there_is_had_without_a_look_at_the_other_future() {
    let s = semaphore(1, Fairness::Fifo);
    let never = poll_fn(|_| -> Poll<()> { panic!("polled") });
    drop(assert_ready!(spawn(s.acquire_until(never)).poll()).unwrap());
}

#[test]
fn the_place_is_given_up_in_the_same_poll() {
    for fairness in FAIRNESSES {
        let s = semaphore(1, fairness);
        let held = s.try_acquire().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let mut late = spawn(s.acquire_until(ended));
        assert_pending!(late.poll());
        let mut next = spawn(s.acquire());
        assert_pending!(next.poll());
        assert_eq!(s.waiting(), 2);
        end.send(()).unwrap();
        assert!(late.is_woken());
        let told = assert_ready!(late.poll()).unwrap_err();
        assert_eq!(told, AcquireTimeoutError::Timeout);
        assert_eq!(s.waiting(), 1, "{fairness:?}");
        drop(held);
        drop(assert_ready!(next.poll()).unwrap());
        drop(late);
        assert_eq!(s.available_permits(), 1);
    }
}

#[test]
fn the_permit_wins() {
    for fairness in FAIRNESSES {
        let s = semaphore(1, fairness);
        let held = s.try_acquire().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let mut both = spawn(s.acquire_until(ended));
        assert_pending!(both.poll());
        end.send(()).unwrap();
        drop(held);
        assert!(assert_ready!(both.poll()).is_ok());
    }
}

/// It comes while the other future is polled: after the look at the line, before the
/// place is given up.
#[test]
fn a_permit_that_comes_in_the_last_moment_is_not_lost() {
    let s = semaphore(1, Fairness::Fifo);
    let mut held = Some(s.try_acquire().unwrap());
    let until = poll_fn(|_| {
        held = None;
        Poll::Ready(())
    });
    let permit = assert_ready!(spawn(s.acquire_until(until)).poll()).unwrap();
    assert_eq!((permit.num_permits(), s.active(), s.waiting()), (1, 1, 0));
}

#[test]
fn a_drop_while_it_waits_leaves_no_trace() {
    for fairness in FAIRNESSES {
        let s = semaphore(1, fairness);
        let held = s.try_acquire().unwrap();
        let mut waits = spawn(s.acquire_until(pending::<()>()));
        assert_pending!(waits.poll());
        drop(held);
        drop(waits);
        assert_eq!((s.waiting(), s.available_permits()), (0, 1));
    }
}

#[test]
fn closing_is_told() {
    let s = semaphore(1, Fairness::Fifo);
    let _held = s.try_acquire().unwrap();
    let mut waits = spawn(s.acquire_until(pending::<()>()));
    assert_pending!(waits.poll());
    s.close();
    assert_eq!(
        assert_ready!(waits.poll()).unwrap_err(),
        AcquireTimeoutError::Closed
    );
}

#[test]
fn many_and_owned() {
    let s = semaphore(3, Fairness::Fifo);
    let two = assert_ready!(spawn(s.clone().acquire_many_owned_until(2, ready(()))).poll());
    let two = two.unwrap();
    assert_eq!(two.num_permits(), 2);
    let late = assert_ready!(spawn(s.acquire_many_until(2, ready(()))).poll());
    assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    let one = assert_ready!(spawn(s.clone().acquire_owned_until(ready(()))).poll());
    assert_eq!((one.unwrap().num_permits(), s.active()), (1, 3));
}

#[test]
#[should_panic(expected = "polled after completion")]
fn polled_again_after_a_timeout() {
    let s = semaphore(0, Fairness::Fifo);
    let mut late = spawn(s.acquire_until(ready(())));
    let told = assert_ready!(late.poll());
    assert!(told.is_err());
    let _ = late.poll();
}

#[test]
#[should_panic(expected = "more than MAX_PERMITS")]
fn too_many_at_once() {
    drop(semaphore(0, Fairness::Fifo).acquire_many_until(1 << 31, ready(())));
}

/// Late and served requests race: each ends one way, and every permit comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_under_load() {
    for fairness in FAIRNESSES {
        let s = semaphore(2, fairness);
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let s = Arc::clone(&s);
                tokio::spawn(async move {
                    for round in 0..200_u64 {
                        let patience = Duration::from_micros((task * 37 + round * 11) % 300);
                        let got = s.acquire_until(tokio::time::sleep(patience)).await;
                        match got {
                            Ok(_permit) => tokio::task::yield_now().await,
                            Err(error) => assert_eq!(error, AcquireTimeoutError::Timeout),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((s.waiting(), s.available_permits()), (0, 2));
    }
}

#[test]
fn a_future_that_must_wait_is_handed_back_as_it_was() {
    for fairness in FAIRNESSES {
        let s = semaphore(1, fairness);
        let held = s.acquire().try_now().unwrap();
        let acquire = s.clone().acquire_owned().try_now().unwrap_err();
        assert_eq!((s.active(), s.waiting()), (1, 0));
        let mut acquire = spawn(acquire);
        assert_pending!(acquire.poll());
        assert!(s.acquire().try_now().is_err());
        drop(held);
        drop(assert_ready!(acquire.poll()).unwrap());
        s.close();
        assert!(assert_ready!(spawn(s.acquire().try_now().unwrap_err()).poll()).is_err());
    }
}

#[cfg(feature = "stats")]
#[test]
fn a_look_ahead_is_no_request_of_its_own() {
    let s = Semaphore::builder(1).stats(true).build();
    let held = s.acquire().try_now().unwrap();
    let mut acquire = spawn(s.acquire().try_now().unwrap_err());
    assert_pending!(acquire.poll());
    drop(held);
    drop(assert_ready!(acquire.poll()).unwrap());
    let interval = s.stats().blocking_take();
    assert_eq!((interval.acquired, interval.rejected), (2, 0));
}
