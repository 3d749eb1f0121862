//! The line of waiters: a plain sequential structure, guarded by the queue's
//! lock.
//!
//! Whoever waits holds a [`Ticket`]; tickets are handed out in order of arrival
//! and never twice. The line proper is a ring buffer sorted by ticket: arrivals
//! at the back, grants at the front, both O(1) and without allocation once the
//! buffer has grown to the usual length. A waiter that gives up leaves a hole;
//! holes at either end go at once, and when holes outnumber the living the
//! buffer is swept, so that its length stays within a factor of the living
//! and a cancellation costs O(log n) amortised.
//!
//! Beside the line stand those that asked for more than max (`aside`) and those
//! that wait for a state rather than for permits (`watchers`).
//!
//! # How a waiter learns its verdict
//!
//! Grants come in the order of the tickets, so one number tells everybody: who
//! holds a ticket below [`served`](Line::served) has left the line, and whoever
//! is closed out holds one from [`closed_at`](Line::closed_at) on. Only those
//! that have ever stood aside break that order. While there are such
//! *stragglers*, a ticket below `served` is looked up here instead.

use std::{
    collections::{BTreeSet, VecDeque},
    task::Waker,
};

mod aside;
#[cfg(feature = "pool")]
mod back;
mod calls;
#[cfg(feature = "keyed")]
mod reuse;
mod watchers;

/// Holes that are left alone before a sweep is worth it.
const SWEEP_FROM: usize = 32;

/// Buffers of at most this length are kept when the line has become empty.
const KEEP: usize = 1024;

/// What a waiter has been told.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Waiting,
    /// It owns what it asked for.
    Granted,
    Closed,
}

/// A place in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(super) u64);

/// A condition on the word that a watcher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// `active <= max`
    Settled,
    /// `active == 0`
    Idle,
}

/// A place in the ring; with neither a waker nor a call it is a hole.
struct Place {
    ticket: Ticket,
    /// When it must not be passed any more, by the queue's clock.
    due: u64,
    need: u32,
    /// Woken to compete, and not heard of since: the waker is used up.
    called: bool,
    waker: Option<Waker>,
}

impl Place {
    fn is_hole(&self) -> bool {
        self.waker.is_none() && !self.called
    }
}

struct Watcher {
    ticket: Ticket,
    goal: Goal,
    waker: Option<Waker>,
}

/// Where a waiter stood that has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stood {
    AtTheFront,
    Elsewhere,
}

/// The figures of a line that hardly ever change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    /// Who has left the line with this ticket or a higher one is closed out.
    pub(super) closed_at: Ticket,
    /// Those whose verdict cannot be told from their ticket: aside, or in line
    /// with a ticket below `served`, or refused.
    pub(super) stragglers: usize,
    /// Waiters that have stepped aside.
    pub(super) aside: usize,
    pub(super) watching: usize,
    /// When nobody may pass the first in line any more.
    pub(super) due: u64,
}

// In order: the first two change with every arrival and every grant, the third
// with every grant.
#[repr(C)]
pub(super) struct Line {
    places: VecDeque<Place>,
    next: Ticket,
    served: Ticket,
    holes: usize,
    stragglers: usize,
    /// Some waiter must not be passed after some time.
    timed: bool,
    called: u64,
    /// When the last call was.
    pub(super) called_at: u64,
    closed_at: Ticket,
    aside: VecDeque<Place>,
    least_aside: Option<u32>,
    watchers: VecDeque<Watcher>,
    /// Stragglers that were closed out: they may ask at any time.
    refused: BTreeSet<Ticket>,
    /// The figures as they were published last.
    pub(super) published: Option<Figures>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            places: VecDeque::new(),
            next: Ticket(0),
            served: Ticket(0),
            holes: 0,
            stragglers: 0,
            timed: false,
            called: 0,
            called_at: 0,
            closed_at: Ticket(u64::MAX),
            aside: VecDeque::new(),
            least_aside: None,
            watchers: VecDeque::new(),
            refused: BTreeSet::new(),
            published: None,
        }
    }
}

/// Reading it.
impl Line {
    /// Waiters in the line proper.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.holes
    }

    pub(super) fn is_empty(&self) -> bool {
        // Holes go as soon as they are at an end.
        self.places.is_empty()
    }

    /// Who holds a lower ticket has left the line, or is a straggler.
    pub(super) fn served(&self) -> Ticket {
        self.served
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            closed_at: self.closed_at,
            stragglers: self.stragglers,
            aside: self.aside.len(),
            watching: self.watchers.len(),
            due: self.due(),
        }
    }

    /// How many permits the first in line needs.
    pub(super) fn front(&self) -> Option<u32> {
        self.places.front().map(|place| place.need)
    }

    /// How many permits the second in a plain line needs, if it is not the last.
    pub(super) fn second_of_three(&self) -> Option<u32> {
        let last = self.places.len() < 3;
        self.places.get(1).filter(|_| !last).map(|place| place.need)
    }

    /// When the first in line must not be passed any more.
    pub(super) fn due(&self) -> u64 {
        if !self.timed {
            // Do not touch the place for nothing.
            return u64::MAX;
        }
        self.places.front().map_or(u64::MAX, |place| place.due)
    }

    /// What the holder of a ticket below `served` has been told.
    pub(super) fn look_up(&self, ticket: Ticket) -> Verdict {
        if self.refused.contains(&ticket) {
            Verdict::Closed
        } else if self.waits(ticket) {
            Verdict::Waiting
        } else if ticket >= self.closed_at {
            Verdict::Closed
        } else {
            Verdict::Granted
        }
    }

    /// Does the holder of `ticket` still wait?
    pub(super) fn waits(&self, ticket: Ticket) -> bool {
        find(&self.places, ticket).is_some_and(|at| !self.places[at].is_hole())
            || find(&self.aside, ticket).is_some()
    }

    /// The waker of a waiter that still waits.
    pub(super) fn waker_mut(&mut self, ticket: Ticket) -> Option<&mut Option<Waker>> {
        let place = match find(&self.places, ticket) {
            Some(at) => &mut self.places[at],
            None => {
                let at = find(&self.aside, ticket)?;
                &mut self.aside[at]
            }
        };
        (!place.is_hole()).then_some(&mut place.waker)
    }
}

