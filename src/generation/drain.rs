//! Turns: when a generation has drained, and when the next turn may begin. The
//! overview and the numbered arguments are in `tracker.rs`.

use std::ops::Range;

use super::{
    Tracker,
    along::{Meeting, meet},
    stripe::{Position, RING},
    token::Mark,
};
use crate::sync::{AcqRel, Acquire, Relaxed, SeqCst, fence};

/// What a look at the counts has shown.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    /// All tokens up to the turn in question are gone, for good.
    Done,
    /// Some are out, or it looks so.
    NotYet,
}

impl Tracker {
    /// The current turn.
    #[inline]
    pub(super) fn turn(&self) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `begin_next`: what has
        // drained for somebody else has drained for the caller.
        self.words.turn.load(Acquire)
    }

    /// Have the tokens of `turn`, and of those before it, all gone? If `turn`
    /// is still the current one, this begins the next, as soon as that is
    /// possible. Goes round again only when the current turn has moved.
    pub(super) fn drain(&self, turn: u64, meeting: Option<&dyn Meeting>) -> Drain {
        let mut now = self.turn();
        loop {
            let ahead = now - turn;
            // ORDERING: Acquire, pairs with the Release in `fetch_max` below:
            // who reads that the turn has drained sees what its holders did.
            let drained = self.waiting.drained.load(Acquire);
            if ahead >= RING as u64 || turn < drained {
                // Argument 3.
                return Drain::Done;
            }
            if ahead == 0 {
                self.begin_next(now, meeting);
            } else if self.are_empty(drained..turn + 1, now, meeting) {
                // Or a latecomer could make it look otherwise again.
                self.waiting.drained.fetch_max(turn + 1, AcqRel);
                return Drain::Done;
            }
            let later = self.turn();
            if later == now {
                return Drain::NotYet;
            }
            now = later;
        }
    }

    /// Begins the turn after `now`, if `now` is the current one and the turn
    /// that was counted where the next one will be has drained.
    pub(super) fn begin_next(&self, now: u64, meeting: Option<&dyn Meeting>) {
        let next = now + 1;
        // ORDERING: as in `drain`.
        let drained = self.waiting.drained.load(Acquire);
        let before = next.saturating_sub(RING as u64 - 1);
        if drained >= before || self.are_empty(drained..before, now, meeting) {
            // ORDERING: SeqCst for argument 2. Release, for whoever reads the new
            // turn: what this thread has seen of the counts' end, that one
            // sees. Acquire, so that it passes on what came before. If it
            // fails, somebody else has done it.
            let turn = &self.words.turn;
            let begun = turn.compare_exchange(now, next, SeqCst, Relaxed);
            if begun.is_ok() {
                // ORDERING: argument 4, B. Pairs with the fence in `are_empty`.
                fence(SeqCst);
                if self.waiting.waiters.waiting() > 0 {
                    self.waiting.waiters.wake();
                }
            }
        }
    }

    /// Have these `turns` drained, none of which may have tokens that began at
    /// `now` or later? The earliest that can still be told apart comes RING - 1
    /// before `now`.
    fn are_empty(&self, turns: Range<u64>, now: u64, meeting: Option<&dyn Meeting>) -> bool {
        // ORDERING: argument 1: after the load that has returned `now`, before
        // the scan. Pairs with the read-modify-write in `count_in`.
        meet(meeting);
        let earliest = (now + 1).saturating_sub(RING as u64);
        (turns.start.max(earliest)..turns.end).all(|turn| self.stripes.is_empty(Position::of(turn)))
    }

    /// A token has gone whose turn is over: tells those who wait if it was the
    /// last one.
    #[cold]
    pub(super) fn left_late(&self, mark: Mark) {
        // ORDERING: argument 4, H: after the count-out, before the look for
        // waiters. Pairs with the fence in `are_empty`, and with this one of
        // others who leave.
        fence(SeqCst);
        if self.waiting.waiters.waiting() > 0 && self.stripes.is_empty(mark.position) {
            self.waiting.waiters.wake();
        }
    }
}
