//! What keys and leases cost, and that it comes back.

#[path = "../allocations/counting.rs"]
#[allow(dead_code)] // Uses its part of it.
mod counting;

use counting::count;
use dynaphore::LeasePool;

const KEYS: usize = 1_000_000;

/// Left when all has gone: tables and rings too short to be worth shrinking.
const KEPT: isize = 16 * 1024;

#[test]
fn a_key_that_is_not_wanted_any_more_costs_nothing() {
    let pool = LeasePool::new();
    let before = count();
    for key in 0..KEYS {
        pool.set(key, 1);
    }
    let each = (count().bytes - before.bytes) as f64 / KEYS as f64;
    println!("{each:.0} bytes a key");
    assert!(each < 200.0, "{each} bytes a key");
    for key in 0..KEYS {
        assert_eq!(pool.set(key, 0), 1);
    }
    assert!(pool.is_empty());
    let left = count().bytes - before.bytes;
    assert!(left < KEPT, "{left} bytes are left");
}

#[test]
fn a_million_keys_once_each_leave_nothing() {
    let pool = LeasePool::new();
    let before = count();
    for key in 0..KEYS {
        pool.set(key, 1);
        let lease = pool.try_acquire().unwrap();
        assert_eq!(*lease.key(), key);
        pool.set(key, 0);
        drop(lease);
    }
    let left = count().bytes - before.bytes;
    assert!(left < KEPT, "{left} bytes are left");
    // Never more than that, either.
    assert!(count().peak - before.bytes < 2 * KEPT);
}

#[test]
fn leases_cost_no_allocation() {
    let pool = LeasePool::new();
    pool.set("a", 1);
    pool.set("b", 2);
    let lap = || {
        let leases = [(); 3].map(|()| pool.try_acquire().unwrap());
        drop(leases);
    };
    lap();
    let before = count().allocations;
    for _ in 0..1_000 {
        lap();
    }
    assert_eq!(count().allocations, before);
}
