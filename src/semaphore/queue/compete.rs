//! Competing for permits: the ways of `Eventual` and `Barging`.
//!
//! There a releaser gives its permits back to the word, where anybody who comes
//! may take them, and *calls* the first in line: wakes it to compete, without
//! giving it anything. It keeps its place, so a call that was in vain costs no
//! order among the waiters.
//!
//! # Why the first in line does not sleep beside permits that suit it
//!
//! 1. QUEUED is set as long as the line is not empty, as with `Fifo`, so each
//!    releaser takes the lock and looks. It calls waiters until those called
//!    need as much as is free. While enough are called it calls nobody: they
//!    are awake and will look by themselves.
//! 2. Who was called comes, leaves its newest waker first, so that it can be
//!    called again from then on, and only then tries, by a read-modify-write
//!    of the word (E). A release that comes before E is seen by it. One that
//!    comes after E takes the lock after it, and finds the waiter to be called.
//! 3. Whoever has been called and leaves, with its permits or without, or has
//!    come in vain, serves the line before it goes: the front is handed what
//!    suits it. So it does no harm that a call went to one behind the front,
//!    or counted against permits that a newcomer has taken.
//! 4. Who was called and does not come for the length of the bound is not
//!    waited for: the next releaser calls the next.
//!
//! As with `Fifo`, light waiters stay behind a heavy one that does not fit yet.
//!
//! # The bound of `Eventual`
//!
//! The time at which the front will have waited for the bound is published.
//! From then on nobody barges, and permits go to the front directly, as with
//! `Fifo`, until there is a front whose time has not come. A newcomer that has
//! read the time just before may still slip in; its release finds the line due.

use std::mem;

use super::{Fairness, Queue, Shared, Verdict, line::Ticket};
use crate::{
    foreign::Deferred,
    semaphore::word::{Take, Word},
    sync::Relaxed,
};

impl Queue {
    /// May a newcomer take a free permit while others wait?
    pub(crate) fn may_barge(&self) -> bool {
        match self.policy.fairness {
            Fairness::Fifo => false,
            Fairness::Barging => true,
            Fairness::Eventual => self
                .shared
                .get()
                .is_none_or(|shared| shared.calm.clock.nanos() < shared.calm.due.load(Relaxed)),
        }
    }

    /// When one that arrives now must not be passed any more.
    pub(super) fn due(&self, shared: &Shared) -> u64 {
        match self.policy.fairness {
            Fairness::Eventual => shared.calm.clock.nanos().saturating_add(self.bound()),
            Fairness::Fifo | Fairness::Barging => u64::MAX,
        }
    }

    /// Permits came back to the word while somebody stood in line.
    pub(crate) fn returned(&self, word: &Word) {
        if self.policy.is_fifo() {
            return self.hand_over(word, 0);
        }
        let shared = self.shared.force();
        let mut first = true;
        let wakes = shared.wake_while(|line, wakes| {
            let now = shared.calm.clock.nanos();
            let state = word.load();
            let too_large = line.front().is_some_and(|need| state.is_too_large(need));
            if line.is_empty() || too_large || line.due() <= now {
                return shared.serve(line, word, &mut 0, wakes);
            }
            let late = now.saturating_sub(line.called_at) >= self.bound();
            let mut more = mem::take(&mut first) && late;
            while !wakes.is_full() && (more || line.called() < word.load().free()) {
                more = false;
                let Some(waker) = line.call() else { break };
                line.called_at = now;
                wakes.push(Some(waker));
            }
            let full = wakes.is_full();
            shared.tell_watchers(line, word, wakes);
            shared.publish(line);
            !full && !wakes.is_full()
        });
        wakes.finish().resume();
    }

    /// A waiter that has left its newest waker tries for its permits. The panic
    /// is for the caller to resume.
    pub(super) fn compete(&self, word: &Word, ticket: Ticket, need: u32) -> (Verdict, Deferred) {
        let shared = self.shared.force();
        // Outlives the lock: dropping a waker may run foreign code.
        let mut taken = None;
        let mut wakes = shared.wake_while(|line, wakes| {
            let mine = taken.is_none() && line.waits(ticket);
            if mine && shared.calm.clock.nanos() < line.due() {
                if let Take::Acquired = word.acquire_or_queue(need) {
                    taken = line.remove(ticket);
                }
            }
            shared.serve(line, word, &mut 0, wakes)
        });
        let verdict = match taken {
            Some((_, waker)) => {
                wakes.discard(waker);
                Verdict::Granted
            }
            None => shared.verdict(ticket),
        };
        (verdict, wakes.finish())
    }

    /// In nanoseconds, as the clock counts.
    fn bound(&self) -> u64 {
        self.policy.bound().as_nanos() as u64
    }
}
