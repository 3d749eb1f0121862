//! Calls in two halves, for a caller that holds a lock of its own: the first
//! changes the word and runs no foreign code, the second, with that lock free,
//! wakes those whom the change concerns.

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

    /// The first half of `set_max`. Says which max it replaced, and whether
    /// [`serve`](Self::serve) must follow.
    pub(crate) fn resize_quietly(&self, max: u32) -> (u32, bool) {
        let change = |aside| self.word.set_max(max, aside);
        let (before, concerns) = self.queue.resize_quietly(&self.word, change);
        (before.max(), concerns)
    }

    /// The second half of `set_max`.
    pub(crate) fn serve(&self) {
        self.queue.hand_over(&self.word, 0);
    }

    /// The first half of `close`. [`tell_closed`](Self::tell_closed) must
    /// follow if anybody may wait.
    pub(crate) fn close_quietly(&self) {
        self.word.close();
    }

    /// The second half of `close`.
    pub(crate) fn tell_closed(&self) {
        self.queue.closed(&self.word);
    }
}
