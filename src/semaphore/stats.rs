//! What became of the requests for a semaphore's permits, counted and timed.
//!
//! A request that is answered at once adds to one number only: a running total,
//! which each thread keeps in a stripe of its own by plain stores. An interval is
//! what the totals have grown by, so each request is in one of them.
//!
//! One that had to wait adds to two, the number and the histogram. These are kept
//! in two copies, and counted under a token of a [tracker](crate::generation): to
//! take an interval is to send the threads to the other copy, to wait until
//! nobody counts in the old one, and to read that at leisure. So what a request
//! adds is in one interval as a whole.

use std::{
    fmt,
    future::Future,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{
    outcome::{Outcome, Since},
    times::{AtomicTimes, Times},
};
use crate::{
    generation::{self, Swap},
    sync::Clock,
};
use crossbeam_utils::CachePadded;

const OUTCOMES: usize = Outcome::Overdue as usize + 1;

#[derive(Default)]
struct Counts([AtomicU64; OUTCOMES]);

impl Counts {
    fn add_one(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Relaxed);
    }
}

/// One copy of what is counted of those that had to wait.
#[derive(Default)]
struct Waited {
    counts: Counts,
    times: AtomicTimes,
}

/// Running totals of those that were answered at once.
struct AtOnce {
    /// Counted by the one thread that owns the stripe, by plain stores.
    owned: Box<[CachePadded<Counts>]>,
    /// Counted by any thread.
    shared: Box<[CachePadded<Counts>]>,
    /// What the last taker has read.
    taken: Counts,
}

impl Default for AtOnce {
    fn default() -> Self {
        let stripes = || (0..generation::stripes()).map(|_| CachePadded::default());
        Self {
            owned: stripes().collect(),
            shared: stripes().collect(),
            taken: Counts::default(),
        }
    }
}

impl AtOnce {
    #[inline]
    fn count(&self, outcome: Outcome) {
        let thread = generation::thread_number();
        if let Some(counts) = self.owned.get(thread) {
            let count = &counts.0[outcome as usize];
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        } else {
            self.shared[thread % self.shared.len()].add_one(outcome);
        }
    }

    /// What has come since the last call, for one caller at a time.
    fn take(&self, outcome: Outcome) -> u64 {
        let stripes = self.owned.iter().chain(&*self.shared);
        let counts = stripes.map(|counts| counts.0[outcome as usize].load(Relaxed));
        let total = counts.fold(0, u64::wrapping_add);
        let taken = &self.taken.0[outcome as usize];
        let before = taken.load(Relaxed);
        taken.store(total, Relaxed);
        total.wrapping_sub(before)
    }
}

/// The counters of one semaphore.
#[derive(Default)]
pub(crate) struct Counters {
    at_once: AtOnce,
    waited: Swap<Waited>,
    clock: Clock,
}

impl Counters {
    /// The time, in nanoseconds, for [`Since`].
    pub(crate) fn nanos(&self) -> u64 {
        self.clock.nanos()
    }

    /// A request has ended that began to wait at `since`.
    #[inline]
    pub(crate) fn count(&self, outcome: Outcome, since: Since) {
        match since.until(|| self.nanos()) {
            None => self.at_once.count(outcome),
            Some(waited) => self.count_waited(outcome, waited),
        }
    }

    #[cold]
    fn count_waited(&self, outcome: Outcome, waited: u64) {
        let copy = self.waited.write();
        copy.counts.add_one(outcome);
        if let Outcome::Acquired = outcome {
            copy.times.add(waited, 1);
        }
    }

    /// What a taker finds. One at a time comes here, and sees what the last one left.
    fn read(&self, copy: &Waited) -> Interval {
        let taken = |outcome: Outcome| {
            let waited = copy.counts.0[outcome as usize].swap(0, Relaxed);
            waited + self.at_once.take(outcome)
        };
        Interval {
            acquired: taken(Outcome::Acquired),
            rejected: taken(Outcome::Rejected),
            timed_out: taken(Outcome::TimedOut),
            cancelled: taken(Outcome::Cancelled),
            closed: taken(Outcome::Closed),
            too_many_waiters: taken(Outcome::TooManyWaiters),
            overdue: taken(Outcome::Overdue),
            waits: copy.times.take(),
        }
    }
}

/// Reads the statistics of a [`Semaphore`](crate::Semaphore); see
/// [`Semaphore::stats`](crate::Semaphore::stats).
///
/// # Examples
///
/// ```
/// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
/// let stats = semaphore.stats();
/// drop(semaphore.try_acquire());
/// assert_eq!(stats.blocking_take().acquired, 1);
/// ```
#[derive(Clone, Copy)]
pub struct Stats<'a>(pub(super) &'a Counters);

