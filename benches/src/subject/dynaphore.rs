//! The semaphore that this project is about.

use std::sync::Arc;

use dynaphore::Semaphore;

use super::{
    AsyncAcquire, BlockingAcquire, OwnedAcquire, Resize, Subject, TryAcquire, WeightedAcquire,
};

const OPEN: &str = "the semaphore is never closed";

/// `dynaphore::Semaphore`.
pub struct Dynaphore;

impl Subject for Dynaphore {
    const NAME: &'static str = "dynaphore";
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire_future_bytes() -> Option<usize> {
        Some(size_of_val(&Semaphore::new(1).acquire()))
    }
}

impl TryAcquire for Dynaphore {
    fn try_acquire(semaphore: &Semaphore) -> Option<impl Sized> {
        semaphore.try_acquire().ok()
    }
}

impl AsyncAcquire for Dynaphore {
    async fn acquire(semaphore: &Semaphore) -> impl Send {
        semaphore.acquire().await.expect(OPEN)
    }
}

impl OwnedAcquire for Dynaphore {
    async fn acquire_owned(semaphore: &Arc<Semaphore>) -> impl Send + 'static {
        Arc::clone(semaphore).acquire_owned().await.expect(OPEN)
    }
}

impl WeightedAcquire for Dynaphore {
    async fn acquire_many(semaphore: &Semaphore, n: u32) -> impl Send {
        semaphore.acquire_many(n).await.expect(OPEN)
    }
}

impl BlockingAcquire for Dynaphore {
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        semaphore.blocking_acquire().expect(OPEN)
    }
}

impl Resize for Dynaphore {
    fn resize(semaphore: &Semaphore, _from: usize, to: usize) {
        semaphore.set_max(to);
    }
}
