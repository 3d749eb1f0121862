//! Calls in two steps, for a caller with a lock of its own: the word changes
//! while that lock is held, and those who wait are served when it is free
//! again, since serving runs wakers.
//!
//! No protocol is split by this. Each call is one write of the word, and the
//! look at the line that it may ask for can come at any later time (`queue.rs`,
//! arguments 1, 2 and 4).

use super::{
    Held, Semaphore,
    word::{Release, State},
};

/// What is left of a call.
#[must_use = "somebody may wait for it"]
pub(crate) enum Rest {
    Nothing,
    Released(Release, u32),
    Resized(State),
    Closed,
}

impl Semaphore {
    /// The first step of giving permits back.
    #[inline]
    pub(crate) fn begin_release(&self, Held { n, handed }: Held) -> Rest {
        Rest::Released(self.word.release(n, handed), n)
    }

    /// The first step of letting permits go for good: max goes down with
    /// active.
    pub(crate) fn begin_forget(&self, held: Held) -> Rest {
        Rest::Resized(self.word.forget_held(held.n))
    }

    /// The first step of changing max. For a semaphore that is asked for single
    /// permits only, so that nobody ever stands aside. `max` is checked.
    pub(crate) fn begin_set_max(&self, max: u32) -> Rest {
        Rest::Resized(self.word.set_max(max, None))
    }

    /// The first step of closing.
    pub(crate) fn begin_close(&self) -> Rest {
        self.word.close();
        Rest::Closed
    }

    /// The second step of each.
    #[inline]
    pub(crate) fn finish(&self, rest: Rest) {
        match rest {
            Rest::Nothing | Rest::Released(Release::Quiet, _) => {}
            Rest::Released(Release::Reached, _) => self.queue.reached(&self.word),
            Rest::Released(Release::BackWithLine, _) => self.queue.returned(&self.word),
            Rest::Released(Release::HandOver, n) => self.queue.hand_over(&self.word, n),
            Rest::Resized(before) => self.queue.resized(&self.word, before),
            Rest::Closed => self.queue.closed(&self.word),
        }
    }
}
