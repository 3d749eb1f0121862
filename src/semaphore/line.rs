//! The line of waiters: a plain sequential structure, guarded by the queue's lock.
//!
//! Whoever waits holds a [`Ticket`]; tickets are handed out in order of arrival and
//! never twice. A waiter is in one of three places:
//!
//! - `ring`: in line, sorted by ticket. Arrivals enter at the back, grants leave at
//!   the front, both O(1), and without allocation once the buffer has grown. A waiter
//!   that gives up leaves a hole. Holes at either end go at once; when holes outnumber
//!   the living, the buffer is swept. So a cancellation costs O(log n) amortised.
//! - `aside`: it asked for more than max, and is in nobody's way.
//! - `rejoined`: in line again, after it has stood aside or has been put back. Few ever
//!   are, so this is a tree, O(log n). Of `ring` and `rejoined`, the smaller ticket is first.
//!
//! # How a waiter learns its verdict
//!
//! Grants from the ring come in the order of the tickets, so one number tells
//! everybody: who holds a ticket below [`served`](Line::served) has left the ring, and
//! whoever is closed out holds one from [`closed_at`](Line::closed_at) on. Only those
//! aside, back in line, or refused while they were, break that order. While there are
//! such [`stragglers`](Figures::stragglers), a ticket below `served` is looked up here.
//!
//! # Where the first in line is not always the next
//!
//! With a [`Discipline`] the newest may be served first, and who has waited for too long is
//! told so. The clock is read by whoever [looks](Line::look), and the line stands still in
//! between: from one look to the next the order is one of the two. Those who are overdue are
//! the oldest, so each look takes them from one end, and touches nobody else. No number can
//! tell verdicts that come in such an order: all are told by name, to one at a time.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::task::Waker;

use self::told::{Claims, Told};
pub(super) use self::told::{Grant, Task};
use super::order::Discipline;
#[cfg(dynaphore_shuttle)]
use super::trace::Place;

mod told;

/// Holes that are left alone before a sweep is worth it.
const SWEEP_FROM: usize = 32;

/// Buffers of at most this length are kept when the line has become empty.
const KEEP: usize = 1024;

/// What a waiter has been told. (`line/told.rs` knows the order.)
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Waiting,
    /// It owns what it asked for.
    Granted,
    Closed,
    /// It has waited for too long.
    Overdue,
}

/// A place in the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(super) u64);

/// A waiter; without a waker it is a hole in the ring.
struct Entry {
    ticket: Ticket,
    need: u32,
    /// When it came, for a discipline: in microseconds, the lower 32 bits. (All 64 would make
    /// a line of 100,000 some 5 % slower.)
    came: u32,
    waker: Option<Waker>,
}

/// A waiter that has given up.
pub(super) struct Removed {
    /// The next one is the front now.
    pub(super) was_front: bool,
    /// For the caller to drop, after it has let go of the lock.
    pub(super) waker: Option<Waker>,
}

/// The figures of a line that hardly ever change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    /// Who has left the ring with this ticket or a higher one is closed out.
    pub(super) closed_at: Ticket,
    /// Those whose verdict cannot be told from their ticket.
    pub(super) stragglers: usize,
    /// Waiters that stand aside.
    pub(super) aside: usize,
    pub(super) is_empty: bool,
}

// In order: the first two change with every arrival and every grant, the third
// with every grant.
#[derive(Default)]
#[repr(C)]
pub(super) struct Line {
    ring: VecDeque<Entry>,
    next: Ticket,
    served: Ticket,
    holes: usize,
    closed_at: Option<Ticket>,
    rejoined: BTreeMap<Ticket, Entry>,
    aside: BTreeMap<Ticket, Entry>,
    /// The same, the smallest request first.
    aside_by_need: BTreeSet<(u32, Ticket)>,
    /// Stragglers that were closed out: they may ask at any time.
    refused: BTreeSet<Ticket>,
    /// What cannot be told by a ticket, until its holder has heard it.
    told: Told,
    /// Those that have been granted and do not know it, where a grant belongs to a task.
    claims: Claims,
    discipline: Option<Discipline>,
    /// When somebody has looked at the clock last, for a discipline.
    now: u64,
    /// Since when somebody has been in line, for a discipline.
    busy_since: Option<u64>,
    /// Who came last is the next, since the last look.
    newest_first: bool,
    /// The figures as they were published last.
    pub(super) published: Option<Figures>,
}

