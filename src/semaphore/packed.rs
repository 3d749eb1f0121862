//! What a permit consists of, in one word.
//!
//! ```text
//!  63 ............ 32  31       30 .............. 0
//! +------------------+--------+--------------------+
//! | token, or zero   | handed | n (31 bits)        |
//! +------------------+--------+--------------------+
//!
//!  63  62 ......... 21  20 .... 17  16       15 ... 0
//! +---+----------------+-----------+--------+---------+
//! | 1 | start (42 bits)| stands for| handed | n       |   where it is timed
//! +---+----------------+-----------+--------+---------+
//! ```
//!
//! A permit has a token if the semaphore keeps generations. If it keeps statistics and no
//! generations, some permits are timed: these know when they were handed out. So whoever has
//! the semaphore knows which of the two it is, if the upper half is not zero.
//!
//! A permit of more than two words would go through memory wherever a function
//! returns it, and parts of a word that are written apart and read as one stall
//! many processors: measured, that is as much as taking the permit costs.

use super::word::MAX_PERMITS;
use crate::generation::ShortToken;

/// Permits that are out, and in whose hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) n: u32,
    /// They came from a releaser: likely somebody waits for them again, and
    /// they can be handed on without a write to the word.
    pub(crate) handed: bool,
}

impl Held {
    /// Taken by a call that did not wait.
    pub(crate) const fn taken(n: u32) -> Self {
        Self { n, handed: false }
    }

    /// Both are of one semaphore, so there are never too many.
    pub(crate) fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.handed |= other.handed;
    }

    /// Takes `n` out, if there are so many.
    pub(crate) fn split(&mut self, n: usize) -> Option<Self> {
        let n = u32::try_from(n).ok()?;
        self.n = self.n.checked_sub(n)?;
        Some(Self { n, ..*self })
    }
}

/// When a permit was handed out that is timed, and for how many it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// In nanoseconds, by the clock of the statistics.
    pub(super) nanos: u64,
    /// For 2^this.
    pub(super) stands_for: u8,
}

impl Start {
    /// How many nanoseconds it is until `now`, by the same clock.
    #[cfg(feature = "stats")]
    pub(super) fn until(self, now: u64) -> u64 {
        let units = (now >> START_UNIT).wrapping_sub(self.nanos >> START_UNIT) & START;
        units << START_UNIT
    }
}

/// What there is to a permit beside its number.
pub(super) enum More {
    Nothing,
    Token(ShortToken),
    Start(Start),
}

#[derive(Default)]
pub(super) struct Packed(u64);

const HANDED: u64 = 1 << 31;
const MORE_SHIFT: u32 = 32;

const TIMED: u64 = 1 << 63;
const START_SHIFT: u32 = 21;
const START: u64 = (1 << 42) - 1;
/// A start is known to 2^this nanoseconds. So they repeat after 78 hours.
const START_UNIT: u32 = 6;
const STANDS_FOR_SHIFT: u32 = 17;
const STANDS_FOR: u64 = (1 << 4) - 1;
const TIMED_HANDED: u64 = 1 << 16;
const TIMED_N: u64 = (1 << 16) - 1;

impl Packed {
    /// So many may be timed. There is no room for a larger number.
    pub(super) const MOST_TIMED: u32 = TIMED_N as u32;

    #[inline(always)]
    pub(super) fn new(held: Held, more: More) -> Self {
        match more {
            More::Nothing => Self::plain(held),
            More::Token(token) => {
                Self(Self::plain(held).0 | u64::from(token.into_bits()) << MORE_SHIFT)
            }
            More::Start(Start { nanos, stands_for }) => {
                let handed = if held.handed { TIMED_HANDED } else { 0 };
                let nanos = (nanos >> START_UNIT & START) << START_SHIFT;
                let stands_for = u64::from(stands_for) << STANDS_FOR_SHIFT;
                Self(TIMED | nanos | stands_for | handed | u64::from(held.n))
            }
        }
    }

    /// With nothing more to it.
    #[inline(always)]
    pub(super) fn plain(Held { n, handed }: Held) -> Self {
        let handed = if handed { HANDED } else { 0 };
        Self(handed | u64::from(n))
    }

    /// Is there more to it than permits?
    #[inline]
    pub(super) const fn has_more(&self) -> bool {
        self.0 >> MORE_SHIFT != 0
    }

    /// The permits, unless it is timed.
    #[inline]
    pub(super) const fn held_untimed(&self) -> Held {
        Held {
            n: self.0 as u32 & MAX_PERMITS,
            handed: self.0 & HANDED != 0,
        }
    }

    /// All that is in it. What is not permits is a token where the semaphore keeps
    /// `generations`.
    #[inline(always)]
    pub(super) fn parts(&self, generations: bool) -> (Held, More) {
        if generations || !self.has_more() {
            let token = ShortToken::from_bits((self.0 >> MORE_SHIFT) as u32);
            return (
                self.held_untimed(),
                token.map_or(More::Nothing, More::Token),
            );
        }
        let held = Held {
            n: (self.0 & TIMED_N) as u32,
            handed: self.0 & TIMED_HANDED != 0,
        };
        let start = Start {
            nanos: (self.0 >> START_SHIFT & START) << START_UNIT,
            stands_for: (self.0 >> STANDS_FOR_SHIFT & STANDS_FOR) as u8,
        };
        (held, More::Start(start))
    }

    /// The same, by value: what goes through memory is slow to come back.
    #[inline]
    pub(super) const fn by_value(&self) -> Self {
        Self(self.0)
    }
}

#[cfg(all(test, feature = "stats", not(dynaphore_loom)))]
mod tests {
    use super::{Held, More, Packed, START, START_UNIT, Start};

    #[test]
    fn a_timed_permit_is_what_it_was_made_of() {
        for (n, handed) in [(0, false), (1, true), (65_535, false), (65_535, true)] {
            for nanos in [0, 64, 1 << 40, START << START_UNIT] {
                for stands_for in [0, 8] {
                    let start = Start { nanos, stands_for };
                    let held = Held { n, handed };
                    assert!(n <= Packed::MOST_TIMED && !Packed::plain(held).has_more());
                    let timed = Packed::new(held, More::Start(start));
                    assert!(timed.has_more());
                    let (held, more) = timed.parts(false);
                    assert!(matches!(more, More::Start(timed_from) if timed_from == start));
                    assert_eq!((held.n, held.handed), (n, handed));
                }
            }
        }
        assert_eq!(Packed::MOST_TIMED, 65_535);
    }

    #[test]
    fn a_start_is_as_long_ago_as_the_clock_says_also_when_it_repeats() {
        let start = Start {
            nanos: 6_400,
            stands_for: 0,
        };
        assert_eq!(start.until(6_400 + 63), 0);
        assert_eq!(start.until(6_400 + 64_000), 64_000);
        let last = Start {
            nanos: START << START_UNIT,
            ..start
        };
        assert_eq!(last.until((START + 3) << START_UNIT), 3 << START_UNIT);
    }
}
