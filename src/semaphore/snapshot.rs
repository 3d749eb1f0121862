//! Reading a semaphore. Nothing here blocks; only `unclaimed` takes a lock.

use core::fmt;

#[cfg(feature = "stats")]
use super::stats::Stats;
use super::{core::Semaphore, order::Fairness, request::Unclaimed};

/// What a semaphore looked like at one moment.
///
/// Returned by [`Semaphore::snapshot`]. `max`, `active` and `closed` belong to
/// one and the same moment; `waiting` is read just before it. So permits that are
/// [available](Self::available) with nobody waiting are not reserved for one who was.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, Snapshot};
///
/// let semaphore = Semaphore::new(3);
/// let _held = semaphore.try_acquire_many(2).unwrap();
/// let Snapshot { max, active, waiting, closed, .. } = semaphore.snapshot();
/// assert_eq!((max, active, waiting, closed), (3, 2, 0, false));
/// assert_eq!(semaphore.snapshot().to_string(), "2 of 3 out, 0 waiting");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// How many permits may be out: 0 to [`Semaphore::MAX_PERMITS`].
    pub max: usize,
    /// How many are out. More than `max` for a while after a shrink.
    pub active: usize,
    /// How many requests wait, those for more than max included.
    pub waiting: usize,
    /// Whether the semaphore is closed.
    pub closed: bool,
}

impl Snapshot {
    /// Permits that are not out: `max - active`, or 0 while over max. Where nobody
    /// may pass a waiter, they are reserved for the first in line.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Semaphore::new(3).snapshot().available(), 3);
    /// ```
    #[must_use]
    pub const fn available(&self) -> usize {
        self.max.saturating_sub(self.active)
    }

    /// Permits that are out beyond max: what is left of a shrink.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let _held = semaphore.try_acquire_many(3).unwrap();
    /// semaphore.set_max(1);
    /// assert_eq!(semaphore.snapshot().excess(), 2);
    /// ```
    #[must_use]
    pub const fn excess(&self) -> usize {
        self.active.saturating_sub(self.max)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (max, active, waiting) = (self.max, self.active, self.waiting);
        write!(f, "{active} of {max} out, {waiting} waiting")?;
        f.write_str(if self.closed { ", closed" } else { "" })
    }
}

/// Reading it.
impl Semaphore {
    /// Who gets a permit that comes back while others wait for one.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Fairness, Semaphore};
    ///
    /// assert_eq!(Semaphore::new(3).fairness(), Fairness::Fifo);
    /// ```
    #[must_use]
    pub fn fairness(&self) -> Fairness {
        self.queue.fairness()
    }

    /// How many permits may be out.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Semaphore::new(3).max(), 3);
    /// ```
    #[must_use]
    pub fn max(&self) -> usize {
        self.word.load().max() as usize
    }

    /// How many permits are out, those included that were granted to a future
    /// which has not been polled since.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let _two = semaphore.try_acquire_many(2).unwrap();
    /// assert_eq!(semaphore.active(), 2);
    /// ```
    #[must_use]
    pub fn active(&self) -> usize {
        self.word.load().active() as usize
    }

    /// How many requests wait, those for more than max included. Who waits for
    /// [`idle`](Self::idle) or [`settled`](Self::settled) is not counted.
    ///
    /// A request is counted a moment after it has got in line, and not until after
    /// it has left: while nobody new comes, 0 says that no line stands between a
    /// [`try_acquire`](Self::try_acquire) and a free permit.
    ///
    /// # Memory ordering
    ///
    /// Who reads that a request has left sees that the line is without it.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Semaphore::new(0).waiting(), 0);
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// What has been granted to futures that have not been polled or dropped since. A task
    /// that has just been woken is among them for a moment; one for which it is a long one
    /// keeps permits that it does not use from everybody else. `None` unless the semaphore
    /// [grants to tasks](crate::Builder::grant_to_tasks).
    ///
    /// It takes the lock that waiters take, for as long as it takes to look at each.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use dynaphore::Semaphore;
    /// use futures::poll;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Semaphore::builder(1).grant_to_tasks(true).build();
    /// let held = semaphore.try_acquire().unwrap();
    /// let mut kept = pin!(semaphore.acquire());
    /// assert!(poll!(&mut kept).is_pending());
    /// drop(held);
    /// assert_eq!(semaphore.unclaimed().unwrap().requests, 1);
    /// assert!(kept.await.is_ok());
    /// assert_eq!(semaphore.unclaimed().unwrap().requests, 0);
    /// # });
    /// ```
    #[must_use]
    pub fn unclaimed(&self) -> Option<Unclaimed> {
        Unclaimed::of(&self.queue)
    }

    /// How many permits [`try_acquire_many`](Self::try_acquire_many) could take
    /// now: 0 while over max, and 0 while somebody is in line whom nobody may
    /// pass under this [fairness](Self::fairness), since all that comes back
    /// belongs to those in line. A [closed](Self::close) one tells what it would if it
    /// were open.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let _two = semaphore.try_acquire_many(2).unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// semaphore.set_max(1);
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.word.load().available(self.queue.reserved()) as usize
    }

    /// What the semaphore looks like now.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let _one = semaphore.try_acquire().unwrap();
    /// let now = semaphore.snapshot();
    /// assert_eq!((now.max, now.active, now.waiting, now.closed), (3, 1, 0, false));
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        // In this order: permits that are free after the line has gone are not
        // on their way to somebody in it.
        let waiting = self.queue.waiting();
        let state = self.word.load();
        Snapshot {
            max: state.max() as usize,
            active: state.active() as usize,
            waiting,
            closed: state.is_closed(),
        }
    }
}

/// Statistics.
#[cfg(feature = "stats")]
impl Semaphore {
    /// How its requests end, and how long they wait.
    ///
    /// # Panics
    ///
    /// When the semaphore was built without [`stats`](crate::Builder::stats).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// semaphore.close();
    /// assert!(semaphore.try_acquire().is_err());
    /// assert_eq!(semaphore.stats().blocking_take().closed, 1);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn stats(&self) -> Stats<'_> {
        match self.try_stats() {
            Some(stats) => stats,
            None => panic!("`stats` needs a semaphore that was built with `stats(true)`"),
        }
    }

    /// [`stats`](Self::stats), or `None` when the semaphore was built without.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(dynaphore::Semaphore::new(1).try_stats().is_none());
    /// ```
    #[must_use]
    pub fn try_stats(&self) -> Option<Stats<'_>> {
        let Self {
            optional, queue, ..
        } = self;
        optional
            .counters()
            .map(|counters| Stats { counters, queue })
    }
}

impl fmt::Debug for Semaphore {
    /// The decoded word and the number of waiters. Never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.word.load();
        f.debug_struct("Semaphore")
            .field("max", &state.max())
            .field("active", &state.active())
            .field("waiting", &self.queue.waiting())
            .field("queued", &state.is_queued())
            .field("closed", &state.is_closed())
            .finish()
    }
}
