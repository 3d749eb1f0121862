//! What permits owe to their semaphore: themselves, and the token of their
//! generation if it keeps generations.

use std::mem;

use super::{
    Semaphore,
    word::{MAX_PERMITS, Release, Take},
};
use crate::generation::ShortToken;

/// Permits that are owed to a semaphore.
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

/// What a permit owes, in one word:
///
/// ```text
///  63 ............ 32  31       30 .............. 0
/// +------------------+--------+--------------------+
/// | token, or zero   | handed | n (31 bits)        |
/// +------------------+--------+--------------------+
/// ```
///
/// A permit of more than two words would go through memory wherever a function
/// returns it, and parts of a word that are written apart and read as one stall
/// many processors: measured, that is as much as taking the permit costs.
#[derive(Debug)]
pub(super) struct Owed(u64);

const HANDED: u64 = 1 << 31;
const TOKEN_SHIFT: u32 = 32;

impl Owed {
    #[inline]
    fn new(held: Held, token: Option<ShortToken>) -> Self {
        let token = token.map_or(0, ShortToken::into_bits);
        let handed = if held.handed { HANDED } else { 0 };
        Self(u64::from(token) << TOKEN_SHIFT | handed | u64::from(held.n))
    }

    #[inline]
    pub(super) const fn held(&self) -> Held {
        Held {
            n: self.0 as u32 & MAX_PERMITS,
            handed: self.0 & HANDED != 0,
        }
    }

    #[inline]
    const fn has_token(&self) -> bool {
        self.0 >> TOKEN_SHIFT != 0
    }

    #[inline]
    fn token(&self) -> Option<ShortToken> {
        ShortToken::from_bits((self.0 >> TOKEN_SHIFT) as u32)
    }

    /// Leaves no permits.
    pub(super) fn take_held(&mut self) -> Held {
        let held = self.held();
        self.0 &= !u64::from(MAX_PERMITS);
        held
    }

    /// Leaves no token.
    fn take_token(&mut self) -> Option<ShortToken> {
        let token = self.token();
        self.0 &= u64::from(u32::MAX);
        token
    }
}

/// Owing to a semaphore.
impl Semaphore {
    /// Takes `n` permits, if the semaphore's fairness lets the caller. What is
    /// owed for them means nothing if it does not.
    #[inline(always)]
    pub(super) fn take_owed(&self, n: u32) -> (Take, Owed) {
        if self.extras.keeps_generations() {
            self.take_with_token(n)
        } else {
            (self.take(n), Owed::new(Held::taken(n), None))
        }
    }

    // Everything rare is out of line, and what it is given fits into registers.
    #[inline(never)]
    fn take_with_token(&self, n: u32) -> (Take, Owed) {
        // Taking none writes no word.
        if n == 0 {
            return self.take_before_token(n);
        }
        let tracker = self.extras.generations();
        let Some(begun) = tracker.begin() else {
            return self.take_before_token(n);
        };
        match self.take(n) {
            Take::Acquired => {
                let token = tracker.settle(begun);
                (Take::Acquired, Owed::new(Held::taken(n), Some(token)))
            }
            found => {
                tracker.abandon(begun);
                (found, Owed::new(Held::taken(0), None))
            }
        }
    }

    #[inline(never)]
    fn take_before_token(&self, n: u32) -> (Take, Owed) {
        let found = self.take(n);
        let taken = found == Take::Acquired;
        let token = taken.then(|| self.extras.generations().acquire_short());
        (found, Owed::new(Held::taken(n), token))
    }

    /// What the caller of an acquire owes from now on.
    #[inline(always)]
    pub(super) fn hand_out(&self, held: Held) -> Owed {
        Owed::new(held, self.extras.token())
    }

    /// All that is owed comes back.
    #[inline(always)]
    pub(super) fn take_back(&self, owed: &mut Owed) {
        if owed.has_token() {
            // By value: what goes through memory is slow to come back.
            self.take_back_with_token(Owed(owed.0));
        } else {
            self.release(owed.held());
        }
    }

    #[inline(never)]
    fn take_back_with_token(&self, owed: Owed) {
        let Some(token) = owed.token() else {
            return;
        };
        let Held { n, handed } = owed.held();
        let released = if n == 0 {
            Release::Quiet
        } else {
            self.word.release(n, handed)
        };
        // The last one out makes it idle: nothing to do but for watchers.
        if released == Release::Quiet || released == Release::Reached && !self.queue.is_watched() {
            self.extras.generations().release(token);
        } else {
            self.take_back_loudly(released, n, token);
        }
    }

    #[inline(never)]
    fn take_back_loudly(&self, released: Release, n: u32, token: ShortToken) {
        // Made first, so dropped last, also if a waker panics.
        let _gone = self.extras.give_back(token);
        self.finish_release(released, n);
    }

    /// `owed` owes what `other` owes, too. Of the tokens it keeps the older:
    /// whoever waits for its generation waits for the younger as well.
    pub(super) fn merge(&self, owed: &mut Owed, other: &mut Owed) {
        let mut held = owed.take_held();
        held.merge(other.take_held());
        let (mut token, mut younger) = (owed.take_token(), other.take_token());
        if self.extras.is_older(&younger, &token) {
            mem::swap(&mut token, &mut younger);
        }
        *owed = Owed::new(held, token);
        drop(younger.map(|token| self.extras.give_back(token)));
    }

    /// Takes `n` permits out of what is `owed`, if there are so many.
    pub(super) fn split(&self, owed: &mut Owed, n: usize) -> Option<Owed> {
        let mut held = owed.held();
        let part = held.split(n)?;
        let token = owed.token();
        let copy = token.as_ref().map(|token| self.extras.copy(token));
        *owed = Owed::new(held, token);
        Some(Owed::new(part, copy))
    }

    /// The generation in which it was handed out.
    pub(super) fn generation_of(&self, owed: &Owed) -> Option<u64> {
        self.extras.generation_of(&owed.token())
    }
}
