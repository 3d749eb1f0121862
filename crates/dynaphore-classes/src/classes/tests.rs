//! In virtual time, by one thread: the clock stands still unless a test moves it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use dynaphore::{Builder, Fairness, Order};
use tokio_test::task::{Spawn, spawn};

use super::*;
use crate::shares::tests::assert_about;

const MS: u64 = 1_000_000;

const NAMES: [&str; 3] = ["web", "batch", "cron"];

/// Small random numbers that are the same on every run.
struct Random(u64);

impl Random {
    /// 0 to `n - 1`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Two classes that want permits all the time.
struct World {
    classes: Classes,
    now: u64,
    /// Up to how many each asks for at once, and how long it holds them, on average.
    weights: [u32; 2],
    holds: [u64; 2],
    /// How many wait in each: more than can be served at once, or it would want nothing for
    /// a moment.
    crowd: usize,
    waiting: [VecDeque<Spawn<AcquireIn>>; 2],
    held: Vec<Option<ClassPermit>>,
    /// When which are given back.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    /// Permits x nanoseconds that each class has had.
    had: [u64; 2],
    /// When each was served last, and the longest time it waited for that.
    served: [u64; 2],
    gaps: [u64; 2],
    random: Random,
}

impl World {
    fn new(permits: usize, shares: [u32; 2], weights: [u32; 2], holds: [u64; 2]) -> Self {
        let shares = [(NAMES[0], shares[0]), (NAMES[1], shares[1])];
        Self {
            classes: Classes::new(Arc::new(Semaphore::new(permits)), &shares),
            now: 0,
            weights,
            holds,
            crowd: permits + 1,
            waiting: Default::default(),
            held: Vec::new(),
            ends: BinaryHeap::new(),
            had: [0; 2],
            served: [0; 2],
            gaps: [0; 2],
            random: Random(1),
        }
    }

    fn holds(&mut self, class: usize, permit: ClassPermit) {
        let mean = self.holds[class];
        let end = self.now + mean / 2 + self.random.below(mean);
        self.ends.push(Reverse((end, self.held.len())));
        self.held.push(Some(permit));
        self.gaps[class] = self.gaps[class].max(self.now - self.served[class]);
        self.served[class] = self.now;
    }

    /// All that are served begin to hold, and others come in their place.
    fn serve(&mut self) {
        for class in [0, 1, 0, 1] {
            while let Some(first) = self.waiting[class].front_mut() {
                let Poll::Ready(permit) = first.poll() else {
                    break;
                };
                self.waiting[class].pop_front();
                self.holds(class, permit.unwrap());
            }
            while self.waiting[class].len() < self.crowd {
                let n = 1 + self.random.below(self.weights[class].into()) as u32;
                let mut waiter = spawn(self.classes.acquire_many_in(NAMES[class], n));
                match waiter.poll() {
                    Poll::Ready(permit) => self.holds(class, permit.unwrap()),
                    Poll::Pending => self.waiting[class].push_back(waiter),
                }
            }
        }
    }

    fn run(&mut self, time: u64) {
        let until = self.now + time;
        self.serve();
        while let Some(&Reverse((end, permit))) = self.ends.peek() {
            let next = end.min(until);
            for (had, name) in self.had.iter_mut().zip(NAMES) {
                *had += self.classes.active(name) as u64 * (next - self.now);
            }
            self.now = next;
            self.classes.0.clock.set(next);
            if end > until {
                break;
            }
            self.ends.pop();
            drop(self.held[permit].take());
            self.serve();
        }
    }

