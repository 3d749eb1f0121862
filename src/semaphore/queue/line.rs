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

use std::{collections::VecDeque, mem, sync::Arc, task::Waker};

use crate::sync::{Acquire, AtomicU8, Release};

/// Holes that are left alone before a sweep is worth it.
const SWEEP_FROM: usize = 32;

/// Buffers of at most this length are kept when the line has become empty.
const KEEP: usize = 1024;

/// Used cells that are kept for the next waiters.
const SPARE: usize = 256;

/// What a waiter has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    Waiting,
    /// It owns what it asked for; a watcher has seen its state.
    Granted,
    Closed,
}

/// Where a waiter finds its verdict without a lock.
#[derive(Debug)]
pub(super) struct Cell(AtomicU8);

impl Cell {
    fn new() -> Self {
        Self(AtomicU8::new(Verdict::Waiting as u8))
    }

    pub(super) fn verdict(&self) -> Verdict {
        // ORDERING: Acquire, pairs with the Release in `tell`: a granted waiter
        // sees what the releaser did, and what led to its grant.
        match self.0.load(Acquire) {
            0 => Verdict::Waiting,
            1 => Verdict::Granted,
            _ => Verdict::Closed,
        }
    }

    fn tell(&self, verdict: Verdict) {
        // ORDERING: Release, pairs with the Acquire in `verdict`.
        self.0.store(verdict as u8, Release);
    }
}

/// A place in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// A condition on the word that a watcher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// `active <= max`
    Settled,
    /// `active == 0`
    Idle,
}

/// What a waiter keeps while it waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(super) ticket: Ticket,
    cell: Arc<Cell>,
}

impl Waiter {
    /// What it has been told so far. Once it is not `Waiting` it stays so.
    pub(crate) fn verdict(&self) -> Verdict {
        self.cell.verdict()
    }
}

/// What the line keeps of a waiter.
struct Seat {
    cell: Arc<Cell>,
    waker: Waker,
}

/// A place in the ring; without a seat it is a hole.
struct Place {
    ticket: Ticket,
    need: u32,
    seat: Option<Seat>,
}

struct Watcher {
    ticket: Ticket,
    goal: Goal,
    seat: Seat,
}

/// Where a removed waiter stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stood {
    AtTheFront,
    Behind,
    Aside,
    Watching,
}

#[derive(Default)]
pub(super) struct Line {
    places: VecDeque<Place>,
    living: usize,
    aside: VecDeque<Place>,
    watchers: VecDeque<Watcher>,
    next: u64,
    spare: VecDeque<Arc<Cell>>,
}

impl Line {
    /// Waiters in the line proper.
    pub(super) fn len(&self) -> usize {
        self.living
    }

    pub(super) fn is_empty(&self) -> bool {
        self.living == 0
    }

    /// Waiters that have stepped aside.
    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    pub(super) fn watching(&self) -> usize {
        self.watchers.len()
    }

    /// How many permits the first in line needs.
    pub(super) fn front(&self) -> Option<u32> {
        self.places.front().map(|place| place.need)
    }

    /// Puts a waiter at the end of the line.
    pub(super) fn push(&mut self, need: u32, waker: Waker) -> Waiter {
        let (waiter, seat) = self.seat(waker);
        self.places.push_back(Place {
            ticket: waiter.ticket,
            need,
            seat: Some(seat),
        });
        self.living += 1;
        waiter
    }

    /// Puts an arrival that needs more than max beside the line.
    pub(super) fn push_aside(&mut self, need: u32, waker: Waker) -> Waiter {
        let (waiter, seat) = self.seat(waker);
        self.aside.push_back(Place {
            ticket: waiter.ticket,
            need,
            seat: Some(seat),
        });
        waiter
    }

    pub(super) fn watch(&mut self, goal: Goal, waker: Waker) -> Waiter {
        let (waiter, seat) = self.seat(waker);
        self.watchers.push_back(Watcher {
            ticket: waiter.ticket,
            goal,
            seat,
        });
        waiter
    }

    /// Tells the first in line, who leaves it, its verdict.
    pub(super) fn tell_front(&mut self, verdict: Verdict) -> Option<Waker> {
        let place = self.pop_front()?;
        Some(self.tell(place.seat?, verdict))
    }

    /// Tells one of those beside the line its verdict.
    pub(super) fn tell_aside(&mut self, verdict: Verdict) -> Option<Waker> {
        let place = self.aside.pop_front()?;
        Some(self.tell(place.seat?, verdict))
    }

