//! A distribution of times, as statistics tell it.

use std::{
    fmt, iter,
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use histogram::{AtomicHistogram, Histogram};

/// Times are told apart to 1 part in 64, which is the width of their buckets.
const GROUPING_POWER: u8 = 6;
/// Up to 2^42 ns, 73 minutes. Longer times count as that.
const MAX_POWER: u8 = 42;

/// A distribution of times: how many there were, their sum, and how many were how long.
///
/// In an [`Interval`](crate::Interval), and the sum of several of these.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore::{Semaphore, Times};
///
/// let semaphore = Semaphore::builder(1).stats(true).build();
/// let mut all = Times::default();
/// drop(semaphore.try_acquire());
/// all += semaphore.stats().blocking_take().waits();
/// assert_eq!((all.count(), all.sum()), (0, Duration::ZERO), "nobody waited");
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Times {
    /// Made with the first time, as none is to cost nothing.
    buckets: Option<Histogram>,
    count: u64,
    sum: Duration,
}

impl Times {
    /// How many there are.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Times::default().count(), 0);
    /// ```
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(dynaphore::Times::default().sum().is_zero());
    /// ```
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// Their mean. `None` if there are none.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Times::default().mean(), None);
    /// ```
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum.as_nanos().checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(
            u64::try_from(mean).unwrap_or(u64::MAX),
        ))
    }

    /// The time that the given part of them, 0.0 to 1.0, do not exceed: the median for 0.5,
    /// the longest for 1.0. Too large by at most one part in 64; times of more than 73
    /// minutes count as that. `None` if there are none.
    ///
    /// # Panics
    ///
    /// When `quantile` is not in 0.0 to 1.0.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Times::default().quantile(0.99), None);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        assert!(
            (0.0..=1.0).contains(&quantile),
            "a quantile must be in 0.0 to 1.0, not {quantile}"
        );
        let bucket = self.buckets.as_ref()?.quantile_bucket(quantile).ok()??;
        Some(Duration::from_nanos(bucket.end()))
    }

    /// How many were how long, the shortest first: the time that those of a bucket do not
    /// exceed, and how many they are. Buckets that are empty are left out, and a bucket is
    /// as wide as one part in 64 of its time, or a nanosecond.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::Times;
    ///
    /// fn within(times: &Times, limit: Duration) -> u64 {
    ///     let buckets = times.buckets().take_while(|&(time, _)| time <= limit);
    ///     buckets.map(|(_, count)| count).sum()
    /// }
    /// assert_eq!(within(&Times::default(), Duration::from_millis(5)), 0);
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let mut buckets = self.buckets.as_ref().map(Histogram::iter);
        iter::from_fn(move || {
            let mut filled = buckets.as_mut()?.filter(|bucket| bucket.count() > 0);
            let bucket = filled.next()?;
            Some((Duration::from_nanos(bucket.end()), bucket.count()))
        })
    }
}

/// All times of both.
impl AddAssign<&Times> for Times {
    fn add_assign(&mut self, other: &Times) {
        let Some(theirs) = &other.buckets else {
            return;
        };
        match &mut self.buckets {
            None => self.buckets = Some(theirs.clone()),
            Some(ours) => {
                let counts = ours.as_mut_slice().iter_mut().zip(theirs.as_slice());
                counts.for_each(|(ours, theirs)| *ours = ours.wrapping_add(*theirs));
            }
        }
        self.count = self.count.wrapping_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Times")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("median", &self.quantile(0.5))
            .field("longest", &self.quantile(1.0))
            .finish()
    }
}

/// Times that are counted by many threads.
pub(super) struct AtomicTimes {
    buckets: AtomicHistogram,
    /// In nanoseconds. An interval in which they are more than 500 years is not foreseen.
    sum: AtomicU64,
}

impl Default for AtomicTimes {
    fn default() -> Self {
        Self {
            buckets: AtomicHistogram::new(GROUPING_POWER, MAX_POWER).expect("powers in range"),
            sum: AtomicU64::new(0),
        }
    }
}

impl AtomicTimes {
    /// `count` times of `nanos` each.
    pub(super) fn add(&self, nanos: u64, count: u64) {
        let counted = self.buckets.add(nanos.min((1 << MAX_POWER) - 1), count);
        debug_assert!(counted.is_ok(), "in range");
        self.sum.fetch_add(nanos.wrapping_mul(count), Relaxed);
    }

    /// Leaves none behind. For one caller at a time, while nobody adds.
    pub(super) fn take(&self) -> Times {
        let buckets = self.buckets.drain();
        let count = buckets.as_slice().iter().sum();
        Times {
            buckets: (count > 0).then_some(buckets),
            count,
            sum: Duration::from_nanos(self.sum.swap(0, Relaxed)),
        }
    }
}
