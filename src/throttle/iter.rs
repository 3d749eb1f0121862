//! Parallel iterators whose closures run under permits: the calls.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, OnceLock},
};

use rayon::iter::{
    FromParallelIterator, ParallelIterator,
    plumbing::{Folder, Reducer, UnindexedConsumer},
};

use super::{
    call::{Call, Scoped},
    leaf::{Leaves, Piece, Weigh},
    source::Source,
    wait::Wait,
};
use crate::{AcquireError, Semaphore};

/// What a parallel iterator's closure may do at once, limited by a semaphore.
///
/// Implemented for every [`ParallelIterator`].
///
/// An item for which there is no permit is set aside: the worker goes on to
/// other things, and takes the item up again, or another worker does, when there
/// is one. So no worker is ever blocked, and the iterator is consumed at its own
/// pace; what is set aside is kept in memory. What feeds the iterator (a `map`
/// before the throttled call, say) runs without a permit.
///
/// # Resizing
///
/// Never more than max items are at work at once. A shrink is followed by
/// each worker as soon as the item that it runs is done; with a max of 0 no item
/// is begun until it is raised. Growth is followed at the latest when some item
/// of the call is done, and at once when none runs and the call stands in line.
///
/// # Sources that block
///
/// A worker that waits for the next item of
/// [`par_bridge`](rayon::iter::ParallelBridge::par_bridge) over a channel, say, is
/// blocked, and so are all others that come for one. So while items are set aside one
/// worker stays out, if another one waits there, and sees to it that they get their
/// permits, whether more items come or not.
///
/// Nobody does where only one worker takes part: in a pool of one, or while the others are
/// busy with other things. Nor does it help where each part of an iterator blocks by itself,
/// in a `map` before the throttled call. Then what was set aside waits for the next item that
/// comes to any worker, or for the end of them. Where an item comes only as others are done,
/// use [`Throttle::spawn`](super::Throttle::spawn).
///
/// # Fairness
///
/// A call stands in the semaphore's line, once, from when all its items have come, or a
/// worker stays out of their source, until none is set aside any more; before, it takes
/// what is free whenever an item comes or is done. A worker that has a permit runs one
/// item after another under it, and gives it up after an item as soon as anybody else
/// waits for one, or max has become less. (Items that take less than 20 microseconds are
/// fetched several at a time, as many as take that long and 2048 at most, with a look
/// after each that is run, or after 32 that take less than 80 nanoseconds together.)
///
/// Where whoever is woken in line has no permit yet (under any
/// [fairness](crate::Builder::fairness) but `Fifo`, and with an [order](crate::Builder::order),
/// [`overdue`](crate::Builder::overdue) or [`grant_to_tasks`](crate::Builder::grant_to_tasks)),
/// a call on a worker leaves the line to look for other jobs, every 20 milliseconds at least,
/// and comes back at its end. A line that takes longer than that may pass it for ever. A
/// caller that is no worker keeps its place.
///
/// # Nesting
///
/// The closure may throttle by the same semaphore again; see the
/// [module](crate::throttle#nesting). It must hold no lock while it waits for nested rayon work, if
/// other jobs of the pool take the same lock.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, throttle::ThrottleExt};
/// use rayon::prelude::*;
///
/// static DISK: Semaphore = Semaphore::new(2);
///
/// let names = ["Cargo.toml", "README.md", "src/lib.rs"];
/// let sizes: Vec<u64> = names
///     .par_iter()
///     .throttle_map_collect(&DISK, |name| std::fs::metadata(name).map_or(0, |file| file.len()))?;
/// assert_eq!(sizes.len(), 3);
/// # Ok::<(), dynaphore::AcquireError>(())
/// ```
pub trait ThrottleExt: ParallelIterator {
    /// Runs `f` for every item, under a permit of `semaphore` each.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed before all items are begun, or
    /// [refuses](Throttled#errors) to let the call wait. The others are dropped.
    ///
    /// # Panics
    ///
    /// When `f` does, for one item or more: with the panic of one of them, when
    /// the other items are done. As with rayon's own `for_each`, those are left
    /// out that would have come after it in the same piece of work.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let sum = AtomicUsize::new(0);
    /// (0..100).into_par_iter().throttle_for_each(&semaphore, |n| {
    ///     sum.fetch_add(n, Relaxed);
    /// })?;
    /// assert_eq!(sum.into_inner(), 4950);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    fn throttle_for_each<F>(self, semaphore: &Semaphore, f: F) -> Result<(), AcquireError>
    where
        F: Fn(Self::Item) + Send + Sync,
    {
        self.throttle_by(semaphore).for_each(f)
    }