    /// Tells one watcher whose goal is `met` that it is.
    pub(super) fn tell_watcher(&mut self, met: impl Fn(Goal) -> bool) -> Option<Waker> {
        let at = self.watchers.iter().position(|watcher| met(watcher.goal))?;
        let watcher = self.watchers.remove(at)?;
        Some(self.tell(watcher.seat, Verdict::Granted))
    }

    /// The first in line cannot be served until max is raised: out of the way.
    pub(super) fn step_aside(&mut self) {
        if let Some(place) = self.pop_front() {
            let at = self
                .aside
                .partition_point(|other| other.ticket < place.ticket);
            self.aside.insert(at, place);
        }
    }

    /// Those beside the line whom `max` allows again go back to where their
    /// tickets belong. Says whether there were any.
    pub(super) fn rejoin(&mut self, max: u32) -> bool {
        let before = self.living;
        for place in mem::take(&mut self.aside) {
            if place.need > max {
                self.aside.push_back(place);
            } else {
                let at = self
                    .places
                    .partition_point(|other| other.ticket < place.ticket);
                self.places.insert(at, place);
                self.living += 1;
            }
        }
        self.living > before
    }

    /// Takes a waiter that gives up out, wherever it stands. `None` if it has
    /// been told its verdict already. The waker is for the caller to drop,
    /// after it has let go of the lock.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<(Stood, Waker)> {
        let (stood, seat) = if let Ok(at) = find(&self.places, ticket, |place| place.ticket) {
            (
                if at == 0 {
                    Stood::AtTheFront
                } else {
                    Stood::Behind
                },
                self.places[at].seat.take()?,
            )
        } else if let Ok(at) = find(&self.aside, ticket, |place| place.ticket) {
            (Stood::Aside, self.aside.remove(at)?.seat?)
        } else if let Ok(at) = find(&self.watchers, ticket, |watcher| watcher.ticket) {
            (Stood::Watching, self.watchers.remove(at)?.seat)
        } else {
            return None;
        };
        if matches!(stood, Stood::AtTheFront | Stood::Behind) {
            self.living -= 1;
            self.sweep();
        }
        let Seat { cell, waker } = seat;
        self.keep(cell);
        Some((stood, waker))
    }

    /// The waker of a waiter that still waits.
    pub(super) fn waker_mut(&mut self, ticket: Ticket) -> Option<&mut Waker> {
        if let Ok(at) = find(&self.places, ticket, |place| place.ticket) {
            self.places[at].seat.as_mut().map(|seat| &mut seat.waker)
        } else if let Ok(at) = find(&self.aside, ticket, |place| place.ticket) {
            self.aside[at].seat.as_mut().map(|seat| &mut seat.waker)
        } else if let Ok(at) = find(&self.watchers, ticket, |watcher| watcher.ticket) {
            Some(&mut self.watchers[at].seat.waker)
        } else {
            None
        }
    }

    fn pop_front(&mut self) -> Option<Place> {
        let place = self.places.pop_front()?;
        self.living -= 1;
        self.sweep();
        Some(place)
    }

    /// Removes the holes at both ends, and all of them when they outnumber
    /// the living.
    fn sweep(&mut self) {
        while self
            .places
            .front()
            .is_some_and(|place| place.seat.is_none())
        {
            self.places.pop_front();
        }
        while self.places.back().is_some_and(|place| place.seat.is_none()) {
            self.places.pop_back();
        }
        if self.places.len() > 2 * self.living + SWEEP_FROM {
            self.places.retain(|place| place.seat.is_some());
        }
        if self.places.is_empty() && self.places.capacity() > KEEP {
            self.places = VecDeque::new();
        }
    }

    /// A ticket and a cell for a new waiter.
    fn seat(&mut self, waker: Waker) -> (Waiter, Seat) {
        let ticket = Ticket(self.next);
        self.next += 1;
        let cell = self.fresh_cell();
        let waiter = Waiter {
            ticket,
            cell: Arc::clone(&cell),
        };
        (waiter, Seat { cell, waker })
    }

    /// A used cell whose waiter is gone, or a new one. Looks at no more than
    /// two: a waiter that was granted and is never polled keeps its own.
    fn fresh_cell(&mut self) -> Arc<Cell> {
        for _ in 0..2 {
            let Some(mut cell) = self.spare.pop_front() else {
                break;
            };
            if let Some(unshared) = Arc::get_mut(&mut cell) {
                *unshared = Cell::new();
                return cell;
            }
            self.spare.push_back(cell);
        }
        Arc::new(Cell::new())
    }

    fn tell(&mut self, seat: Seat, verdict: Verdict) -> Waker {
        seat.cell.tell(verdict);
        self.keep(seat.cell);
        seat.waker
    }

    fn keep(&mut self, cell: Arc<Cell>) {
        if self.spare.len() < SPARE {
            self.spare.push_back(cell);
        }
    }
}

