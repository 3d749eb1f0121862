//! Who gets which lease, and when.

use std::{
    fmt::Debug,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

use dynaphore::{
    Lease, LeasePool,
    error::{LeaseTimeoutError, TryLeaseError},
    future::{AcquireLease, Stopped},
};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

use crate::{counts, keys, pool, take};

#[test]
fn all_types_can_be_sent_shared_and_unwound_past() {
    fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}
    everywhere::<LeasePool<String>>();
    everywhere::<Lease<String>>();
    everywhere::<AcquireLease<String>>();
    everywhere::<Stopped<'_>>();
}

#[test]
fn a_key_has_as_many_leases_as_its_target_says() {
    let pool = pool([("a", 3)]);
    let leases = take(&pool, 3);
    assert_eq!(pool.try_acquire().unwrap_err(), TryLeaseError::NoLease);
    assert_eq!(pool.counts("a"), counts(3, 3));
    drop(leases);
    assert_eq!(pool.counts("a"), counts(3, 0));
    assert_eq!(take(&pool, 3).len(), 3);
}

#[test]
fn keys_take_turns() {
    let pool = pool([("a", 4), ("b", 1), ("c", 2)]);
    let leases = take(&pool, 7);
    assert_eq!(keys(&leases), ["a", "b", "c", "a", "c", "a", "a"]);
}

#[test]
fn a_key_that_gets_a_place_free_goes_to_the_end() {
    let pool = pool([("a", 1), ("b", 2), ("c", 2)]);
    let mut held = take(&pool, 2);
    drop(held.remove(0));
    assert_eq!(keys(&take(&pool, 4)), ["c", "b", "a", "c"]);
}

#[test]
fn a_key_with_many_places_does_not_starve_one_with_few() {
    let pool = pool([("many", 1_000), ("few", 1)]);
    let mut held = Vec::new();
    for _ in 0..100 {
        let pair = take(&pool, 2);
        let (few, many): (Vec<_>, Vec<_>) = pair.into_iter().partition(|l| *l.key() == "few");
        assert_eq!((few.len(), many.len()), (1, 1));
        held.extend(many);
    }
}

#[test]
fn a_lease_knows_what_it_is() {
    let pool = pool([("a", 2)]);
    let leases = take(&pool, 2);
    assert_eq!(keys(&leases), ["a", "a"]);
    assert_eq!(leases[0].counts(), counts(2, 2));
    pool.set("a", 1);
    assert_eq!(leases[0].counts(), counts(1, 2));
    assert!(format!("{:?}", leases[1]).contains("\"a\""));
}

#[test]
fn numbers_are_never_used_twice() {
    let pool = pool([("a", 2), ("b", 2)]);
    let mut last = None;
    for _ in 0..10 {
        for lease in take(&pool, 4) {
            assert!(last.is_none_or(|last| last < lease.id()));
            last = Some(lease.id());
        }
    }
    assert_eq!(last, Some(39));
}

#[test]
fn waiters_are_served_in_order_whatever_the_key() {
    let pool = pool([("a", 1), ("b", 1)]);
    let mut held = take(&pool, 2);
    let mut waiters: Vec<_> = (0..3).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    assert_eq!(pool.waiting(), 3);
    drop(held.pop());
    let first = assert_ready_ok!(waiters[0].poll());
    assert_eq!(*first.key(), "b");
    drop(held.pop());
    assert_pending!(waiters[2].poll());
    assert_eq!(*assert_ready_ok!(waiters[1].poll()).key(), "a");
    drop(first);
    assert!(waiters[2].is_woken());
}

#[test]
fn an_arrival_does_not_pass_those_in_line() {
    let pool = pool([("a", 1)]);
    let held = take(&pool, 1);
    let mut waiter = spawn(pool.acquire());
    assert_pending!(waiter.poll());
    drop(held);
    assert_eq!(pool.try_acquire().unwrap_err(), TryLeaseError::NoLease);
    drop(assert_ready_ok!(waiter.poll()));
}

#[test]
fn a_told_request_that_is_dropped_passes_its_lease_on() {
    let pool = pool([("a", 1)]);
    let held = take(&pool, 1);
    let mut first = spawn(pool.acquire());
    let mut second = spawn(pool.acquire());
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(held);
    drop(first);
    assert!(second.is_woken());
    drop(assert_ready_ok!(second.poll()));
}

// Scenario 39. A lease counts from the moment that it is picked up, not from when
// its request was told: whatever comes back in between cannot be taken off a
// count that it is not in yet.
#[test]
fn what_comes_back_before_it_is_picked_up_is_not_uncounted() {
    let pool = pool([("a", 2)]);
    let active = || (pool.counts("a").active, pool.active());
    let held = take(&pool, 2);
    let mut requests = [(); 3].map(|()| spawn(pool.acquire()));
    for request in &mut requests {
        assert_pending!(request.poll());
    }
    drop(held);
    assert_eq!(active(), (0, 2), "two are told, and on their way");
    let [told, mut also_told, mut next] = requests;
    drop(told);
    assert_eq!(active(), (0, 2), "its place has gone on to the next");
    drop(assert_ready_ok!(also_told.poll()));
    assert_eq!(active(), (0, 1));
    let lease = assert_ready_ok!(next.poll());
    assert_eq!(active(), (1, 1));
    drop(lease);
    assert_eq!(active(), (0, 0));
    assert_eq!(take(&pool, 2).len(), 2);
}

#[test]
fn a_request_in_line_that_is_dropped_leaves_no_trace() {
    let pool = pool([("a", 1)]);
    let held = take(&pool, 1);
    let mut waiter = spawn(pool.acquire());
    assert_pending!(waiter.poll());
    drop(waiter);
    assert_eq!(pool.waiting(), 0);
    drop(held);
    assert_eq!(take(&pool, 1).len(), 1);
}

#[test]
fn snapshots_show_all_keys() {
    let pool = pool([("a", 2), ("b", 1), ("c", 0)]);
    let leases = take(&pool, 3);
    pool.set("b", 0);
    let mut all = pool.snapshot();
    all.sort_by_key(|(key, _)| *key);
    assert_eq!(all, [("a", counts(2, 2)), ("b", counts(0, 1))]);
    drop(leases);
}

#[test]
fn a_clone_is_the_same_pool() {
    let pool = pool([("a", 1)]);
    let clone = pool.clone();
    let lease = clone.try_acquire().unwrap();
    assert_eq!(pool.counts("a"), counts(1, 1));
    drop((pool, clone));
    assert_eq!(lease.counts(), counts(1, 1), "a lease keeps what it needs");
}

#[test]
fn a_time_out_leaves_no_trace() {
    let pool = pool([("a", 1)]);
    let held = take(&pool, 1);
    let late = pool.blocking_acquire_timeout(Duration::from_millis(5));
    assert_eq!(late.unwrap_err(), LeaseTimeoutError::Timeout);
    assert_eq!(pool.waiting(), 0);
    drop(held);
    // There at once: taken even though the time is over.
    let lease = pool.blocking_acquire_timeout(Duration::ZERO).unwrap();
    assert_eq!(*lease.key(), "a");
}

#[test]
fn printing_takes_no_lock_and_tells_the_state() {
    let pool = pool([("a", 1)]);
    let _held = take(&pool, 1);
    let mut waiter = spawn(pool.acquire());
    assert_pending!(waiter.poll());
    let text = format!("{pool:?}");
    assert_eq!(
        text,
        "LeasePool { active: 1, waiting: 1, stopped: false, .. }"
    );
    assert!(
        format!("{:?}", &*waiter).contains("waits: true"),
        "{:?}",
        &*waiter
    );
}
