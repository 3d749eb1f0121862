//! What a store knows of one fleet, and how that changes: no I/O and no clock.
//! `sync.lua` does the same inside Redis.

use std::{collections::BTreeMap, time::Duration};

use crate::message::{FleetSnapshot, Grant, MemberSnapshot, Refusal, Report};

/// How many members a fleet may have. What a store does for a report takes time in
/// proportion to their number.
pub const MAX_MEMBERS: usize = 1024;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Record {
    fence: u64,
    seq: u64,
    share: u32,
    /// No more than that can be out: the invariant that everything stands on.
    counted: u32,
    out: u32,
    demand: u32,
    /// After that it is gone.
    until: Duration,
}

/// One fleet. Times are those of the store's clock, since its epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Ledger {
    max: u32,
    version: u64,
    lease: Duration,
    grace: Duration,
    fence: u64,
    /// Nothing grows before that: members may be there that the store has forgotten.
    quiet_until: Duration,
    now: Duration,
    members: BTreeMap<u64, Record>,
    /// The last report of each that has left, and until when it is kept: one that comes
    /// later, and was sent before, brings nobody back.
    departed: BTreeMap<u64, (u64, Duration)>,
}

/// An answer, and the fences of those who should report soon.
pub type Answer = (Grant, Vec<u64>);

impl Ledger {
    /// A fleet that nobody has joined yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A member reports, and gets its grant.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] says why; nothing has changed but for members that are gone.
    pub fn sync(&mut self, now: Duration, report: &Report) -> Result<Answer, Refusal> {
        self.tick(now);
        let known = self.members.get(&report.id);
        let departed = self.departed.get(&report.id).map(|departed| departed.0);
        let last = known.map(|record| record.seq).or(departed);
        if last.is_some_and(|seq| seq >= report.seq) {
            return Err(Refusal::Stale);
        }
        if known.is_none() && self.members.len() >= MAX_MEMBERS {
            return Err(Refusal::TooManyMembers);
        }
        let others = self.members.len() - usize::from(known.is_some());
        if others > 0 && (self.lease, self.grace) != (report.lease, report.grace) {
            return Err(Refusal::OtherLease);
        }
        // A lower one is of a life before, and this store has lost what came after.
        let fence = known.map(|record| record.fence);
        let fence = fence.filter(|fence| *fence >= report.fence);
        let was_contended = self.is_contended();
        (self.lease, self.grace) = (report.lease, report.grace);
        if self.version == 0 {
            // Older than all that anybody has set.
            (self.version, self.max) = (1, report.max);
        }
        if report.version > self.version {
            (self.version, self.max) = (report.version, report.max);
        }
        if self.version == 1 && self.now >= self.quiet_until {
            // Whoever was here before has reported by now. From here on this max is newer
            // than that of a newcomer to an empty server.
            self.version = 2;
        }
        // This store may have lost what it gave out.
        self.fence = self.fence.max(report.fence);
        let fence = fence.unwrap_or_else(|| {
            self.fence = self.next(self.fence);
            self.fence
        });
        let bound = report.share.max(report.out);
        self.members.insert(
            report.id,
            Record {
                fence,
                seq: report.seq,
                share: report.share,
                counted: bound,
                out: report.out,
                demand: if report.leaving { 0 } else { report.demand },
                until: self.after(report.lease, report.grace),
            },
        );
        if report.leaving {
            // Nothing is granted to it. What it has out stays counted.
            if bound == 0 {
                self.members.remove(&report.id);
                let until = self.after(report.lease, report.grace);
                self.departed.insert(report.id, (report.seq, until));
            } else if let Some(record) = self.members.get_mut(&report.id) {
                record.share = 0;
            }
            let calls = self.calls(&self.targets(), report.id, was_contended);
            return Ok((self.grant(fence, 0, false, None), calls));
        }
        let targets = self.targets();
        let target = targets[&report.id];
        let share = target.min(bound.saturating_add(self.free()));
        if let Some(record) = self.members.get_mut(&report.id) {
            record.share = share;
            record.counted = bound.max(share);
        }
        let calls = self.calls(&targets, report.id, was_contended);
        let next = (share < target || report.demand > share).then(|| self.next_expiry(report.id));
        // While nothing grows it has nothing to ask for.
        let short = share < target && self.now >= self.quiet_until;
        Ok((self.grant(fence, share, short, next.flatten()), calls))
    }

    /// Changes max. Returns the fences of those who should report soon.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoFleet`] if nobody has ever joined.
    pub fn set_max(&mut self, now: Duration, max: u32) -> Result<Vec<u64>, Refusal> {
        self.tick(now);
        if self.version == 0 {
            return Err(Refusal::NoFleet);
        }
        let was_contended = self.is_contended();
        self.version = self.next(self.version);
        self.max = max;
        let targets = self.targets();
        let all = !was_contended && self.is_contended();
        let concerned = self
            .members
            .iter()
            .filter(|(id, m)| all || m.share != targets[*id]);
        Ok(concerned.map(|(_, m)| m.fence).collect())
    }

