//! What a controller is told: everything that happened in one stretch of time.

use std::{fmt, time::Duration};

use histogram::Histogram;

/// Times are told apart to 1 part in 32, which is the width of their buckets.
const GROUPING_POWER: u8 = 5;
/// Up to 2^42 ns, 73 minutes. Longer times count as that.
const MAX_POWER: u8 = 42;

/// A distribution of times.
///
/// It is not the core's `Times`: nobody but a semaphore can add to that one, and it does not
/// know the squares that [`error`](Self::error) needs.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore_adaptive::Times;
///
/// let mut times = Times::default();
/// times.add(Duration::from_millis(10));
/// times.add(Duration::from_millis(30));
/// assert_eq!(times.count(), 2);
/// assert_eq!(times.mean(), Some(Duration::from_millis(20)));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Times {
    /// Made with the first time, as an empty window is to cost nothing.
    buckets: Option<Histogram>,
    count: u64,
    nanos: u128,
    /// Of the squares of the times in seconds.
    squares: f64,
}

impl Times {
    /// Adds one time.
    pub fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let buckets = self.buckets.get_or_insert_with(|| {
            Histogram::new(GROUPING_POWER, MAX_POWER).expect("powers in range")
        });
        let counted = buckets.increment(nanos.min((1 << MAX_POWER) - 1));
        debug_assert!(counted.is_ok(), "in range");
        self.count += 1;
        self.nanos += u128::from(nanos);
        self.squares += time.as_secs_f64() * time.as_secs_f64();
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean, exactly. `None` if there are none.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.nanos.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(
            u64::try_from(mean).unwrap_or(u64::MAX),
        ))
    }

    /// How far the [mean](Self::mean) is off by chance, as a part of it: the standard
    /// deviation of the times over the mean, over the root of their number. 0.0 if
    /// there are none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore_adaptive::Times;
    ///
    /// let mut times = Times::default();
    /// for number in 0..100 {
    ///     times.add(Duration::from_millis(if number % 2 == 0 { 50 } else { 150 }));
    /// }
    /// assert!((times.error() - 0.05).abs() < 0.001);
    /// ```
    #[must_use]
    pub fn error(&self) -> f64 {
        let sum = self.nanos as f64 / 1e9;
        if sum > 0.0 {
            let count = self.count as f64;
            // (squares / count - mean^2) / mean^2 / count
            (self.squares / (sum * sum) - 1.0 / count).max(0.0).sqrt()
        } else {
            0.0
        }
    }

    /// The time that the given part of them do not exceed: the median for 0.5.
    /// Too large by at most one part in 32. `None` if there are none.
    ///
    /// # Panics
    ///
    /// When `quantile` is not in 0.0 to 1.0.
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
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Times")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("p99", &self.quantile(0.99))
            .finish()
    }
}

/// Why a request counts as a sign of too much load.
///
/// The caller says so, since only it knows. Status 413 is no sign of load, and
/// neither is a refusal that comes from a rule rather than from want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overload {
    /// The other side turned it away for want of room: 429, 503, RESOURCE_EXHAUSTED.
    Rejected,
    /// It took so long that nobody waits for the answer any more.
    TimedOut,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered. Its time counts.
    Served,
    /// It failed for want of room. Its time does not count.
    Overload(Overload),
    /// It says nothing about load: cancelled, malformed, not found. Nothing of it
    /// counts, but that it was there.
    Ignored,
}

/// What happened between two decisions of a [`Controller`](crate::Controller).
///
/// All of it is exact, and each request ends in one window.
///
/// # Examples
///
/// ```
/// use dynaphore_adaptive::Window;
///
/// let window = Window { max: 10, served: 90, timed_out: 10, ..Window::default() };
/// assert_eq!(window.overload(), 0.1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// How long it was.
    pub length: Duration,
    /// The semaphore's max in it.
    pub max: u32,
    /// Requests that asked for a permit.
    pub arrived: u64,
    /// Requests that ended as [`Outcome::Served`].
    pub served: u64,
    /// Requests that ended as [`Overload::Rejected`].
    pub rejected: u64,
    /// Requests that ended as [`Overload::TimedOut`].
    pub timed_out: u64,
    /// Requests that ended as [`Outcome::Ignored`].
    pub ignored: u64,
    /// Requests that went away before they had a permit, or found none and did
    /// not wait.
    pub gave_up: u64,
    /// How long those that got a permit had waited in the semaphore's line.
    pub waits: Times,
    /// How long those that were served held their permits.
    pub holds: Times,
    /// How long requests waited behind the permit, in the line of a thread pool or
    /// of a server, if the program tells.
    pub delays: Times,
    /// The most permits that were held at one moment.
    pub highest_active: u32,
    /// How many permits were held, on the average over time.
    pub mean_active: f64,
    /// Whether a request ever found max in its way.
    pub limited: bool,
}

impl Window {
    /// The part of requests that failed for want of room, 0.0 to 1.0, of those
    /// whose end says something about load. 0.0 where none does.
    #[must_use]
    pub fn overload(&self) -> f64 {
        let failed = self.rejected + self.timed_out;
        let all = failed + self.served;
        if all == 0 {
            0.0
        } else {
            failed as f64 / all as f64
        }
    }

    /// Requests served a second. 0.0 for a window of no length.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore_adaptive::Window;
    ///
    /// let window = Window { length: Duration::from_millis(500), served: 20, ..Window::default() };
    /// assert_eq!(window.throughput(), 40.0);
    /// ```
    #[must_use]
    pub fn throughput(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 {
            self.served as f64 / seconds
        } else {
            0.0
        }
    }

    /// Whether it says anything about max: requests found it in their way, and
    /// held at least half of it on the average. (Netflix and tokio's peers ask for
    /// the half; a max that is reached for a moment only is not what limits.)
    ///
    /// A controller that is told of another window answers with
    /// [`max`](Self::max) as it is.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.limited
            && self.mean_active.is_finite()
            && self.mean_active * 2.0 >= f64::from(self.max)
    }
}
