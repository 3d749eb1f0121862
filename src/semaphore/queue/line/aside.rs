//! Requests for more than max: out of the line until max allows them.

use std::task::Waker;

use super::{Line, Place, Ticket};

impl Line {
    /// Waiters that have stepped aside.
    pub(crate) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// The smallest request of those.
    pub(crate) fn least_aside(&self) -> Option<u32> {
        self.least_aside
    }

    /// Puts an arrival that needs more than max beside the line.
    pub(crate) fn push_aside(&mut self, need: u32, due: u64, waker: Waker) -> Ticket {
        let place = self.place(need, due, waker);
        let ticket = place.ticket;
        self.stand_aside(place);
        self.stragglers += 1;
        ticket
    }

    /// The first in line cannot be served until max is raised: out of the way.
    pub(crate) fn step_aside(&mut self) {
        let Some(place) = self.pop_front() else {
            return;
        };
        if place.ticket >= self.served {
            self.stragglers += 1;
            self.pass(place.ticket);
        }
        self.stand_aside(place);
    }

    fn stand_aside(&mut self, place: Place) {
        self.lower_least_aside(place.need);
        let at = self
            .aside
            .partition_point(|other| other.ticket < place.ticket);
        self.aside.insert(at, place);
    }

    fn lower_least_aside(&mut self, need: u32) {
        self.least_aside = Some(self.least_aside.map_or(need, |least| least.min(need)));
    }

    /// One with this need stands aside no more.
    pub(super) fn left_aside(&mut self, need: u32) {
        if self.least_aside == Some(need) {
            self.least_aside = self.aside.iter().map(|place| place.need).min();
        }
    }

    /// Those beside the line whom `max` allows again go back to where their
    /// tickets belong. Says whether there were any.
    pub(crate) fn rejoin(&mut self, max: u32) -> bool {
        if self.least_aside.is_none_or(|need| need > max) {
            return false;
        }
        self.least_aside = None;
        // Once around: who stays is back at its place at the end.
        for _ in 0..self.aside.len() {
            let Some(place) = self.aside.pop_front() else {
                break;
            };
            if place.need > max {
                self.lower_least_aside(place.need);
                self.aside.push_back(place);
                continue;
            }
            if place.ticket >= self.served {
                self.stragglers -= 1;
            }
            if place.called {
                self.called += u64::from(place.need);
            }
            let at = self
                .places
                .partition_point(|other| other.ticket < place.ticket);
            self.places.insert(at, place);
        }
        true
    }
}
