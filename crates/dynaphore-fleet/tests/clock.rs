//! What takes how long, and what a loss leaves: the members and the ledger that the crate
//! runs, by a clock that the test moves. So no machine is too slow for it.

use std::time::Duration;

use dynaphore_fleet::{Ledger, Member, Terms};

const MAX: u32 = 10;
const LEASE: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::ZERO;
/// As often as the driver looks.
const TICK: Duration = Duration::from_millis(10);

/// A member and its semaphore.
struct One {
    member: Member,
    out: u32,
    demand: u32,
    runs: bool,
}

impl One {
    fn new(id: u64) -> Self {
        let terms = Terms {
            lease: LEASE,
            grace: GRACE,
            drift_ppm: 100_000,
            kept: 0,
        };
        Self {
            member: Member::new(id, MAX, terms),
            out: 0,
            demand: 0,
            runs: true,
        }
    }
}

struct World {
    now: Duration,
    ledger: Ledger,
    ones: Vec<One>,
}

impl World {
    /// Members that have their shares, and are idle.
    fn new(members: u64) -> Self {
        let mut world = Self {
            now: Duration::from_secs(100),
            ledger: Ledger::new(),
            ones: (0..members).map(One::new).collect(),
        };
        for _ in 0..200 {
            world.tick();
        }
        assert_eq!(world.shares().iter().sum::<u32>(), MAX);
        world
    }

    fn shares(&self) -> Vec<u32> {
        self.ones.iter().map(|one| one.member.share()).collect()
    }

    fn out(&self) -> u32 {
        self.ones.iter().map(|one| one.out).sum()
    }

    /// Each that runs looks once, and takes what it can use.
    fn tick(&mut self) {
        self.now += TICK;
        for i in 0..self.ones.len() {
            let one = &mut self.ones[i];
            if !one.runs {
                continue;
            }
            one.member.tick(self.now);
            let demand = one.demand.max(one.out);
            if one.member.is_due(self.now, one.out, demand) {
                let report = one.member.report(self.now, one.out, demand);
                match self.ledger.sync(self.now, &report) {
                    Ok((grant, calls)) => {
                        one.member.granted(self.now, report.seq, &grant);
                        for other in &mut self.ones {
                            if calls.contains(&other.member.fence()) {
                                other.member.called();
                            }
                        }
                    }
                    Err(_) => one.member.failed(report.seq),
                }
            }
            let one = &mut self.ones[i];
            one.out = one.out.max(one.demand.min(one.member.share()));
        }
    }

    /// How long it takes until that holds.
    fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !holds(self) {
            self.tick();
            assert!(self.now - start < LEASE * 10, "never: {:?}", self.shares());
        }
        self.now - start
    }
}

#[test]
fn who_waits_has_what_others_leave_idle_within_100_ms() {
    for members in 2..=16 {
        let mut world = World::new(members);
        world.ones[0].demand = MAX;
        let took = world.until(|world| world.ones[0].out == MAX);
        assert!(
            took <= Duration::from_millis(100),
            "{members} members: {took:?}"
        );
    }
}

#[test]
fn the_share_of_a_killed_member_is_back_within_one_lease() {
    // Whenever in the time between two renewals it is killed.
    for ticks in 0..110 {
        let mut world = World::new(2);
        world.ones[1].demand = 5;
        world.until(|world| world.ones[1].out == 5);
        for _ in 0..ticks {
            world.tick();
        }
        world.ones[1].runs = false;
        world.ones[0].demand = MAX;
        let held = world.ones[1].out;
        let took = world.until(|world| {
            assert!(world.ones[0].out <= MAX - held || world.ones[0].out == MAX);
            world.ones[0].out == MAX
        });
        // The other one asks for it each 20 ms, when it looks.
        assert!(took <= LEASE + TICK * 3, "{ticks}: {took:?}");
        assert!(took >= LEASE / 2, "a lease is kept: {ticks}: {took:?}");
    }
}

#[test]
fn who_stood_still_for_longer_than_its_lease_takes_no_more_and_is_counted_at_once() {
    let mut world = World::new(2);
    world.ones[1].demand = 3;
    world.until(|world| world.ones[1].out == 3);
    let was = world.ones[1].member.fence();
    world.ones[1].runs = false;
    world.ones[0].demand = MAX;
    world.until(|world| world.ones[0].out == MAX);
    // Its three are out too: that is what nobody can prevent. It goes on.
    world.ones[1].runs = true;
    world.ones[1].demand = 20;
    world.tick();
    assert_eq!(world.ones[1].out, 3, "it takes no more");
    let one = &mut world.ones[1];
    one.member.tick(world.now);
    world.until(|world| world.ones[1].member.is_live());
    assert!(world.ones[1].member.fence() > was, "another life");
    let counted = world.ledger.snapshot(world.now).unwrap().counted();
    assert_eq!(counted, 13, "above max, so nothing grows");
    assert_eq!(world.out(), 13);
    world.ones[0].demand = 0;
    world.ones[0].out = 0;
    world.until(|world| world.ones[1].out > 3);
    assert!(world.out() <= MAX);
}

#[test]
fn a_store_that_has_lost_its_last_writes_or_all_grants_no_more_than_max() {
    for empty in [false, true] {
        let mut world = World::new(3);
        let old = world.ledger.clone();
        // Much moves that the other server does not hear of.
        world.ones[2].demand = MAX;
        world.until(|world| world.ones[2].out == MAX);
        world.ones[0].demand = MAX;
        world.ones[1].demand = MAX;
        world.ledger = if empty { Ledger::new() } else { old };
        world.ledger.quiet(world.now, LEASE, GRACE);
        // It stands still at the worst of times, and what it has is out.
        world.ones[2].runs = false;
        let stop = world.now + LEASE;
        while world.now < stop - TICK {
            world.tick();
            assert!(world.out() <= MAX, "empty: {empty}: {:?}", world.shares());
        }
        // Its lease is over.
        world.ones[2].out = 0;
        let took = world.until(|world| world.ones[0].out + world.ones[1].out == MAX);
        assert!(took <= LEASE, "{took:?}");
    }
}
