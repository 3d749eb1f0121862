//! async-lock: barging, one permit at a time, built on event-listener.

use std::sync::Arc;

use async_lock::Semaphore;

use super::{AsyncAcquire, BlockingAcquire, OwnedAcquire, Resize, Subject, TryAcquire};

/// `async_lock::Semaphore`.
pub struct AsyncLock;

impl Subject for AsyncLock {
    const NAME: &'static str = "async_lock";
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire_future_bytes() -> Option<usize> {
        Some(size_of_val(&Semaphore::new(1).acquire()))
    }
}

impl TryAcquire for AsyncLock {
    #[inline]
    fn try_acquire(semaphore: &Semaphore) -> Option<impl Sized> {
        semaphore.try_acquire()
    }
}

impl AsyncAcquire for AsyncLock {
    async fn acquire(semaphore: &Semaphore) -> impl Send {
        semaphore.acquire().await
    }
}

impl OwnedAcquire for AsyncLock {
    async fn acquire_owned(semaphore: &Arc<Semaphore>) -> impl Send + 'static {
        semaphore.acquire_arc().await
    }
}

impl BlockingAcquire for AsyncLock {
    #[inline]
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        semaphore.acquire_blocking()
    }
}

impl Resize for AsyncLock {
    fn resize(semaphore: &Semaphore, from: usize, to: usize) {
        if to > from {
            semaphore.add_permits(to - from);
        } else {
            // It cannot shrink; forgetting a permit comes to the same.
            for _ in to..from {
                semaphore
                    .try_acquire()
                    .expect("enough permits are free in the workload")
                    .forget();
            }
        }
    }
}
