//! What is promised where waiters compete with newcomers.
//!
//! A free permit is anybody's, and a waiter is *called*, that is woken to look
//! for itself. How many are called, and when one is handed its permits instead,
//! is the semaphore's choice, within these rules:
//!
//! 1. Permits are handed to the first in line that max allows, and only when
//!    they are there. Those that come back are not, they are anybody's; except
//!    that a request for more than max may have stood in their way.
//! 2. Calls go out in the order of arrival. Requests for more than max may be
//!    called or left out.
//! 3. Nobody is called while those called before need all that is free, but for
//!    one where nobody is waited for.
//! 4. If the first in line that max allows could be served, somebody has been
//!    called, and the next that sleeps would not fit in beside all those
//!    called. So once everybody who was woken has looked, nobody sleeps beside
//!    permits that it could be served with. Where nobody is waited for, each
//!    release calls one more in that case.
//! 5. Who looks and finds its permits has them.
//! 6. Who waits for a state is told when it is reached, as in every mode.

use super::{Id, Model, Waiter};
use crate::script::Mode;

impl Model {
    /// A waiter has been polled: rule 5.
    pub(super) fn wins(&mut self, id: Id) -> bool {
        if !self.mode.competes() {
            return false;
        }
        let found = self.waiters.iter().position(|waiter| waiter.id == id);
        let Some((at, need)) = found.and_then(|at| Some((at, self.waiters[at].need()?))) else {
            return false;
        };
        let wins = self.fits(need);
        if wins {
            self.active += need;
            self.waiters.remove(at);
        }
        wins
    }

    /// Does what the semaphore has been seen to do after the last call: so many
    /// wait now, and it keeps so many `clones` of each waker. An error names
    /// the rule that this breaks.
    ///
    /// # Panics
    ///
    /// When two futures wait with one waker, which could not be told apart.
    pub(crate) fn follow(&mut self, waiting: usize, clones: &[usize]) -> Result<(), &'static str> {
        if !self.mode.competes() {
            return Ok(());
        }
        let released = std::mem::take(&mut self.released);
        let in_the_way = self
            .waiters
            .iter()
            .any(|waiter| !self.may_be_served(waiter));
        while self.waiters.len() > waiting {
            if released && !in_the_way {
                return Err("rule 1: a releaser gave its permits to a waiter");
            }
            if !self.grant_front() {
                return Err("rule 1: a waiter is gone that could not be served");
            }
        }
        let impatient = self.mode == Mode::Impatient;
        let mut spare = usize::from(impatient);
        let mut more = impatient && released;
        for at in 0..self.waiters.len() {
            let Waiter { newest, called, .. } = self.waiters[at];
            assert!(clones[newest] <= 1, "two wait with one waker");
            if called || clones[newest] == 1 {
                continue;
            }
            let passed = |waiter: &Waiter| self.may_be_served(waiter) && !waiter.called;
            if self.waiters.range(..at).any(passed) {
                return Err("rule 2: one was called before its turn");
            }
            if self.called(|waiter| self.may_be_served(waiter)) >= self.free() {
                if spare == 0 {
                    return Err("rule 3: one was called for nothing");
                }
                spare -= 1;
            }
            more = false;
            self.waiters[at].called = true;
            self.wakes[newest] += 1;
        }
        let mut line = self
            .waiters
            .iter()
            .filter(|waiter| self.may_be_served(waiter));
        let suits = self.front().is_some_and(|(_, need)| self.fits(need));
        let asleep = line.find(|waiter| !waiter.called).and_then(Waiter::need);
        if suits && asleep.is_some_and(|need| more || self.called(|_| true) + need <= self.free()) {
            return Err("rule 4: a waiter sleeps beside free permits");
        }
        self.tell_watchers();
        Ok(())
    }

    fn free(&self) -> usize {
        self.max.saturating_sub(self.active)
    }

    /// Does max allow what it needs?
    fn may_be_served(&self, waiter: &Waiter) -> bool {
        waiter.need().is_some_and(|need| need <= self.max)
    }

    /// How many permits those need that have been called.
    fn called(&self, count: impl Fn(&Waiter) -> bool) -> usize {
        let called = self.waiters.iter().filter(|waiter| waiter.called);
        called
            .filter(|waiter| count(waiter))
            .filter_map(Waiter::need)
            .sum()
    }
}
