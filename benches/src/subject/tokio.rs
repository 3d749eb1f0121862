//! The semaphore that dynaphore is a drop-in for.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    AsyncAcquire, BlockingAcquire, OwnedAcquire, Resize, Subject, TryAcquire, WeightedAcquire,
};

pub(super) const OPEN: &str = "the semaphore is never closed";

/// `tokio::sync::Semaphore`.
pub struct Tokio;

impl Subject for Tokio {
    const NAME: &'static str = "tokio";
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire_future_bytes() -> Option<usize> {
        Some(size_of_val(&Semaphore::new(1).acquire()))
    }
}

impl TryAcquire for Tokio {
    #[inline]
    fn try_acquire(semaphore: &Semaphore) -> Option<impl Sized> {
        semaphore.try_acquire().ok()
    }
}

impl AsyncAcquire for Tokio {
    async fn acquire(semaphore: &Semaphore) -> impl Send {
        semaphore.acquire().await.expect(OPEN)
    }
}

impl OwnedAcquire for Tokio {
    async fn acquire_owned(semaphore: &Arc<Semaphore>) -> impl Send + 'static {
        Arc::clone(semaphore).acquire_owned().await.expect(OPEN)
    }
}

impl WeightedAcquire for Tokio {
    async fn acquire_many(semaphore: &Semaphore, n: u32) -> impl Send {
        semaphore.acquire_many(n).await.expect(OPEN)
    }
}

impl BlockingAcquire for Tokio {
    #[inline]
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        semaphore.blocking_acquire().expect(OPEN)
    }
}

impl Resize for Tokio {
    fn resize(semaphore: &Semaphore, from: usize, to: usize) {
        if to > from {
            semaphore.add_permits(to - from);
        } else {
            // Takes free permits only, and enough are free in the workload.
            let removed = semaphore.forget_permits(from - to);
            debug_assert_eq!(removed, from - to);
        }
    }
}
