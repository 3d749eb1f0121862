//! The lease pool.
#![cfg(feature = "pool")]

#[path = "../common/mod.rs"]
mod common;
mod end;
mod keys;
mod leases;
mod memory;
#[cfg(feature = "stream")]
mod stream;
mod stress;
mod targets;
mod wakers;

use dynaphore::{Counts, Lease, LeasePool};

fn counts(target: usize, active: usize) -> Counts {
    let mut counts = Counts::default();
    (counts.target, counts.active) = (target, active);
    counts
}

/// A pool with these targets.
fn pool<const N: usize>(targets: [(&'static str, usize); N]) -> LeasePool<&'static str> {
    let pool = LeasePool::new();
    for (key, target) in targets {
        assert_eq!(pool.set(key, target), 0);
    }
    pool
}

/// Takes `n` leases that are there.
#[track_caller]
fn take(pool: &LeasePool<&'static str>, n: usize) -> Vec<Lease<&'static str>> {
    (0..n).map(|_| pool.try_acquire().unwrap()).collect()
}

fn keys(leases: &[Lease<&'static str>]) -> Vec<&'static str> {
    leases.iter().map(|lease| *lease.key()).collect()
}
