//! What happens to many waiters at once, under the line's lock: whatever takes longer
//! for each of them the more there are keeps everybody else from the lock.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use dynaphore::{AcquireError, Fairness, Semaphore};
use futures::FutureExt as _;

use crate::table::{
    Column, Row, Value,
    Value::{Figure, Figures, Text},
    figure, name, rounded,
};

/// The workload name of the lines.
pub const NAME: &str = "line_growth";

/// How many waiters there are.
pub const WAITERS: [usize; 3] = [1_000, 10_000, 100_000];

/// What one way to have many waiters costs.
#[derive(Clone, Debug)]
pub struct Outcome {
    what: &'static str,
    /// For each number of [`WAITERS`]; fewer with `--quick`.
    ns_per_waiter: Vec<f64>,
}

impl Row for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 24, |_| Text(NAME)),
        name("what", "ns/waiter", 28, |o| Text(o.what)),
        figure("ns_per_waiter", "", 0, |o| Figures(o.ns_per_waiter.clone())),
        figure("", "1k", 9, |o| o.figure(0)),
        figure("", "10k", 9, |o| o.figure(1)),
        figure("", "100k", 9, |o| o.figure(2)),
        figure("", "last/1k", 8, |o| o.growth()),
    ];
}

impl Outcome {
    fn figure(&self, at: usize) -> Value {
        Figure(self.ns_per_waiter.get(at).copied(), 1, 1)
    }

    fn growth(&self) -> Value {
        let ns = &self.ns_per_waiter;
        Figure(Some(ns[ns.len() - 1] / ns[0].max(0.1)), 9, 2)
    }
}

/// The name in the output, and the time it takes with so many waiters.
type Case = (&'static str, fn(usize) -> Duration);

/// Every way, in the order of the output.
pub const ALL: &[Case] = &[
    ("rejoin in one set_max", rejoin),
    ("permits back, fifo", |n| come_back(Fairness::Fifo, n)),
    ("permits back, eventual", |n| {
        come_back(Fairness::Eventual, n)
    }),
    ("permits back, barging", |n| come_back(Fairness::Barging, n)),
    ("overdue, 99 %", overdue),
    ("cancel aside, newest first", |n| cancel_aside(n, true)),
    ("cancel aside, oldest first", |n| cancel_aside(n, false)),
    ("idle, polled twice", |n| watch(n, Semaphore::idle).0),
    ("idle, cancelled", |n| watch(n, Semaphore::idle).1),
    ("settled, polled twice", |n| watch(n, Semaphore::settled).0),
    ("settled, cancelled", |n| watch(n, Semaphore::settled).1),
];

/// No turn begins after a row has taken that long at one size, except the first. Only
/// what is quadratic takes longer for a turn.
const TIME: Duration = Duration::from_secs(1);

/// Measures all of them with so many of [`WAITERS`], the best of a few turns each.
pub fn measure((sizes, turns): (usize, usize)) -> Vec<Outcome> {
    let each = |run: fn(usize) -> Duration, waiters: usize| {
        let start = Instant::now();
        let in_time = |turn: &usize| *turn == 0 || start.elapsed() < TIME;
        let turns = (0..turns).take_while(in_time);
        let best = turns.map(|_| run(waiters)).min().unwrap_or_default();
        rounded(best.as_nanos() as f64 / waiters as f64, 1)
    };
    let sizes = &WAITERS[..sizes];
    ALL.iter()
        .map(|&(what, run)| Outcome {
            what,
            ns_per_waiter: sizes.iter().map(|&waiters| each(run, waiters)).collect(),
        })
        .collect()
}

fn waits<F: Future>(future: Pin<&mut F>) -> bool {
    future.now_or_never().is_none()
}

/// So many futures that wait.
fn waiting<F: Future>(count: usize, make: impl Fn() -> F) -> Vec<Pin<Box<F>>> {
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    all.iter_mut().for_each(|one| assert!(waits(one.as_mut())));
    all
}

fn timed(body: impl FnOnce()) -> Duration {
    let start = Instant::now();
    body();
    start.elapsed()
}

/// Requests for two of one permit step aside, and a line as long as they are many
/// waits. With two permits they are back in the line, all at once.
fn rejoin(count: usize) -> Duration {
    let semaphore = Semaphore::new(1);
    let _held = semaphore.try_acquire().expect("a free permit");
    // At the front each of them finds out that it needs more than max.
    let aside = waiting(count, || semaphore.acquire_many(2));
    let line = waiting(count, || semaphore.acquire());
    let time = timed(|| _ = semaphore.set_max(2));
    drop((aside, line));
    time
}

/// As many permits as waiters come back one by one, and all waiters take theirs.
fn come_back(fairness: Fairness, count: usize) -> Duration {
    let semaphore = Semaphore::builder(count).fairness(fairness).build();
    let held: Vec<_> = (0..count)
        .map(|_| semaphore.try_acquire().expect("a free permit"))
        .collect();
    let mut all = waiting(count, || semaphore.acquire());
    timed(|| {
        drop(held);
        for one in &mut all {
            assert!(!waits(one.as_mut()), "there is one for each");
        }
    })
}

/// Of so many, 99 % have waited for too long when a permit comes back, and hear so.
fn overdue(count: usize) -> Duration {
    let target = Duration::from_millis(200);
    let semaphore = Semaphore::builder(1).overdue(target, target).build();
    let held = semaphore.try_acquire().expect("a free permit");
    let mut old = waiting(count / 100 * 99, || semaphore.acquire());
    std::thread::sleep(target);
    timed(|| {
        let _new = waiting(1, || semaphore.acquire());
        drop(held);
        for one in &mut old {
            let told = one.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let is_overdue = |told: &Result<_, _>| matches!(told, Err(AcquireError::Overdue));
            assert!(matches!(&told, Poll::Ready(told) if is_overdue(told)));
        }
    })
}

/// Requests for more than max are given up.
fn cancel_aside(count: usize, newest_first: bool) -> Duration {
    let semaphore = Semaphore::new(1);
    let mut all = waiting(count, || semaphore.acquire_many(2));
    if newest_first {
        all.reverse();
    }
    timed(|| drop(all))
}

/// Polls so many watchers of a state that does not come, twice, and drops them.
fn watch<F: Future>(count: usize, watch: fn(&'static Semaphore) -> F) -> (Duration, Duration) {
    // Watchers borrow what is dropped with the process: a few bytes a call.
    let semaphore: &'static Semaphore = Box::leak(Box::new(Semaphore::new(2)));
    let held = semaphore.try_acquire_many(2).expect("free permits");
    semaphore.set_max(1);
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(watch(semaphore))).collect();
    let polled = timed(|| {
        for _ in 0..2 {
            all.iter_mut().for_each(|one| assert!(waits(one.as_mut())));
        }
    });
    let cancelled = timed(|| drop(all));
    // Nobody is left to be told.
    drop(held);
    (polled, cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_measured() {
        let outcomes = measure((1, 1));
        assert_eq!(outcomes.len(), ALL.len());
        for outcome in outcomes {
            assert!(outcome.ns_per_waiter[0] > 0.0, "{outcome:?}");
        }
    }
}