    /// What the first has had for each of the second's.
    fn ratio(&mut self) -> f64 {
        let ratio = self.had[0] as f64 / self.had[1] as f64;
        self.had = [0; 2];
        ratio
    }
}

#[test]
fn two_saturated_classes_have_their_shares_whatever_they_ask_for() {
    for (permits, weights) in [
        (1, [1, 1]),
        (4, [1, 4]),
        (4, [4, 1]),
        (8, [4, 4]),
        (8, [1, 8]),
        (9, [9, 9]),
        (40, [16, 3]),
    ] {
        for holds in [[2, 2], [1, 20], [20, 1]] {
            let mut world = World::new(permits, [8, 1], weights, holds.map(|hold| hold * MS));
            // So that one hold is little.
            world.run(1_000 * MS * (4 + holds[0].max(holds[1])));
            let what = format!("{permits} permits, up to {weights:?}, held for {holds:?} ms");
            assert_about(world.ratio(), 8.0, &what);
        }
    }
}

#[test]
fn shares_change_while_heavy_and_light_requests_wait() {
    let mut world = World::new(8, [8, 1], [8, 2], [2 * MS; 2]);
    world.run(5_000 * MS);
    assert_about(world.ratio(), 8.0, "before");
    world.classes.set_shares(&[("web", 1), ("batch", 2)]);
    world.run(5_000 * MS);
    assert_about(world.ratio(), 0.5, "after");
}

#[test]
fn no_class_waits_for_longer_than_the_bound() {
    for (permits, share, weights) in [
        (4, 100, [4, 1]),
        (4, 100, [1, 4]),
        (16, 100, [16, 16]),
        (16, 8, [5, 16]),
        (3, 1, [3, 3]),
    ] {
        let mut world = World::new(permits, [share, 1], weights, [2 * MS; 2]);
        world.run(10_000 * MS);
        // All holds end within 3 ms.
        let hold = 3 * MS;
        let heaviest = u64::from(weights[0].max(weights[1]));
        // Fewer are never in use while somebody waits.
        let in_use = permits as u64 - heaviest + 1;
        for (class, of) in [share, 1].into_iter().enumerate() {
            let used = u64::from(weights[class]) * hold * u64::from(share + 1);
            let bound = used / (u64::from(of) * in_use) + 4 * hold;
            let gap = world.gaps[class];
            let what = format!("{permits} permits, shares {share} to 1, up to {weights:?}");
            assert!(gap <= bound, "{gap} > {bound}: {what}");
        }
    }
}

/// The 10,000 have used nothing yet that counts, so only their number speaks for them.
#[test]
fn a_heavy_one_waits_for_one_hold_beside_ten_thousand_of_another_class() {
    for (crowd, lone) in [("batch", "web"), ("web", "batch")] {
        let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("web", 8), ("batch", 1)]);
        let mut held: Vec<_> = (0..4)
            .map(|_| classes.try_acquire_in(crowd).unwrap())
            .collect();
        let mut waiting: Vec<_> = (0..10_000)
            .map(|_| spawn(classes.acquire_in(crowd)))
            .collect();
        assert!(waiting.iter_mut().all(|waiter| waiter.poll().is_pending()));
        let mut heavy = spawn(classes.acquire_many_in(lone, 4));
        assert!(heavy.poll().is_pending());
        while let Some(permit) = held.pop() {
            assert!(!heavy.is_woken());
            classes.0.clock.set(4 - held.len() as u64);
            drop(permit);
        }
        assert!(heavy.is_woken());
        assert!(!waiting.iter().any(Spawn::is_woken));
    }
}

/// It asks for more than there are during a pause, beside light ones of its class.
#[test]
fn a_class_saves_up_nothing_by_a_request_that_cannot_be_served() {
    let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 1), ("batch", 1)]);
    let waits = |class, n| {
        let mut waiter = spawn(classes.acquire_many_in(class, n));
        assert!(waiter.poll().is_pending());
        waiter
    };
    let mut now = 0;
    let mut held_for = |permit: ClassPermit| {
        now += MS;
        classes.0.clock.set(now);
        drop(permit);
    };
    let fetched = |waiter: &mut Spawn<AcquireIn>| match waiter.poll() {
        Poll::Ready(permit) => Some(permit.unwrap()),
        Poll::Pending => None,
    };

    let mut held = classes.try_acquire_in("batch").unwrap();
    let mut batch = waits("batch", 1);
    for _ in 0..100 {
        held_for(held);
        held = fetched(&mut batch).unwrap();
        batch = waits("batch", 1);
    }
    classes.semaphore().set_max(0);
    let heavy = waits("web", Semaphore::MAX_PERMITS as u32);
    let mut light: Vec<_> = (0..50).map(|_| waits("web", 1)).collect();
    classes.semaphore().set_max(1);
    held_for(held);
    let mut holds = 0;
    while fetched(&mut batch).is_none() {
        held_for(fetched(&mut light.remove(0)).unwrap());
        holds += 1;
    }
    assert!(holds <= 4, "{holds}");
    drop(heavy);
}

/// One that has been polled and has not returned.
struct Waiter {
    need: u32,
    future: Spawn<AcquireIn>,
}

/// The classes, and what is known of them. The clock stands still, so the class is next that
/// has fewest permits for its share.
struct Model {
    classes: Classes,
    shares: Vec<u32>,
    max: u32,
    /// Out, or told and not fetched.
    active: Vec<u32>,
    /// By class, in order of arrival.
    waiting: Vec<Vec<Waiter>>,
    granted: Vec<Vec<Waiter>>,
    held: Vec<Vec<ClassPermit>>,
    is_closed: bool,
    /// Does the semaphore serve its line in order of arrival?
    is_exact: bool,
}

