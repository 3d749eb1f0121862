//! What raising and lowering targets does, and to whom.

use std::thread;

use dynaphore::{Counts, Lease, LeasePool};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

use crate::{
    common::{panic_of, watchdog},
    counts, keys, pool, take,
};

#[test]
fn raising_a_target_lets_in_as_many_as_fit() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..4).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    pool.set("a", 3);
    let woken: Vec<_> = waiters.iter().map(|waiter| waiter.is_woken()).collect();
    assert_eq!(woken, [true, true, true, false]);
    let leases: Vec<_> = waiters[..3]
        .iter_mut()
        .map(|waiter| assert_ready_ok!(waiter.poll()))
        .collect();
    assert_eq!(pool.counts("a"), counts(3, 3));
    drop(leases);
}

#[test]
fn lowering_a_target_revokes_nothing_and_lets_nobody_in() {
    let pool = pool([("a", 5)]);
    let mut held = take(&pool, 5);
    assert_eq!(pool.set("a", 1), 5);
    assert_eq!(pool.set("a", 3), 1);
    for left in [4, 3] {
        drop(held.pop());
        assert!(pool.try_acquire().is_err(), "{left} are out");
        assert_eq!(pool.counts("a"), counts(3, left));
    }
    drop(held.pop());
    assert_eq!(take(&pool, 1).len(), 1);
}

// Scenario 37.
#[test]
fn pausing_and_resuming_a_key_does_not_forget_its_leases() {
    let pool = pool([("a", 3)]);
    let mut held = take(&pool, 3);
    pool.set("a", 0);
    assert_eq!(pool.counts("a"), counts(0, 3));
    assert_eq!(pool.len(), 1, "it has leases out");
    pool.set("a", 3);
    assert!(pool.try_acquire().is_err(), "three are out");
    drop(held.pop());
    assert_eq!(take(&pool, 1).len(), 1);
    assert_eq!(pool.counts("a"), counts(3, 2));
}

#[test]
fn a_key_that_nobody_wants_or_holds_is_forgotten() {
    let pool = pool([("a", 1), ("b", 1)]);
    let held = take(&pool, 1);
    assert_eq!(pool.set("a", 0), 1);
    assert_eq!(pool.len(), 2);
    drop(held);
    assert_eq!(pool.len(), 1);
    assert_eq!(pool.set("b", 0), 1);
    assert!(pool.is_empty());
    assert_eq!(pool.set("c", 0), 0);
    assert!(pool.is_empty());
    assert_eq!(pool.counts("a"), Counts::default());
}

// Scenario 38.
#[test]
fn a_target_lowered_before_a_lease_is_picked_up_holds() {
    let pool = pool([("a", 0)]);
    let mut waiter = spawn(pool.acquire());
    assert_pending!(waiter.poll());
    pool.set("a", 1);
    assert!(waiter.is_woken());
    pool.set("a", 0);
    assert_pending!(waiter.poll());
    assert_eq!((pool.active(), pool.waiting()), (0, 1));
    pool.set("b", 1);
    assert!(waiter.is_woken());
    assert_eq!(*assert_ready_ok!(waiter.poll()).key(), "b");
}

#[test]
fn who_was_told_in_vain_keeps_its_rank() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..4).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    pool.set("a", 2);
    pool.set("a", 0);
    // In the other order, and with those behind them still in line.
    assert_pending!(waiters[1].poll());
    assert_pending!(waiters[0].poll());
    for served in 0..4 {
        assert_eq!(pool.set("a", served + 1), served);
        let woken: Vec<_> = waiters.iter().map(|waiter| waiter.is_woken()).collect();
        let expected: Vec<_> = (0..4).map(|at| at == served).collect();
        assert_eq!(woken, expected);
        std::mem::forget(assert_ready_ok!(waiters[served].poll()));
    }
}

#[test]
fn fewer_places_than_were_told_of_go_to_those_who_come_first() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..2).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    pool.set("a", 2);
    pool.set("a", 1);
    let lease = assert_ready_ok!(waiters[1].poll());
    assert_pending!(waiters[0].poll());
    drop(lease);
    assert!(waiters[0].is_woken());
    drop(assert_ready_ok!(waiters[0].poll()));
}

#[test]
fn a_place_that_came_back_before_the_poll_is_taken() {
    let pool = pool([("a", 0)]);
    let mut waiter = spawn(pool.acquire());
    assert_pending!(waiter.poll());
    for target in [1, 0, 5, 0] {
        pool.set("a", target);
    }
    pool.set("b", 1);
    assert_eq!(*assert_ready_ok!(waiter.poll()).key(), "b");
}

#[test]
fn one_told_in_vain_that_is_dropped_leaves_no_trace() {
    let pool = pool([("a", 0)]);
    let mut waiters: Vec<_> = (0..2).map(|_| spawn(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    pool.set("a", 1);
    pool.set("a", 0);
    assert_pending!(waiters[0].poll());
    drop(waiters.remove(0));
    assert_eq!((pool.active(), pool.waiting()), (0, 1));
    pool.set("a", 1);
    drop(assert_ready_ok!(waiters[0].poll()));
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
}

#[test]
fn giving_up_what_is_too_much_gives_up_no_more() {
    let pool = pool([("a", 4)]);
    let held = take(&pool, 4);
    pool.set("a", 1);
    let kept: Vec<_> = held.into_iter().filter_map(Lease::release_excess).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(pool.counts("a"), counts(1, 1));
    pool.set("a", 0);
    assert!(
        kept.into_iter()
            .all(|lease| lease.release_excess().is_none())
    );
    assert!(pool.is_empty());
    assert_eq!(pool.active(), 0);
}

#[test]
fn two_that_ask_at_once_give_up_no_more_than_is_too_much() {
    watchdog(|| {
        for _ in 0..500 {
            let pool = pool([("a", 2)]);
            let leases = take(&pool, 2);
            pool.set("a", 1);
            let threads: Vec<_> = leases
                .into_iter()
                .map(|lease| thread::spawn(move || lease.release_excess()))
                .collect();
            let kept = threads.into_iter().filter_map(|t| t.join().unwrap());
            let kept: Vec<_> = kept.collect();
            assert_eq!((kept.len(), pool.counts("a")), (1, counts(1, 1)));
        }
    });
}

#[test]
fn more_than_max_leases_are_refused_and_nothing_changes() {
    let max = LeasePool::<&str>::MAX_LEASES;
    let pool = pool([("a", 2), ("b", max - 3)]);
    for (key, target) in [("a", 4), ("c", 2), ("a", max + 1), ("b", usize::MAX)] {
        let message = panic_of(|| pool.set(key, target));
        assert!(message.contains("MAX_LEASES"), "{message}");
    }
    assert_eq!(pool.counts("a"), counts(2, 0));
    assert_eq!(pool.counts("b"), counts(max - 3, 0));
    assert_eq!(pool.len(), 2);
    // Those that are out beyond their target count.
    let held = take(&pool, 4);
    assert_eq!(keys(&held), ["a", "b", "a", "b"]);
    pool.set("a", 0);
    panic_of(|| pool.set("c", 2));
    assert_eq!(pool.set("c", 1), 0);
    drop(held);
    assert_eq!(pool.set("c", 3), 1);
    panic_of(|| pool.set("c", 4));
}
