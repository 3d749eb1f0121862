//! Acquires that are given up while the one permit is held.
//!
//! A time-out is a future that was polled and is dropped; so is every other
//! cancellation. No timer and no runtime takes part. Two acquires that are not
//! given up stand before and behind the many that are: the queue is never
//! empty in between, and whatever the cancelled ones leave in it lies in the
//! way of the second release.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::FutureExt as _;

use crate::alloc::{Heap, Watch};
use crate::measure::{self, Plan, entries};
use crate::stats::median;
use crate::subject::{AsyncAcquire, Asyncband, Dynaphore, Subject, Tokio};
use crate::table::{
    Column, Row,
    Value::{Count, Figure, Text},
    figure, name,
};

/// A subject that takes part.
pub type Entry = measure::Entry<fn(u64, Watch) -> Trial>;

/// Those who take part, in the order of the output.
pub const ALL: &[Entry] = entries!(trial; Dynaphore, Tokio, Asyncband);

/// What it cost one subject.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The subject's name.
    pub subject: &'static str,
    /// How many acquires were given up.
    pub cancelled: u64,
    /// To wait and to give up, once.
    pub ns_each: f64,
    /// What all of them did to the heap.
    pub heap: Heap,
    /// The slower one of the two releases after them.
    pub release_ns: f64,
    /// The same where none was given up.
    pub ordinary_ns: f64,
}

/// Times each subject, the rounds by turns.
pub fn measure(entries: &[&Entry], plan: Plan) -> Vec<Outcome> {
    let mut trials: Vec<(Vec<Trial>, Vec<Trial>)> = vec![Default::default(); entries.len()];
    for _ in 0..plan.trials.max(1) {
        for (entry, (after, ordinary)) in entries.iter().zip(&mut trials) {
            after.push((entry.run)(plan.many, Watch::Clock));
            ordinary.extend((0..9).map(|_| (entry.run)(0, Watch::Clock)));
        }
    }
    let both = entries.iter().zip(trials);
    both.map(|(entry, (after, ordinary))| Outcome {
        subject: entry.subject,
        cancelled: plan.many,
        ns_each: median(after.iter().map(|trial| nanos(trial.giving_up))) / plan.many.max(1) as f64,
        heap: (entry.run)(plan.many, Watch::Heap).heap,
        release_ns: median(after.iter().map(|trial| nanos(trial.release))),
        ordinary_ns: median(ordinary.iter().map(|trial| nanos(trial.release))),
    })
    .collect()
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// What came of one.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// All of them together.
    giving_up: Duration,
    heap: Heap,
    /// The slower one of the two.
    release: Duration,
}

/// How many of those that will be given up wait at a time. The oldest is given
/// up first, so that it has neighbours on both sides.
const AT_A_TIME: u64 = 64;

/// So many are given up before it counts.
const FIRST: u64 = 16 * AT_A_TIME;

const TWO_HOLDERS: &str = "two holders of one permit";

fn trial<S: AsyncAcquire>(cancelled: u64, watch: Watch) -> Trial {
    let mut giving_up = Default::default();
    let meanwhile = |semaphore: &S::Semaphore| {
        let mut places: Vec<_> = (0..AT_A_TIME).map(|_| Box::pin(None)).collect();
        let mut give_up = |count| {
            for number in 0..count {
                let place = &mut places[(number % AT_A_TIME) as usize];
                place.set(Some(S::acquire(semaphore)));
                let waiting = place.as_mut().as_pin_mut().expect("just put there");
                assert!(waiting.now_or_never().is_none(), "{TWO_HOLDERS}");
            }
            places.iter_mut().for_each(|place| place.set(None));
        };
        // Room that a queue makes for so many at a time is not growth.
        give_up(cancelled.min(FIRST));
        giving_up = watch.run(|| give_up(cancelled));
    };
    // The processor has long forgotten how a release goes. That is not to be
    // measured, but what this very semaphore has become.
    let warm_up = || {
        for _ in 0..16 {
            releases::<S>(|_| {}, || {});
        }
    };
    let release = releases::<S>(meanwhile, warm_up);
    let (giving_up, heap) = giving_up;
    Trial {
        giving_up,
        heap,
        release,
    }
}

/// The slower one of two releases, to one that waited before `meanwhile` and to one that
/// waited only after it.
fn releases<S: AsyncAcquire>(
    meanwhile: impl FnOnce(&S::Semaphore),
    warm_up: impl FnOnce(),
) -> Duration {
    let semaphore = S::semaphore(1);
    let held = S::acquire(&semaphore).now_or_never();
    let held = held.expect("a free permit");
    let mut first = pin!(S::acquire(&semaphore));
    assert!(first.as_mut().now_or_never().is_none(), "{TWO_HOLDERS}");
    meanwhile(&semaphore);
    let mut last = pin!(S::acquire(&semaphore));
    assert!(last.as_mut().now_or_never().is_none(), "{TWO_HOLDERS}");
    warm_up();
    let to_first = timed_drop(held);
    let held = first.now_or_never().expect("the first is next");
    let to_last = timed_drop(held);
    assert!(last.now_or_never().is_some(), "the last is next");
    to_first.max(to_last)
}

fn timed_drop(permit: impl Sized) -> Duration {
    let start = Instant::now();
    drop(permit);
    start.elapsed()
}

/// The workload name of the lines.
pub const NAME: &str = "timeouts";

impl Row for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 24, |_| Text(NAME)),
        name("subject", "subject", 20, |o| Text(o.subject)),
        figure("cancelled", "given up", 9, |o| Count(o.cancelled as i64)),
        figure("ns_per_op", "ns/op", 9, |o| Figure(Some(o.ns_each), 1, 1)),
        figure("live_bytes", "+live B", 9, |o| Count(o.heap.growth)),
        figure("peak_bytes", "+peak B", 10, |o| Count(o.heap.peak)),
        figure("release_ns", "release ns", 10, |o| {
            Figure(Some(o.release_ns), 1, 0)
        }),
        figure("ordinary_release_ns", "usual ns", 10, |o| {
            Figure(Some(o.ordinary_ns), 1, 0)
        }),
        figure("release_ratio", "ratio", 6, |o| {
            Figure(Some(o.release_ns / o.ordinary_ns.max(1.0)), 3, 2)
        }),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_survives_them() {
        let plan = Plan {
            many: 1000,
            trials: 1,
            ..Plan::QUICK
        };
        let all: Vec<&Entry> = ALL.iter().collect();
        for outcome in measure(&all, plan) {
            assert_eq!(outcome.cancelled, 1000);
            assert!(outcome.ns_each > 0.0, "{outcome:?}");
            assert!(outcome.release_ns > 0.0, "{outcome:?}");
            assert!(outcome.ordinary_ns > 0.0, "{outcome:?}");
        }
    }
}
