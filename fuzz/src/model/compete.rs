//! Who is notified: what those wait on who compete, and those who watch.
//!
//! A free permit is anybody's, and a waiter is *notified*, that is woken to look for
//! itself. The rules:
//!
//! 1. Those who listen are notified in the order in which they began to.
//! 2. Whatever makes room notifies as many as permits are free, counting those who have
//!    been notified before and have not come. While there is a line that nobody may pass,
//!    it notifies nobody: in no mode of the model does somebody compete whose time to join
//!    the line has come.
//! 3. The line is served first.
//! 4. Who comes and finds a permit has it, notified or not. Who was notified and comes in
//!    vain listens again, at the end.
//! 5. A notification of somebody who leaves without having come goes to the next.
//! 6. When many releases in a row have notified nobody, since those notified do not come,
//!    one more is notified.
//! 7. A close notifies all who compete. They wait until they come.
//! 8. When a state is reached, all who wait for it are notified.
//!
//! What follows, and is checked by itself: nobody sleeps beside a permit that is free for
//! it, unless somebody is notified for each of those permits.

use std::task::Poll;

use super::{Answer, Event, Id, Model, WakerId, Want};

/// How many releases in a row may notify nobody.
const PASSED: usize = 32;

impl Model {
    /// Does a request for `need` permits compete, or does it stand in line?
    pub(super) fn competes(&self, need: usize) -> bool {
        self.mode.competes() && need == 1
    }

    /// Polls one that competes: rule 4.
    pub(super) fn come(&mut self, id: Id, newest: WakerId) -> Poll<Answer> {
        self.competing.register(id, newest);
        let answer = if self.closed {
            Answer::Closed
        } else if self.available() > 0 {
            self.active += 1;
            Answer::Granted
        } else {
            if self.competing.is_notified(id) {
                self.competing.listen_again(id);
            }
            return Poll::Pending;
        };
        self.competing.remove(id);
        Poll::Ready(answer)
    }

    /// Polls one that waits for a state.
    pub(super) fn watch(&mut self, id: Id, want: Want, newest: WakerId) -> Poll<Answer> {
        let met = self.is_met(want);
        if self.watchers(want).come_for(id, newest, met) {
            Poll::Ready(Answer::Granted)
        } else {
            Poll::Pending
        }
    }

    pub(super) fn watchers(&mut self, want: Want) -> &mut Event {
        &mut self.watchers[usize::from(want == Want::Idle)]
    }

    /// There may be more room than before: rules 2, 6 and 8, when the line has been served.
    pub(super) fn notify(&mut self) {
        let n = self.available();
        if n > 0 && !self.competing.is_empty() {
            if self.competing.notify(n, &mut self.wakes) > 0 {
                self.passed = 0;
            } else {
                self.passed += 1;
            }
            if self.passed > PASSED {
                self.passed = 0;
                self.competing.notify_more(1, &mut self.wakes);
            }
        }
        for want in [Want::Settled, Want::Idle] {
            if self.is_met(want) {
                let at = usize::from(want == Want::Idle);
                self.watchers[at].notify(usize::MAX, &mut self.wakes);
            }
        }
    }

    /// Rule 7.
    pub(super) fn notify_closed(&mut self) {
        self.competing.notify(usize::MAX, &mut self.wakes);
    }

    /// What follows from the rules.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let free_for_them = self.available().min(self.competing.len());
        if self.competing.notified() < free_for_them {
            return Err("a waiter sleeps beside a permit that is free for it");
        }
        let front = self.line.iter().find(|waiter| !waiter.aside);
        if front.is_some_and(|front| self.fits(front.need)) {
            return Err("the first in line waits beside its permits");
        }
        if self
            .line
            .iter()
            .any(|waiter| waiter.aside && waiter.need <= self.max)
        {
            return Err("one stands aside whom max allows");
        }
        Ok(())
    }
}
