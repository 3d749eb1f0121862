//! The protocol, exhaustively: the ledger and the members that the crate runs, with
//! messages that are lost, doubled, late and out of order, and pauses. A message that is
//! lost is one that is never delivered: what is checked holds in each state.

use std::time::Duration;

use dynaphore_fleet::{Grant, Ledger, Member, Report, Terms};
use stateright::{Checker, Model, Property};

const MAX: u32 = 2;
const LEASE: u64 = 1;

/// A lease is one step of the clock: sending, delivering and answering take none, or
/// one or two.
const fn at(time: u64) -> Duration {
    Duration::from_secs(time)
}

/// What can be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// What is out is read before the share is in force.
    OutReadTooEarly,
    /// The lease counts from when the answer comes.
    LeaseFromAnswer,
    /// Answers to reports that were given up on are applied.
    AnyAnswer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct One {
    member: Member,
    /// The semaphore: its max, and what is out.
    max: u32,
    out: u32,
    reports: u8,
    /// Sent and not yet known to be answered.
    sent: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    ledger: Ledger,
    ones: Vec<One>,
    /// In flight, and how often each may still be delivered.
    reports: Vec<(usize, Report, u8)>,
    grants: Vec<(usize, u64, Grant)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Time,
    Send(usize),
    GiveUp(usize),
    Store(usize),
    Apply(usize),
    Acquire(usize),
    Release(usize),
}

struct Fleet {
    mistake: Mistake,
    /// How many reports each member may send.
    reports: &'static [u8],
    /// How often a report may be delivered.
    deliveries: u8,
    /// When time ends.
    until: u64,
}

impl World {
    /// Time passes for a member that runs before it does anything else: its thread is the
    /// one that lets go, and a pause of it is a pause of all of it.
    fn wake(&mut self, at_member: usize) {
        let one = &mut self.ones[at_member];
        one.member.tick(at(self.now));
        one.max = one.member.share();
    }
}

