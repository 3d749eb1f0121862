//! What a semaphore does besides counting, where its builder asked for it:
//! permits that know their generation, and statistics.

use std::mem;

#[cfg(feature = "stats")]
use crate::stats::{Counters, End};
use crate::{
    generation::{Stamp, Tracker},
    sync::{Lazy, const_fn},
};

/// Which of them a semaphore does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) generations: bool,
    #[cfg(feature = "stats")]
    pub(super) stats: bool,
}

impl Wanted {
    pub(super) const NOTHING: Self = Self {
        generations: false,
        #[cfg(feature = "stats")]
        stats: false,
    };
}

pub(super) struct Extras {
    wanted: Wanted,
    /// Allocated when it is first needed.
    parts: Lazy<Parts>,
}

#[derive(Default)]
struct Parts {
    tracker: Tracker,
    #[cfg(feature = "stats")]
    counters: Counters,
}

impl Extras {
    const_fn! {
        pub(super) fn new(wanted: Wanted) -> Self {
            Self {
                wanted,
                parts: Lazy::new(),
            }
        }
    }

    /// The permits' generations, if they have any.
    #[inline]
    pub(super) fn tracker(&self) -> Option<&Tracker> {
        self.wanted.generations.then(|| &self.parts.force().tracker)
    }

    /// Marks permits that are about to be handed to a caller.
    #[inline]
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.tracker().map(Tracker::stamp)
    }

    /// A second mark for permits that are split off from marked ones.
    pub(super) fn stamp_again(&self, stamp: Option<&Stamp>) -> Option<Stamp> {
        stamp.map(|stamp| self.parts.force().tracker.stamp_again(stamp))
    }

    /// Makes `stamp` the mark of permits that are merged with others. Whoever
    /// waits for the older generation to be gone waits for the younger as well.
    /// What this returns is for the caller to drop when all else is done.
    pub(super) fn merge(
        &self,
        stamp: &mut Option<Stamp>,
        mut other: Option<Stamp>,
    ) -> Option<Unstamp<'_>> {
        let newer = match (&stamp, &other) {
            (Some(stamp), Some(other)) => other.is_older_than(stamp),
            _ => stamp.is_none(),
        };
        if newer {
            mem::swap(stamp, &mut other);
        }
        other.map(|other| self.unstamp_late(other))
    }

    /// Permits that bear this mark are gone as soon as what this returns is
    /// dropped.
    #[inline]
    pub(super) fn unstamp_late(&self, stamp: Stamp) -> Unstamp<'_> {
        Unstamp {
            tracker: &self.parts.force().tracker,
            stamp: Some(stamp),
        }
    }
}

/// Permits that are being given back.
#[must_use]
pub(super) struct Unstamp<'a> {
    tracker: &'a Tracker,
    stamp: Option<Stamp>,
}

impl Drop for Unstamp<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(stamp) = self.stamp.take() {
            self.tracker.unstamp(stamp);
        }
    }
}

/// Counting how requests end.
#[cfg(feature = "stats")]
impl Extras {
    pub(super) fn counters(&self) -> Option<&Counters> {
        self.wanted.stats.then(|| &self.parts.force().counters)
    }
}
