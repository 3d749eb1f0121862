//! The semaphore that this project is about, in each of its ways.

use std::marker::PhantomData;
use std::sync::Arc;

use dynaphore::{Builder, Fairness, Semaphore};

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

/// `dynaphore::Semaphore` whose permits know their generation.
pub type DynaphoreGenerations = With<Generations>;
/// `dynaphore::Semaphore` that keeps statistics.
pub type DynaphoreStats = With<Stats>;

/// `dynaphore::Semaphore` in some way.
pub struct With<W>(PhantomData<W>);

/// A way to build it, as a type.
pub trait Way: 'static {
    /// The subject's name.
    const NAME: &'static str;
    /// Asks for it.
    fn choose(builder: Builder) -> Builder;
}

/// First in, first out.
pub struct Fifo;
/// Barging up to a bound.
pub struct Eventual;
/// Barging.
pub struct Barging;
/// With generations.
pub struct Generations;
/// With statistics.
pub struct Stats;

impl Way for Fifo {
    const NAME: &'static str = "dynaphore";

    fn choose(builder: Builder) -> Builder {
        builder
    }
}

impl Way for Eventual {
    const NAME: &'static str = "dynaphore_eventual";

    fn choose(builder: Builder) -> Builder {
        builder.fairness(Fairness::Eventual)
    }
}

impl Way for Barging {
    const NAME: &'static str = "dynaphore_barging";

    fn choose(builder: Builder) -> Builder {
        builder.fairness(Fairness::Barging)
    }
}

impl Way for Generations {
    const NAME: &'static str = "dynaphore_generations";

    fn choose(builder: Builder) -> Builder {
        builder.generations(true)
    }
}

impl Way for Stats {
    const NAME: &'static str = "dynaphore_stats";

    fn choose(builder: Builder) -> Builder {
        builder.stats(true)
    }
}

impl<W: Way> Subject for With<W> {
    const NAME: &'static str = W::NAME;
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        W::choose(Semaphore::builder(permits)).build()
    }

    fn acquire_future_bytes() -> Option<usize> {
        Some(size_of_val(&Semaphore::new(1).acquire()))
    }
}

impl<W: Way> TryAcquire for With<W> {
    #[inline]
    fn try_acquire(semaphore: &Semaphore) -> Option<impl Sized> {
        semaphore.try_acquire().ok()
    }
}

impl<W: Way> AsyncAcquire for With<W> {
    async fn acquire(semaphore: &Semaphore) -> impl Send {
        semaphore.acquire().await.expect(OPEN)
    }
}

impl<W: Way> OwnedAcquire for With<W> {
    async fn acquire_owned(semaphore: &Arc<Semaphore>) -> impl Send + 'static {
        Arc::clone(semaphore).acquire_owned().await.expect(OPEN)
    }
}

impl<W: Way> WeightedAcquire for With<W> {
    async fn acquire_many(semaphore: &Semaphore, n: u32) -> impl Send {
        semaphore.acquire_many(n).await.expect(OPEN)
    }
}

impl<W: Way> BlockingAcquire for With<W> {
    #[inline]
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        semaphore.blocking_acquire().expect(OPEN)
    }
}

impl<W: Way> Resize for With<W> {
    fn resize(semaphore: &Semaphore, _from: usize, to: usize) {
        semaphore.set_max(to);
    }
}
