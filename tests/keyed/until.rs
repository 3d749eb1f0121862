//! Waiting for a permit of a key until something else happens.

use std::{
    future::{pending, poll_fn, ready},
    sync::Arc,
    task::Poll,
};

use dynaphore::error::KeyedAcquireTimeoutError::{Closed, Timeout, TooManyKeys};
use tokio::sync::oneshot;

use super::{KeyedSemaphore, assert_no_keys, hosts, poll};

#[test]
fn a_permit_that_is_there_wins_and_the_end_is_not_polled() {
    let keyed = Arc::new(hosts(1));
    let never = || poll_fn(|_| -> Poll<()> { panic!("polled while there is a permit") });
    let mut borrowed = Box::pin(keyed.acquire("a").until(never()));
    let permit = poll(&mut borrowed);
    assert!(matches!(permit, Poll::Ready(Ok(_))));
    drop(permit);
    let mut owned = Box::pin(keyed.clone().acquire_owned("a").until(never()));
    assert!(matches!(poll(&mut owned), Poll::Ready(Ok(_))));
    drop(owned);
    assert_no_keys(&keyed);
}

#[test]
fn a_place_is_given_up_in_the_poll_in_which_the_end_is_ready() {
    let keyed = Arc::new(hosts(1));
    let held = keyed.try_acquire("a").unwrap();
    let ((end, ended), (end_owned, ended_owned)) = (oneshot::channel(), oneshot::channel());
    let mut borrowed = Box::pin(keyed.acquire("a").until(ended));
    let mut owned = Box::pin(keyed.clone().acquire_owned("a").until(ended_owned));
    assert!(poll(&mut borrowed).is_pending() && poll(&mut owned).is_pending());
    assert_eq!(keyed.snapshot("a").waiting, 2);
    end.send(()).unwrap();
    assert!(matches!(poll(&mut borrowed), Poll::Ready(Err(Timeout))));
    assert_eq!(
        keyed.snapshot("a").waiting,
        1,
        "while the future is still there"
    );
    end_owned.send(()).unwrap();
    assert!(matches!(poll(&mut owned), Poll::Ready(Err(Timeout))));
    assert_eq!(keyed.snapshot("a").waiting, 0);
    drop(held);
    assert_no_keys(&keyed);
}

#[test]
fn a_permit_that_comes_with_the_end_is_taken() {
    let keyed = hosts(1);
    let held = keyed.try_acquire("a").unwrap();
    let (end, ended) = oneshot::channel();
    let mut both = Box::pin(keyed.acquire("a").until(ended));
    assert!(poll(&mut both).is_pending());
    drop(held);
    end.send(()).unwrap();
    let permit = poll(&mut both);
    assert!(matches!(permit, Poll::Ready(Ok(_))));
    assert_eq!(keyed.snapshot("a").active, 1);
    drop(permit);
    assert_no_keys(&keyed);
}

/// The end itself gives the permit back, between the look for it and the giving up.
#[test]
fn a_permit_that_the_end_gives_back_is_taken() {
    let keyed = hosts(1);
    let mut held = Some(keyed.try_acquire("a").unwrap());
    let end = poll_fn(|_| {
        drop(held.take());
        Poll::Ready(())
    });
    let mut acquire = Box::pin(keyed.acquire("a").until(end));
    let permit = poll(&mut acquire);
    assert!(matches!(permit, Poll::Ready(Ok(_))));
    drop(permit);
    assert_no_keys(&keyed);
}

#[test]
fn a_key_that_was_only_waited_for_is_out_of_use() {
    let keyed = hosts(0);
    let mut late = Box::pin(keyed.acquire("a").until(ready(())));
    assert!(matches!(poll(&mut late), Poll::Ready(Err(Timeout))));
    assert_no_keys(&keyed);
    let mut dropped = Box::pin(keyed.acquire("a").until(pending::<()>()));
    assert!(poll(&mut dropped).is_pending());
    assert_eq!(keyed.len(), 1);
    drop(dropped);
    assert_no_keys(&keyed);
}

#[test]
fn who_is_refused_is_told_why_and_not_that_time_is_over() {
    let keyed = KeyedSemaphore::<String>::builder(0).max_keys(1).build();
    let mut waits = Box::pin(keyed.acquire("a").until(pending::<()>()));
    assert!(poll(&mut waits).is_pending());
    let mut another = Box::pin(keyed.acquire("b").until(ready(())));
    assert!(matches!(poll(&mut another), Poll::Ready(Err(TooManyKeys))));
    keyed.close();
    assert!(matches!(poll(&mut waits), Poll::Ready(Err(Closed))));
    assert_no_keys(&keyed);
}
