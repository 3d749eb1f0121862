//! How a request ends, and when it began to wait: what statistics are made of.

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
