//! Counts what happens into the window that is open.
//!
//! It has no clock: whoever calls says what time it is, as the time since some
//! moment of his choice. So the same code counts for a real semaphore and in the
//! simulator. A time earlier than the last one counts as the last one.

use std::time::Duration;

use crate::{Outcome, Overload, Window};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    window: Window,
    began: Duration,
    last: Duration,
    /// When a request last had a permit or gave one back.
    used: Duration,
    active: u32,
    waiting: u32,
    /// The most permits that a request has ever asked for.
    heaviest: u32,
    /// Nanoseconds that permits have been held in this window.
    held: u128,
}

impl Tally {
    fn pass(&mut self, now: Duration) {
        let now = now.max(self.last);
        self.held += (now - self.last).as_nanos() * u128::from(self.active);
        self.last = now;
    }

    /// A request asks for `n` permits.
    pub(crate) fn arrives(&mut self, n: u32) {
        self.window.arrived += 1;
        self.heaviest = self.heaviest.max(n);
    }

    /// It found none, and waits.
    pub(crate) fn waits(&mut self) {
        self.waiting += 1;
        self.window.limited = true;
    }

    /// It goes away without a permit.
    pub(crate) fn gives_up(&mut self, has_waited: bool) {
        self.window.gave_up += 1;
        self.window.limited = true;
        if has_waited {
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// It has its `n` permits, at once if `waited` is `None`.
    pub(crate) fn starts(&mut self, now: Duration, waited: Option<Duration>, n: u32) {
        self.pass(now);
        self.used = now;
        if waited.is_some() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        self.window.waits.add(waited.unwrap_or_default());
        self.active += n;
        self.window.highest_active = self.window.highest_active.max(self.active);
    }

    /// It gives its `n` permits back.
    pub(crate) fn ends(
        &mut self,
        now: Duration,
        hold: Duration,
        delay: Option<Duration>,
        outcome: Outcome,
        n: u32,
    ) {
        self.pass(now);
        self.used = now;
        self.active = self.active.saturating_sub(n);
        match outcome {
            Outcome::Served => {
                self.window.served += 1;
                self.window.holds.add(hold);
                if let Some(delay) = delay {
                    self.window.delays.add(delay);
                }
            }
            Outcome::Overload(Overload::Rejected) => self.window.rejected += 1,
            Outcome::Overload(Overload::TimedOut) => self.window.timed_out += 1,
            Outcome::Ignored => self.window.ignored += 1,
        }
    }

    /// When a request last had a permit or gave one back.
    pub(crate) fn used(&self) -> Duration {
        self.used
    }

    /// How long the window is by now.
    pub(crate) fn length(&self, now: Duration) -> Duration {
        now.max(self.last) - self.began
    }

    /// The most permits that a request has ever asked for.
    pub(crate) fn heaviest(&self) -> u32 {
        self.heaviest
    }

    /// How many of its requests have ended in a way that says something.
    pub(crate) fn samples(&self) -> u64 {
        self.window.served + self.window.rejected + self.window.timed_out
    }

    /// Ends the window, in which max was `max`, and begins the next.
    pub(crate) fn take(&mut self, now: Duration, max: u32) -> Window {
        self.pass(now);
        let next = Window {
            highest_active: self.active,
            limited: self.waiting > 0,
            ..Window::default()
        };
        let mut window = std::mem::replace(&mut self.window, next);
        window.max = max;
        window.length = self.last - self.began;
        if !window.length.is_zero() {
            window.mean_active = self.held as f64 / window.length.as_nanos() as f64;
        }
        self.began = self.last;
        self.held = 0;
        window
    }
}
