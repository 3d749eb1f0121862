//! Semaphores that are made again and again in the same memory.

use super::{
    Policy, Queue, Semaphore,
    extras::{Extras, Wanted},
    word::Word,
};

impl Semaphore {
    /// A semaphore with `active` permits out; they fit into `max`.
    #[inline]
    pub(crate) fn lent(max: u32, active: u32, policy: Policy) -> Self {
        Self {
            word: Word::lent(max, active),
            queue: Queue::new(policy),
            extras: Extras::new(Wanted::NOTHING),
        }
    }

    /// Makes it what `lent` makes, but for the policy. For one that has been
    /// [renewed](Self::renew).
    #[inline]
    pub(crate) fn lend(&mut self, max: u32, active: u32) {
        self.word = Word::lent(max, active);
    }

    /// Gets it ready for `lend`. For one that nobody else can reach; permits
    /// that are out are void. `false` if it is of no more use.
    #[inline]
    pub(crate) fn renew(&mut self) -> bool {
        !self.word.load().is_closed() && (!self.has_queue() || self.queue.renew())
    }

    /// Has anybody waited for it, so that there is a queue to keep?
    #[inline]
    pub(crate) fn has_queue(&self) -> bool {
        self.queue.is_made()
    }

    /// How many permits are out, read by a write: whoever changes the word later
    /// also sees what the caller did before.
    pub(crate) fn confirm_active(&self) -> u32 {
        self.word.confirm().active()
    }
}

#[cfg(all(test, not(loom)))]
impl Semaphore {
    pub(crate) fn places_kept(&self) -> usize {
        self.queue.places_kept()
    }
}
