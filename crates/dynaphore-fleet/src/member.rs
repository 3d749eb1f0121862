//! What a member knows, and when it reports: no I/O and no clock.

use std::time::Duration;

use crate::message::{Grant, Report};

/// Between two reports, at least.
const PACE: Duration = Duration::from_millis(10);

/// Between two reports, where the store's clock has said when to ask.
const SHORTEST_PACE: Duration = Duration::from_millis(1);

/// Between two reports of a member that has a right to more, and needs it.
const SHORT_PACE: Duration = Duration::from_millis(20);

/// Between two reports where the first had no answer. Twice as long after each more, up
/// to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(320);

/// A member lets go so much before its lease is over, since a thread wakes up late.
const RESERVE: Duration = Duration::from_millis(3);

/// What a program asks of its membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// How long a grant is good.
    pub lease: Duration,
    /// For how long after that what is out stays counted.
    pub grace: Duration,
    /// How much faster the store's clock may go than this member's, in millionths.
    pub drift_ppm: u32,
    /// The max while the store is lost: 0 is a pause.
    pub kept: u32,
}

/// One member. Times are those of its own clock, which may start anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    id: u64,
    terms: Terms,
    max: u32,
    version: u64,
    fence: u64,
    seq: u64,
    share: u32,
    /// When the last report was sent, and whether an answer may still come.
    sent: Option<Duration>,
    open: bool,
    /// Until when the grant is good. None while the store is lost.
    deadline: Option<Duration>,
    told_demand: u32,
    told_out: u32,
    contended: bool,
    short: bool,
    /// How long to wait after a report that had no answer.
    pause: Option<Duration>,
    /// When others' permits may come back by themselves.
    asks_at: Option<Duration>,
    /// It has a shrink to acknowledge, or is called.
    urgent: bool,
    leaving: bool,
}

impl Member {
    /// A member that has not reported yet. `max` is for the fleet, if it is new.
    #[must_use]
    pub fn new(id: u64, max: u32, terms: Terms) -> Self {
        Self {
            id,
            terms,
            max,
            version: 0,
            fence: 0,
            seq: 0,
            share: 0,
            sent: None,
            open: false,
            deadline: None,
            told_demand: 0,
            told_out: 0,
            contended: false,
            short: false,
            pause: None,
            asks_at: None,
            urgent: true,
            leaving: false,
        }
    }

    /// The max that its semaphore must have.
    #[must_use]
    pub fn share(&self) -> u32 {
        self.share
    }

    /// The number of its life; 0 before the first answer.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Its grant is good.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.deadline.is_some()
    }

    /// Until when, at the member's clock.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// When to look at it next, and not later: its lease ends, or others' permits may come
    /// back by themselves, and it wants them. What is before `now` has been dealt with.
    #[must_use]
    pub fn wakes_at(&self, now: Duration) -> Option<Duration> {
        let times = [self.deadline, self.asks_at].into_iter().flatten();
        times.filter(|at| *at > now).min()
    }

    /// Lets go of a grant whose time is over. The caller puts the share in force.
    pub fn tick(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.deadline = None;
            self.share = if self.leaving { 0 } else { self.terms.kept };
        }
    }

    /// Others need what it does not use.
    pub fn called(&mut self) {
        self.urgent = true;
        self.contended = true;
    }

    /// It takes no more.
    pub fn leave(&mut self) {
        self.leaving = true;
        self.share = 0;
        self.urgent = true;
    }

    /// Is it time to report? If so it lets go first of what others need and it does
    /// not. The caller puts the share in force, and only then reads what is out.
    pub fn is_due(&mut self, now: Duration, out: u32, demand: u32) -> bool {
        let since = self
            .sent
            .map_or(Duration::MAX, |sent| now.saturating_sub(sent));
        // Permits come back after a shrink.
        let over_max = self.told_out > self.share && out < self.told_out;
        let idle = self.contended && demand < self.share;
        // If it has asked for more than it got, asking for still more changes nothing.
        let wants_more = demand > self.share && self.told_demand <= self.share;
        let pace = if let Some(pause) = self.pause {
            pause.min(self.terms.lease / 3)
        } else if self.urgent || idle || wants_more || over_max {
            PACE
        } else if self.short && demand > self.share {
            SHORT_PACE
        } else {
            self.terms.lease / 3
        };
        // An answer that does not come is waited for as long as a renewal may take.
        let due = if self.open {
            self.terms.lease / 3
        } else {
            pace
        };
        let asks = self.asks_at.is_some_and(|at| now >= at);
        if since < due && !asks {
            return false;
        }
        if self.contended && demand < self.share {
            self.share = demand;
        }
        true
    }

    /// What it says. `out` was read after its share was in force.
    pub fn report(&mut self, now: Duration, out: u32, demand: u32) -> Report {
        self.seq += 1;
        self.sent = Some(now);
        self.open = true;
        self.urgent = false;
        self.asks_at = None;
        self.told_demand = demand;
        self.told_out = out;
        Report {
            id: self.id,
            seq: self.seq,
            share: self.share,
            out,
            demand,
            max: self.max,
            version: self.version,
            fence: self.fence,
            lease: self.terms.lease,
            grace: self.terms.grace,
            leaving: self.leaving,
        }
    }

    /// The answer to report `seq` has come. The caller puts the share in force.
    pub fn granted(&mut self, now: Duration, seq: u64, grant: &Grant) {
        let Some(sent) = self.sent.filter(|_| self.open && seq == self.seq) else {
            return;
        };
        self.open = false;
        self.pause = None;
        if grant.version > self.version {
            (self.version, self.max) = (grant.version, grant.max);
        }
        self.fence = self.fence.max(grant.fence);
        self.contended = grant.contended;
        self.short = grant.short;
        // From the sending, so not too late; if too early, the next answer says so.
        self.asks_at = grant
            .next_expiry
            .map(|left| sent.saturating_add(left.max(SHORTEST_PACE)));
        self.deadline = Some(sent.saturating_add(self.good_for()));
        // A shrink is acknowledged at once.
        self.urgent |= grant.share < self.share;
        self.share = if self.leaving { 0 } else { grant.share };
        self.tick(now);
    }

    /// There will be no answer to report `seq`.
    pub fn failed(&mut self, seq: u64) {
        if seq == self.seq {
            self.open = false;
            let longer = self.pause.map_or(FIRST_PAUSE, |pause| pause * 2);
            self.pause = Some(longer.min(LAST_PAUSE));
        }
    }

    /// How long a grant is good by this clock, counted from when the report was sent.
    fn good_for(&self) -> Duration {
        let drift = self.terms.lease.as_micros() * u128::from(self.terms.drift_ppm) / 1_000_000;
        let drift = Duration::from_micros(u64::try_from(drift).unwrap_or(u64::MAX));
        self.terms.lease.saturating_sub(drift + RESERVE)
    }
}
