//! What a semaphore does besides counting, where its builder asked for it:
//! permits that know their generation, and statistics.

#[cfg(feature = "stats")]
use crate::stats::Counters;
use crate::{
    generation::{ShortToken, Tracker},
    sync::{Lazy, const_fn},
};

/// What the builder asked for.
#[derive(Clone, Copy, Debug)]
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
    /// Allocated when any of it is first needed.
    kept: Lazy<Kept>,
}

#[derive(Default)]
struct Kept {
    tracker: Tracker,
    /// Large, so allocated by themselves.
    #[cfg(feature = "stats")]
    counters: Lazy<Counters>,
}

impl Extras {
    const_fn! {
        pub(super) fn new(wanted: Wanted) -> Self {
            Self {
                wanted,
                kept: Lazy::new(),
            }
        }
    }

    /// The permits' generations, if they have any.
    #[inline]
    pub(super) fn tracker(&self) -> Option<&Tracker> {
        self.wanted.generations.then(|| self.generations())
    }

    #[inline(always)]
    pub(super) fn keeps_generations(&self) -> bool {
        self.wanted.generations
    }

    #[inline(always)]
    pub(super) fn generations(&self) -> &Tracker {
        &self.kept.force().tracker
    }

    #[cfg(feature = "stats")]
    #[inline(always)]
    pub(super) fn keeps_stats(&self) -> bool {
        self.wanted.stats
    }

    /// The statistics, if it keeps any.
    #[cfg(feature = "stats")]
    #[inline]
    pub(super) fn counters(&self) -> Option<&Counters> {
        if self.wanted.stats {
            Some(self.kept.force().counters.force())
        } else {
            None
        }
    }

    /// What a permit that is handed out now has to keep.
    #[inline(always)]
    pub(super) fn token(&self) -> Option<ShortToken> {
        if self.wanted.generations {
            Some(self.acquire_token())
        } else {
            None
        }
    }

    #[inline(never)]
    fn acquire_token(&self) -> ShortToken {
        self.generations().acquire_short()
    }

    /// Is `token` of an older generation than `other`?
    pub(super) fn is_older(&self, token: &Option<ShortToken>, other: &Option<ShortToken>) -> bool {
        match (token, other) {
            (Some(token), Some(other)) => self.generations().is_older(token, other),
            _ => false,
        }
    }

    /// The generation of that token.
    pub(super) fn generation_of(&self, token: &Option<ShortToken>) -> Option<u64> {
        let token = token.as_ref()?;
        Some(self.generations().generation_of(token))
    }

    /// What permits have to keep that are split off from those with `token`.
    pub(super) fn copy(&self, token: &ShortToken) -> ShortToken {
        self.generations().copy(token)
    }

    /// The token is given back when what this returns is dropped.
    pub(super) fn give_back(&self, token: ShortToken) -> Gone<'_> {
        Gone {
            tracker: self.generations(),
            token: Some(token),
        }
    }
}

/// Permits that are being given back.
#[must_use]
pub(super) struct Gone<'a> {
    tracker: &'a Tracker,
    token: Option<ShortToken>,
}

impl Drop for Gone<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.tracker.release(token);
        }
    }
}
