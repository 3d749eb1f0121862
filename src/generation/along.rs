//! Tokens that ride along in permits.
//!
//! # A count-in without a fence
//!
//! Taking a permit is a read-modify-write of the semaphore's word already. So the
//! token is counted in by a plain store before that write (M), and generation and
//! turn are read after it. Whoever relies on seeing such a count-in, the scans
//! and the incrementer, writes the same word too, where they fence: a
//! read-modify-write that changes nothing (N). That is a [`Meeting`].
//!
//! All writes of the word are read-modify-writes, so of M and N one comes first,
//! and the other acquires what it released. If M is first, what follows N sees the
//! count-in, and the turn that the acquirer had read. If N is first, what follows
//! M sees what was written before N. So M stands for A, and N for S and I, in
//! arguments 1 and 2 of `tracker.rs`, word for word. Who retracts a count-in, or
//! waits for its permit, does what any acquirer of a token does.

use std::panic::RefUnwindSafe;

use super::{
    Pending, Tracker, barrier,
    stripe::Position,
    token::{Mark, ShortToken},
};
use crate::sync::{Acquire, SeqCst, fence};

/// A word that is written after each plain count-in.
pub(crate) trait Meeting: Sync + RefUnwindSafe {
    /// A read-modify-write of it, both Acquire and Release.
    fn meet(&self);
}

/// What scans and incrementers do before they look.
#[inline]
pub(super) fn meet(meeting: Option<&dyn Meeting>) {
    // ORDERING: for the callers to say.
    fence(SeqCst);
    if let Some(word) = meeting {
        word.meet();
    }
    barrier::cross();
}

/// A count-in that may turn out to be late, or in vain.
#[must_use = "the turn never drains unless this is settled or abandoned"]
pub(crate) struct Begun {
    turn: u64,
    mark: Mark,
}

/// Counting in along with a permit.
impl Tracker {
    /// Counts the caller in, who writes the word next and then
    /// [settles](Self::settle) this. `None` if there is no other way than
    /// [`acquire_short`](Self::acquire_short).
    #[inline(always)]
    pub(crate) fn begin(&self) -> Option<Begun> {
        let turn = self.turn();
        let position = Position::of(turn);
        let place = self.stripes.count_in_plainly(position)?;
        let mark = Mark { place, position };
        Some(Begun { turn, mark })
    }

    /// The word has been written.
    #[inline(always)]
    pub(crate) fn settle(&self, Begun { turn, mark }: Begun) -> ShortToken {
        // ORDERING: Acquire, both, pairs with the Releases in `increment` and
        // `begin_next`.
        let generation = self.words.generation.load(Acquire);
        if self.turn() == turn {
            ShortToken::new(generation, mark)
        } else {
            self.settle_late(mark)
        }
    }

    #[cold]
    fn settle_late(&self, mark: Mark) -> ShortToken {
        self.retract(mark);
        self.acquire_short()
    }

    /// There is no permit to ride along in.
    #[inline(always)]
    pub(crate) fn abandon(&self, Begun { mark, .. }: Begun) {
        self.leave_again(mark);
    }

    #[inline(never)]
    fn leave_again(&self, mark: Mark) {
        self.leave(mark, self.stripes.at(mark.place));
    }

    /// [`increment`](Self::increment), where tokens ride along with writes of
    /// `word`.
    pub(crate) fn increment_along<'a>(&'a self, word: &'a dyn Meeting) -> Pending<'a> {
        self.increment_meeting(Some(word))
    }
}

/// The tokens themselves.
impl Tracker {
    /// [`acquire`](Self::acquire) for a permit that has been taken.
    #[inline(always)]
    pub(crate) fn acquire_short(&self) -> ShortToken {
        let (generation, mark, _) = self.enter();
        ShortToken::new(generation, mark)
    }

    /// Gives back what [`acquire_short`](Self::acquire_short),
    /// [`settle`](Self::settle) or [`copy`](Self::copy) has returned.
    #[inline(always)]
    pub(crate) fn release(&self, token: ShortToken) {
        let mark = token.mark();
        self.leave(mark, self.stripes.at(mark.place));
    }

    /// One more token of the same generation.
    pub(crate) fn copy(&self, token: &ShortToken) -> ShortToken {
        self.count_again(token.mark());
        token.counted_again()
    }

    pub(super) fn count_again(&self, mark: Mark) {
        self.stripes.copy(mark);
    }

    /// The generation of `token`, if its [age](ShortToken::age) is what that says. One
    /// look at the generation, so that an increment meanwhile does not matter.
    pub(crate) fn generation_of(&self, token: &ShortToken) -> u64 {
        let now = self.generation();
        now.wrapping_sub(token.age(now))
    }

    /// Does whoever waits for `other` to go wait for `token` anyway? Both are held.
    pub(crate) fn is_older(&self, token: &ShortToken, other: &ShortToken) -> bool {
        // One look each, or `other` might age meanwhile. The turns come first: they
        // say which drains first, and since tokens that are held are of less than
        // RING turns, where they are counted tells which.
        let (turn, generation) = (self.turn(), self.generation());
        let age = |token: &ShortToken| (token.mark().position.age(turn), token.age(generation));
        age(token) > age(other)
    }

    /// What an earlier `increment` has returned, where no tokens ride along.
    pub(crate) fn pending(&self, generation: u64, turn: u64) -> Pending<'_> {
        Pending::new(self, None, generation, turn)
    }
}
