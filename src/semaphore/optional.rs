//! What a semaphore does besides counting, where its builder asked for it: permits that
//! know their generation, and statistics.

#[cfg(feature = "stats")]
use super::stats::Counters;
#[cfg(not(feature = "stats"))]
use super::{
    packed::Start,
    queue::Queue,
    request::{Outcome, Since},
};
use crate::{
    generation::Tracker,
    sync::{Lazy, const_fn},
};

/// What the builder asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// How many may wait. `u32::MAX` is any number.
    pub(super) max_waiting: u32,
    pub(super) generations: bool,
    pub(super) stats: bool,
    pub(super) refuse_in_runtime: bool,
}

impl Options {
    pub(super) const NOTHING: Self = Self {
        max_waiting: u32::MAX,
        generations: false,
        stats: false,
        refuse_in_runtime: false,
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
