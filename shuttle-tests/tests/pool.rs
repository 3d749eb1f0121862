//! What the counts of a pool promise to those who read them without the lock.
//!
//! loom cannot tell: each writer of the counts reads them first (see
//! `loom-tests/src/lib.rs`, what it does not explore).

use std::hash::{BuildHasherDefault, DefaultHasher};

use dynaphore::Lease;
use dynaphore_shuttle_tests::{below, explore, join, spawn, yield_now};

/// The same on every run.
type LeasePool = dynaphore::LeasePool<&'static str, BuildHasherDefault<DefaultHasher>>;

/// Takes all the leases that the counts say are there, which must be.
fn take_what_is_seen(
    pool: &LeasePool,
    witness: &Lease<&'static str>,
    taken: &mut Vec<Lease<&'static str>>,
) {
    for _ in 0..witness.counts().missing() {
        let next = pool.try_acquire();
        taken.push(next.expect("the counts say that there is a place"));
    }
}

/// Whoever sees that leases have gone, or that a target is higher, can have as
/// many if nobody else comes: the gate's word changes before the counts do.
#[test]
fn who_sees_a_place_can_have_it() {
    explore(2_000, || {
        let pool = LeasePool::default();
        let (held, more) = (1 + below(3), below(3));
        pool.set("a", 1 + held);
        let witness = pool.try_acquire().unwrap();
        let mut changes = Vec::new();
        for _ in 0..held {
            let lease = pool.try_acquire().unwrap();
            changes.push(spawn(move || drop(lease)));
        }
        if more > 0 {
            let pool = pool.clone();
            changes.push(spawn(move || {
                drop(pool.set("a", 1 + held + more).to_string())
            }));
        }
        let mut taken = Vec::new();
        while taken.len() < held + more {
            take_what_is_seen(&pool, &witness, &mut taken);
            yield_now();
        }
        join(changes);
        assert_eq!(witness.counts().missing(), 0);
        drop((taken, witness));
        assert_eq!((pool.active(), pool.counts("a").active), (0, 0));
    });
}

/// The same for a key that has too many out: a lease that goes takes its place
/// with it, so there is none to be seen until enough have gone.
#[test]
fn who_sees_a_place_after_a_shrink_can_have_it() {
    explore(2_000, || {
        let pool = LeasePool::default();
        pool.set("a", 4);
        let witness = pool.try_acquire().unwrap();
        let held: Vec<_> = (0..3).map(|_| pool.try_acquire().unwrap()).collect();
        pool.set("a", 3);
        let changes: Vec<_> = held
            .into_iter()
            .map(|lease| spawn(move || drop(lease)))
            .collect();
        let mut taken = Vec::new();
        while taken.len() < 2 {
            take_what_is_seen(&pool, &witness, &mut taken);
            yield_now();
        }
        join(changes);
        assert!(pool.try_acquire().is_err());
        drop((taken, witness));
        assert_eq!((pool.active(), pool.counts("a").active), (0, 0));
    });
}