/// Reading it.
impl Line {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // There are no holes at the ends.
        self.ring.is_empty() && self.rejoined.is_empty()
    }

    /// Waiters in line.
    pub(super) fn len(&self) -> usize {
        self.ring.len() - self.holes + self.rejoined.len()
    }

    /// Waiters that stand aside.
    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// The smallest request of those.
    pub(super) fn least_aside(&self) -> Option<u32> {
        self.aside_by_need.first().map(|&(need, _)| need)
    }

    /// Whoever holds a ticket below this one has left the ring.
    pub(super) fn served(&self) -> Ticket {
        self.served
    }

    /// Who has left the ring with this ticket or a higher one is closed out.
    fn closed_at(&self) -> Ticket {
        self.closed_at.unwrap_or(Ticket(u64::MAX))
    }

    #[inline]
    pub(super) fn figures(&self) -> Figures {
        Figures {
            closed_at: self.closed_at(),
            stragglers: self.rejoined.len()
                + self.aside.len()
                + self.refused.len()
                + usize::from(self.discipline.is_some()),
            aside: self.aside.len(),
            is_empty: self.is_empty(),
        }
    }

    /// How many permits the first in line needs.
    #[inline]
    pub(super) fn front(&self) -> Option<u32> {
        self.next().map(|entry| entry.need)
    }

    /// What the holder of a ticket below `served` has been told.
    pub(super) fn look_up(&self, ticket: Ticket) -> Verdict {
        if self.discipline.is_some() {
            if self.claims.contains(ticket) {
                Verdict::Granted
            } else {
                self.told.get(ticket)
            }
        } else if self.aside.contains_key(&ticket) || self.rejoined.contains_key(&ticket) {
            Verdict::Waiting
        } else if ticket >= self.closed_at() || self.refused.contains(&ticket) {
            Verdict::Closed
        } else {
            Verdict::Granted
        }
    }

    /// The waker of a waiter that still waits.
    pub(super) fn waker_mut(&mut self, ticket: Ticket) -> Option<&mut Option<Waker>> {
        self.entry_mut(ticket).map(|entry| &mut entry.waker)
    }

    /// How many permits the holder of `ticket` waits for, in line or aside.
    pub(super) fn need_of(&mut self, ticket: Ticket) -> Option<u32> {
        self.entry_mut(ticket).map(|entry| entry.need)
    }

    fn entry_mut(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        let entry = match self.find(ticket) {
            Some(at) => &mut self.ring[at],
            None => match self.rejoined.get_mut(&ticket) {
                Some(entry) => entry,
                None => self.aside.get_mut(&ticket)?,
            },
        };
        entry.waker.is_some().then_some(entry)
    }

    /// Who is next.
    #[inline]
    fn next(&self) -> Option<&Entry> {
        self.next_rejoined().or_else(|| self.next_in_ring())
    }

    /// Who is next, if that one is back in line.
    #[inline]
    fn next_rejoined(&self) -> Option<&Entry> {
        if self.rejoined.is_empty() {
            return None;
        }
        self.next_of_both()
    }

    #[cold]
    fn next_of_both(&self) -> Option<&Entry> {
        let (&ticket, entry) = if self.newest_first {
            self.rejoined.last_key_value()?
        } else {
            self.rejoined.first_key_value()?
        };
        let passed = |entry: &Entry| (entry.ticket < ticket) != self.newest_first;
        (!self.next_in_ring().is_some_and(passed)).then_some(entry)
    }

    #[inline]
    fn next_in_ring(&self) -> Option<&Entry> {
        if self.newest_first {
            self.ring.back()
        } else {
            self.ring.front()
        }
    }

    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.ring
            .binary_search_by_key(&ticket, |entry| entry.ticket)
            .ok()
    }
}

/// Joining and leaving it.
impl Line {
    /// Puts a waiter at the end of the line, at the time `now`.
    #[inline]
    pub(super) fn push(&mut self, need: u32, now: u64, waker: Waker) -> Ticket {
        let ticket = self.ticket();
        self.ring.push_back(Entry {
            ticket,
            need,
            came: now as u32,
            waker: Some(waker),
        });
        ticket
    }

