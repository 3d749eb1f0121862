//! The calls that run an iterator's items, for any source of permits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::OnceLock,
};

use rayon::iter::{
    FromParallelIterator, ParallelIterator,
    plumbing::{Folder, Reducer, UnindexedConsumer},
};

use super::{
    By, One, Weigh,
    aside::Aside,
    leaf::{Leaves, Piece},
};
use crate::rayon::{
    crew::{self, Crew},
    source::Source,
};

#[cfg(doc)]
use super::ThrottleExt;

/// A parallel iterator and where the permits come from.
///
/// Made by [`ThrottleExt::throttle_by`]; how the items are run is said at
/// [`ThrottleExt`].
///
/// # Errors
///
/// Of each of the calls: why there are no permits to be had, if that comes before
/// all items are begun. The others are dropped. A semaphore says that it is closed;
/// a key is also refused if there are too many keys or waiters.
///
/// # Panics
///
/// As for [`ThrottleExt::throttle_for_each`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::{Semaphore, rayon::ThrottleExt};
/// use rayon::prelude::*;
///
/// let shared = Arc::new(Semaphore::new(2));
/// let doubled: Vec<u32> = [1, 2, 3].into_par_iter().throttle_by(shared).map_collect(|n| 2 * n)?;
/// assert_eq!(doubled, [2, 4, 6]);
/// # Ok::<(), dynaphore::AcquireError>(())
/// ```
#[must_use = "nothing is run until it is said what"]
#[derive(Clone, Debug)]
pub struct Throttled<I, S> {
    pub(super) items: I,
    pub(super) source: S,
}

impl<I: ParallelIterator, S: Source> Throttled<I, S> {
    /// [`ThrottleExt::throttle_for_each`].
    ///
    /// # Errors
    ///
    /// See [`Throttled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{Semaphore, rayon::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let semaphore = Arc::new(Semaphore::new(2));
    /// (0..100)
    ///     .into_par_iter()
    ///     .throttle_by(Arc::clone(&semaphore))
    ///     .for_each(|_| assert!(semaphore.active() <= 2))?;
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    pub fn for_each<F>(self, f: F) -> Result<(), S::Error>
    where
        F: Fn(I::Item) + Send + Sync,
    {
        self.drive(&One, &f, |driven| driven.for_each(|()| {}))
    }

    /// [`ThrottleExt::throttle_map_collect`].
    ///
    /// # Errors
    ///
    /// See [`Throttled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, rayon::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let odd: Result<Vec<u32>, u32> = [1, 3, 4, 5]
    ///     .into_par_iter()
    ///     .throttle_by(&semaphore)
    ///     .map_collect(|n| if n % 2 == 1 { Ok(n) } else { Err(n) })?;
    /// assert_eq!(odd, Err(4));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    pub fn map_collect<C, R, F>(self, f: F) -> Result<C, S::Error>
    where
        F: Fn(I::Item) -> R + Send + Sync,
        R: Send,
        C: FromParallelIterator<R>,
    {
        self.drive(&One, &f, |driven| driven.collect())
    }

    /// [`ThrottleExt::throttle_weighted_for_each`].
    ///
    /// # Errors
    ///
    /// See [`Throttled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, rayon::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let memory = Semaphore::new(256);
    /// [64, 1, 128_u32]
    ///     .into_par_iter()
    ///     .throttle_by(&memory)
    ///     .weighted_for_each(|&size| size, |size| assert!(memory.active() >= size as usize))?;
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    pub fn weighted_for_each<W, F>(self, weight: W, f: F) -> Result<(), S::Error>
    where
        W: Fn(&I::Item) -> u32 + Send + Sync,
        F: Fn(I::Item) + Send + Sync,
    {
        self.drive(&By(weight), &f, |driven| driven.for_each(|()| {}))
    }

    /// Runs `consume` over what `f` returns.
    fn drive<R, W, F, C>(
        self,
        weigh: &W,
        f: &F,
        consume: impl FnOnce(Driven<'_, I, S, W, F>) -> C,
    ) -> Result<C, S::Error>
    where
        R: Send,
        W: Weigh<I::Item>,
        F: Fn(I::Item) -> R + Send + Sync,
    {
        let ended = OnceLock::new();
        let consumed = consume(Driven {
            items: self.items,
            source: self.source,
            weigh,
            f,
            ended: &ended,
        });
        ended.into_inner().map_or(Ok(consumed), Err)
    }
}

/// A `map` whose closure runs under permits.
struct Driven<'a, I, S: Source, W, F> {
    items: I,
    source: S,
    weigh: &'a W,
    f: &'a F,
    /// Why it could not run all, if it could not.
    ended: &'a OnceLock<S::Error>,
}

impl<I, S, R, W, F> ParallelIterator for Driven<'_, I, S, W, F>
where
    I: ParallelIterator,
    S: Source,
    R: Send,
    W: Weigh<I::Item>,
    F: Fn(I::Item) -> R + Send + Sync,
{
    type Item = R;

    fn drive_unindexed<C: UnindexedConsumer<R>>(self, consumer: C) -> C::Result {
        let first = consumer.split_off_left();
        let reducer = || consumer.to_reducer();
        let crew = Crew::new(self.source, Aside::new(self.weigh, self.f), true);
        let leaves = consumer.split_off_left();
        let items = self.items;
        let driven = rayon::scope(|scope| {
            // A panic comes through when the others are done, as in a `join`.
            let driven = catch_unwind(AssertUnwindSafe(|| {
                items.drive_unindexed(Leaves::new(&crew, scope, leaves))
            }));
            crew::attend(&&crew, scope);
            driven
        });
        let pieces = driven.unwrap_or_else(|panic| resume_unwind(panic));
        if let Some(error) = crew.ended() {
            let _ = self.ended.set(error);
        }
        let mut results = crew.jobs.into_results();
        let mut whole = first.into_folder().complete();
        for piece in pieces {
            match piece {
                Piece::Done(result) => whole = reducer().reduce(whole, result),
                Piece::Later(run) => {
                    for result in results.of(run) {
                        whole = reducer().reduce(whole, result);
                    }
                }
            }
        }
        whole
    }
}