    /// What it looks like.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoFleet`] if nobody has ever joined.
    pub fn snapshot(&mut self, now: Duration) -> Result<FleetSnapshot, Refusal> {
        self.tick(now);
        if self.version == 0 {
            return Err(Refusal::NoFleet);
        }
        let mut members: Vec<_> = self
            .members
            .values()
            .map(|m| MemberSnapshot {
                fence: m.fence,
                share: m.share,
                counted: m.counted,
                out: m.out,
                demand: m.demand,
            })
            .collect();
        members.sort_by_key(|m| m.fence);
        Ok(FleetSnapshot {
            max: self.max,
            members,
            complete: self.now >= self.quiet_until,
        })
    }

    /// The store may have forgotten something: nothing grows for a lease and a grace.
    pub fn quiet(&mut self, now: Duration, lease: Duration, grace: Duration) {
        self.tick(now);
        self.quiet_until = self.after(lease, grace);
    }

    fn after(&self, lease: Duration, grace: Duration) -> Duration {
        self.now.saturating_add(lease).saturating_add(grace)
    }

    /// Time does not go back, and those whose time is over are gone.
    fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.members.retain(|_, record| record.until > self.now);
        self.departed.retain(|_, (_, until)| *until > self.now);
    }

    /// Larger than `last`, and than all that a store with the same clock has given
    /// out before it was emptied.
    fn next(&self, last: u64) -> u64 {
        let micros = u64::try_from(self.now.as_micros()).unwrap_or(u64::MAX);
        micros.max(last.saturating_add(1))
    }

    /// What nobody can have out.
    fn free(&self) -> u32 {
        if self.now < self.quiet_until {
            return 0;
        }
        let counted: u64 = self.members.values().map(|m| u64::from(m.counted)).sum();
        u64::from(self.max).saturating_sub(counted) as u32
    }

    /// How long until something comes back by itself: the quiet time ends, or the first of
    /// those besides `id` that have something is forgotten.
    fn next_expiry(&self, id: u64) -> Option<Duration> {
        if self.now < self.quiet_until {
            return Some(self.quiet_until - self.now);
        }
        let others = self.members.iter().filter(|(other, _)| **other != id);
        let first = others.filter(|(_, m)| m.counted > 0).map(|(_, m)| m.until);
        first.min().map(|until| until - self.now)
    }

    /// How max is shared out: to each what it asks for, as long as there is enough;
    /// else to each the same, but for those who ask for less (max-min fairness). What
    /// nobody asks for goes to all alike. The sum is max, if there are members.
    fn targets(&self) -> BTreeMap<u64, u32> {
        let order = self.members.iter().map(|(id, m)| (m.demand, m.fence, *id));
        let mut order: Vec<_> = order.collect();
        order.sort_unstable();
        let mut left = self.max;
        let mut targets = BTreeMap::new();
        for (i, (demand, _, id)) in order.iter().enumerate() {
            if *demand > left / (order.len() - i) as u32 {
                break;
            }
            left -= demand;
            targets.insert(*id, *demand);
        }
        // Those who ask for more than that; all, if nobody does.
        let mut rest = match targets.len() {
            served if served < order.len() => order.split_off(served),
            _ => order,
        };
        rest.sort_unstable_by_key(|(_, fence, _)| *fence);
        let (n, left) = (rest.len() as u64, u64::from(left));
        if n == 0 {
            return targets;
        }
        // What cannot be shared out goes to the next ones in each turn, so that all have
        // it equally often.
        let (each, more) = (left / n, left % n);
        let first = self.turn() % n * more % n;
        for (i, (_, _, id)) in (0..).zip(rest) {
            let one = u64::from((i + n - first) % n < more);
            *targets.entry(id).or_default() += (each + one) as u32;
        }
        targets
    }

    /// Counts leases, by which what is not enough goes round.
    fn turn(&self) -> u64 {
        (self.now.as_micros() / self.lease.as_micros().max(1)) as u64
    }

    /// More is asked for than there is.
    fn is_contended(&self) -> bool {
        let asked: u64 = self.members.values().map(|m| u64::from(m.demand)).sum();
        asked > u64::from(self.max)
    }

    /// Who, besides `id`, can help those who are short, or can be helped. And all, once
    /// there is no more enough: they may have become idle since they reported.
    fn calls(&self, targets: &BTreeMap<u64, u32>, id: u64, was_contended: bool) -> Vec<u64> {
        let all = !was_contended && self.is_contended();
        let short =
            |id: &u64, m: &Record| m.share < m.demand.min(targets.get(id).copied().unwrap_or(0));
        if !all && !self.members.iter().any(|(id, m)| short(id, m)) {
            return Vec::new();
        }
        let free = self.free() > 0;
        self.members
            .iter()
            .filter(|(other, m)| {
                let helps = m.share > targets[*other] || free && short(other, m);
                **other != id && (all || helps)
            })
            .map(|(_, m)| m.fence)
            .collect()
    }

    fn grant(&self, fence: u64, share: u32, short: bool, next: Option<Duration>) -> Grant {
        Grant {
            fence,
            share,
            max: self.max,
            version: self.version,
            contended: self.is_contended(),
            short,
            next_expiry: next,
        }
    }
}
