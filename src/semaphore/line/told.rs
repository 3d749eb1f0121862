//! What waiters have been told by name: verdicts that have not been heard, and grants that belong
//! to tasks and have not been claimed.
//!
//! # Verdicts
//!
//! Two bits a ticket, those of 32 neighbours in one word. Who came one after the other is told
//! one after the other, from one end or the other: so a million who are overdue need a quarter
//! of a megabyte, in a tree that never has to be copied under the lock as a whole.
//!
//! # Grants
//!
//! A task may keep a future that is in line, not poll it, and wait for the same semaphore in
//! another one. What is granted to the first is out then, and the task waits for itself: a
//! futurelock (Oxide's RFD 609). Here a grant belongs to the *task* until a future has claimed
//! it. Who has the same waker is of the same task.
//!
//! The rule: a future is polled, and would wait. If another one of its task has a grant that it
//! has not claimed, and that is large enough, the polled one has the permits, and the other
//! stands in line again where it stood. A smaller grant is left alone.
//!
//! Why that is right:
//!
//! 1. *Order.* The grant came when it was the turn of this task. The other one has its ticket
//!    still, so it is before all that came later. So nobody of another task is passed.
//! 2. *Claim against take-over.* Both happen under the lock, and a claim reads and forgets its
//!    verdict in one critical section. Whoever is second finds nothing.
//! 3. *Permits.* The polled one takes what was granted, and what is left of it is handed to the
//!    line in the same critical section. The word knows of nothing else.
//! 4. *Cancel.* One that is dropped is in line or has its grant, and that is looked up in one
//!    critical section, so it is in one of the two.
//! 5. *Close.* The other one is in line again, and the closer finds it. If the closer has been
//!    there already, the polled one takes nothing: it is in line no more, or it competes and
//!    sees CLOSED under the lock.
//! 6. *Wake-ups.* QUEUED is set, since one is in line. The one that is there again is woken by
//!    the waker that is polled. If another task has it by now, it has yet to poll it there, and
//!    brings its own. A grant wakes its task once. Whatever that polls then, and would wait,
//!    looks for the grant; so does one that competed and comes into the line.
//! 7. *Panics.* The polled one waits nowhere any more while wakers of others run. If one
//!    panics, its permits go back before the panic goes on.

use alloc::collections::{BTreeMap, BTreeSet};
use core::{cmp::Reverse, ptr, task::Waker};

/// What a waiter has been told.
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
pub(crate) struct Ticket(pub(in super::super) u64);

/// Tickets in a word.
const MANY: u64 = 32;

#[derive(Default)]
pub(super) struct Told(BTreeMap<u64, u64>);

/// What two bits say: the verdicts in their order. None are `Waiting`.
const VERDICTS: [Verdict; 4] = [
    Verdict::Waiting,
    Verdict::Granted,
    Verdict::Closed,
    Verdict::Overdue,
];

/// The word of a ticket, and its place there.
fn place(ticket: Ticket) -> (u64, u64) {
    (ticket.0 / MANY, 2 * (ticket.0 % MANY))
}

impl Told {
    pub(super) fn get(&self, ticket: Ticket) -> Verdict {
        let (at, shift) = place(ticket);
        let word = self.0.get(&at).copied().unwrap_or(0);
        VERDICTS[(word >> shift & 0b11) as usize]
    }

    /// Tells the holder of `ticket`, which has been told nothing.
    pub(super) fn tell(&mut self, ticket: Ticket, verdict: Verdict) {
        let (at, shift) = place(ticket);
        *self.0.entry(at).or_default() |= (verdict as u64) << shift;
    }

    /// What the holder of `ticket` has been told, who has heard it now.
    pub(super) fn hear(&mut self, ticket: Ticket) -> Verdict {
        let (at, shift) = place(ticket);
        let Some(word) = self.0.get_mut(&at) else {
            return Verdict::Waiting;
        };
        let verdict = VERDICTS[(*word >> shift & 0b11) as usize];
        *word &= !(0b11 << shift);
        if *word == 0 {
            self.0.remove(&at);
        }
        verdict
    }

    /// How many have not heard, and in how many words.
    #[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
    pub(super) fn len(&self) -> (usize, usize) {
        let told = |word: &u64| ((word | word >> 1) & 0x5555_5555_5555_5555).count_ones() as usize;
        (self.0.values().map(told).sum(), self.0.len())
    }
}