    /// Runs `f` for every item, under a permit of `semaphore` each, and collects
    /// what it returns in the order of the items.
    ///
    /// The collection is any that rayon collects into. With a `Result<C, E>` or
    /// an `Option<C>` of one, `f` returning `Result`s or `Option`s, no more
    /// items are begun after the first failure that is seen.
    ///
    /// # Errors
    ///
    /// As for [`throttle_for_each`](Self::throttle_for_each).
    ///
    /// # Panics
    ///
    /// As for [`throttle_for_each`](Self::throttle_for_each).
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let numbers: Result<Vec<u32>, _> = ["1", "2", "three"]
    ///     .par_iter()
    ///     .throttle_map_collect(&semaphore, |text| text.parse())?;
    /// assert!(numbers.is_err());
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    fn throttle_map_collect<C, R, F>(self, semaphore: &Semaphore, f: F) -> Result<C, AcquireError>
    where
        F: Fn(Self::Item) -> R + Send + Sync,
        R: Send,
        C: FromParallelIterator<R>,
    {
        self.throttle_by(semaphore).map_collect(f)
    }

    /// Runs `f` for every item, under as many permits as `weight` says:
    /// for budgets of memory, say, with a permit for each byte.
    ///
    /// An item that weighs more than max waits until max is raised far enough,
    /// and holds up the items that come after it in this call, but nobody else. Until then
    /// the call does not return, and the [snapshot](Semaphore::snapshot) counts it among
    /// those that wait, while permits are available. Where weights come from outside,
    /// compare them with [`max`](Semaphore::max) first. What no max can ever allow is refused.
    ///
    /// # Errors
    ///
    /// As for [`throttle_for_each`](Self::throttle_for_each), and if an item weighs more than
    /// [`Semaphore::MAX_PERMITS`] ([`TooManyPermits`](AcquireError::TooManyPermits)).
    ///
    /// # Panics
    ///
    /// As for [`throttle_for_each`](Self::throttle_for_each).
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let memory = Semaphore::new(256 << 20);
    /// let sizes = [64 << 20, 1 << 20, 128 << 20_u32];
    /// sizes.into_par_iter().throttle_weighted_for_each(&memory, |&size| size, |size| {
    ///     assert!(memory.active() >= size as usize);
    /// })?;
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    fn throttle_weighted_for_each<W, F>(
        self,
        semaphore: &Semaphore,
        weight: W,
        f: F,
    ) -> Result<(), AcquireError>
    where
        W: Fn(&Self::Item) -> u32 + Send + Sync,
        F: Fn(Self::Item) + Send + Sync,
    {
        self.throttle_by(semaphore).weighted_for_each(weight, f)
    }

    /// Runs `f` for every item, under as many permits as `weight` says, and collects what
    /// it returns: [`throttle_weighted_for_each`](Self::throttle_weighted_for_each) and
    /// [`throttle_map_collect`](Self::throttle_map_collect) in one.
    ///
    /// # Errors
    ///
    /// As for [`throttle_weighted_for_each`](Self::throttle_weighted_for_each).
    ///
    /// # Panics
    ///
    /// As for [`throttle_for_each`](Self::throttle_for_each).
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let memory = Semaphore::new(256);
    /// let halves: Vec<u32> = [64, 2, 128_u32]
    ///     .into_par_iter()
    ///     .throttle_weighted_map_collect(&memory, |&size| size, |size| size / 2)?;
    /// assert_eq!(halves, [32, 1, 64]);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    fn throttle_weighted_map_collect<C, R, W, F>(
        self,
        semaphore: &Semaphore,
        weight: W,
        f: F,
    ) -> Result<C, AcquireError>
    where
        W: Fn(&Self::Item) -> u32 + Send + Sync,
        F: Fn(Self::Item) -> R + Send + Sync,
        R: Send,
        C: FromParallelIterator<R>,
    {
        self.throttle_by(semaphore).weighted_map_collect(weight, f)
    }

    /// The same for any [`Source`] of permits, such as a key of a keyed
    /// semaphore: what is to be done comes in a second call.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let throttled = (0..100).into_par_iter().throttle_by(&semaphore);
    /// throttled.for_each(|_| assert!(semaphore.active() <= 2))?;
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    fn throttle_by<S: Source>(self, source: S) -> Throttled<Self, S> {
        Throttled {
            items: self,
            source,
        }
    }
}

