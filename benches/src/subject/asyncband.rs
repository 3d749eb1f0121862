//! asyncband: the maintained successor of mea; FIFO, weights, no closing.

use std::sync::Arc;

use asyncband::blocking::FutureExt;
use asyncband::semaphore::Semaphore;

use super::{
    AsyncAcquire, BlockingAcquire, OwnedAcquire, Resize, Subject, TryAcquire, WeightedAcquire,
};

/// `asyncband::semaphore::Semaphore`.
pub struct Asyncband;

impl Subject for Asyncband {
    const NAME: &'static str = "asyncband";
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire_future_bytes() -> Option<usize> {
        Some(size_of_val(&Semaphore::new(1).acquire(1)))
    }
}

impl TryAcquire for Asyncband {
    #[inline]
    fn try_acquire(semaphore: &Semaphore) -> Option<impl Sized> {
        semaphore.try_acquire(1)
    }
}

impl AsyncAcquire for Asyncband {
    async fn acquire(semaphore: &Semaphore) -> impl Send {
        semaphore.acquire(1).await
    }
}

impl OwnedAcquire for Asyncband {
    async fn acquire_owned(semaphore: &Arc<Semaphore>) -> impl Send + 'static {
        Arc::clone(semaphore).acquire_owned(1).await
    }
}

impl WeightedAcquire for Asyncband {
    async fn acquire_many(semaphore: &Semaphore, n: u32) -> impl Send {
        semaphore.acquire(n as usize).await
    }
}

impl BlockingAcquire for Asyncband {
    #[inline]
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        semaphore.acquire(1).block_on()
    }
}

impl Resize for Asyncband {
    fn resize(semaphore: &Semaphore, from: usize, to: usize) {
        if to > from {
            semaphore.release(to - from);
        } else {
            semaphore.reduce_permits(from - to);
        }
    }
}
