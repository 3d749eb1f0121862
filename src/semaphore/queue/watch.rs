//! Waiting for a state of the word rather than for permits.

use std::task::Waker;

use super::{
    Goal, Queue,
    line::{Line, Ticket},
};
use crate::semaphore::word::Word;

impl Queue {
    /// Waits for `goal`. `None` if it is met already.
    pub(crate) fn watch(&self, word: &Word, goal: Goal, waker: &Waker) -> Option<Ticket> {
        let shared = self.shared.force();
        let waker = waker.clone();
        // Declared before the guard, so dropped after it.
        let _removed;
        let mut line = shared.lock();
        let ticket = line.watch(goal, waker);
        // Argument 4: publish, then look by a write.
        shared.publish(&mut line);
        if !goal.is_met(word.confirm()) {
            return Some(ticket);
        }
        _removed = line.unwatch(ticket);
        shared.publish(&mut line);
        None
    }

    /// Does the watcher still wait? If so, `waker` is the one that is woken.
    pub(crate) fn still_watches(&self, ticket: Ticket, waker: &Waker) -> bool {
        let shared = self.shared.force();
        shared.register(ticket, waker, Line::watcher_mut)
    }

    /// Takes a watcher that gives up out.
    pub(crate) fn unwatch(&self, ticket: Ticket) {
        let shared = self.shared.force();
        let _removed;
        let mut line = shared.lock();
        _removed = line.unwatch(ticket);
        shared.publish(&mut line);
    }
}
