//! Random runs of four members and a ledger against a plain count of what is out.

use std::time::Duration;

use dynaphore_fleet::{Ledger, Member, Terms};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_millis(300);

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Report {
        who: usize,
        arrives: bool,
        answered: bool,
        waiting: u32,
    },
    Acquire(usize),
    Release(usize),
    Crash(usize),
    SetMax(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let report = (
        0..4_usize,
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.8),
        0..9_u32,
    );
    prop_oneof![
        4 => (0..60_u64).prop_map(Step::Wait),
        12 => report.prop_map(|(who, arrives, answered, waiting)| Step::Report { who, arrives, answered, waiting }),
        12 => (0..4_usize).prop_map(Step::Acquire),
        4 => (0..4_usize).prop_map(Step::Release),
        1 => (0..4_usize).prop_map(Step::Crash),
        1 => (0..12_u32).prop_map(Step::SetMax),
    ]
}

fn member(id: u64) -> Member {
    Member::new(
        id,
        6,
        Terms {
            lease: LEASE,
            grace: Duration::ZERO,
            drift_ppm: 0,
            kept: 0,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_the_max_in_force(steps in prop::collection::vec(step(), 1..200)) {
        let mut ledger = Ledger::new();
        let mut now = Duration::ZERO;
        let mut ids = 4;
        let mut members: Vec<_> = (0..4).map(|id| (member(id), 0_u32)).collect();
        // The largest since all that is counted fitted into max.
        let mut in_force = 6;
        for step in steps {
            match step {
                Step::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    for (member, out) in &mut members {
                        member.tick(now);
                        if !member.is_live() {
                            // No grace: its holders are done by then.
                            *out = 0;
                        }
                    }
                }
                Step::Report { who, arrives, answered, waiting } => {
                    let (member, out) = &mut members[who];
                    let report = member.report(now, *out, *out + waiting);
                    let answer = arrives.then(|| ledger.sync(now, &report));
                    match answer {
                        Some(Ok((grant, _))) if answered => member.granted(now, report.seq, &grant),
                        _ => member.failed(report.seq),
                    }
                }
                Step::Acquire(who) => {
                    let (member, out) = &mut members[who];
                    *out = member.share().max(*out);
                }
                Step::Release(who) => members[who].1 = members[who].1.saturating_sub(1),
                Step::Crash(who) => {
                    members[who] = (member(ids), 0);
                    ids += 1;
                }
                Step::SetMax(max) => {
                    if ledger.set_max(now, max).is_ok() {
                        in_force = in_force.max(max);
                    }
                }
            }
            match ledger.snapshot(now) {
                Ok(snapshot) if snapshot.counted() <= u64::from(snapshot.max) => {
                    in_force = snapshot.max;
                }
                _ => {}
            }
            let out: u32 = members.iter().map(|one| one.1).sum();
            prop_assert!(out <= in_force, "{} are out, {} may be", out, in_force);
        }
    }
}
