//! What a semaphore does besides counting, where its builder asked for it: permits that
//! know their generation, and statistics, which are made of how requests end and when they
//! began to wait.

#[cfg(feature = "stats")]
use super::stats::Counters;
#[cfg(not(feature = "stats"))]
use super::{packed::Start, queue::Queue};
use crate::{
    error::AcquireError,
    generation::Tracker,
    park::InRuntime,
    sync::{Lazy, const_fn},
};

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

/// What the builder asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// How many may wait. `u32::MAX` is any number.
    pub(super) max_waiting: u32,
    pub(super) generations: bool,
    pub(super) stats: bool,
    pub(super) in_runtime: InRuntime,
}

impl Options {
    pub(super) const NOTHING: Self = Self {
        max_waiting: u32::MAX,
        generations: false,
        stats: false,
        in_runtime: InRuntime::BLOCK,
    };
}

pub(super) struct Optional {
    pub(super) options: Options,
    /// Allocated when any of it is first needed.
    state: Lazy<State>,
}

#[derive(Default)]
struct State {
    tracker: Tracker,
    /// Large, so allocated by themselves.
    counters: Lazy<Counters>,
}

impl Optional {
    const_fn! {
        pub(super) fn new(options: Options) -> Self {
            Self {
                options,
                state: Lazy::new(),
            }
        }
    }

    /// The permits' generations, if they have any.
    #[inline]
    pub(super) fn tracker(&self) -> Option<&Tracker> {
        self.options.generations.then(|| self.generations())
    }

    #[inline(always)]
    pub(super) fn generations(&self) -> &Tracker {
        &self.state.force().tracker
    }

    /// The statistics, if it keeps any.
    #[inline]
    pub(super) fn counters(&self) -> Option<&Counters> {
        self.keeps_stats()
            .then(|| self.state.force().counters.force())
    }

    /// A constant where the feature is off.
    #[inline(always)]
    pub(super) const fn keeps_stats(&self) -> bool {
        cfg!(feature = "stats") && self.options.stats
    }
}

/// What counts where the feature is off: nothing.
#[cfg(not(feature = "stats"))]
#[derive(Default)]
pub(super) struct Counters;

#[cfg(not(feature = "stats"))]
impl Counters {
    pub(super) fn begins_to_wait(&self, _: &Queue) -> Since {
        Since::NEVER
    }

    pub(super) fn count(&self, _: Outcome, _: Since, _: &Queue) {}

    pub(super) fn hand_out(&self, _at_once: bool) -> Option<Start> {
        None
    }

    pub(super) fn ends(&self, _: Start) {}
}
