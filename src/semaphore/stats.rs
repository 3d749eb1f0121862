//! What became of the requests for a semaphore's permits, counted and timed, and who waits now.
//!
//! A request that is answered at once adds to one number only: a running total,
//! which each thread keeps in a stripe of its own by plain stores. An interval is
//! what the totals have grown by, so each request is in one of them.
//!
//! Permits are timed from when they are handed out until they are given back, if their turn
//! has come (`pace.rs`).
//!
//! One that had to wait adds to two, the number and the histogram. These are kept
//! in two copies, and counted under a token of a [tracker](crate::generation): to
//! take an interval is to send the threads to the other copy, to wait until
//! nobody counts in the old one, and to read that at leisure. So what a request
//! adds is in one interval as a whole.
//!
//! There is no thread that watches those who wait. Whoever begins to wait, ends to, or asks for
//! the longest wait has just looked at the clock and comes to [`Waiting`]; so it also finds
//! those who have waited for longer than somebody wants to be told of. Its lock is held by
//! those only. What is told runs when it is free, and so does the look for grants that nobody
//! has taken, which takes the line's lock.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    pace::{Pace, count_one},
    packed::Start,
    queue::Queue,
    request::{Outcome, Since, Unclaimed},
    times::{AtomicTimes, Times},
};
use crate::{foreign::Deferred, generation::Swap, sync::Clock, thread_number};
use crossbeam_utils::CachePadded;

const OUTCOMES: usize = Outcome::WouldTimeOut as usize + 1;

type Counts = [AtomicU64; OUTCOMES];

/// One copy of what is counted of those that had to wait, and of permits that were timed.
#[derive(Default)]
struct Copy {
    counts: Counts,
    waits: AtomicTimes,
    holds: AtomicTimes,
}

/// What the threads of a stripe keep.
#[derive(Default)]
struct Stripe {
    counts: Counts,
    pace: Pace,
}

impl Stripe {
    #[inline]
    fn count(&self, outcome: Outcome, is_owned: bool) {
        count_one(&self.counts[outcome as usize], is_owned);
    }
}

/// Running totals of those that were answered at once.
struct AtOnce {
    /// Counted by the one thread that owns the stripe, by plain stores.
    owned: Box<[CachePadded<Stripe>]>,
    /// Counted by any thread.
    shared: Box<[CachePadded<Stripe>]>,
    /// What the last taker has read.
    taken: Counts,
}

impl Default for AtOnce {
    fn default() -> Self {
        let stripes = || (0..thread_number::stripes()).map(|_| CachePadded::default());
        Self {
            owned: stripes().collect(),
            shared: stripes().collect(),
            taken: Counts::default(),
        }
    }
}

impl AtOnce {
    /// The caller's stripe, and whether it is the only one to write to it.
    #[inline]
    fn stripe(&self) -> (&Stripe, bool) {
        let thread = thread_number::number();
        match self.owned.get(thread) {
            Some(stripe) => (stripe, true),
            None => (&self.shared[thread % self.shared.len()], false),
        }
    }

    /// What has come since the last call, for one caller at a time.
    fn take(&self, outcome: Outcome) -> u64 {
        let stripes = self.owned.iter().chain(&*self.shared);
        let counts = stripes.map(|stripe| stripe.counts[outcome as usize].load(Relaxed));
        let total = counts.fold(0, u64::wrapping_add);
        let taken = &self.taken[outcome as usize];
        let before = taken.load(Relaxed);
        taken.store(total, Relaxed);
        total.wrapping_sub(before)
    }
}

/// The counters of one semaphore.
#[derive(Default)]
pub(crate) struct Counters {
    at_once: AtOnce,
    swap: Swap<Copy>,
    waiting: Waiting,
    clock: Clock,
    /// Of the last interval that had one, in nanoseconds, and one.
    mean_hold: AtomicU64,
}

impl Counters {
    fn nanos(&self) -> u64 {
        self.clock.nanos()
    }

    /// How long permits were held on average in the last interval in which any came back.
    pub(super) fn mean_hold(&self) -> Option<u64> {
        self.mean_hold.load(Relaxed).checked_sub(1)
    }

