//! Simulated time: nothing here looks at a clock.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;

const MS: u64 = 1_000_000;

/// Some permits, and classes that want them.
struct World {
    shares: Shares,
    now: u64,
    free: u32,
    active: Vec<u32>,
    /// Permits x nanoseconds that each class has had.
    had: Vec<u64>,
    /// When who gives a permit back.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    /// How long each class holds a permit, on average, and whether it always wants more.
    holds: Vec<u64>,
    saturated: Vec<bool>,
    /// How many wait in one that does.
    waiters: u32,
    /// When each class was served last, and the longest time it waited for that.
    served: Vec<u64>,
    gaps: Vec<u64>,
    random: u64,
}

impl World {
    fn new(permits: u32, shares: &[u32], holds: &[u64]) -> Self {
        let classes = shares.len();
        Self {
            shares: Shares::new(shares.iter().copied()),
            now: 0,
            free: permits,
            active: vec![0; classes],
            had: vec![0; classes],
            ends: BinaryHeap::new(),
            holds: holds.to_vec(),
            saturated: vec![false; classes],
            waiters: 2,
            served: vec![0; classes],
            gaps: vec![0; classes],
            random: 1,
        }
    }

    /// The class always has somebody waiting from now on.
    fn saturate(&mut self, class: usize) {
        self.count();
        self.saturated[class] = true;
        self.served[class] = self.now;
        for _ in 0..self.waiters {
            self.shares.arrives(class, self.active[class], 1);
        }
        self.serve();
    }

    /// Nobody comes in it any more.
    fn pause(&mut self, class: usize) {
        self.count();
        self.saturated[class] = false;
        for _ in 0..self.waiters {
            self.shares.leaves(class);
        }
    }

    /// So many permits are taken, at once and without a wait, and come back at once at `end`.
    fn burst(&mut self, class: usize, permits: u32, end: u64) {
        self.free -= permits;
        self.active[class] += permits;
        for _ in 0..permits {
            self.ends.push(Reverse((end, class)));
        }
    }

    fn count(&mut self) {
        let Self { shares, active, .. } = self;
        shares.count(self.now, |class| active[class]);
    }

    /// Half the mean to one and a half.
    fn hold(&mut self, class: usize) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mean = self.holds[class];
        mean / 2 + (self.random >> 33) % mean
    }

    fn serve(&mut self) {
        while self.free > 0 {
            self.count();
            let active = &self.active;
            let Some(class) = self.shares.next(|class| active[class], |_| true) else {
                break;
            };
            self.shares.serves(class, 1);
            self.shares.leaves(class);
            self.free -= 1;
            self.active[class] += 1;
            self.gaps[class] = self.gaps[class].max(self.now - self.served[class]);
            self.served[class] = self.now;
            let end = self.now + self.hold(class);
            self.ends.push(Reverse((end, class)));
            if self.saturated[class] {
                self.shares.arrives(class, self.active[class], 1);
            }
        }
    }

    fn run(&mut self, time: u64) {
        let until = self.now + time;
        while let Some(&Reverse((end, class))) = self.ends.peek() {
            let next = end.min(until);
            for (had, active) in self.had.iter_mut().zip(&self.active) {
                *had += u64::from(*active) * (next - self.now);
            }
            self.now = next;
            if end > until {
                break;
            }
            self.ends.pop();
            self.count();
            self.shares.ends(class, 1);
            self.active[class] -= 1;
            self.free += 1;
            self.serve();
        }
        self.now = until;
    }

    /// What the first has had for each of the second's.
    fn ratio(&mut self) -> f64 {
        let ratio = self.had[0] as f64 / self.had[1] as f64;
        self.had.fill(0);
        ratio
    }
}

pub(crate) fn assert_about(ratio: f64, expected: f64, what: &str) {
    let off = (ratio / expected - 1.0).abs();
    assert!(
        off < 0.03,
        "{ratio:.3} is not {expected} within 3 %: {what}"
    );
}

#[test]
fn two_saturated_classes_have_their_shares() {
    for (permits, waiters) in [
        (1, 2),
        (1, 1),
        (2, 2),
        (2, 1),
        (4, 1),
        (9, 2),
        (9, 1),
        (40, 1),
    ] {
        for holds in [[2, 2], [1, 20], [20, 1]] {
            let mut world = World::new(permits, &[8, 1], &holds.map(|hold| hold * MS));
            world.waiters = waiters;
            world.saturate(0);
            world.saturate(1);
            world.run(10_000 * MS);
            let what = format!("{permits} permits, {waiters} waiters, held for {holds:?} ms");
            assert_about(world.ratio(), 8.0, &what);
        }
    }
}

#[test]
fn the_largest_shares_there_are_count_short_holds() {
    for share in [u32::MAX, 3_000_000_000] {
        let mut world = World::new(1, &[share, share], &[1_000, 1_000]);
        world.saturate(0);
        world.saturate(1);
        world.run(10 * MS);
        assert_about(world.ratio(), 1.0, &share.to_string());
    }
}

#[test]
fn what_one_class_does_not_want_goes_to_the_other() {
    let mut world = World::new(9, &[8, 1], &[2 * MS, 2 * MS]);
    world.saturate(1);
    world.run(100 * MS);
    assert_eq!(world.had, [0, 9 * 100 * MS]);
}

