//! The bare atomic operations: what nobody who counts in one word can beat.
//!
//! Counts but limits nothing, so it takes part only where nobody waits.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The maximum lives above, the permits held below.
const ONE_MAX: u64 = 1 << 32;

fn acquire(word: &AtomicU64) {
    let mut seen = word.load(Relaxed);
    while let Err(now) = word.compare_exchange_weak(seen, seen + 1, Acquire, Relaxed) {
        seen = now;
    }
}

struct Permit<'a>(&'a AtomicU64);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

struct OwnedPermit(Arc<AtomicU64>);

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

subject! {
    /// One compare-and-swap to acquire, one subtraction to release.
    Floor, "floor": AtomicU64;
    new(permits) AtomicU64::new(permits as u64 * ONE_MAX);
    try_acquire(semaphore) {
        acquire(semaphore);
        Some(Permit(semaphore))
    };
    acquire(semaphore) {
        acquire(semaphore);
        Permit(semaphore)
    };
    acquire_owned(semaphore) {
        acquire(semaphore);
        OwnedPermit(Arc::clone(semaphore))
    };
    resize(semaphore, _from, to) {
        let resized = |seen| Some((to as u64 * ONE_MAX) | (seen % ONE_MAX));
        _ = semaphore.fetch_update(AcqRel, Relaxed, resized);
    };
}
