//! What says that somebody is still there.

use std::fmt;

use super::{
    Tracker,
    stripe::{Place, Stripe},
};

/// A token that does not know its tracker. Whoever has it owes it to
/// [`Tracker::release`].
#[must_use = "the generation never drains unless this is given back"]
#[derive(Debug)]
pub(crate) struct RawToken {
    generation: u64,
    /// The low bits of its turn.
    turn: u32,
    place: Place,
}

// Small enough to ride along in a permit.
const _: () = assert!(size_of::<Option<RawToken>>() == 16);

impl RawToken {
    #[inline]
    pub(super) fn new(generation: u64, turn: u64, place: Place) -> Self {
        Self {
            generation,
            turn: turn as u32,
            place,
        }
    }

    /// The generation that this token keeps from draining.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    #[inline]
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The low bits of its turn.
    #[inline]
    pub(super) fn turn(&self) -> u32 {
        self.turn
    }

    /// Another one, which has been counted in.
    pub(super) fn counted_again(&self) -> Self {
        Self { ..*self }
    }
}

/// By how many turns `now` is past a token's `turn`. As long as the token is
/// counted, these are fewer than RING; not even a holder that is suspended right
/// after counting itself out will miss 2^32.
#[inline]
pub(super) fn turns_since(turn: u32, now: u64) -> u32 {
    (now as u32).wrapping_sub(turn)
}

/// Says that somebody is still in a [generation](Self::generation): as long as
/// it lives, nobody who waits for that generation gets past.
///
/// Made by [`Tracker::acquire`], and given back by dropping it, on any thread.
/// On the one that took it, that is a store and a load.
///
/// # Examples
///
/// ```
/// use dynaphore::generation::Tracker;
///
/// let tracker = Tracker::new();
/// let token = tracker.acquire();
/// let pending = tracker.increment();
/// assert!(!pending.is_drained());
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(token));
///     pending.wait();
/// });
/// ```
#[must_use = "a token that is dropped at once holds nothing up"]
pub struct Token<'a> {
    tracker: &'a Tracker,
    /// Known to the tracker too. But to look it up on drop, right after the
    /// fence, was measured to cost.
    stripe: &'a Stripe,
    raw: RawToken,
}

impl<'a> Token<'a> {
    #[inline]
    pub(super) fn new(tracker: &'a Tracker, stripe: &'a Stripe, raw: RawToken) -> Self {
        Self {
            tracker,
            stripe,
            raw,
        }
    }

    #[inline]
    pub(super) fn raw(&self) -> &RawToken {
        &self.raw
    }

    /// The generation that it was taken in, which cannot drain while it lives.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let token = tracker.acquire();
    /// let _ = tracker.increment();
    /// assert_eq!((token.generation(), tracker.generation()), (0, 1));
    /// ```
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        self.raw.generation()
    }
}

#[cfg(loom)]
impl Token<'_> {
    /// One more of the same generation: what permits do when they are split.
    #[doc(hidden)]
    pub fn copied(&self) -> Self {
        Self::new(self.tracker, self.stripe, self.tracker.copy(&self.raw))
    }
}

impl Drop for Token<'_> {
    #[inline]
    fn drop(&mut self) {
        let Self {
            tracker,
            stripe,
            raw,
        } = self;
        tracker.leave(raw.turn(), raw.place(), stripe);
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
