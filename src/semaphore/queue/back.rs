//! Back into the line, for those who have no use for what they were granted.

use std::task::Waker;

use super::{Queue, line::Ticket};
use crate::semaphore::word::Word;

impl Queue {
    /// Takes the `need` permits that the holder of `ticket` was granted, and
    /// lets it wait again where it stood. Does nothing, and says so, when the
    /// line has closed. For `Fifo` only.
    ///
    /// Argument 1 holds as for an arrival: QUEUED is set under the lock before
    /// the permits are offered to the line, and they are offered to it, front
    /// first, before anybody else sees them. A closer sets CLOSED before it
    /// takes the lock, so either it finds this waiter in line, or this finds it
    /// closed.
    pub(crate) fn put_back(&self, word: &Word, ticket: Ticket, need: u32, waker: &Waker) -> bool {
        let shared = self.shared.force();
        // Outlives the lock: dropping a waker may run foreign code.
        let mut newest = Some(waker.clone());
        let mut returned = need;
        let mut open = true;
        let mut wakes = shared.wake_while(|line, wakes| {
            if newest.is_some() {
                open = !word.load().is_closed();
                if !open {
                    return true;
                }
                line.put_back(ticket, need, newest.take());
                word.set_queued();
            }
            shared.serve(line, word, &mut returned, wakes)
        });
        wakes.discard(newest);
        wakes.finish().resume();
        open
    }
}