impl Model {
    fn new(semaphore: Semaphore, is_exact: bool) -> Self {
        let shares = vec![8, 1, 3];
        let named: Vec<_> = NAMES.into_iter().zip(shares.clone()).collect();
        let max = semaphore.max() as u32;
        Self {
            classes: Classes::new(Arc::new(semaphore), &named),
            shares,
            max,
            active: vec![0; 3],
            waiting: (0..3).map(|_| Vec::new()).collect(),
            granted: (0..3).map(|_| Vec::new()).collect(),
            held: (0..3).map(|_| Vec::new()).collect(),
            is_closed: false,
            is_exact,
        }
    }

    fn free(&self) -> u32 {
        self.max.saturating_sub(self.active.iter().sum())
    }

    /// The first of each class whom max allows.
    fn heads(&self) -> Vec<(usize, usize)> {
        let fits = |waiter: &Waiter| waiter.need <= self.max || self.max == 0;
        let head = |class: usize| Some((class, self.waiting[class].iter().position(fits)?));
        (0..3).filter_map(head).collect()
    }

    /// The one of these whose turn it is.
    fn turn(&self) -> Option<(usize, usize)> {
        let rank = |&(class, _): &(usize, usize)| {
            u64::from(self.active[class]) * u64::from(u32::MAX) / u64::from(self.shares[class])
        };
        self.heads().into_iter().min_by_key(rank)
    }

    fn acquire(&mut self, class: usize, need: u32) {
        let future = spawn(self.classes.acquire_many_in(NAMES[class], need));
        let mut waiter = Waiter { need, future };
        let polled = waiter.future.poll();
        self.waiting[class].push(waiter);
        let Poll::Ready(verdict) = polled else { return };
        let at = self.waiting[class].len() - 1;
        if let Ok(permit) = verdict {
            // Others may have been served before it.
            self.replay(Some((class, at)));
            self.held[class].push(permit);
        } else {
            self.waiting[class].remove(at);
        }
    }

    /// Those that have been told since are those whose turn it was. `ready` has returned.
    fn replay(&mut self, ready: Option<(usize, usize)>) {
        let is_told = |waiter: &Waiter| waiter.future.is_woken();
        let mut ready = ready;
        while let Some((class, at)) = if self.is_exact && !self.is_closed {
            let any = self.waiting.iter().flatten().any(is_told) || ready.is_some();
            any.then(|| self.turn().expect("one is told that is too heavy"))
        } else {
            let told = |class: usize| Some((class, self.waiting[class].iter().position(is_told)?));
            ready.or_else(|| (0..3).find_map(told))
        } {
            let is_ready = ready == Some((class, at));
            let mut waiter = self.waiting[class].remove(at);
            assert!(is_ready || is_told(&waiter), "it is another one's turn");
            if self.is_closed {
                assert!(matches!(
                    waiter.future.poll(),
                    Poll::Ready(Err(AcquireError::Closed))
                ));
                continue;
            }
            let free = self.free();
            assert!(waiter.need <= free, "{} of {free}", waiter.need);
            self.active[class] += waiter.need;
            if is_ready {
                ready = None;
            } else {
                self.granted[class].push(waiter);
                // It has moved up.
                if let Some((of, place)) = &mut ready {
                    *place -= usize::from(*of == class && at < *place);
                }
            }
        }
    }

    fn fetch(&mut self, class: usize, at: usize) {
        let mut waiter = self.granted[class].remove(at);
        match waiter.future.poll() {
            Poll::Ready(Ok(permit)) => {
                assert_eq!(permit.num_permits(), waiter.need as usize);
                self.held[class].push(permit);
            }
            other => panic!("granted, and {other:?}"),
        }
    }

    fn release(&mut self, class: usize, at: usize) {
        let permit = self.held[class].remove(at);
        self.active[class] -= permit.num_permits() as u32;
        drop(permit);
    }

    fn set_max(&mut self, max: u32) {
        self.max = max;
        self.classes.semaphore().set_max(max as usize);
    }

