//! What is held under permits, and the max in force: what the probe holds against the fleet.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{LEASE, LONG_HOLD};

/// A member, as the probe hears it.
struct Heard {
    held: usize,
    fence: u64,
    last: Instant,
    excused: Option<Excuse>,
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
    /// For so long a member may be silent.
    silence: Duration,
    pub in_force: usize,
    pub taken: u64,
    pub most: usize,
    pub excused: usize,
    pub wrong: Vec<String>,
    begin: Instant,
    /// What has happened, for the report of a failure.
    log: Vec<String>,
}

impl Held {
    pub fn new(max: usize, grace: Duration) -> Self {
        Self {
            members: BTreeMap::new(),
            // It had its lease when it fell silent, or its permits were on their way back.
            silence: grace - LONG_HOLD - Duration::from_millis(100),
            in_force: max,
            taken: 0,
            most: 0,
            excused: 0,
            wrong: Vec::new(),
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
        &self.log[self.log.len().saturating_sub(200)..]
    }

    pub fn hear(&mut self, member: u64, what: u8, fence: u64) {
        let now = Instant::now();
        let one = self.members.entry(member).or_insert(Heard {
            held: 0,
            fence,
            last: now,
            excused: None,
        });
        let silent = now - one.last;
        let too_long = silent >= self.silence;
        if too_long {
            one.excused = Some(Excuse {
                fence: one.fence,
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
                self.taken += 1;
            }
            b'-' => one.held = one.held.saturating_sub(1),
            _ => {}
        }
        if too_long {
            self.log(format!("member {member} was silent for {silent:.1?}"));
        }
        self.check(now);
    }

    pub fn forget(&mut self, member: u64) {
        self.members.remove(&member);
    }

    fn check(&mut self, now: Instant) {
        let promised = |one: &&Heard| one.excused.is_none() && now - one.last < self.silence;
        let all = self.members.values().filter(promised).map(|m| m.held).sum();
        self.most = self.most.max(all);
        if all > self.in_force && self.wrong.len() < 20 {
            let held: Vec<_> = self.members.iter().map(|(n, m)| (*n, m.held)).collect();
            let text = format!("{all} are held, {} may be: {held:?}", self.in_force);
            self.log(format!("WRONG: {text}"));
            self.wrong.push(text);
        }
    }
}
