//! What a semaphore does besides counting, where its builder asked for it:
//! permits that know their generation.

use std::mem;

use crate::{
    generation::{RawToken, Tracker},
    sync::{Lazy, const_fn},
};

/// What the builder asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) generations: bool,
}

impl Wanted {
    pub(super) const NOTHING: Self = Self { generations: false };
}

pub(super) struct Extras {
    wanted: Wanted,
    /// Allocated when it is first needed.
    tracker: Lazy<Tracker>,
}

impl Extras {
    const_fn! {
        pub(super) fn new(wanted: Wanted) -> Self {
            Self {
                wanted,
                tracker: Lazy::new(),
            }
        }
    }

    /// The permits' generations, if they have any.
    #[inline]
    pub(super) fn tracker(&self) -> Option<&Tracker> {
        self.wanted.generations.then(|| self.tracker.force())
    }

    /// What a permit that is handed out now has to keep.
    #[inline]
    pub(super) fn token(&self) -> Option<RawToken> {
        if self.wanted.generations {
            Some(self.tracker.force().acquire_raw())
        } else {
            None
        }
    }

    /// What permits have to keep that are split off from those with `token`.
    pub(super) fn copy(&self, token: Option<&RawToken>) -> Option<RawToken> {
        token.map(|token| self.tracker.force().copy(token))
    }

    /// Makes `token` that of permits merged with those of `other`. The older of
    /// the two: whoever waits for its generation waits for the younger as well.
    /// The other one is given back when what this returns is dropped.
    #[must_use]
    pub(super) fn merge<'a>(
        &'a self,
        token: &mut Option<RawToken>,
        other: &'a mut Option<RawToken>,
    ) -> Option<Gone<'a>> {
        let older = match (&token, &other) {
            (Some(token), Some(other)) => other.is_older_than(token),
            _ => token.is_none(),
        };
        if older {
            mem::swap(token, other);
        }
        other.is_some().then(|| self.give_back(other))
    }

    /// The token is given back when what this returns is dropped.
    pub(super) fn give_back<'a>(&'a self, token: &'a mut Option<RawToken>) -> Gone<'a> {
        Gone {
            extras: self,
            token,
        }
    }
}

/// Permits that are being given back.
#[must_use]
pub(super) struct Gone<'a> {
    extras: &'a Extras,
    token: &'a mut Option<RawToken>,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.extras.tracker.force().release(token);
        }
    }
}