    fn step(&mut self, random: &mut Random) {
        let mut below = |n: usize| random.below(n.max(1) as u64) as usize;
        let class = below(3);
        match below(16) {
            0..4 => {
                let heaviest = if below(4) == 0 { 9 } else { 3 };
                let need = 1 + below(heaviest);
                self.acquire(class, need as u32);
            }
            4 if !self.waiting[class].is_empty() => {
                let at = below(self.waiting[class].len());
                drop(self.waiting[class].remove(at));
            }
            5 if !self.granted[class].is_empty() => {
                let at = below(self.granted[class].len());
                let waiter = self.granted[class].remove(at);
                self.active[class] -= waiter.need;
                drop(waiter);
            }
            6..8 if !self.granted[class].is_empty() => {
                let at = below(self.granted[class].len());
                self.fetch(class, at);
            }
            8..12 if !self.held[class].is_empty() => {
                let at = below(self.held[class].len());
                self.release(class, at);
            }
            12 => self.set_max(below(9) as u32),
            13 => {
                let share = 1 + below(8) as u32;
                self.shares[class] = share;
                self.classes.set_share(NAMES[class], share);
            }
            14 => {
                let need = 1 + below(3) as u32;
                let in_line = !self.heads().is_empty();
                if let Ok(permit) = self.classes.try_acquire_many_in(NAMES[class], need) {
                    assert!(need <= self.free() && !(in_line && self.is_exact));
                    self.active[class] += need;
                    self.held[class].push(permit);
                } else {
                    assert!(in_line || need > self.free() || self.is_closed || !self.is_exact);
                }
            }
            15 if below(100) == 0 => {
                self.classes.semaphore().close();
                self.is_closed = true;
            }
            _ => {}
        }
        self.replay(None);
        self.check();
    }

    fn check(&self) {
        let semaphore = self.classes.semaphore();
        assert_eq!(semaphore.active(), self.active.iter().sum::<u32>() as usize);
        for (class, name) in NAMES.into_iter().enumerate() {
            assert_eq!(self.classes.active(name), self.active[class] as usize);
            assert_eq!(self.classes.waiting(name), self.waiting[class].len());
        }
        let heads = self.heads();
        let needs = |&(class, at): &(usize, usize)| self.waiting[class][at].need;
        let one_is_held_up = heads.iter().any(|head| needs(head) > self.free());
        assert!(heads.is_empty() || one_is_held_up, "nobody is served");
        assert!(!self.is_closed || self.waiting.iter().all(Vec::is_empty));
    }

    /// All that wait are served, if they may be.
    fn finish(mut self) {
        self.set_max(9);
        self.replay(None);
        self.check();
        let is_over = |model: &Self| {
            let futures = model.waiting.iter().chain(&model.granted);
            futures.map(Vec::len).sum::<usize>() + model.held.iter().map(Vec::len).sum::<usize>()
                == 0
        };
        while !is_over(&self) {
            let before = self.waiting.iter().map(Vec::len).sum::<usize>();
            let all = |lists: &[Vec<Waiter>]| lists.iter().map(Vec::len).sum::<usize>();
            let idle = all(&self.granted) == 0 && self.held.iter().all(Vec::is_empty);
            for class in 0..3 {
                while !self.granted[class].is_empty() {
                    self.fetch(class, 0);
                }
                while !self.held[class].is_empty() {
                    self.release(class, 0);
                    self.replay(None);
                    self.check();
                }
            }
            assert!(!idle, "{before} wait for nothing");
        }
        assert_eq!(self.classes.semaphore().waiting(), 0);
        assert_eq!(self.classes.semaphore().active(), 0);
        assert!(self.classes.0.lock().told.is_empty());
    }
}

fn run(seed: u64, builder: Builder, is_exact: bool) {
    let mut model = Model::new(builder.build(), is_exact);
    let mut random = Random(seed);
    for _ in 0..400 {
        model.step(&mut random);
    }
    model.finish();
}

/// Says for which seed it fails.
fn for_seeds(seeds: u64, test: impl Fn(u64)) {
    for seed in 0..seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("seed {seed}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn permits_go_to_those_whose_turn_it_is_whatever_happens() {
    for_seeds(200, |seed| run(seed, Semaphore::builder(4), true));
}

#[test]
fn nobody_is_forgotten_whatever_the_order_of_the_semaphore() {
    for_seeds(60, |seed| {
        let builder = || Semaphore::builder(4);
        run(seed, builder().order(Order::Lifo), false);
        run(seed, builder().order(Order::AdaptiveLifo), false);
        run(seed, builder().fairness(Fairness::Barging), false);
        run(seed, builder().fairness(Fairness::Eventual), false);
        run(seed, builder().grant_to_tasks(true), true);
    });
}