impl<'a> Stats<'a> {
    /// What has been counted since the last call, or since the semaphore was
    /// made. Counting starts again from zero.
    ///
    /// A request is counted as it ends, a moment before the caller knows. Each is
    /// in exactly one interval, with all that is counted of it, and the intervals
    /// follow each other without a gap, however much goes on meanwhile. Calls that
    /// race take one interval each.
    ///
    /// It waits for those who are counting at this moment, which is some nanoseconds
    /// unless one of them is preempted. They never wait for it, and hold no lock.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. If the future is dropped after its first poll, the next take
    /// may return what was counted up to then of those that had to wait; what came
    /// after is in the one that follows.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    ///
    /// let interval = semaphore.stats().take().await;
    /// assert_eq!((interval.acquired, interval.rejected), (1, 1));
    /// assert_eq!(semaphore.stats().take().await.acquired, 0);
    /// # });
    /// ```
    pub fn take(self) -> impl Future<Output = Interval> + Send + use<'a> {
        let Self(counters) = self;
        counters.waited.take_with(|copy| counters.read(copy))
    }

    /// [`take`](Self::take), blocking the thread, for some nanoseconds as a rule.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// drop(semaphore.try_acquire());
    /// assert_eq!(semaphore.stats().blocking_take().acquired, 1);
    /// ```
    #[must_use = "what has been taken is not counted again"]
    pub fn blocking_take(self) -> Interval {
        let Self(counters) = self;
        counters
            .waited
            .blocking_take_with(|copy| counters.read(copy))
    }

    /// [`take`](Self::take), if that need not wait. `None` while somebody else takes, or
    /// counts at this moment: nothing is lost by that, as if a take had been cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// drop(semaphore.try_acquire());
    /// let interval = semaphore.stats().try_take().expect("nobody is counting");
    /// assert_eq!(interval.acquired, 1);
    /// ```
    #[must_use = "what has been taken is not counted again"]
    pub fn try_take(self) -> Option<Interval> {
        let Self(counters) = self;
        counters.waited.try_take_with(|copy| counters.read(copy))
    }
}

impl fmt::Debug for Stats<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stats").finish_non_exhaustive()
    }
}

/// What was counted between two calls of [`Stats::take`]. All numbers are
/// requests, whatever their number of permits.
///
/// A future asks when it is first polled. What a panicking waker interrupts may
/// be missing, or counted as cancelled.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore::Semaphore;
///
/// let semaphore = Semaphore::builder(1).stats(true).build();
/// let held = semaphore.try_acquire().unwrap();
/// assert!(semaphore.blocking_acquire_timeout(Duration::from_millis(1)).is_err());
///
/// let interval = semaphore.stats().blocking_take();
/// assert_eq!((interval.acquired, interval.timed_out, interval.cancelled), (1, 1, 0));
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// Those that were served, whether they had to wait or not.
    pub acquired: u64,
    /// Calls that only try, and found no permits.
    pub rejected: u64,
    /// Blocking calls that gave up at their deadline, and futures that gave up when
    /// [`until`](crate::future::Acquire::until) said so.
    pub timed_out: u64,
    /// Futures that had begun to wait and were dropped before they knew, granted already or
    /// not. A time-out of the runtime's own ends in this too: it looks like any other
    /// drop.
    pub cancelled: u64,
    /// Those of any kind that found the semaphore closed, or were told so while
    /// they waited.
    pub closed: u64,
    /// Those that would have had to wait, and [might not](crate::Builder::max_waiting).
    pub too_many_waiters: u64,
    /// Those that had waited [for too long](crate::Builder::overdue), and were told so.
    pub overdue: u64,
    waits: Times,
}

impl Interval {
    /// How many of those [acquired](Self::acquired) had to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// drop(semaphore.try_acquire());
    /// assert_eq!(semaphore.stats().blocking_take().waited(), 0);
    /// ```
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.waits.count()
    }

    /// The time within which the given part of [those that waited](Self::waited),
    /// 0.0 to 1.0, had their permits: the median for 0.5, the longest wait for 1.0.
    /// Too large by at most one part in 64; waits of more than 73 minutes count as
    /// that. `None` if nobody waited.
    ///
    /// From the first poll that did not succeed, or the blocking call, to the
    /// moment when the caller had its permits in hand: the time until a woken
    /// thread or task runs is in it.
    ///
    /// # Panics
    ///
    /// When `quantile` is not in 0.0 to 1.0.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// drop(semaphore.try_acquire());
    /// assert_eq!(semaphore.stats().blocking_take().wait_time(0.99), None);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn wait_time(&self, quantile: f64) -> Option<Duration> {
        self.waits.quantile(quantile)
    }

    /// How long [those that waited](Self::waited) did, as [`wait_time`](Self::wait_time)
    /// has it.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// assert_eq!(semaphore.stats().blocking_take().waits().count(), 0);
    /// ```
    #[must_use]
    pub fn waits(&self) -> &Times {
        &self.waits
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} acquired", self.acquired)?;
        if let Some(wait) = self.wait_time(0.99) {
            write!(f, " ({} waited, 99% within {wait:?})", self.waited())?;
        }
        write!(
            f,
            ", {} rejected, {} timed out, {} cancelled, {} closed",
            self.rejected, self.timed_out, self.cancelled, self.closed
        )
    }
}

/// The counts, how many `waited`, and the waits within which 50%, 99% and all of those were
/// served, in nanoseconds.
#[cfg(feature = "serde")]
impl serde::Serialize for Interval {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let nanos = |part| self.wait_time(part).map(|wait| wait.as_nanos() as u64);
        let mut out = serializer.serialize_struct("Interval", 9)?;
        out.serialize_field("acquired", &self.acquired)?;
        out.serialize_field("waited", &self.waited())?;
        out.serialize_field("rejected", &self.rejected)?;
        out.serialize_field("timed_out", &self.timed_out)?;
        out.serialize_field("cancelled", &self.cancelled)?;
        out.serialize_field("closed", &self.closed)?;
        out.serialize_field("median_wait_nanos", &nanos(0.5))?;
        out.serialize_field("p99_wait_nanos", &nanos(0.99))?;
        out.serialize_field("longest_wait_nanos", &nanos(1.0))?;
        out.end()
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("acquired", &self.acquired)
            .field("waited", &self.waited())
            .field("rejected", &self.rejected)
            .field("timed_out", &self.timed_out)
            .field("cancelled", &self.cancelled)
            .field("closed", &self.closed)
            .field("too_many_waiters", &self.too_many_waiters)
            .field("overdue", &self.overdue)
            .field("median_wait", &self.wait_time(0.5))
            .field("longest_wait", &self.wait_time(1.0))
            .finish()
    }
}
