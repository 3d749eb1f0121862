//! What permits owe to their semaphore: themselves, and the token of their
//! generation if it keeps generations.

use std::mem;

use super::{Semaphore, word::MAX_PERMITS};
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
    /// What the caller of an acquire owes from now on.
    #[inline(always)]
    pub(super) fn hand_out(&self, held: Held) -> Owed {
        Owed::new(held, self.extras.token())
    }

    /// All that is owed comes back.
    #[inline(always)]
    pub(super) fn take_back(&self, owed: &mut Owed) {
        if owed.has_token() {
            self.take_back_with_token(owed);
        } else {
            self.release(owed.held());
        }
    }

    #[inline(never)]
    fn take_back_with_token(&self, owed: &mut Owed) {
        // Made first, so dropped last, also if a waker panics.
        let _gone = owed.take_token().map(|token| self.extras.give_back(token));
        self.release(owed.held());
    }

    /// `owed` owes what `other` owes, too. Of the tokens it keeps the older:
    /// whoever waits for its generation waits for the younger as well.
    pub(super) fn merge(&self, owed: &mut Owed, other: &mut Owed) {
        let mut held = owed.take_held();
        held.merge(other.take_held());
        let (mut token, mut younger) = (owed.take_token(), other.take_token());
        if self.extras.age(&token) < self.extras.age(&younger) {
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
