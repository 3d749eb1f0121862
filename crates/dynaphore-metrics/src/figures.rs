//! What is told of a semaphore, of a class of keys, of a pool.

use std::{borrow::Cow, sync::Arc, time::Duration};

use dynaphore::{Interval, Times};

/// What is told of a semaphore, or of a class of a keyed semaphore's or a pool's keys.
///
/// Of a keyed semaphore or a pool there is one for each class, and of a pool one more without
/// a class, for the requests that wait: these are for any key. Rejections that were
/// [added](crate::Registry::add_rejections) come by themselves.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_metrics::Registry;
///
/// let registry = Registry::new();
/// registry.add("jobs", Arc::new(Semaphore::new(8)))?;
/// for figures in registry.figures() {
///     println!("{}: {:?}", figures.name, figures.permits);
/// }
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Figures {
    /// The name that was given to the registry.
    pub name: Arc<str>,
    /// The class of the keys, if it has keys.
    pub class: Option<Cow<'static, str>>,
    /// How many permits there are.
    pub permits: Option<Permits>,
    /// How many requests wait.
    pub pending: Option<usize>,
    /// How long the one has waited that waits for longest, where the semaphore keeps
    /// statistics: zero if nobody waits.
    pub longest_wait: Option<Duration>,
    /// How many keys are in use.
    pub keys: Option<usize>,
    /// How requests have ended, where the semaphore keeps statistics.
    pub requests: Option<Arc<Requests>>,
    /// How many requests were turned away before they came to a semaphore or in its line, by
    /// reason, as [`Registry::add_rejections`](crate::Registry::add_rejections) was told to ask.
    pub rejections: Option<Vec<(&'static str, u64)>>,
    /// Where they come from: not twice the same in one registry, whatever names are reused.
    pub(crate) source: u64,
}

/// How many permits there are, all numbers of one moment but for a class, whose keys are read
/// one after the other.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore_metrics::Registry;
///
/// let registry = Registry::new();
/// registry.add("jobs", Arc::new(dynaphore::Semaphore::new(8)))?;
/// let permits = registry.figures()[0].permits.unwrap();
/// assert_eq!((permits.used, permits.idle, permits.max), (0, 8, 8));
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permits {
    /// How many are out. More than max for a while after a shrink.
    pub used: usize,
    /// How many are not.
    pub idle: usize,
    /// How many may be out.
    pub max: usize,
}

/// How requests have ended since the semaphore was made, but for the
/// [intervals](dynaphore::Stats::take) that somebody else has taken.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore_metrics::Registry;
///
/// let jobs = Arc::new(dynaphore::Semaphore::builder(1).stats(true).build());
/// let registry = Registry::new();
/// registry.add("jobs", jobs.clone())?;
/// let permit = jobs.try_acquire().unwrap();
/// assert!(jobs.try_acquire().is_err());
/// let requests = registry.figures()[0].requests.clone().unwrap();
/// assert_eq!((requests.acquired, requests.rejected), (1, 1));
/// # drop(permit);
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Requests {
    /// As [`Interval::acquired`].
    pub acquired: u64,
    /// As [`Interval::rejected`].
    pub rejected: u64,
    /// As [`Interval::timed_out`].
    pub timed_out: u64,
    /// As [`Interval::cancelled`].
    pub cancelled: u64,
    /// As [`Interval::too_many_waiters`].
    pub too_many_waiters: u64,
    /// As [`Interval::overdue`].
    pub overdue: u64,
    /// As [`Interval::would_time_out`].
    pub would_time_out: u64,
    /// As [`Interval::closed`].
    pub closed: u64,
    /// How long those waited that were acquired and had to, as [`Interval::waits`].
    pub waits: Times,
    /// How long permits were held that are back, as [`Interval::holds`].
    pub holds: Times,
}

impl Requests {
    pub(crate) fn add(&mut self, interval: &Interval) {
        self.acquired += interval.acquired;
        self.rejected += interval.rejected;
        self.timed_out += interval.timed_out;
        self.cancelled += interval.cancelled;
        self.too_many_waiters += interval.too_many_waiters;
        self.overdue += interval.overdue;
        self.would_time_out += interval.would_time_out;
        self.closed += interval.closed;
        self.waits += interval.waits();
        self.holds += interval.holds();
    }

    /// Those that were served and did not wait.
    pub(crate) fn at_once(&self) -> u64 {
        self.acquired.saturating_sub(self.waits.count())
    }

    /// Each outcome by its name.
    pub(crate) fn outcomes(&self) -> [(&'static str, u64); 8] {
        [
            ("acquired", self.acquired),
            ("rejected", self.rejected),
            ("timed_out", self.timed_out),
            ("cancelled", self.cancelled),
            ("too_many_waiters", self.too_many_waiters),
            ("overdue", self.overdue),
            ("would_time_out", self.would_time_out),
            ("closed", self.closed),
        ]
    }
}