    /// A request begins to wait. It is to be counted as it ends.
    pub(super) fn begins_to_wait(&self, queue: &Queue) -> Since {
        Since::at(self.waiting.begins(self.nanos(), queue))
    }

    /// A request has ended that began to wait at `since`.
    #[inline]
    pub(super) fn count(&self, outcome: Outcome, since: Since, queue: &Queue) {
        match since.nanos() {
            None => {
                let (stripe, is_owned) = self.at_once.stripe();
                stripe.count(outcome, is_owned);
            }
            Some(begun) => self.count_waited(outcome, begun, queue),
        }
    }

    #[cold]
    fn count_waited(&self, outcome: Outcome, begun: u64, queue: &Queue) {
        let now = self.nanos();
        // First: a callback may take an interval, and a waker that panics keep what follows
        // from being done.
        self.waiting.ends(begun, now, queue);
        let copy = self.swap.write();
        // What is withdrawn is not counted.
        if let Some(count) = copy.counts.get(outcome as usize) {
            count.fetch_add(1, Relaxed);
        }
        if let Outcome::Acquired = outcome {
            copy.waits.add(now.saturating_sub(begun), 1);
        }
    }

    /// A permit is handed out, and counted as acquired if that was `at_once`. If it is
    /// timed, its start.
    #[inline]
    pub(super) fn hand_out(&self, at_once: bool) -> Option<Start> {
        let (stripe, is_owned) = self.at_once.stripe();
        if at_once {
            stripe.count(Outcome::Acquired, is_owned);
        }
        stripe.pace.hand_out(is_owned, || self.nanos())
    }

    /// A permit goes that was timed from `start` on.
    #[cold]
    pub(super) fn ends(&self, start: Start) {
        let held = start.until(self.nanos());
        self.swap.write().holds.add(held, 1 << start.stands_for);
    }

    /// It is so many nanoseconds later.
    #[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
    pub(super) fn advance(&self, nanos: u64) {
        self.clock.set(self.nanos() + nanos);
    }

    /// What a taker finds. One at a time comes here, and sees what the last one left.
    fn read(&self, copy: &Copy) -> Interval {
        let taken = |outcome: Outcome| {
            let waited = copy.counts[outcome as usize].swap(0, Relaxed);
            waited + self.at_once.take(outcome)
        };
        let holds = copy.holds.take();
        if let Some(mean) = holds.mean() {
            let nanos = u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX);
            self.mean_hold.store(nanos.saturating_add(1), Relaxed);
        }
        Interval {
            acquired: taken(Outcome::Acquired),
            rejected: taken(Outcome::Rejected),
            timed_out: taken(Outcome::TimedOut),
            cancelled: taken(Outcome::Cancelled),
            closed: taken(Outcome::Closed),
            too_many_waiters: taken(Outcome::TooManyWaiters),
            overdue: taken(Outcome::Overdue),
            would_time_out: taken(Outcome::WouldTimeOut),
            waits: copy.waits.take(),
            holds,
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
pub struct Stats<'a> {
    pub(super) counters: &'a Counters,
    pub(super) queue: &'a Queue,
}

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
        let Self { counters, .. } = self;
        counters.swap.take_with(|copy| counters.read(copy))
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
        let Self { counters, .. } = self;
        counters.swap.blocking_take_with(|copy| counters.read(copy))
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
        let Self { counters, .. } = self;
        counters.swap.try_take_with(|copy| counters.read(copy))
    }
}