impl Model for Fleet {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let terms = Terms {
            lease: at(LEASE),
            grace: Duration::ZERO,
            drift_ppm: 0,
            kept: 0,
        };
        let ones = (0..self.reports.len()).map(|id| One {
            member: Member::new(id as u64, MAX, terms),
            max: 0,
            out: 0,
            reports: 0,
            sent: None,
        });
        vec![World {
            now: 0,
            ledger: Ledger::new(),
            ones: ones.collect(),
            reports: Vec::new(),
            grants: Vec::new(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now < self.until {
            actions.push(Action::Time);
        }
        for (i, one) in world.ones.iter().enumerate() {
            match one.sent {
                None if one.reports < self.reports[i] => actions.push(Action::Send(i)),
                Some(_) => actions.push(Action::GiveUp(i)),
                None => {}
            }
            if one.out < one.max {
                actions.push(Action::Acquire(i));
            }
            if one.out > 0 {
                actions.push(Action::Release(i));
            }
        }
        for i in 0..world.reports.len() {
            actions.push(Action::Store(i));
        }
        actions.extend((0..world.grants.len()).map(Action::Apply));
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Time => {
                world.now += 1;
                // A permit that is out when the lease is over is out of the claim: its
                // holder has no grace here, so it is back by then. What the claim is
                // about is that none is taken.
                for i in 0..world.ones.len() {
                    world.wake(i);
                    let one = &mut world.ones[i];
                    if !one.member.is_live() {
                        one.out = 0;
                    }
                }
            }
            Action::Send(i) => {
                let early = world.ones[i].out;
                let now = at(world.now);
                let one = &mut world.ones[i];
                if self.mistake == Mistake::OutReadTooEarly {
                    // The driver reads, permits are taken, and only then does it shrink.
                    let report = one.member.report(now, early, early + 2);
                    one.out = one.max.max(one.out);
                    one.max = 0;
                    world
                        .reports
                        .push((i, Report { share: 0, ..report }, self.deliveries));
                } else {
                    // It is called, and lets go of what it does not use.
                    let demand = one.out + 1;
                    one.member.called();
                    one.member.is_due(now + at(LEASE), one.out, demand);
                    one.max = one.member.share();
                    let report = one.member.report(now, one.out, demand);
                    world.reports.push((i, report, self.deliveries));
                }
                let one = &mut world.ones[i];
                one.reports += 1;
                one.sent = Some(u64::from(one.reports));
            }
            Action::GiveUp(i) => {
                let one = &mut world.ones[i];
                let seq = one.sent.take()?;
                if self.mistake != Mistake::AnyAnswer {
                    one.member.failed(seq);
                }
            }
            Action::Store(n) => {
                world.reports[n].2 -= 1;
                let (i, report, left) = world.reports[n].clone();
                if left == 0 {
                    world.reports.remove(n);
                }
                if let Ok((grant, _)) = world.ledger.sync(at(world.now), &report) {
                    world.grants.push((i, report.seq, grant));
                }
            }
            Action::Apply(n) => {
                let (i, seq, grant) = world.grants.remove(n);
                let now = at(world.now);
                let one = &mut world.ones[i];
                match self.mistake {
                    Mistake::LeaseFromAnswer => {
                        let mut fresh = one.member.clone();
                        // As if the report had been sent just now.
                        if one.sent == Some(seq) {
                            fresh = resent(&fresh, now, one.out);
                            fresh.granted(now, seq + 1, &grant);
                            one.member = fresh;
                        }
                    }
                    Mistake::AnyAnswer => {
                        let last = u64::from(one.reports);
                        one.member.granted(now, last, &grant);
                    }
                    _ => one.member.granted(now, seq, &grant),
                }
                one.max = one.member.share();
                if one.sent == Some(seq) {
                    one.sent = None;
                }
            }
            // All at once: the more are out, the harder.
            Action::Acquire(i) => world.ones[i].out = world.ones[i].max,
            Action::Release(i) => world.ones[i].out -= 1,
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no more than max are out", |_, world: &World| {
                world.ones.iter().map(|one| one.out).sum::<u32>() <= MAX
            }),
            Property::sometimes("two have permits", |_, world: &World| {
                world.ones.iter().filter(|one| one.out > 0).count() == 2
            }),
        ]
    }
}

fn resent(member: &Member, now: Duration, out: u32) -> Member {
    let mut member = member.clone();
    let _ = member.report(now, out, out + 2);
    member
}

fn holds(reports: &'static [u8], deliveries: u8, two: bool) {
    let model = Fleet {
        mistake: Mistake::None,
        reports,
        deliveries,
        until: LEASE + 1,
    };
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{reports:?}: {} states", checker.unique_state_count());
    assert!(checker.is_done());
    checker.assert_no_discovery("no more than max are out");
    if two {
        checker.assert_any_discovery("two have permits");
    }
}

fn finds(mistake: Mistake) -> bool {
    let model = Fleet {
        mistake,
        reports: &[2, 2],
        deliveries: 1,
        until: LEASE + 1,
    };
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.discovery("no more than max are out").is_some()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn no_more_than_max_are_out_with_three_members() {
    holds(&[2, 1, 1], 1, false);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn no_more_than_max_are_out_with_doubled_reports() {
    holds(&[2, 1], 2, false);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn no_more_than_max_are_out_with_three_members_and_doubled_reports() {
    holds(&[1, 1, 1], 2, false);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn no_more_than_max_are_out_while_a_share_moves() {
    holds(&[2, 2], 1, true);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn what_is_out_read_too_early_is_caught() {
    assert!(finds(Mistake::OutReadTooEarly));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn a_lease_from_the_answer_is_caught() {
    assert!(finds(Mistake::LeaseFromAnswer));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimized")]
fn an_answer_to_an_older_report_is_caught() {
    assert!(finds(Mistake::AnyAnswer));
}
