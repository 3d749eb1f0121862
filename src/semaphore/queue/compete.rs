//! Competing for permits: the ways of `Eventual` and `Barging`.
//!
//! There a releaser gives its permits back to the word, where anybody who comes
//! may take them, and *calls* the first in line: wakes it to compete, without
//! giving it anything. It keeps its place, so a call that was in vain costs no
//! order among the waiters.
//!
//! # Why nobody sleeps beside a free permit
//!
//! 1. QUEUED is set as long as the line is not empty, as with `Fifo`, so each
//!    releaser takes the lock and looks. It calls waiters until those called
//!    need as much as is free. While enough are called it calls nobody: they
//!    are awake and will look by themselves.
//! 2. Who was called comes, leaves its newest waker first, so that it can be
//!    called again from then on, and only then tries, by a read-modify-write
//!    of the word (E). A release that comes before E is seen by it. One that
//!    comes after E takes the lock after it, and finds the waiter to be called.
//! 3. Who was called and has taken its permits, or gives up, serves the line
//!    with what is left over before it goes.
//! 4. Who was called and does not come for the length of the bound is not
//!    waited for: the next releaser calls the next.
//!
//! # The bound of `Eventual`
//!
//! Whoever looks at the line, be it a releaser or a waiter that lost, and finds
//! that the front has waited for the bound, declares the line *overdue*. From
//! then on nobody barges, and permits go to the front directly, as with `Fifo`,
//! until a front is found that has not waited so long. A newcomer that has read
//! the flag just before may still slip in; its release finds the line overdue.

use super::{
    Fairness, Queue, Shared, Verdict,
    line::{Line, Ticket},
};
use crate::{
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
                .is_none_or(|shared| !shared.calm.overdue.load(Relaxed)),
        }
    }

    /// The time of an arrival, where somebody will ask for it.
    pub(super) fn arrival(&self, shared: &Shared) -> u64 {
        match self.policy.fairness {
            Fairness::Eventual => shared.calm.clock.nanos(),
            Fairness::Fifo | Fairness::Barging => 0,
        }
    }

    /// Permits came back to the word while somebody stood in line.
    pub(crate) fn returned(&self, word: &Word) {
        if self.policy.is_fifo() {
            return self.hand_over(word, 0);
        }
        let shared = self.shared.force();
        shared.wake_while(|line, wakes| {
            let now = shared.calm.clock.nanos();
            let state = word.load();
            let too_large = line.front().is_some_and(|need| state.is_too_large(need));
            if line.is_empty() || too_large || self.is_overdue(shared, line, now) {
                return shared.serve(line, word, &mut 0, wakes);
            }
            let late = now.saturating_sub(line.called_at) >= self.bound();
            let mut more = late;
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
    }

    /// A waiter that has left its newest waker tries for its permits.
    pub(super) fn compete(&self, word: &Word, ticket: Ticket, need: u32) -> Verdict {
        let shared = self.shared.force();
        // Outlives the lock: dropping a waker may run foreign code.
        let mut taken = None;
        shared.wake_while(|line, wakes| {
            if taken.is_none() {
                let now = shared.calm.clock.nanos();
                if !line.waits(ticket) {
                    return true;
                }
                if !self.is_overdue(shared, line, now) {
                    match word.acquire_or_queue(need) {
                        Take::Acquired => taken = line.remove(ticket),
                        Take::Full | Take::Spoken | Take::Closed => return true,
                        Take::TooLarge => {}
                    }
                }
            }
            shared.serve(line, word, &mut 0, wakes)
        });
        match taken {
            Some(_) => Verdict::Granted,
            None => shared.verdict(ticket),
        }
    }

    /// Has the first in line waited too long? Says so to newcomers.
    fn is_overdue(&self, shared: &Shared, line: &Line, now: u64) -> bool {
        if self.policy.fairness != Fairness::Eventual {
            return false;
        }
        let overdue = line
            .front_since()
            .is_some_and(|since| now.saturating_sub(since) >= self.bound());
        if shared.calm.overdue.load(Relaxed) != overdue {
            shared.calm.overdue.store(overdue, Relaxed);
        }
        overdue
    }

    /// In nanoseconds, as the clock counts.
    fn bound(&self) -> u64 {
        self.policy.bound().as_nanos() as u64
    }
}
