//! Several threads change max at once.

use std::{
    collections::HashMap,
    future::Future,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst, fence},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::common::{Random, Start, watchdog};
use dynaphore::{Semaphore, SemaphorePermit};

// Scenario 25.
#[test]
fn each_of_several_racing_calls_returns_the_max_that_it_replaced() {
    const CALLS: usize = 5_000;
    watchdog(|| {
        let semaphore = &Semaphore::new(0);
        let start = &Start::of(4);
        let replaced: HashMap<usize, usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    scope.spawn(move || {
                        start.wait();
                        let new = (1..=CALLS).map(|call| 4 * call + thread);
                        new.map(|new| (semaphore.set_max(new), new))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(replaced.len(), 4 * CALLS, "each was replaced once");
        let chain = std::iter::successors(Some(0), |old| replaced.get(old).copied());
        let (links, last) = chain.fold((0, 0), |(links, _), max| (links + 1, max));
        assert_eq!((links, last), (4 * CALLS + 1, semaphore.max()));
    });
}

/// One permit of the test below. The lower half of its max numbers the calls,
/// so that no value comes twice and the chain shows which was in force when.
const UNIT: u32 = 1 << 16;

/// The order in which all threads see things happen.
#[derive(Default)]
struct Clock(AtomicU64);

impl Clock {
    fn now(&self) -> u64 {
        fence(SeqCst);
        let now = self.0.fetch_add(1, SeqCst);
        fence(SeqCst);
        now
    }
}

/// Permits that were out: granted after `asked`, before `granted`, and given
/// back after `released`.
struct Held {
    asked: u64,
    granted: u64,
    released: u64,
    permits: u64,
}

/// A call of `set_max`, between two moments.
#[derive(Clone, Copy)]
struct Change {
    from: u64,
    to: u64,
    old: usize,
    new: usize,
}

struct Race {
    semaphore: Semaphore,
    clock: Clock,
    over: AtomicBool,
}

impl Race {
    fn hold(&self, asked: u64, permit: SemaphorePermit<'_>, random: &mut Random) -> Held {
        let granted = self.clock.now();
        for _ in 0..random.below(3) {
            thread::yield_now();
        }
        Held {
            asked,
            granted,
            permits: permit.num_permits() as u64,
            released: self.clock.now(),
        }
    }

    /// Asks for permits in one way or another, and may give up.
    fn ask(&self, random: &mut Random) -> Option<Held> {
        let n = UNIT * (1 + random.below(3));
        let asked = self.clock.now();
        match random.below(4) {
            0 => {
                let patience = Duration::from_micros(random.below(50).into());
                let permit = self.semaphore.blocking_acquire_many_timeout(n, patience);
                Some(self.hold(asked, permit.ok()?, random))
            }
            1 => {
                let mut future = Box::pin(self.semaphore.acquire_many(n));
                let mut cx = Context::from_waker(Waker::noop());
                // A poll that finds nothing shows that it had not been granted
                // before that poll.
                let mut asked = asked;
                for _ in 0..random.below(100) {
                    let polled = self.clock.now();
                    if let Poll::Ready(permit) = future.as_mut().poll(&mut cx) {
                        return Some(self.hold(asked, permit.unwrap(), random));
                    }
                    asked = polled;
                }
                None
            }
            _ => {
                let permit = self.semaphore.try_acquire_many(n).ok()?;
                Some(self.hold(asked, permit, random))
            }
        }
    }

    fn resize(&self, thread: usize) -> Vec<Change> {
        let mut random = Random::new(100 + thread);
        let mut changes = Vec::new();
        while !self.over.load(SeqCst) && changes.len() < UNIT as usize / 2 - 1 {
            let serial = 2 * (changes.len() + 1) + thread;
            let new = (UNIT * random.below(6)) as usize + serial;
            let from = self.clock.now();
            let old = self.semaphore.set_max(new);
            let to = self.clock.now();
            changes.push(Change { from, to, old, new });
            for _ in 0..random.below(4) {
                thread::yield_now();
            }
        }
        changes
    }
}

/// Every max in the order in which they were in force.
fn chain(first: usize, changes: &[Change]) -> Vec<Change> {
    let by_old: HashMap<_, _> = changes.iter().map(|change| (change.old, change)).collect();
    let next = |change: &Change| by_old.get(&change.new).map(|next| **next);
    let first = by_old.get(&first).map(|first| **first);
    std::iter::successors(first, next).collect()
}

/// Values that held from one moment to another, to be asked what held when.
struct Spans {
    /// `(from, to, value)`, by `from`.
    spans: Vec<(u64, u64, u64)>,
    /// The latest end of the spans up to each.
    latest: Vec<u64>,
}

impl Spans {
    fn new(mut spans: Vec<(u64, u64, u64)>) -> Self {
        spans.sort_unstable();
        let ends = spans.iter().scan(0, |latest, (_, to, _)| {
            *latest = (*latest).max(*to);
            Some(*latest)
        });
        let latest = ends.collect();
        Self { spans, latest }
    }

    /// The values of those that begin before `begun` and end after `not_over`.
    fn find(&self, begun: u64, not_over: u64) -> impl Iterator<Item = u64> {
        let last = self.spans.partition_point(|(from, ..)| *from < begun);
        let candidates = (0..last)
            .rev()
            .take_while(move |&at| self.latest[at] > not_over);
        let spans = candidates.map(|at| self.spans[at]);
        spans
            .filter(move |(_, to, _)| *to > not_over)
            .map(|(.., value)| value)
    }
}

/// Fails if permits were granted beyond every max that can have been in force
/// at that moment, counting only what was out for certain.
fn check(initial: usize, chain: &[Change], held: &[Held]) {
    let starts = std::iter::once((initial, 0)).chain(chain.iter().map(|c| (c.new, c.from)));
    let ends = chain.iter().map(|c| c.to).chain(std::iter::once(u64::MAX));
    let in_force = starts
        .zip(ends)
        .map(|((max, from), to)| (from, to, max as u64));
    let in_force = Spans::new(in_force.collect());
    let out = held.iter().map(|h| (h.granted, h.released, h.permits));
    let out = Spans::new(out.collect());
    for grant in held {
        let throughout: u64 = out.find(grant.asked, grant.granted).sum();
        let bound = in_force.find(grant.granted, grant.asked).max();
        let (active, bound) = (
            throughout + grant.permits,
            bound.expect("there is always one"),
        );
        assert!(active <= bound, "{active} were out of at most {bound}");
    }
}

// Scenario 24.
#[test]
fn permits_are_granted_only_below_the_max_of_that_moment() {
    const INITIAL: usize = 2 * UNIT as usize;
    watchdog(|| {
        let race = &Race {
            semaphore: Semaphore::new(INITIAL),
            clock: Clock::default(),
            over: AtomicBool::new(false),
        };
        let (held, changes) = thread::scope(|scope| {
            let resizers: Vec<_> = (0..2)
                .map(|thread| scope.spawn(move || race.resize(thread)))
                .collect();
            let holders: Vec<_> = (0..4)
                .map(|thread| {
                    let mut random = Random::new(thread);
                    scope.spawn(move || {
                        let asks = (0..2_500).filter_map(|_| race.ask(&mut random));
                        asks.collect::<Vec<_>>()
                    })
                })
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
            let held: Vec<Held> = holders.into_iter().flat_map(join).collect();
            race.over.store(true, SeqCst);
            let resizers = resizers.into_iter().map(|thread| thread.join().unwrap());
            (held, resizers.flatten().collect::<Vec<_>>())
        });
        assert!(held.len() > 100, "only {} grants", held.len());

        let chain = chain(INITIAL, &changes);
        assert_eq!(
            chain.len(),
            changes.len(),
            "each replaced the one before it"
        );
        let semaphore = &race.semaphore;
        assert_eq!(
            chain.last().map_or(INITIAL, |last| last.new),
            semaphore.max()
        );
        check(INITIAL, &chain, &held);

        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        semaphore.set_max(3);
        assert!(semaphore.try_acquire_many(4).is_err());
        assert!(semaphore.try_acquire_many(3).is_ok());
    });
}
