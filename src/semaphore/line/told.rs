//! What waiters have been told by name and have not heard.
//!
//! Two bits a ticket, those of 32 neighbours in one word. Who came one after the other is told
//! one after the other, from one end or the other: so a million who are overdue need a quarter
//! of a megabyte, in a tree that never has to be copied under the lock as a whole.

use alloc::collections::BTreeMap;

use super::{Ticket, Verdict};

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
}
