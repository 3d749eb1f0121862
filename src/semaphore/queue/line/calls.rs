//! Waiters that compete for permits instead of being handed them.

use std::{mem, task::Waker};

use super::{Line, Ticket, find};

impl Line {
    /// How many permits those need that have been called.
    pub(crate) fn called(&self) -> u64 {
        self.called
    }

    /// Calls the first that has not been called since it last failed.
    pub(crate) fn call(&mut self) -> Option<Waker> {
        let place = self.places.iter_mut().find(|place| place.waker.is_some())?;
        place.called = true;
        self.called += u64::from(place.need);
        place.waker.take()
    }

    /// It has come, and left its waker: it may be called again.
    pub(crate) fn uncall(&mut self, ticket: Ticket) {
        if let Some(at) = find(&self.places, ticket) {
            if mem::take(&mut self.places[at].called) {
                self.called -= u64::from(self.places[at].need);
            }
        } else if let Some(at) = find(&self.aside, ticket) {
            self.aside[at].called = false;
        }
    }
}
