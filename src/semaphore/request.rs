//! What is known of requests: how they end, since when they wait, and how many have permits
//! that they have not taken.

use core::time::Duration;

use super::queue::Queue;
use crate::error::AcquireError;

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Acquired,
    /// It only tried.
    Rejected,
    TimedOut,
    /// Its future was dropped.
    Cancelled,
    Closed,
    TooManyWaiters,
    /// It waited for too long.
    Overdue,
    /// It would have, for its deadline.
    #[cfg(feature = "stats")]
    WouldTimeOut,
    /// It was the library's own. Nobody is told.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    Withdrawn,
}

impl Outcome {
    #[inline(always)]
    pub(super) fn of(answer: Result<(), AcquireError>) -> Self {
        match answer {
            Ok(()) => Self::Acquired,
            Err(AcquireError::Closed) => Self::Closed,
            Err(AcquireError::TooManyWaiters) => Self::TooManyWaiters,
            Err(AcquireError::Overdue) => Self::Overdue,
            Err(AcquireError::TooManyPermits) => unreachable!("numbers are checked before"),
        }
    }
}

/// When a request began to wait: known only where somebody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Since(#[cfg(feature = "stats")] Option<core::num::NonZeroU64>);

impl Since {
    /// It did not.
    pub(crate) const NEVER: Self = Self(
        #[cfg(feature = "stats")]
        None,
    );
}

#[cfg(feature = "stats")]
impl Since {
    /// At so many nanoseconds by the clock of the statistics. One is added, so
    /// that there is no zero.
    pub(crate) fn at(nanos: u64) -> Self {
        Self(core::num::NonZeroU64::MIN.checked_add(nanos))
    }

    /// The same, if it did.
    #[inline]
    pub(crate) fn nanos(self) -> Option<u64> {
        self.0.map(|since| since.get() - 1)
    }
}

/// What has been granted to futures that have not been polled or dropped since.
///
/// Returned by [`Semaphore::unclaimed`](crate::Semaphore::unclaimed), and told with a wait that is long.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, Unclaimed};
///
/// let semaphore = Semaphore::builder(3).grant_to_tasks(true).build();
/// let Unclaimed { requests, longest, .. } = semaphore.unclaimed().unwrap();
/// assert_eq!((requests, longest), (0, None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Unclaimed {
    /// How many requests, whatever their number of permits.
    pub requests: usize,
    /// How long ago the first of them was granted, in whole microseconds. `None` if there is
    /// none.
    pub longest: Option<Duration>,
}

impl Unclaimed {
    pub(super) fn of(queue: &Queue) -> Option<Self> {
        let (requests, micros) = queue.unclaimed()?;
        let longest = micros.map(Duration::from_micros);
        Some(Self { requests, longest })
    }
}