/// Who is woken: two clones that are equal in this wake the same task. It keeps nothing alive.
/// So one may be taken for another that has come to the same address later: then that one has
/// the permits first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    data: usize,
    vtable: usize,
}

impl Task {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: ptr::from_ref(waker.vtable()).addr(),
        }
    }
}

/// A grant that nobody has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) ticket: Ticket,
    pub(crate) need: u32,
}

// Once used, each has one element more that belongs to nobody: a tree that becomes empty gives
// its memory back, and would ask for it again with the next grant.
#[derive(Default)]
pub(super) struct Claims {
    /// The task, the number of permits, and the time of each.
    grants: BTreeMap<Ticket, (Task, u32, u64)>,
    /// The same, so that the largest of a task, and of these the oldest, is its last.
    by_task: BTreeSet<(Task, u32, Reverse<Ticket>)>,
}

const NOBODY: Task = Task { data: 0, vtable: 0 };
const NEVER: Ticket = Ticket(u64::MAX);

impl Claims {
    /// It was granted to one of `task`, at the time `now`.
    pub(super) fn insert(&mut self, task: Task, grant: Grant, now: u64) {
        if self.grants.is_empty() {
            self.grants.insert(NEVER, (NOBODY, 0, u64::MAX));
            self.by_task.insert((NOBODY, 0, Reverse(NEVER)));
        }
        let Grant { ticket, need } = grant;
        self.grants.insert(ticket, (task, need, now));
        self.by_task.insert((task, need, Reverse(ticket)));
    }

    /// It has been claimed, or taken over. `false` if there is none.
    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let Some((task, need, _)) = self.grants.remove(&ticket) else {
            return false;
        };
        self.by_task.remove(&(task, need, Reverse(ticket)))
    }

    pub(super) fn contains(&self, ticket: Ticket) -> bool {
        self.grants.contains_key(&ticket)
    }

    /// The largest grant of `task`.
    pub(super) fn largest(&self, task: Task) -> Option<Grant> {
        let all = (task, 0, Reverse(Ticket(u64::MAX)))..=(task, u32::MAX, Reverse(Ticket(0)));
        let &(_, need, Reverse(ticket)) = self.by_task.range(all).next_back()?;
        Some(Grant { ticket, need })
    }

    /// How many there are, and when the oldest was made.
    pub(super) fn unclaimed(&self) -> (usize, Option<u64>) {
        let times = self.grants.range(..NEVER).map(|(_, &(_, _, at))| at);
        (self.grants.len().saturating_sub(1), times.min())
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_its_own() {
        let mut told = Told::default();
        for at in 0..100 {
            told.tell(Ticket(at), VERDICTS[at as usize % 4]);
        }
        for at in (0..100).step_by(2) {
            let _ = told.hear(Ticket(at));
        }
        for at in 0..100 {
            let expected = VERDICTS[if at % 2 == 0 { 0 } else { at as usize % 4 }];
            assert_eq!(told.get(Ticket(at)), expected, "{at}");
        }
        assert_eq!(told.len().0, 50);
    }

    #[test]
    fn a_million_need_little_and_leave_nothing() {
        let mut told = Told::default();
        for at in 0..1_000_000 {
            told.tell(Ticket(at), Verdict::Overdue);
        }
        assert_eq!(told.len(), (1_000_000, 31_250));
        for at in (0..1_000_000).rev() {
            assert_eq!(told.hear(Ticket(at)), Verdict::Overdue);
        }
        assert_eq!(told.len(), (0, 0));
    }

    fn task(data: usize) -> Task {
        Task { data, vtable: 1 }
    }

    #[test]
    fn the_largest_of_a_task_is_taken_and_of_these_the_oldest() {
        let mut claims = Claims::default();
        let grants = [(1, 5, 9), (2, 6, 2), (2, 7, 1), (2, 8, 2), (3, 4, 9)];
        for (at, (of, ticket, need)) in grants.into_iter().enumerate() {
            let ticket = Ticket(ticket);
            claims.insert(task(of), Grant { ticket, need }, 10 - at as u64);
        }
        let mut taken = Vec::new();
        while let Some(Grant { ticket, need }) = claims.largest(task(2)) {
            claims.remove(ticket);
            taken.push((ticket.0, need));
        }
        assert_eq!(taken, [(6, 2), (8, 2), (7, 1)]);
        assert_eq!(claims.unclaimed(), (2, Some(6)));
    }
}