impl<I: ParallelIterator> ThrottleExt for I {}

/// A parallel iterator and where the permits come from.
///
/// Made by [`ThrottleExt::throttle_by`]; how the items are run is said at
/// [`ThrottleExt`].
///
/// # Errors
///
/// Of each of the calls: why there are no permits to be had, if that comes before
/// all items are begun. The others are dropped.
///
/// - It is closed, or an item weighs more than [`Semaphore::MAX_PERMITS`].
/// - The call would have to wait and [may not](crate::Builder::max_waiting), or its key may
///   not be in use, or it has waited [for too long](crate::Builder::overdue). While the call
///   runs items it goes on with the permits that it has. On a worker it is told only after
///   three seconds, if any permits are out: if what holds them waits for this call, it
///   shares them by then.
///
/// # Panics
///
/// As for [`ThrottleExt::throttle_for_each`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::{Semaphore, throttle::ThrottleExt};
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
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
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
        self.drive(None, |items| items.for_each(f))
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
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
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
        self.drive(None, |items| items.map(f).collect())
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
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
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
        self.drive(Some(&weight), |items| items.for_each(f))
    }

    /// [`ThrottleExt::throttle_weighted_map_collect`].
    ///
    /// # Errors
    ///
    /// See [`Throttled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, throttle::ThrottleExt};
    /// use rayon::prelude::*;
    ///
    /// let memory = Semaphore::new(256);
    /// let sizes = [64, 1, 128_u32].into_par_iter().throttle_by(&memory);
    /// let all: Vec<u32> = sizes.weighted_map_collect(|&size| size, |size| size)?;
    /// assert_eq!(all, [64, 1, 128]);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    pub fn weighted_map_collect<C, R, W, F>(self, weight: W, f: F) -> Result<C, S::Error>
    where
        W: Fn(&I::Item) -> u32 + Send + Sync,
        F: Fn(I::Item) -> R + Send + Sync,
        R: Send,
        C: FromParallelIterator<R>,
    {
        self.drive(Some(&weight), |items| items.map(f).collect())
    }

    /// Runs `consume` over the items, under their permits.
    fn drive<C>(
        self,
        weigh: Option<Weigh<'_, I::Item>>,
        consume: impl FnOnce(Driven<'_, I, S>) -> C,
    ) -> Result<C, S::Error> {
        let ended = OnceLock::new();
        let consumed = consume(Driven {
            items: self.items,
            source: self.source,
            weigh,
            ended: &ended,
        });
        ended.into_inner().map_or(Ok(consumed), Err)
    }
}

/// The same items, of which each is consumed under its permits: what rayon does with it,
/// such as a `map`, is done there.
struct Driven<'a, I: ParallelIterator, S: Source> {
    items: I,
    source: S,
    /// `None` if each weighs one.
    weigh: Option<Weigh<'a, I::Item>>,
    /// Why it could not run all, if it could not.
    ended: &'a OnceLock<S::Error>,
}

impl<I: ParallelIterator, S: Source> ParallelIterator for Driven<'_, I, S> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        let first = consumer.split_off_left();
        let reducer = || consumer.to_reducer();
        let call = Arc::new(Call::new(self.source, true));
        let results = consumer.split_off_left();
        let (items, weigh) = (self.items, self.weigh);
        // In place: a caller that is no worker waits by itself.
        let driven = rayon::in_place_scope(|scope| {
            let scoped = Scoped { call: &call, scope };
            // A panic comes through when the others are done, as in a `join`.
            let driven = catch_unwind(AssertUnwindSafe(|| {
                items.drive_unindexed(Leaves {
                    scoped: &scoped,
                    weigh,
                    results,
                    is_indexed: false,
                })
            }));
            scoped.attend(Wait::new(), call.number, || false);
            driven
        });
        let pieces = driven.unwrap_or_else(|panic| resume_unwind(panic));
        if let Some(error) = call.ended() {
            let _ = self.ended.set(error);
        }
        let mut whole = first.into_folder().complete();
        for result in pieces.into_iter().flat_map(Piece::results) {
            whole = reducer().reduce(whole, result);
        }
        whole
    }
}