/// Joining and leaving it.
impl Line {
    /// Puts a waiter at the end of the line.
    pub(super) fn push(&mut self, need: u32, due: u64, waker: Waker) -> Ticket {
        let place = self.place(need, due, waker);
        let ticket = place.ticket;
        self.places.push_back(place);
        ticket
    }

    /// Grants the first in line what it needs.
    pub(super) fn grant_front(&mut self) -> Option<Waker> {
        let place = self.pop_front()?;
        if place.ticket < self.served {
            self.stragglers -= 1;
        }
        self.pass(place.ticket);
        place.waker
    }

    /// Are there two or more in line, and no holes, no stragglers, no watchers,
    /// and nobody called or timed?
    pub(super) fn is_plain(&self) -> bool {
        self.places.len() > 1
            && self.holes == 0
            && self.stragglers == 0
            && self.watchers.is_empty()
            && !self.timed
            && self.called == 0
    }

    /// Grants the front of a plain line.
    /// Grants the front of a plain line.
    pub(super) fn grant_plain_front(&mut self) -> Option<Waker> {
        let place = self.places.pop_front()?;
        self.served = Ticket(place.ticket.0 + 1);
        place.waker
    }

    /// Closes one waiter out, first those in line, then those aside. One that
    /// has been called is awake, and has no waker here.
    pub(super) fn refuse_one(&mut self) -> Option<Option<Waker>> {
        self.closed_at = self.closed_at.min(self.served);
        if let Some(place) = self.pop_front() {
            let straggler = place.ticket < self.served;
            return Some(self.refuse(place, straggler));
        }
        if let Some(place) = self.aside.pop_front() {
            self.left_aside(place.need);
            return Some(self.refuse(place, true));
        }
        self.served = self.next;
        None
    }

    fn refuse(&mut self, place: Place, straggler: bool) -> Option<Waker> {
        if place.ticket < self.closed_at {
            // Its ticket says granted: it is told by name.
            self.refused.insert(place.ticket);
        } else {
            self.stragglers -= usize::from(straggler);
            self.pass(place.ticket);
        }
        place.waker
    }

    /// Takes a waiter that gives up out. `None` if it has left already. The
    /// waker is for the caller to drop, after it has let go of the lock.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<(Stood, Option<Waker>)> {
        let (stood, waker) = if let Some(at) = find(&self.places, ticket) {
            if self.places[at].is_hole() {
                return None;
            }
            self.uncall(ticket);
            let waker = self.places[at].waker.take();
            self.holes += 1;
            if ticket < self.served {
                self.stragglers -= 1;
            }
            self.sweep();
            let stood = if at == 0 {
                Stood::AtTheFront
            } else {
                Stood::Elsewhere
            };
            (stood, waker)
        } else {
            let place = self.aside.remove(find(&self.aside, ticket)?)?;
            self.left_aside(place.need);
            self.stragglers -= 1;
            (Stood::Elsewhere, place.waker)
        };
        Some((stood, waker))
    }

    fn place(&mut self, need: u32, due: u64, waker: Waker) -> Place {
        if due != u64::MAX {
            self.timed = true;
        }
        Place {
            ticket: self.ticket(),
            due,
            need,
            called: false,
            waker: Some(waker),
        }
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        ticket
    }

    /// The line has got past `ticket`; tickets in between belong to nobody.
    fn pass(&mut self, ticket: Ticket) {
        self.served = self.served.max(Ticket(ticket.0 + 1));
    }

    fn pop_front(&mut self) -> Option<Place> {
        let place = self.places.pop_front()?;
        if place.called {
            self.called -= u64::from(place.need);
        }
        if self.holes > 0 {
            self.sweep();
        }
        if self.places.is_empty() && self.places.capacity() > KEEP {
            self.places = VecDeque::new();
        }
        Some(place)
    }

    /// Removes the holes at both ends, and all of them when they outnumber
    /// the living.
    fn sweep(&mut self) {
        while self.places.front().is_some_and(Place::is_hole) {
            self.places.pop_front();
            self.holes -= 1;
        }
        while self.places.back().is_some_and(Place::is_hole) {
            self.places.pop_back();
            self.holes -= 1;
        }
        if self.holes > self.len() + SWEEP_FROM {
            self.places.retain(|place| !place.is_hole());
            self.holes = 0;
        }
    }
}

fn find(sorted: &VecDeque<Place>, ticket: Ticket) -> Option<usize> {
    sorted
        .binary_search_by_key(&ticket, |place| place.ticket)
        .ok()
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