    /// Puts an arrival that needs more than max beside the line.
    pub(super) fn push_aside(&mut self, need: u32, waker: Waker) -> Ticket {
        let ticket = self.ticket();
        self.stand_aside(Entry {
            ticket,
            need,
            came: 0,
            waker: Some(waker),
        });
        ticket
    }

    /// Grants the next in line what it needs.
    #[inline]
    pub(super) fn grant_front(&mut self) -> Option<Waker> {
        let entry = self.pop_front()?;
        if self.discipline.is_some() {
            self.grant_by_name(&entry);
        }
        self.pass(entry.ticket);
        entry.waker
    }

    #[cold]
    fn grant_by_name(&mut self, entry: &Entry) {
        let &Entry { ticket, need, .. } = entry;
        match &entry.waker {
            Some(waker) if self.is_by_task() => {
                let grant = Grant { ticket, need };
                self.claims.insert(Task::of(waker), grant, self.now);
            }
            _ => self.told.tell(ticket, Verdict::Granted),
        }
    }

    /// The first in line cannot be served until max is raised: out of the way.
    pub(super) fn step_aside(&mut self) {
        if let Some(entry) = self.pop_front() {
            self.stand_aside(entry);
        }
    }

    /// Those beside the line whom `max` allows go back to where their tickets
    /// belong. Says whether there were any.
    pub(super) fn rejoin(&mut self, max: u32) -> bool {
        let mut any = false;
        if self.is_empty() {
            self.busy_since = None;
        }
        while let Some(&(need, ticket)) = self.aside_by_need.first() {
            if need > max {
                break;
            }
            self.aside_by_need.pop_first();
            self.rejoined.extend(self.aside.remove_entry(&ticket));
            any = true;
        }
        any
    }

    /// Puts one that has left with a grant back to where its ticket belongs.
    pub(super) fn put_back(&mut self, ticket: Ticket, need: u32, waker: Option<Waker>) {
        debug_assert!(ticket < self.served, "granted before");
        let entry = Entry {
            ticket,
            need,
            came: 0,
            waker,
        };
        self.rejoined.insert(ticket, entry);
    }

    /// Closes one waiter out, first those in line, then those aside.
    pub(super) fn refuse_one(&mut self) -> Option<Waker> {
        let closed_at = *self.closed_at.get_or_insert(self.served);
        let entry = self.pop_front().or_else(|| {
            let (ticket, entry) = self.aside.pop_first()?;
            self.aside_by_need.remove(&(entry.need, ticket));
            Some(entry)
        })?;
        if self.discipline.is_some() {
            self.told.tell(entry.ticket, Verdict::Closed);
        } else if entry.ticket < closed_at {
            // Its ticket says granted: it is told by name.
            self.refused.insert(entry.ticket);
        } else {
            self.pass(entry.ticket);
        }
        entry.waker
    }

    /// Takes a waiter that gives up out. `None` if it has left already.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Removed> {
        let was_front = self.next().is_some_and(|next| next.ticket == ticket);
        let waker = if let Some(at) = self.find(ticket) {
            let waker = self.ring[at].waker.take()?;
            self.holes += 1;
            self.sweep();
            Some(waker)
        } else if let Some(entry) = self.aside.remove(&ticket) {
            self.aside_by_need.remove(&(entry.need, ticket));
            entry.waker
        } else {
            self.rejoined.remove(&ticket)?.waker
        };
        Some(Removed { was_front, waker })
    }

    fn stand_aside(&mut self, entry: Entry) {
        self.aside_by_need.insert((entry.need, entry.ticket));
        self.aside.insert(entry.ticket, entry);
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        ticket
    }

    /// The line has got past `ticket`; tickets in between belong to nobody in the ring.
    #[inline]
    fn pass(&mut self, ticket: Ticket) {
        self.served = self.served.max(Ticket(ticket.0 + 1));
    }

    #[inline]
    fn pop_front(&mut self) -> Option<Entry> {
        if let Some(&Entry { ticket, .. }) = self.next_rejoined() {
            return self.rejoined.remove(&ticket);
        }
        let entry = if self.newest_first {
            self.ring.pop_back()?
        } else {
            self.ring.pop_front()?
        };
        self.popped();
        Some(entry)
    }

    /// The ring has lost one of its ends.
    #[inline]
    fn popped(&mut self) {
        if self.holes > 0 {
            self.sweep();
        }
        if self.ring.is_empty() && self.ring.capacity() > KEEP {
            self.ring = VecDeque::new();
        }
    }

    /// Removes the holes at both ends, and all of them when they outnumber the living.
    fn sweep(&mut self) {
        let is_hole = |entry: &Entry| entry.waker.is_none();
        while self.ring.front().is_some_and(is_hole) {
            self.ring.pop_front();
            self.holes -= 1;
        }
        while self.ring.back().is_some_and(is_hole) {
            self.ring.pop_back();
            self.holes -= 1;
        }
        if self.holes > self.ring.len() - self.holes + SWEEP_FROM {
            self.ring.retain(|entry| !is_hole(entry));
            self.holes = 0;
        }
    }
}

