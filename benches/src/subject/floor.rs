//! The bare atomic operations: what nobody who counts in one word can beat.
//!
//! Counts but limits nothing, so it takes part only where nobody waits.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::{AsyncAcquire, OwnedAcquire, Resize, Subject, TryAcquire};

/// One compare-and-swap to acquire, one subtraction to release.
pub struct Floor;

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

impl Subject for Floor {
    const NAME: &'static str = "floor";
    type Semaphore = AtomicU64;

    fn semaphore(permits: usize) -> AtomicU64 {
        AtomicU64::new(permits as u64 * ONE_MAX)
    }
}

impl TryAcquire for Floor {
    #[inline]
    fn try_acquire(semaphore: &AtomicU64) -> Option<impl Sized> {
        acquire(semaphore);
        Some(Permit(semaphore))
    }
}

impl AsyncAcquire for Floor {
    async fn acquire(semaphore: &AtomicU64) -> impl Send {
        acquire(semaphore);
        Permit(semaphore)
    }
}

impl OwnedAcquire for Floor {
    async fn acquire_owned(semaphore: &Arc<AtomicU64>) -> impl Send + 'static {
        acquire(semaphore);
        OwnedPermit(Arc::clone(semaphore))
    }
}

impl Resize for Floor {
    fn resize(semaphore: &AtomicU64, _from: usize, to: usize) {
        let mut seen = semaphore.load(Relaxed);
        loop {
            let new = (to as u64 * ONE_MAX) | (seen % ONE_MAX);
            match semaphore.compare_exchange_weak(seen, new, AcqRel, Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
    }
}
