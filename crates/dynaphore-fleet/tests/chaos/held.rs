//! What is held under permits, by whom and with which fence: what the probe holds against the
//! fleet.
//!
//! A member tells that it holds a permit after it has taken it, and that it does not before it
//! gives it back, and waits each time until it is heard. So no more is held here than is out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use dynaphore_fleet::FleetSnapshot;

use super::{LEASE, LONG_HOLD};

/// A member, as the probe hears it.
struct Heard {
    held: usize,
    /// 0 until it has told one.
    fence: u64,
    /// The largest that was heard of when it was started.
    before: u64,
    last: Instant,
    excused: Option<Excuse>,
    /// No less than that was held since the look has begun, all of it with one fence.
    least: usize,
    /// It has taken a permit since all is quiet.
    worked: bool,
}

/// It was silent for so long that nothing is promised for it.
#[derive(Clone, Copy)]
struct Excuse {
    /// With this fence.
    fence: u64,
    since: Instant,
}

impl Excuse {
    /// It has come back, and it knows whether its lease is over: what it has now is counted.
    fn is_over(self, fence: u64, now: Instant) -> bool {
        let old_are_back = now - self.since >= LONG_HOLD * 2;
        old_are_back && (self.fence != fence || now - self.since >= LEASE)
    }
}

pub struct Held {
    members: BTreeMap<u64, Heard>,
    /// Who has told which fence.
    fences: BTreeMap<u64, u64>,
    /// For so long a member may be silent.
    silence: Duration,
    pub in_force: usize,
    pub taken: u64,
    pub most: usize,
    pub excused: usize,
    pub looks: u64,
    pub wrong: Option<String>,
    begin: Instant,
    /// What has happened, for the report of a failure.
    log: Vec<String>,
}

impl Held {
    pub fn new(max: usize, grace: Duration) -> Self {
        Self {
            members: BTreeMap::new(),
            fences: BTreeMap::new(),
            // It had its lease when it fell silent, or its permits were on their way back.
            silence: grace - LONG_HOLD - Duration::from_millis(100),
            in_force: max,
            taken: 0,
            most: 0,
            excused: 0,
            looks: 0,
            wrong: None,
            begin: Instant::now(),
            log: Vec::new(),
        }
    }

    pub fn log(&mut self, event: impl Into<String>) {
        let at = self.begin.elapsed().as_secs_f64();
        self.log.push(format!("{at:8.3} s  {}", event.into()));
    }

    /// The end of what has happened.
    pub fn last(&self) -> &[String] {
        &self.log[self.log.len().saturating_sub(60)..]
    }

    /// The first of it: all that follows may come of that.
    fn wrong(&mut self, text: String) {
        if self.wrong.is_none() {
            self.log(format!("WRONG: {text}"));
            self.wrong = Some(text);
        }
    }

    /// A member is about to be started.
    pub fn expect(&mut self, member: u64) {
        let before = self.fences.last_key_value().map_or(0, |(fence, _)| *fence);
        self.members.insert(
            member,
            Heard {
                held: 0,
                fence: 0,
                before,
                last: Instant::now(),
                excused: None,
                least: 0,
                worked: false,
            },
        );
    }

    pub fn hear(&mut self, member: u64, what: u8, fence: u64) {
        let now = Instant::now();
        let Some(one) = self.members.get_mut(&member) else {
            return;
        };
        let (silent, last_fence, before) = (now - one.last, one.fence, one.before);
        let too_long = last_fence > 0 && silent >= self.silence;
        if too_long {
            one.excused = Some(Excuse {
                fence: last_fence,
                since: now,
            });
            self.excused += 1;
        }
        one.last = now;
        one.fence = fence;
        if one.excused.is_some_and(|excuse| excuse.is_over(fence, now)) {
            one.excused = None;
        }
        match what {
            b'+' => {
                one.held += 1;
                one.worked = true;
                self.taken += 1;
            }
            b'-' => one.held = one.held.saturating_sub(1),
            _ => {}
        }
        one.least = match fence == last_fence {
            true => one.least.min(one.held),
            false => 0,
        };
        if too_long {
            self.log(format!("member {member} was silent for {silent:.1?}"));
        }
        if fence != last_fence {
            self.check_fence(member, fence, last_fence.max(before));
        }
        self.check_held(now);
    }

    pub fn forget(&mut self, member: u64) {
        self.members.remove(&member);
    }

    fn promised(&self, one: &Heard, now: Instant) -> bool {
        one.excused.is_none() && now - one.last < self.silence
    }

    /// A life has a fence of its own, larger than those of all lives before it.
    fn check_fence(&mut self, member: u64, fence: u64, before: u64) {
        if fence <= before {
            self.wrong(format!("member {member} has fence {fence} after {before}"));
        }
        if let Some(other) = self.fences.insert(fence, member) {
            self.wrong(format!("members {other} and {member} have fence {fence}"));
        }
    }

    fn check_held(&mut self, now: Instant) {
        let promised = self.members.values().filter(|one| self.promised(one, now));
        let all = promised.map(|one| one.held).sum();
        self.most = self.most.max(all);
        if all > self.in_force {
            let held: Vec<_> = self.members.iter().map(|(n, m)| (*n, m.held)).collect();
            self.wrong(format!(
                "{all} are held, {} may be: {held:?}",
                self.in_force
            ));
        }
    }

    /// The server is about to be asked what it counts.
    pub fn begin_look(&mut self) {
        for one in self.members.values_mut() {
            one.least = one.held;
        }
    }

    /// The server has answered: nobody had more out than it counts, and it counts no more than
    /// may be. Says nothing where the server may have forgotten members.
    pub fn look(&mut self, snapshot: &FleetSnapshot) {
        if !snapshot.complete {
            return;
        }
        self.looks += 1;
        let now = Instant::now();
        let counted = |fence| snapshot.members.iter().find(|m| m.fence == fence);
        let more = self.members.iter().find_map(|(number, one)| {
            let counted = counted(one.fence).map_or(0, |record| record.counted as usize);
            let more = self.promised(one, now) && one.least > counted;
            more.then(|| {
                let (least, fence) = (one.least, one.fence);
                format!("member {number} holds {least} with {fence}, counted are {counted}")
            })
        });
        if let Some(text) = more {
            self.wrong(format!("{text}: {:?}", snapshot.members));
        }
        // One that has been silent for too long is counted above max when it comes back, which
        // may be before it is heard again.
        let silent = |one: &Heard| one.fence > 0 && now - one.last >= self.silence;
        let exact = self.excused == 0 && !self.members.values().any(silent);
        if exact && snapshot.counted() > self.in_force as u64 {
            self.wrong(format!(
                "counted are {snapshot:?}, {} may be",
                self.in_force
            ));
        }
    }

    /// From now on nothing is done to anybody.
    pub fn rest(&mut self) {
        for one in self.members.values_mut() {
            one.worked = false;
        }
    }

    /// Those that have taken no permit since all is quiet.
    pub fn idle(&self) -> Vec<u64> {
        let idle = self.members.iter().filter(|(_, one)| !one.worked);
        idle.map(|(number, _)| *number).collect()
    }
}
