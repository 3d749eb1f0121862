//! What says that somebody is still there.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
};

use super::{
    Tracker,
    stripe::{Place, Position, RING, Stripe},
};

/// Where a token is counted. Whoever has it owes it to the tracker.
#[must_use = "the generation never drains unless this is given back"]
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) place: Place,
    pub(super) position: Position,
}

/// Bits of a [`Mark`] in a [`ShortToken`]: the stripe, and above it the position.
const MARK: u32 = Place::BITS + RING.ilog2();

/// A token in four bytes, also within an `Option`, to ride along in a permit: it
/// does not know its tracker, and of its generation only the lowest bits.
/// Whoever has it owes it to [`Tracker::release`].
#[must_use = "the generation never drains unless this is given back"]
#[derive(Debug)]
pub(crate) struct ShortToken(NonZeroU32);

impl ShortToken {
    /// How many generations it can tell apart: a million or more.
    const GENERATIONS: u64 = 1 << (u32::BITS - MARK);

    #[inline]
    pub(super) fn new(generation: u64, mark: Mark) -> Self {
        let lowest = (generation % Self::GENERATIONS) as u32;
        let position = u32::from(mark.position.0) << Place::BITS;
        Self(NonZeroU32::from(mark.place.0) | position | lowest << MARK)
    }

    /// For [`from_bits`](Self::from_bits): never zero.
    #[inline]
    pub(crate) fn into_bits(self) -> u32 {
        self.0.get()
    }

    /// What [`into_bits`](Self::into_bits) was called on.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }

    #[inline(always)]
    pub(super) fn mark(&self) -> Mark {
        let bits = self.0.get();
        let place = NonZeroU16::new((bits & ((1 << Place::BITS) - 1)) as u16);
        Mark {
            // Never zero, and one is no less right than a panic.
            place: Place(place.unwrap_or(NonZeroU16::MIN)),
            position: Position::of(u64::from(bits >> Place::BITS)),
        }
    }

    /// Another one, which has been counted in.
    pub(super) fn counted_again(&self) -> Self {
        Self(self.0)
    }

    /// How many generations it is from its own to `now`, modulo what it can tell
    /// apart.
    pub(super) fn age(&self, now: u64) -> u64 {
        let lowest = u64::from(self.0.get() >> MARK);
        now.wrapping_sub(lowest) % Self::GENERATIONS
    }
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
    /// Known to the tracker too. But to look it up again on drop was measured to
    /// cost.
    stripe: &'a Stripe,
    generation: u64,
    mark: Mark,
}

impl<'a> Token<'a> {
    #[inline(always)]
    pub(super) fn new(
        tracker: &'a Tracker,
        stripe: &'a Stripe,
        generation: u64,
        mark: Mark,
    ) -> Self {
        Self {
            tracker,
            stripe,
            generation,
            mark,
        }
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        self.mark
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
        self.generation
    }
}

#[cfg(loom)]
impl Token<'_> {
    /// One more of the same generation: what permits do when they are split.
    #[doc(hidden)]
    pub fn copied(&self) -> Self {
        self.tracker.count_again(self.mark);
        Self { ..*self }
    }
}

impl Drop for Token<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.tracker.leave(self.mark, self.stripe);
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
