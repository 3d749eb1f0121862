//! The bare atomic operations: what nobody who counts in one word can beat.
//!
//! Counts but limits nothing, so it takes part only where nobody waits.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use tower::{Service, service_fn};

use super::{Limits, Subject as _};

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

impl Limits for Floor {
    fn limit<S>(max: usize, inner: S) -> impl Service<u64, Future: Send> + Clone + Send + 'static
    where
        S: Service<u64, Future: Send, Error = Infallible> + Clone + Send + 'static,
    {
        let semaphore = Arc::new(Self::semaphore(max));
        service_fn(move |n| {
            acquire(&semaphore);
            let permit = OwnedPermit(Arc::clone(&semaphore));
            let response = inner.clone().call(n);
            async move {
                let answer = response.await;
                drop(permit);
                answer
            }
        })
    }
}
