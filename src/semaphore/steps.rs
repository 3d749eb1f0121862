//! Calls in two steps, for a caller with a lock of its own: the word changes
//! while that lock is held, and those who wait are served when it is free
//! again, since serving runs wakers.
//!
//! No protocol is split by this. Each call is one write of the word, and the
//! serving that it may ask for can come at any later time (`queue.rs`,
//! arguments 1, 2 and 4).

use super::{Held, Semaphore, word::Release};

/// What is left of a call.
#[must_use = "somebody may wait for it"]
pub(crate) enum Rest {
    Nothing,
    Released(Release, u32),
    /// Max is another: somebody may be let in by that, or told.
    Resized,
    Closed,
}

#[cfg(feature = "keyed")]
impl Rest {
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
        let change = |aside| self.word.set_max(max, aside);
        let (before, rest) = self.queue.begin_resize(&self.word, change);
        (before.max(), rest)
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
        self.queue.rest_of_resize(self.word.forget_held(held.n))
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
