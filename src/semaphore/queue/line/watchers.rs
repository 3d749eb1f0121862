//! Those that wait for a state of the word rather than for permits.

use std::task::Waker;

use super::{Goal, Line, Ticket, Watcher};

impl Line {
    pub(crate) fn watching(&self) -> usize {
        self.watchers.len()
    }

    pub(crate) fn watch(&mut self, goal: Goal, waker: Waker) -> Ticket {
        let ticket = self.ticket();
        self.watchers.push_back(Watcher {
            ticket,
            goal,
            waker: Some(waker),
        });
        ticket
    }

    /// Tells one watcher whose goal is `met` by forgetting it.
    pub(crate) fn tell_watcher(&mut self, met: impl Fn(Goal) -> bool) -> Option<Waker> {
        let at = self.watchers.iter().position(|watcher| met(watcher.goal))?;
        self.watchers.remove(at)?.waker
    }

    /// The waker of a watcher that still waits.
    pub(crate) fn watcher_mut(&mut self, ticket: Ticket) -> Option<&mut Option<Waker>> {
        self.watchers
            .iter_mut()
            .find(|watcher| watcher.ticket == ticket)
            .map(|watcher| &mut watcher.waker)
    }

    /// Takes a watcher that gives up out.
    pub(crate) fn unwatch(&mut self, ticket: Ticket) -> Option<Waker> {
        let at = self
            .watchers
            .iter()
            .position(|watcher| watcher.ticket == ticket)?;
        self.watchers.remove(at)?.waker
    }
}
