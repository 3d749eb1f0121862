//! Leases as a stream.

use std::pin::pin;

use futures::{FutureExt, StreamExt, stream::FusedStream};
use tokio_test::{assert_pending, assert_ready, task::spawn};

use crate::{keys, pool, take};

#[test]
fn it_yields_lease_after_lease_and_waits_in_between() {
    let pool = pool([("a", 1), ("b", 1)]);
    let mut leases = pool.leases();
    let mut held = Vec::new();
    held.extend(leases.next().now_or_never().unwrap());
    held.extend(leases.next().now_or_never().unwrap());
    assert_eq!(keys(&held), ["a", "b"]);
    let mut next = spawn(leases.next());
    assert_pending!(next.poll());
    drop(held.pop());
    assert!(next.is_woken());
    assert_eq!(
        assert_ready!(next.poll()).map(|lease| *lease.key()),
        Some("b")
    );
}

#[test]
fn it_takes_nothing_before_it_is_polled() {
    let pool = pool([("a", 1)]);
    let _leases = pool.leases();
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
    assert_eq!(take(&pool, 1).len(), 1);
}

#[test]
fn it_ends_when_the_pool_is_stopped() {
    let pool = pool([("a", 1)]);
    let mut leases = pool.leases();
    let _held = leases.next().now_or_never().unwrap();
    let mut next = spawn(leases.next());
    assert_pending!(next.poll());
    pool.stop();
    assert!(next.is_woken());
    assert!(assert_ready!(next.poll()).is_none());
    drop(next);
    assert!(leases.is_terminated());
    assert!(
        leases.next().now_or_never().unwrap().is_none(),
        "again and again"
    );
}

/// Dropping what `next()` returns does not lose the place in line: that is the
/// stream's.
#[test]
fn it_keeps_its_place_in_line() {
    let pool = pool([("a", 1)]);
    let held = take(&pool, 1);
    let mut leases = pool.leases();
    assert!(leases.next().now_or_never().is_none());
    let mut behind = spawn(pool.acquire());
    assert_pending!(behind.poll());
    drop(held);
    assert!(!behind.is_woken());
    let first = leases.next().now_or_never().unwrap();
    assert!(first.is_some());
    drop((first, leases));
    assert!(behind.is_woken());
}

#[test]
fn dropping_it_passes_on_what_it_was_told_of() {
    let pool = pool([("a", 1)]);
    let held = take(&pool, 1);
    let mut leases = Box::pin(pool.leases());
    assert!(leases.next().now_or_never().is_none());
    let mut behind = spawn(pool.acquire());
    assert_pending!(behind.poll());
    drop(held);
    drop(leases);
    assert!(behind.is_woken());
    assert_eq!(pool.waiting(), 0);
}

/// Many are served by one stream each, and all of them fairly.
#[test]
fn streams_take_turns() {
    let pool = pool([("a", 0)]);
    let mut streams: Vec<_> = (0..3).map(|_| pool.leases()).collect();
    for stream in &mut streams {
        assert!(stream.next().now_or_never().is_none());
    }
    for round in 0..6 {
        pool.set("a", round + 1);
        for (at, stream) in streams.iter_mut().enumerate() {
            let next = pin!(stream.next()).now_or_never();
            assert_eq!(
                next.is_some(),
                at == round % 3,
                "stream {at} in round {round}"
            );
            std::mem::forget(next);
        }
        // Whoever was served stands at the end of the line.
        assert!(streams[round % 3].next().now_or_never().is_none());
    }
}
