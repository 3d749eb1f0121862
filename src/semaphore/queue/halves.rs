//! Resizing in two halves, for a caller that holds a lock of its own.

use super::Queue;
use crate::{
    semaphore::word::{State, Word},
    sync::Relaxed,
};

impl Queue {
    /// Has nobody ever waited? Under loom, where the queue is made at once, it
    /// is as good as new when it is empty.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.shared.get().is_none() || cfg!(loom)
    }

    /// The first half of `resize`: runs no foreign code. Says what the word was
    /// before, and whether `hand_over` must follow, to serve those who wait.
    pub(crate) fn resize_quietly(
        &self,
        word: &Word,
        change: impl FnOnce(Option<u32>) -> State,
    ) -> (State, bool) {
        match self.shared.get() {
            Some(shared) if shared.calm.aside.load(Relaxed) > 0 => {
                // Under the lock for the reason that `resize` gives.
                let mut line = shared.lock();
                let before = change(line.least_aside());
                if line.rejoin(word.load().max()) {
                    // Releasers must take the lock from here on, argument 1.
                    word.set_queued();
                }
                shared.publish(&mut line);
                (before, true)
            }
            _ => {
                let before = change(None);
                (before, self.is_concerned(before))
            }
        }
    }
}
