//! What a semaphore does besides counting, where its builder asked for it: permits that
//! know their generation, and statistics.

#[cfg(feature = "stats")]
use super::stats::Counters;
use super::{
    outcome::{Outcome, Since},
    packed::Start,
    queue::Queue,
};
use crate::{
    generation::Tracker,
    park::InRuntime,
    sync::{Lazy, const_fn},
};

/// What the builder asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// How many may wait. `u32::MAX` is any number.
    pub(super) max_waiting: u32,
    pub(super) generations: bool,
    #[cfg(feature = "stats")]
    pub(super) stats: bool,
    pub(super) in_runtime: InRuntime,
}

impl Options {
    pub(super) const NOTHING: Self = Self {
        max_waiting: u32::MAX,
        generations: false,
        #[cfg(feature = "stats")]
        stats: false,
        in_runtime: InRuntime::BLOCK,
    };
}

pub(super) struct Optional {
    options: Options,
    /// Allocated when any of it is first needed.
    state: Lazy<State>,
}

#[derive(Default)]
struct State {
    tracker: Tracker,
    /// Large, so allocated by themselves.
    #[cfg(feature = "stats")]
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

    /// How many may wait. `u32::MAX` is any number.
    pub(super) fn max_waiting(&self) -> u32 {
        self.options.max_waiting
    }

    /// The permits' generations, if they have any.
    #[inline]
    pub(super) fn tracker(&self) -> Option<&Tracker> {
        self.options.generations.then(|| self.generations())
    }

    #[inline(always)]
    pub(super) fn keeps_generations(&self) -> bool {
        self.options.generations
    }

    #[inline(always)]
    pub(super) fn generations(&self) -> &Tracker {
        &self.state.force().tracker
    }

    #[inline(always)]
    pub(super) fn keeps_stats(&self) -> bool {
        #[cfg(feature = "stats")]
        return self.options.stats;
        #[cfg(not(feature = "stats"))]
        false
    }

    /// A request has ended that began to wait at `since`.
    #[inline]
    pub(super) fn count(&self, outcome: Outcome, since: Since, queue: &Queue) {
        #[cfg(feature = "stats")]
        if let Some(counters) = self.counters() {
            counters.count(outcome, since, queue);
        }
        #[cfg(not(feature = "stats"))]
        let _ = (outcome, since, queue);
    }

    /// When it is, for a request that begins to wait.
    pub(super) fn now(&self, queue: &Queue) -> Since {
        #[cfg(feature = "stats")]
        if let Some(counters) = self.counters() {
            return counters.begins_to_wait(queue);
        }
        #[cfg(not(feature = "stats"))]
        let _ = queue;
        Since::NEVER
    }

    /// A permit is handed out, and counted as acquired if that was `at_once`. If it is
    /// timed, its start.
    #[inline]
    pub(super) fn hand_out(&self, at_once: bool) -> Option<Start> {
        #[cfg(feature = "stats")]
        return self.counters()?.hand_out(at_once);
        #[cfg(not(feature = "stats"))]
        {
            let _ = at_once;
            None
        }
    }

    /// A permit goes that was timed from `start` on.
    pub(super) fn ends(&self, start: Start) {
        #[cfg(feature = "stats")]
        if let Some(counters) = self.counters() {
            counters.ends(start);
        }
        #[cfg(not(feature = "stats"))]
        let _ = start;
    }

    /// The statistics, if it keeps any.
    #[cfg(feature = "stats")]
    #[inline]
    pub(super) fn counters(&self) -> Option<&Counters> {
        if self.options.stats {
            Some(self.state.force().counters.force())
        } else {
            None
        }
    }

    /// Panics inside a tokio runtime, if the builder asked for that.
    #[inline]
    #[track_caller]
    pub(super) fn assert_may_block(&self) {
        self.options.in_runtime.assert_may_block();
    }
}
