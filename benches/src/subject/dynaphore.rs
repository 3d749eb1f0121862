//! The semaphore that this project is about, once for each fairness.

use std::marker::PhantomData;
use std::sync::Arc;

use dynaphore::{Fairness, Semaphore};

use super::{
    AsyncAcquire, BlockingAcquire, OwnedAcquire, Resize, Subject, TryAcquire, WeightedAcquire,
};

const OPEN: &str = "the semaphore is never closed";

/// `dynaphore::Semaphore` as it is by default.
pub type Dynaphore = With<Fifo>;
/// `dynaphore::Semaphore` with `Fairness::Eventual` and the usual bound.
pub type DynaphoreEventual = With<Eventual>;
/// `dynaphore::Semaphore` with `Fairness::Barging`.
pub type DynaphoreBarging = With<Barging>;

/// `dynaphore::Semaphore` with a fairness.
pub struct With<F>(PhantomData<F>);

/// A fairness as a type.
pub trait Choice: 'static {
    /// The subject's name.
    const NAME: &'static str;
    /// The value.
    const FAIRNESS: Fairness;
}

/// First in, first out.
pub struct Fifo;
/// Barging up to a bound.
pub struct Eventual;
/// Barging.
pub struct Barging;

impl Choice for Fifo {
    const NAME: &'static str = "dynaphore";
    const FAIRNESS: Fairness = Fairness::Fifo;
}

impl Choice for Eventual {
    const NAME: &'static str = "dynaphore_eventual";
    const FAIRNESS: Fairness = Fairness::Eventual;
}

impl Choice for Barging {
    const NAME: &'static str = "dynaphore_barging";
    const FAIRNESS: Fairness = Fairness::Barging;
}

impl<F: Choice> Subject for With<F> {
    const NAME: &'static str = F::NAME;
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::builder(permits).fairness(F::FAIRNESS).build()
    }

    fn acquire_future_bytes() -> Option<usize> {
        Some(size_of_val(&Semaphore::new(1).acquire()))
    }
}

impl<F: Choice> TryAcquire for With<F> {
    fn try_acquire(semaphore: &Semaphore) -> Option<impl Sized> {
        semaphore.try_acquire().ok()
    }
}

impl<F: Choice> AsyncAcquire for With<F> {
    async fn acquire(semaphore: &Semaphore) -> impl Send {
        semaphore.acquire().await.expect(OPEN)
    }
}

impl<F: Choice> OwnedAcquire for With<F> {
    async fn acquire_owned(semaphore: &Arc<Semaphore>) -> impl Send + 'static {
        Arc::clone(semaphore).acquire_owned().await.expect(OPEN)
    }
}

impl<F: Choice> WeightedAcquire for With<F> {
    async fn acquire_many(semaphore: &Semaphore, n: u32) -> impl Send {
        semaphore.acquire_many(n).await.expect(OPEN)
    }
}

impl<F: Choice> BlockingAcquire for With<F> {
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        semaphore.blocking_acquire().expect(OPEN)
    }
}

impl<F: Choice> Resize for With<F> {
    fn resize(semaphore: &Semaphore, _from: usize, to: usize) {
        semaphore.set_max(to);
    }
}