#[test]
fn an_idle_class_has_its_share_back_within_one_hold() {
    for permits in [9, 18, 90] {
        let mut world = World::new(permits, &[8, 1], &[10 * MS, 10 * MS]);
        world.saturate(0);
        world.saturate(1);
        world.run(500 * MS);
        world.pause(0);
        world.run(500 * MS);
        assert_eq!(world.active, [0, permits]);
        world.saturate(0);
        // The longest hold is half as long again as the usual one.
        world.run(15 * MS);
        assert!(world.active[0] >= permits * 8 / 9, "{:?}", world.active);
        // And it is not given more for the time when it was idle.
        world.run(100 * MS);
        world.ratio();
        world.run(10_000 * MS);
        assert_about(world.ratio(), 8.0, "since then");
    }
}

/// Of two others, one or both take all permits at once, and nobody is served until they end.
#[test]
fn an_idle_class_saves_up_nothing_while_others_hold_all_permits() {
    const HOLD: u64 = 1_000 * MS;
    for bursts in [[100, 0], [50, 50]] {
        let mut world = World::new(100, &[1, 1, 8], &[HOLD; 3]);
        // So that the usual hold is known.
        (0..3).for_each(|class| world.saturate(class));
        world.run(10 * HOLD);
        (0..3).for_each(|class| world.pause(class));
        world.run(2 * HOLD);
        let end = world.now + HOLD;
        let others = || (0..2).filter(|&class| bursts[class] > 0);
        others().for_each(|class| world.burst(class, bursts[class], end));
        others().for_each(|class| world.saturate(class));
        world.run(HOLD * 9 / 10);
        world.saturate(2);
        // The burst ends, and then the longest hold, which is half as long again as the usual.
        world.run(HOLD / 10 + HOLD * 3 / 2);
        let served = |class: usize| world.served[class] >= end;
        assert!(others().all(served), "{bursts:?}: {:?}", world.served);
    }
}

#[test]
fn no_class_waits_for_longer_than_the_bound() {
    for (permits, share) in [(1, 100), (4, 100), (16, 1_000)] {
        let mut world = World::new(permits, &[share, 1], &[2 * MS, 2 * MS]);
        world.saturate(0);
        world.saturate(1);
        world.run(10_000 * MS);
        // All holds end within 3 ms. The class behind pledges the usual hold, 2 ms.
        let hold = 3 * MS;
        let bound = hold * u64::from(share) / u64::from(permits) + 2 * hold;
        assert!(world.gaps[1] <= bound, "{} > {bound}", world.gaps[1]);
        assert!(world.gaps[0] <= bound, "{} > {bound}", world.gaps[0]);
    }
}

#[test]
fn shares_change_while_both_are_saturated() {
    let mut world = World::new(9, &[8, 1], &[2 * MS, 2 * MS]);
    world.saturate(0);
    world.saturate(1);
    world.run(5_000 * MS);
    assert_about(world.ratio(), 8.0, "before");
    world.count();
    world.shares.set_share(0, 1);
    world.shares.set_share(1, 2);
    world.run(5_000 * MS);
    assert_about(world.ratio(), 0.5, "after");
}

#[test]
fn three_classes_have_their_shares() {
    let mut world = World::new(7, &[4, 2, 1], &[MS, 5 * MS, 2 * MS]);
    for class in 0..3 {
        world.saturate(class);
    }
    world.run(10_000 * MS);
    let [first, second, third] = [0, 1, 2].map(|class| world.had[class] as f64);
    assert_about(first / second, 2.0, "first to second");
    assert_about(second / third, 2.0, "second to third");
}

#[test]
fn a_usual_hold_is_that_of_one_permit() {
    let mut shares = Shares::new([1, 2].into_iter());
    shares.arrives(1, 0, 1);
    shares.count(10 * MS, |class| [4, 0][class]);
    shares.ends(0, 4);
    let hold = u128::from(10 * MS) * SCALE;
    assert_eq!(shares.usual(0, 3), 3 * hold);
    // None of its own has ended.
    assert_eq!(shares.usual(1, 3), 3 * hold / 2);
    // While nobody waits, nothing counts.
    shares.leaves(1);
    shares.count(20 * MS, |class| [4, 0][class]);
    shares.ends(0, 4);
    assert_eq!(shares.usual(0, 3), 3 * hold);
}

#[test]
fn many_permits_that_are_held_for_long_count_in_full() {
    let mut shares = Shares::new([1, 1].into_iter());
    shares.arrives(1, 0, 1);
    let bytes = u32::MAX / 4;
    let minute = 60_000 * MS;
    shares.count(minute, |class| [bytes, 0][class]);
    shares.ends(0, bytes);
    let hold = u128::from(minute) * SCALE;
    assert_eq!(shares.classes[0].used, u128::from(bytes) * hold);
    assert_eq!(shares.usual(0, 3), 3 * hold);
    // And at the very end of the clock.
    shares.count(u64::MAX, |_| u32::MAX / 2);
    let _ = shares.next(|_| u32::MAX / 2, |_| true);
}
