//! What keyed semaphores and lease pools ask of a semaphore that other callers cannot.
//!
//! *Calls in two steps*, for a caller with a lock of its own: the word changes while that
//! lock is held, and those who wait are served when it is free again, since serving runs
//! wakers. No protocol is split by this. Each call is one write of the word, and the serving
//! that it may ask for can come at any later time (`queue.rs`, arguments 1, 2 and 4).
//!
//! *Semaphores that come and go*, used again without an allocation (`keyed/table.rs` has
//! what that gives).

use core::convert::Infallible;

use super::{core::Semaphore, packed::Held, word::Release};
#[cfg(feature = "keyed")]
use super::{
    optional::{Optional, Options},
    order::Policy,
    queue::{Goal, Queue},
    word::Word,
};

/// What is left of a call.
#[must_use = "somebody may wait for it"]
pub(crate) enum Rest {
    Nothing,
    Released(Release, u32),
    /// Max is another: somebody may be let in by that, or told.
    Resized,
    Closed,
}

impl Rest {
    fn resized(concerned: bool) -> Self {
        if concerned {
            Self::Resized
        } else {
            Self::Nothing
        }
    }

    #[cfg(feature = "keyed")]
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

impl Semaphore {
    /// The first step of giving permits back. If nothing is left of it, some
    /// are still out.
    #[inline]
    pub(crate) fn begin_release(&self, Held { n, handed }: Held) -> Rest {
        match self.word.release(n, handed) {
            Release::Quiet => Rest::Nothing,
            release => Rest::Released(release, n),
        }
    }

    /// The first step of changing max. `max` is checked. Returns the one that
    /// it replaces, too.
    pub(crate) fn begin_set_max(&self, max: u32) -> (u32, Rest) {
        let change = |aside| Ok::<_, Infallible>(self.word.set_max(max, aside));
        let Ok((before, concerned)) = self.queue.begin_resize(&self.word, change);
        (before.max(), Rest::resized(concerned))
    }

    /// The first step of closing.
    pub(crate) fn begin_close(&self) -> Rest {
        self.word.close();
        Rest::Closed
    }

    /// The first step of letting permits go for good: max goes down with
    /// active.
    #[cfg(feature = "pool")]
    pub(crate) fn begin_forget(&self, held: Held) -> Rest {
        let before = self.word.forget_held(held.n);
        Rest::resized(self.queue.is_concerned(before))
    }

    /// The second step of each.
    #[inline]
    pub(crate) fn finish(&self, rest: Rest) {
        match rest {
            Rest::Nothing => {}
            Rest::Released(release, n) => self.finish_release(release, n),
            Rest::Resized => self.queue.hand_over(&self.word, 0),
            Rest::Closed => self.queue.closed(&self.word),
        }
    }
}

/// For keyed semaphores, which make and drop semaphores all the time.
#[cfg(feature = "keyed")]
impl Semaphore {
    /// A semaphore with `active` permits out; they fit into `max`.
    #[inline]
    pub(crate) fn with_active(max: u32, active: u32, policy: Policy) -> Self {
        Self {
            word: Word::with_active(max, active),
            queue: Queue::new(policy),
            optional: Optional::new(Options::NOTHING),
        }
    }

    /// For one that nobody else can reach: gets it ready for
    /// [`set_counts`](Self::set_counts). Permits that are out are void. `false` if it has
    /// been closed.
    #[inline]
    pub(crate) fn recycle(&mut self) -> bool {
        let is_open = !self.word.load().is_closed();
        if is_open {
            self.queue.recycle();
        }
        is_open
    }

    /// Makes it as [`with_active`](Self::with_active) does, but for the policy.
    #[inline]
    pub(crate) fn set_counts(&mut self, max: u32, active: u32) {
        self.word = Word::with_active(max, active);
    }

    /// Is the state one that somebody watches for?
    pub(crate) fn meets(&self, goal: Goal) -> bool {
        goal.is_met(self.word.load())
    }

    /// How many permits are out, read by a write: whoever changes the word later
    /// also sees what the caller did before.
    pub(crate) fn confirm_active(&self) -> u32 {
        self.word.confirm().active()
    }
}
