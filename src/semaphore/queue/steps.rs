//! Resizing in two steps, for a caller that holds a lock of its own.

use super::Queue;
use crate::{
    semaphore::{
        steps::Rest,
        word::{State, Word},
    },
    sync::Relaxed,
};

impl Queue {
    /// The first step of `resize`: runs no foreign code. Says what the word was
    /// before, and what is left to do.
    pub(crate) fn begin_resize(
        &self,
        word: &Word,
        change: impl FnOnce(Option<u32>) -> State,
    ) -> (State, Rest) {
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
                (before, Rest::Resized)
            }
            _ => {
                let before = change(None);
                (before, self.rest_of_resize(before))
            }
        }
    }

    /// What is left to do when max was changed by a write that found `before`.
    pub(crate) fn rest_of_resize(&self, before: State) -> Rest {
        if self.is_concerned(before) {
            Rest::Resized
        } else {
            Rest::Nothing
        }
    }
}
