//! Back into the line after a grant.

use std::task::Waker;

use super::{Line, Place, Ticket};

impl Line {
    /// Puts one that has left with a grant back to where its ticket belongs.
    pub(crate) fn put_back(&mut self, ticket: Ticket, need: u32, waker: Option<Waker>) {
        debug_assert!(ticket < self.served, "granted before");
        self.stragglers += 1;
        let at = self.places.partition_point(|other| other.ticket < ticket);
        let place = Place {
            ticket,
            due: u64::MAX,
            need,
            called: false,
            waker,
        };
        self.places.insert(at, place);
    }
}