/// What a discipline adds. All times are in microseconds.
impl Line {
    /// Somebody comes at the time `now`. From then on it is served like this, as it has been
    /// if anybody has been in it.
    pub(super) fn follow(&mut self, discipline: Discipline, now: u64) {
        self.discipline = Some(discipline);
        if self.is_empty() {
            self.busy_since = Some(now);
        }
        // So that everybody looks up what it has been told.
        self.served = Ticket(u64::MAX);
    }

    pub(super) fn has_discipline(&self) -> bool {
        self.discipline.is_some()
    }

    /// Looks what is to be done at the time `now`. Takes out one that has waited for too
    /// long, and tells it so.
    pub(super) fn look(&mut self, now: u64) -> Option<Waker> {
        let discipline = self.discipline?;
        self.now = now;
        let since = *self.busy_since.get_or_insert(now);
        let overload = discipline.is_overload(now.saturating_sub(since));
        self.newest_first = discipline.newest_first(overload);
        let waited = (now as u32).wrapping_sub(self.ring.front()?.came);
        if !discipline.is_overdue(waited.into(), overload) {
            return None;
        }
        let entry = self.ring.pop_front()?;
        self.popped();
        self.told.tell(entry.ticket, Verdict::Overdue);
        entry.waker
    }
}

/// What is told by name.
impl Line {
    /// What the holder of `ticket` has been told, who knows it from now on.
    pub(super) fn hear(&mut self, ticket: Ticket) -> Verdict {
        if self.claims.remove(ticket) {
            return Verdict::Granted;
        }
        self.told.hear(ticket)
    }

    fn is_by_task(&self) -> bool {
        self.discipline.is_some_and(|discipline| discipline.by_task)
    }

    /// The largest grant that `task` has not claimed.
    pub(super) fn unclaimed_by(&self, task: Task) -> Option<Grant> {
        self.claims.largest(task)
    }

    /// How many grants have not been claimed, and when the oldest was made.
    pub(super) fn unclaimed(&self) -> (usize, Option<u64>) {
        self.claims.unclaimed()
    }

    /// Another one has what was granted to the one in line that is to be woken by `waker`.
    pub(super) fn take_back(&mut self, grant: Grant, waker: Option<Waker>) {
        self.claims.remove(grant.ticket);
        self.put_back(grant.ticket, grant.need, waker);
    }
}

/// What traces show.
#[cfg(dynaphore_shuttle)]
impl Line {
    /// All that wait, by ticket.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |entry: &Entry, is_aside| Place {
            ticket: entry.ticket.0,
            need: entry.need,
            is_aside,
        };
        let living = self.ring.iter().filter(|entry| entry.waker.is_some());
        let in_line = living.chain(self.rejoined.values());
        let mut places: Vec<_> = in_line.map(|entry| place(entry, false)).collect();
        places.extend(self.aside.values().map(|entry| place(entry, true)));
        places.sort_by_key(|place| place.ticket);
        places
    }
}

/// A buffer of at most this length serves the next line, too.
#[cfg(feature = "keyed")]
const REUSE: usize = 64;

#[cfg(feature = "keyed")]
impl Line {
    /// Makes an empty one that has not been closed as good as new, but for the order of the
    /// tickets: they are not used again.
    pub(super) fn recycle(&mut self) {
        debug_assert!(self.is_empty(), "nobody else can reach it");
        if self.ring.capacity() > REUSE {
            self.ring = VecDeque::new();
        }
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
impl Line {
    /// How many verdicts have not been heard, and for how many waiters there is room.
    pub(super) fn told_by_name(&self) -> (usize, usize) {
        let (told, room) = self.told.len();
        (told, room + self.ring.capacity())
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests;