fn find<T>(
    sorted: &VecDeque<T>,
    ticket: Ticket,
    key: impl Fn(&T) -> Ticket,
) -> Result<usize, usize> {
    sorted.binary_search_by_key(&ticket, key)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn noop() -> Waker {
        Waker::noop().clone()
    }

    fn needs(line: &mut Line) -> Vec<u32> {
        std::iter::from_fn(|| {
            let need = line.front()?;
            line.tell_front(Verdict::Granted)?;
            Some(need)
        })
        .collect()
    }

    #[test]
    fn arrivals_are_served_in_order() {
        let mut line = Line::default();
        let waiters: Vec<_> = (1..=4).map(|need| line.push(need, noop())).collect();
        assert!(waiters.iter().all(|w| w.verdict() == Verdict::Waiting));
        assert_eq!(needs(&mut line), [1, 2, 3, 4]);
        assert!(waiters.iter().all(|w| w.verdict() == Verdict::Granted));
    }

    #[test]
    fn a_removed_waiter_leaves_the_others_in_order() {
        let mut line = Line::default();
        let waiters: Vec<_> = (0..6).map(|need| line.push(need, noop())).collect();
        let stood = |line: &mut Line, at: usize| line.remove(waiters[at].ticket).map(|r| r.0);
        assert_eq!(stood(&mut line, 2), Some(Stood::Behind));
        assert_eq!(stood(&mut line, 0), Some(Stood::AtTheFront));
        assert_eq!(stood(&mut line, 1), Some(Stood::AtTheFront));
        assert_eq!(stood(&mut line, 5), Some(Stood::Behind));
        assert_eq!(stood(&mut line, 5), None, "gone already");
        assert_eq!(line.len(), 2);
        assert_eq!(needs(&mut line), [3, 4]);
    }

    #[test]
    fn holes_between_the_living_do_not_pile_up() {
        let mut line = Line::default();
        let _first = line.push(1, noop());
        let mut last = line.push(1, noop());
        for _ in 0..100_000 {
            let next = line.push(1, noop());
            line.remove(last.ticket).expect("still waits");
            last = next;
        }
        assert_eq!(line.len(), 2);
        assert!(line.places.len() <= 2 * line.len() + SWEEP_FROM);
        assert!(line.places.capacity() < 256 && line.spare.len() <= SPARE);
    }

    #[test]
    fn who_stepped_aside_rejoins_by_ticket() {
        let mut line = Line::default();
        let _waiters = [9, 7, 1, 8, 2].map(|need| line.push(need, noop()));
        line.step_aside();
        line.step_aside();
        assert_eq!(line.aside(), 2);
        assert!(!line.rejoin(5));
        assert!(line.rejoin(7));
        assert_eq!((line.front(), line.aside()), (Some(7), 1));
        assert!(line.rejoin(9));
        assert_eq!(needs(&mut line), [9, 7, 1, 8, 2]);
    }

    #[test]
    fn a_cell_is_used_again_only_once_its_waiter_is_gone() {
        let mut line = Line::default();
        let kept = line.push(1, noop());
        line.tell_front(Verdict::Granted).expect("one waits");
        let other = line.push(1, noop());
        assert!(!Arc::ptr_eq(&kept.cell, &other.cell));
        assert_eq!(other.verdict(), Verdict::Waiting);
        let address = Arc::as_ptr(&kept.cell);
        drop(kept);
        let third = line.push(1, noop());
        assert_eq!(Arc::as_ptr(&third.cell), address);
        assert_eq!(third.verdict(), Verdict::Waiting);
    }

    #[test]
    fn watchers_are_told_by_their_goal() {
        let mut line = Line::default();
        let idle = line.watch(Goal::Idle, noop());
        let settled = line.watch(Goal::Settled, noop());
        assert!(line.tell_watcher(|goal| goal == Goal::Settled).is_some());
        assert!(line.tell_watcher(|goal| goal == Goal::Settled).is_none());
        assert_eq!(settled.verdict(), Verdict::Granted);
        assert_eq!(idle.verdict(), Verdict::Waiting);
        assert_eq!(line.remove(idle.ticket).map(|r| r.0), Some(Stood::Watching));
        assert_eq!(line.watching(), 0);
    }

    #[test]
    fn a_long_buffer_goes_when_the_line_is_empty() {
        let mut line = Line::default();
        let waiters: Vec<_> = (0..10 * KEEP).map(|_| line.push(1, noop())).collect();
        drop(waiters);
        while line.tell_front(Verdict::Closed).is_some() {}
        assert_eq!(line.places.capacity(), 0);
    }
}
