//! What takes how long, and what a loss leaves: the members and the ledger that the crate
//! runs, by a clock that the test moves. So no machine is too slow for it.

use std::time::Duration;

use dynaphore_fleet::{Ledger, Member, Refusal, Report, Terms};

const MAX: u32 = 10;
const LEASE: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::ZERO;
/// As often as the driver looks. It also looks when a member has to wake up.
const TICK: Duration = Duration::from_millis(10);

/// A member and its semaphore.
struct One {
    member: Member,
    out: u32,
    demand: u32,
    runs: bool,
    reports: u32,
    /// How long after the end of its lease it has let go last.
    late: Duration,
}

impl One {
    fn terms() -> Terms {
        Terms {
            lease: LEASE,
            grace: GRACE,
            drift_ppm: 100_000,
            kept: 0,
        }
    }

    fn new(id: u64) -> Self {
        Self {
            member: Member::new(id, MAX, Self::terms()),
            out: 0,
            demand: 0,
            runs: true,
            reports: 0,
            late: Duration::ZERO,
        }
    }
}

struct World {
    now: Duration,
    ledger: Ledger,
    ones: Vec<One>,
    /// The store can be reached.
    answers: bool,
}

impl World {
    /// Members that have their shares, and are idle.
    fn new(members: u64) -> Self {
        let mut world = Self {
            now: Duration::from_secs(100),
            ledger: Ledger::new(),
            ones: (0..members).map(One::new).collect(),
            answers: true,
        };
        // Idle ones get theirs at the second renewal.
        for _ in 0..310 {
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
        let next = self.now + TICK;
        loop {
            let waking = self.ones.iter().filter(|one| one.runs);
            let waking = waking.filter_map(|one| one.member.wakes_at(self.now));
            match waking.filter(|at| *at < next).min() {
                // At the next whole millisecond.
                Some(at) => self.look(at + Duration::from_millis(1), Some(at)),
                None => return self.look(next.max(self.now), None),
            }
        }
    }

    /// All look, or only who wakes up at `at`.
    fn look(&mut self, now: Duration, at: Option<Duration>) {
        let last = std::mem::replace(&mut self.now, now);
        for i in 0..self.ones.len() {
            let one = &mut self.ones[i];
            if !one.runs || at.is_some() && one.member.wakes_at(last) != at {
                continue;
            }
            let until = one.member.deadline();
            one.member.tick(self.now);
            if let (Some(until), None) = (until, one.member.deadline()) {
                one.late = self.now - until;
            }
            let demand = one.demand.max(one.out);
            if one.member.is_due(self.now, one.out, demand) {
                let report = one.member.report(self.now, one.out, demand);
                one.reports += 1;
                match self.ledger.sync(self.now, &report) {
                    Ok((grant, calls)) if self.answers => {
                        one.member.granted(self.now, report.seq, &grant);
                        for other in &mut self.ones {
                            if calls.contains(&other.member.fence()) {
                                other.member.called();
                            }
                        }
                    }
                    _ => one.member.failed(report.seq),
                }
            }
            let one = &mut self.ones[i];
            one.out = one.out.max(one.demand.min(one.member.share()));
        }
    }

    /// How many reports each sends in a lease.
    fn reports_in_a_lease(&mut self) -> Vec<u32> {
        self.ones.iter_mut().for_each(|one| one.reports = 0);
        let end = self.now + LEASE;
        while self.now < end {
            self.tick();
        }
        self.ones.iter().map(|one| one.reports).collect()
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

fn report(id: u64, seq: u64, share: u32, demand: u32) -> Report {
    Report {
        id,
        seq,
        share,
        out: share,
        demand,
        max: MAX,
        version: 0,
        fence: 0,
        lease: LEASE,
        grace: GRACE,
        leaving: false,
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
    // Whenever in the time between two renewals it is killed, whenever the other began to
    // wait, and whether that one has a right to more before or not.
    for ticks in 0..110 {
        for (before, demand) in [(0, MAX), (33, MAX), (77, MAX), (50, 6)] {
            let mut world = World::new(2);
            world.ones[1].demand = 5;
            world.until(|world| world.ones[1].out == 5);
            world.ones[0].demand = demand;
            for _ in 0..before + ticks {
                world.tick();
            }
            world.ones[1].runs = false;
            let (killed, held) = (world.now, world.ones[1].out);
            let full = held + demand > MAX;
            assert!(full, "it has to wait for the dead one");
            world.until(|world| {
                assert!(world.ones[0].out <= MAX - held || world.ones[0].out == demand);
                world.ones[0].out == demand
            });
            let took = world.now - killed;
            // To the millisecond in which the member wakes up.
            let most = LEASE + Duration::from_millis(1);
            assert!(took <= most, "{ticks}, {before}, {demand}: {took:?}");
            assert!(took >= LEASE / 2, "a lease is kept: {ticks}: {took:?}");
        }
    }
}

#[test]
fn a_member_with_the_slowest_clock_that_is_allowed_lets_go_before_it_is_forgotten() {
    // The store's clock gains a tenth on its own.
    let own = |now: Duration| now * 10 / 11;
    let (now, mut ledger) = (Duration::from_secs(100), Ledger::new());
    let mut member = One::new(1).member;
    let report = member.report(own(now), 0, 4);
    let (grant, _) = ledger.sync(now, &report).unwrap();
    member.granted(own(now), report.seq, &grant);
    member.tick(own(now + LEASE * 98 / 100));
    assert_eq!(member.share(), MAX, "and not long before");
    let end = now + LEASE * 99 / 100;
    member.tick(own(end) + Duration::from_micros(1));
    assert_eq!(member.share(), 0);
    assert_eq!(ledger.snapshot(end).unwrap().members.len(), 1);
}

#[test]
fn a_member_that_has_lost_its_store_lets_go_before_its_lease_is_over() {
    for offset in 0..10 {
        let mut world = World::new(1);
        // Its lease ends between two ticks.
        world.now += Duration::from_millis(offset);
        world.answers = false;
        world.until(|world| !world.ones[0].member.is_live());
        let late = world.ones[0].late;
        assert!(late <= Duration::from_millis(1), "{offset}: {late:?}");
    }
    let terms = Terms {
        drift_ppm: 0,
        ..One::terms()
    };
    let mut member = Member::new(1, MAX, terms);
    let sent = Duration::from_secs(100);
    let report = member.report(sent, 0, 0);
    let (grant, _) = Ledger::new().sync(sent, &report).unwrap();
    member.granted(sent, report.seq, &grant);
    let until = member.deadline().unwrap();
    assert!(until + Duration::from_millis(1) < sent + LEASE);
}

#[test]
fn who_waits_is_told_when_the_first_of_the_others_is_forgotten() {
    let mut ledger = Ledger::new();
    let second = Duration::from_secs(1);
    let mut next = |at: u32, report| ledger.sync(second * at, &report).unwrap().0.next_expiry;
    assert_eq!(next(1, report(1, 1, 0, 4)), None, "it has all it needs");
    assert_eq!(next(2, report(2, 1, 0, 3)), Some(second * 2));
    // The second one has nothing yet, so it brings nothing back.
    assert_eq!(next(3, report(3, 1, 0, 9)), Some(second));
    assert_eq!(next(3, report(1, 2, 4, 4)), None, "the others have nothing");
    assert_eq!(next(4, report(2, 2, 0, 3)), None, "it has all it needs");
    assert_eq!(next(5, report(3, 2, 0, 9)), Some(second));
    // The first one has renewed, so the second is the next.
    assert_eq!(next(5, report(1, 3, 3, 4)), Some(second * 2));
}

#[test]
fn nothing_grows_before_the_end_of_the_quiet_time_and_who_waits_is_told_when_that_is() {
    let mut ledger = Ledger::new();
    let (now, second) = (Duration::from_secs(7), Duration::from_secs(1));
    ledger.quiet(now, LEASE, GRACE);
    let mut member = One::new(1).member;
    let report = member.report(now, 0, 2);
    let (grant, _) = ledger.sync(now, &report).unwrap();
    assert_eq!((grant.share, grant.next_expiry), (0, Some(LEASE)));
    assert!(!ledger.snapshot(now + LEASE - second).unwrap().complete);
    let report = member.report(now + LEASE, 0, 2);
    let (grant, _) = ledger.sync(now + LEASE, &report).unwrap();
    assert_eq!((grant.share, grant.next_expiry), (MAX, None));
    assert!(ledger.snapshot(now + LEASE).unwrap().complete);
}

#[test]
fn the_max_that_was_set_last_holds_after_a_loss_whoever_reports_first() {
    let now = Duration::from_secs(100);
    let mut world = World::new(2);
    // The second one stands still and does not hear of it.
    world.ones[1].runs = false;
    world.ledger.set_max(now, MAX * 2).unwrap();
    for _ in 0..110 {
        world.tick();
    }
    for first in [0, 1] {
        let mut ledger = Ledger::new();
        for i in [first, 1 - first] {
            let report = world.ones[i].member.clone().report(world.now, 0, 0);
            ledger.sync(world.now, &report).unwrap();
        }
        assert_eq!(ledger.snapshot(world.now).unwrap().max, MAX * 2);
    }
}

#[test]
fn a_newcomer_that_reports_first_to_an_empty_server_does_not_change_max() {
    let mut now = Duration::from_secs(100);
    for quiet in [false, true] {
        let mut ledger = Ledger::new();
        if quiet {
            ledger.quiet(now, LEASE, GRACE);
        }
        let mut survivor = One::new(1).member;
        for _ in 0..5 {
            let report = survivor.report(now, 0, 0);
            let (grant, _) = ledger.sync(now, &report).unwrap();
            survivor.granted(now, report.seq, &grant);
            now += LEASE / 3;
        }
        let mut empty = Ledger::new();
        empty.quiet(now, LEASE, GRACE);
        let newcomer = Report {
            max: MAX * 6,
            ..report(2, 1, 0, 0)
        };
        empty.sync(now, &newcomer).unwrap();
        empty.sync(now, &survivor.report(now, 0, 0)).unwrap();
        assert_eq!(empty.snapshot(now).unwrap().max, MAX, "{quiet}");
    }
}

#[test]
fn who_waits_has_what_others_leave_idle_since_their_last_report_within_100_ms() {
    // Whenever in the time between two renewals.
    for ticks in 110..220 {
        let mut world = World::new(2);
        world.ones[0].demand = 5;
        world.ones[1].demand = 5;
        for _ in 0..ticks {
            world.tick();
        }
        // Each has its half, and nobody has asked for more than there is.
        assert_eq!((world.ones[0].out, world.ones[1].out), (5, 5));
        world.ones[1].demand = 0;
        world.ones[1].out = 0;
        world.ones[0].demand = MAX;
        let took = world.until(|world| world.ones[0].out == MAX);
        assert!(took <= Duration::from_millis(100), "{ticks}: {took:?}");
    }
}

#[test]
fn a_lease_and_a_time_may_be_as_long_as_there_are() {
    let terms = Terms {
        lease: Duration::MAX,
        ..One::terms()
    };
    let mut member = Member::new(1, MAX, terms);
    let report = member.report(LEASE, 0, 0);
    let (grant, _) = Ledger::new().sync(LEASE, &report).unwrap();
    member.granted(LEASE, report.seq, &grant);
    assert!(member.is_live());
    let mut member = Member::new(1, MAX, One::terms());
    let report = member.report(Duration::MAX, 0, 0);
    member.granted(Duration::MAX, report.seq, &grant);
    assert_eq!(member.deadline(), None, "it is over at once");
}

#[test]
fn who_is_told_of_a_lower_max_lets_go_of_what_it_leaves_idle() {
    let mut world = World::new(2);
    world.ones[0].demand = 6;
    world.ones[1].demand = 3;
    for _ in 0..110 {
        world.tick();
    }
    assert_eq!((world.ones[0].out, world.ones[1].out), (6, 3));
    let fences = world.ledger.set_max(world.now, 8).unwrap();
    for one in &mut world.ones {
        assert!(fences.contains(&one.member.fence()));
        one.member.called();
    }
    for _ in 0..10 {
        world.tick();
    }
    world.ones[1].demand = 0;
    world.ones[1].out = 0;
    let took = world.until(|world| world.ones[0].member.share() >= 6);
    assert!(took <= Duration::from_millis(100), "{took:?}");
}

#[test]
fn all_who_want_more_than_there_is_have_as_much_over_many_turns() {
    const EARLIER: Duration = Duration::from_micros(658_671);
    for (max, demands) in [
        (1, vec![1, 1]),
        (9, vec![7, 20]),
        (3, vec![1; 10]),
        (7, vec![5; 10]),
        (16, vec![0, 9, 9, 9, 9, 9, 9, 2]),
        (5, vec![0; 3]),
    ] {
        let start = LEASE * 1000;
        let mut ledger = Ledger::new();
        let mut seq = 0;
        let mut ask = |now, id: usize| {
            seq += 1;
            let report = Report {
                max,
                grace: LEASE,
                ..report(id as u64, seq, 0, demands[id])
            };
            ledger.sync(now, &report).unwrap().0.share
        };
        for id in 0..demands.len() {
            ask(start - EARLIER * (demands.len() - id) as u32 / 4, id);
        }
        let mut portions = vec![0; demands.len()];
        for turn in 0..50 {
            // What those had who have it no more, then what each is to have.
            for _ in 0..2 {
                for id in 0..demands.len() {
                    ask(start + LEASE * turn, id);
                }
            }
            let shares: Vec<_> = (0..demands.len())
                .map(|id| ask(start + LEASE * turn, id))
                .collect();
            assert_eq!(shares.iter().sum::<u32>(), max, "{shares:?}");
            for (portion, share) in portions.iter_mut().zip(shares) {
                *portion += share;
            }
            // Those who want the most want more than they get.
            let most = *demands.iter().max().unwrap();
            let alike = |id: &usize| demands[*id] == most || demands.len() == 2;
            let alike = (0..demands.len()).filter(alike).map(|id| portions[id]);
            let (low, high) = (alike.clone().min().unwrap(), alike.max().unwrap());
            assert!(high - low <= 1, "{max} {demands:?}: {portions:?}");
        }
    }
}

#[test]
fn a_report_that_comes_after_a_later_one_with_which_its_member_left_is_ignored() {
    for joined in [false, true] {
        let mut ledger = Ledger::new();
        let now = Duration::from_secs(100);
        if joined {
            ledger.sync(now, &report(1, 1, 0, 4)).unwrap();
        }
        let leaving = Report {
            leaving: true,
            ..report(1, 3, 0, 0)
        };
        ledger.sync(now, &leaving).unwrap();
        let late = ledger.sync(now, &report(1, 2, 0, 4));
        assert_eq!(late, Err(Refusal::Stale), "{joined}");
        assert_eq!(ledger.sync(now, &leaving), Err(Refusal::Stale));
        assert!(ledger.snapshot(now).unwrap().members.is_empty());
        // It is not kept for ever.
        assert!(ledger.sync(now + LEASE, &report(1, 2, 0, 4)).is_ok());
    }
}

#[test]
fn who_has_all_it_can_use_reports_no_more_often_than_it_has_to() {
    for members in 2..=16 {
        let mut world = World::new(members);
        for _ in 0..30 {
            world.tick();
        }
        world.ones.push(One::new(members));
        for _ in 0..5 {
            // Three renewals, and an acknowledgement where shares have moved.
            let reports = world.reports_in_a_lease();
            assert!(
                reports.iter().all(|&reports| reports <= 6),
                "{members}: {reports:?}"
            );
        }
    }
}

#[test]
fn who_waits_for_the_end_of_the_quiet_time_does_not_ask_before() {
    let mut world = World::new(3);
    world.ledger = Ledger::new();
    world.ledger.quiet(world.now, LEASE, GRACE);
    world.ones.push(One::new(3));
    world.ones.iter_mut().for_each(|one| one.demand = MAX);
    // Renewals, what it wants, a call, the end, and an acknowledgement.
    let reports = world.reports_in_a_lease();
    assert!(reports.iter().all(|&reports| reports <= 8), "{reports:?}");
}

#[test]
fn a_store_that_has_no_answer_is_asked_less_and_less_often() {
    let mut world = World::new(2);
    world.answers = false;
    world.ones[0].demand = MAX;
    let _ = world.reports_in_a_lease();
    let reports = world.reports_in_a_lease();
    assert!(
        reports.iter().all(|reports| (6..=12).contains(reports)),
        "{reports:?}"
    );
}

#[test]
fn a_fence_does_not_fall_when_a_server_comes_back_empty_with_its_clock_put_back() {
    let mut member = One::new(1).member;
    let mut fences = Vec::new();
    for seconds in [100, 7] {
        let now = Duration::from_secs(seconds);
        let report = member.report(now, 0, 0);
        let (grant, _) = Ledger::new().sync(now, &report).unwrap();
        member.granted(now, report.seq, &grant);
        fences.push(grant.fence);
    }
    assert!(fences[1] > fences[0], "{fences:?}");
}

#[test]
fn a_fence_does_not_fall_when_a_replica_knows_the_life_before_and_its_clock_is_behind() {
    let mut member = One::new(1).member;
    let mut sync = |server: &mut Ledger, seconds| {
        let now = Duration::from_secs(seconds);
        let report = member.report(now, 0, 0);
        let (grant, _) = server.sync(now, &report).unwrap();
        member.granted(now, report.seq, &grant);
        let known = server.snapshot(now).unwrap().members[0].fence;
        assert_eq!(known, member.fence());
    };
    let mut server = Ledger::new();
    sync(&mut server, 100);
    let mut replica = server.clone();
    sync(&mut server, 200);
    sync(&mut replica, 100);
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
