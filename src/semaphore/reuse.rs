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

    /// Makes it what `lent` makes, but for the policy. For one that [is
    /// fresh](Self::is_fresh).
    #[inline]
    pub(crate) fn lend(&mut self, max: u32, active: u32) {
        self.word = Word::lent(max, active);
    }

    /// Has nobody ever waited for it, nor closed it?
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.queue.is_fresh() && !self.word.load().is_closed()
    }
}