/// Those who wait at this moment.
impl Stats<'_> {
    /// How long the one has waited that waits for longest at this moment. `None` if nobody
    /// does.
    ///
    /// Takes a lock that those take who begin to wait or end to, for a moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// assert_eq!(semaphore.stats().longest_wait(), None);
    /// ```
    #[must_use]
    pub fn longest_wait(self) -> Option<Duration> {
        let Self { counters, queue } = self;
        let longest = counters.waiting.longest(counters.nanos(), queue);
        longest.map(Duration::from_nanos)
    }

    /// From now on `tell` is told, once a wait, when somebody has waited for longer than
    /// `after`: for how long by then, how many wait, and whether something has been granted to
    /// somebody who does not take it. It takes the place of one that was set before.
    ///
    /// No thread and no timer watches for it. It is noticed by whoever begins to wait or ends
    /// to, that one itself included, or asks for the [longest wait](Self::longest_wait). So a
    /// wait that has ended is told of always. Where nobody comes and nobody goes, it is
    /// told of when somebody asks, as each scrape of a `dynaphore_metrics` registry does.
    ///
    /// `tell` runs in the call that has noticed, with no lock held, and keeps its caller from
    /// going on for so long. It may use the semaphore; should it
    /// wait there, it may be told of itself. If it panics, that ends there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// semaphore.stats().warn_after(Duration::from_secs(5), |wait| {
    ///     eprintln!("somebody has waited for {:?}", wait.waited);
    ///     if let Some(longest) = wait.unclaimed.and_then(|unclaimed| unclaimed.longest) {
    ///         eprintln!("what was granted {longest:?} ago has not been taken");
    ///     }
    /// });
    /// ```
    pub fn warn_after(self, after: Duration, tell: impl Fn(LongWait) + Send + Sync + 'static) {
        self.counters.waiting.warn_after(after, Arc::new(tell));
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
#[derive(Clone, Debug, PartialEq)]
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
    /// Those that were [refused](crate::Semaphore::check_deadline) because they would
    /// probably not have made their deadline.
    pub would_time_out: u64,
    waits: Times,
    holds: Times,
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

    /// How long permits were held that were given back, forgotten, or merged into others that
    /// are timed: of each request that was acquired, from when it had its permits.
    ///
    /// Each is there exactly once, unless a thread takes permits in quick succession: of
    /// more than 16 that are less than 2 microseconds apart one is timed and stands for
    /// several, 256 at most, drawn at random. The sum differs then from the number of permits
    /// by less than 256 for each thread. Of permits that are split, those that stay are timed.
    ///
    /// They are known to 64 ns, and one of 78 hours or more looks that much shorter. Permits
    /// that know their [generation](crate::Builder::generations) are not timed, nor are more
    /// than 65535 at once: there is no room for it in a permit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{thread, time::Duration};
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Semaphore::builder(1).stats(true).build();
    /// let permit = semaphore.try_acquire().unwrap();
    /// thread::sleep(Duration::from_millis(2));
    /// drop(permit);
    /// let interval = semaphore.stats().blocking_take();
    /// assert_eq!(interval.holds().count(), 1);
    /// assert!(interval.holds().mean() > Some(Duration::from_millis(1)));
    /// ```
    #[must_use]
    pub fn holds(&self) -> &Times {
        &self.holds
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
        )?;
        for (count, what) in [
            (self.too_many_waiters, "too many"),
            (self.overdue, "overdue"),
            (self.would_time_out, "would time out"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// The counts, how many `waited`, and the waits within which 50%, 99% and all of those were
/// served, in nanoseconds; and the same of the holds.
#[cfg(feature = "serde")]
impl serde::Serialize for Interval {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let nanos = |times: &Times, part| times.quantile(part).map(|time| time.as_nanos() as u64);
        let mut out = serializer.serialize_struct("Interval", 15)?;
        out.serialize_field("acquired", &self.acquired)?;
        out.serialize_field("waited", &self.waited())?;
        out.serialize_field("rejected", &self.rejected)?;
        out.serialize_field("timed_out", &self.timed_out)?;
        out.serialize_field("cancelled", &self.cancelled)?;
        out.serialize_field("closed", &self.closed)?;
        out.serialize_field("too_many_waiters", &self.too_many_waiters)?;
        out.serialize_field("overdue", &self.overdue)?;
        out.serialize_field("would_time_out", &self.would_time_out)?;
        out.serialize_field("median_wait_nanos", &nanos(&self.waits, 0.5))?;
        out.serialize_field("p99_wait_nanos", &nanos(&self.waits, 0.99))?;
        out.serialize_field("longest_wait_nanos", &nanos(&self.waits, 1.0))?;
        out.serialize_field("median_hold_nanos", &nanos(&self.holds, 0.5))?;
        out.serialize_field("p99_hold_nanos", &nanos(&self.holds, 0.99))?;
        out.serialize_field("longest_hold_nanos", &nanos(&self.holds, 1.0))?;
        out.end()
    }
}

type Tell = Arc<dyn Fn(LongWait) + Send + Sync>;

/// Somebody has waited for long: what [`Stats::warn_after`](crate::Stats::warn_after) tells.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore::LongWait;
///
/// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
/// semaphore.stats().warn_after(Duration::from_secs(5), |wait: LongWait| {
///     eprintln!("{} wait for a job, one for {:?}", wait.waiting, wait.waited);
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongWait {
    /// For how long.
    pub waited: Duration,
    /// How many requests waited when that was noticed, itself included, whatever their number
    /// of permits.
    pub waiting: usize,
    /// What had been granted and not been taken, a moment later: one who keeps it is who the
    /// others wait for. `None` unless the semaphore
    /// [grants to tasks](crate::Builder::grant_to_tasks).
    pub unclaimed: Option<Unclaimed>,
}

#[derive(Default)]
struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each began, in nanoseconds. No two are equal.
    begun: BTreeSet<u64>,
    warning: Option<Warning>,
    /// All that began up to then have been told of, or began before anybody asked.
    told: Option<u64>,
}

struct Warning {
    after: u64,
    tell: Tell,
}

/// Who is told when the lock is free, of what waits, and how many wait.
type Late = Option<(Tell, Vec<Duration>, usize)>;

fn tell_of(late: Late, queue: &Queue) {
    let Some((tell, waits, waiting)) = late else {
        return;
    };
    let unclaimed = Unclaimed::of(queue);
    // Somebody is about to get permits, or to give them up: it must go on, whatever panics.
    let mut panics = Deferred::default();
    for waited in waits {
        let wait = LongWait {
            waited,
            waiting,
            unclaimed,
        };
        panics.run(|| tell(wait));
    }
    // It may be the last.
    panics.run(|| drop(tell));
}

impl State {
    fn look(&mut self, now: u64) -> Late {
        let Warning { after, tell } = self.warning.as_ref()?;
        let first = self.told.map_or(0, |told| told + 1);
        // Longer than that.
        let last = now.checked_sub(after.saturating_add(1))?;
        if first > last || self.begun.first().is_none_or(|&begun| begun > last) {
            return None;
        }
        let late = self.begun.range(first..=last);
        let waits: Vec<_> = late
            .map(|begun| Duration::from_nanos(now - begun))
            .collect();
        self.told = Some(last);
        (!waits.is_empty()).then(|| (Arc::clone(tell), waits, self.begun.len()))
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One begins to wait, `now`. Returns by what it is known.
    fn begins(&self, now: u64, queue: &Queue) -> u64 {
        let mut state = self.lock();
        // Whoever was held up on its way here has not been told of.
        let mut begun = state.told.map_or(now, |told| now.max(told + 1));
        while !state.begun.insert(begun) {
            begun += 1;
        }
        let late = state.look(now);
        drop(state);
        tell_of(late, queue);
        begun
    }

    /// One waits no longer.
    fn ends(&self, begun: u64, now: u64, queue: &Queue) {
        let mut state = self.lock();
        let late = state.look(now);
        state.begun.remove(&begun);
        drop(state);
        tell_of(late, queue);
    }

    /// How many nanoseconds the first has waited.
    fn longest(&self, now: u64, queue: &Queue) -> Option<u64> {
        let mut state = self.lock();
        let longest = state.begun.first().map(|begun| now.saturating_sub(*begun));
        let late = state.look(now);
        drop(state);
        tell_of(late, queue);
        longest
    }

    /// `tell` is told of all that wait for longer than `after` from now on.
    fn warn_after(&self, after: Duration, tell: Tell) {
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let before = self.lock().warning.replace(Warning { after, tell });
        // With the lock free: what it holds is the caller's.
        drop(before);
    }
}
