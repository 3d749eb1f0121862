//! How requests end, told to the statistics where there are any. Without the
//! feature `stats` all of this is empty.

use super::Semaphore;
#[cfg(feature = "stats")]
use crate::stats::Counters;

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Acquired,
    /// It only tried.
    Rejected,
    TimedOut,
    /// Its future was dropped.
    Cancelled,
    Closed,
}

/// When a request began to wait: known only where somebody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Since(#[cfg(feature = "stats")] Option<std::num::NonZeroU64>);

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
        Self(std::num::NonZeroU64::MIN.checked_add(nanos))
    }

    /// How many nanoseconds it has waited, if it has.
    #[inline]
    pub(crate) fn until(self, now: impl FnOnce() -> u64) -> Option<u64> {
        self.0.map(|since| now().saturating_sub(since.get() - 1))
    }
}

#[cfg(feature = "stats")]
impl Semaphore {
    /// A request has ended that began to wait at `since`.
    #[inline(always)]
    pub(super) fn ended(&self, end: End, since: Since) {
        if self.extras.keeps_stats() {
            self.count(end, since);
        }
    }

    #[inline(never)]
    fn count(&self, end: End, since: Since) {
        if let Some(counters) = self.counters() {
            counters.count(end, since);
        }
    }

    /// The statistics, if it keeps any.
    #[inline]
    pub(crate) fn counters(&self) -> Option<&Counters> {
        self.extras.counters()
    }

    /// A request begins to wait.
    pub(super) fn begins_to_wait(&self) -> Since {
        self.counters()
            .map_or(Since::NEVER, |counters| Since::at(counters.nanos()))
    }
}

#[cfg(not(feature = "stats"))]
impl Semaphore {
    #[inline]
    pub(super) fn ended(&self, _: End, _: Since) {}

    pub(super) fn begins_to_wait(&self) -> Since {
        Since::NEVER
    }
}
