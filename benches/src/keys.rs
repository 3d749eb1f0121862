//! What keys cost that come and go, each of them once: time, and memory.

use std::time::Duration;

use crate::alloc::{Heap, Watch};
use crate::measure::{self, Plan, entries};
use crate::stats::median;
use crate::subject::{DashmapTokio, Dynaphore, Keyed, Lockable, Subject};
use crate::table::{
    Column, Row,
    Value::{Count, Figure, Text},
    figure, name,
};

/// A subject that takes part.
pub type Entry = measure::Entry<fn(u64, Watch) -> Trial>;

/// Those who take part, in the order of the output.
pub const ALL: &[Entry] = entries!(trial; Dynaphore, DashmapTokio, Lockable);

/// What it cost one subject.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The subject's name.
    pub subject: &'static str,
    /// How many keys.
    pub keys: u64,
    /// A permit of a new key taken and dropped, once.
    pub ns_each: f64,
    /// What that did to the heap.
    pub once: Heap,
    /// The same where all permits are held first and dropped then.
    pub ns_together: f64,
    /// What that did to the heap.
    pub together: Heap,
}

impl Outcome {
    /// Bytes of a key that is in use.
    #[must_use]
    pub fn bytes_per_key(&self) -> f64 {
        self.together.peak as f64 / self.keys.max(1) as f64
    }
}

/// Measures each subject, the rounds by turns.
pub fn measure(entries: &[&Entry], plan: Plan) -> Vec<Outcome> {
    let mut trials: Vec<Vec<Trial>> = vec![Vec::new(); entries.len()];
    for _ in 0..plan.trials.max(1) {
        for (entry, trials) in entries.iter().zip(&mut trials) {
            trials.push((entry.run)(plan.many, Watch::Clock));
        }
    }
    let both = entries.iter().zip(trials);
    both.map(|(entry, trials)| {
        let heap = (entry.run)(plan.many, Watch::Heap);
        let each = |time: fn(&Trial) -> Duration| {
            let times = trials.iter().map(|trial| time(trial).as_nanos() as f64);
            median(times) / plan.many.max(1) as f64
        };
        Outcome {
            subject: entry.subject,
            keys: plan.many,
            ns_each: each(|trial| trial.once.0),
            once: heap.once.1,
            ns_together: each(|trial| trial.together.0),
            together: heap.together.1,
        }
    })
    .collect()
}

/// What came of one.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    once: (Duration, Heap),
    together: (Duration, Heap),
}

fn trial<S: Keyed>(keys: u64, watch: Watch) -> Trial {
    let keyed = S::keyed(1, 0);
    let once = watch.run(|| {
        for key in 0..keys {
            drop(S::try_acquire_key(&keyed, key));
        }
    });
    // Where the permits are is not the subject's business.
    let mut held = Vec::with_capacity(keys as usize);
    let together = watch.run(|| {
        held.extend((0..keys).map(|key| S::try_acquire_key(&keyed, key)));
        held.clear();
    });
    Trial { once, together }
}

/// The workload name of the lines.
pub const NAME: &str = "keys";

impl Row for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 24, |_| Text(NAME)),
        name("subject", "subject", 20, |o| Text(o.subject)),
        figure("keys", "keys", 9, |o| Count(o.keys as i64)),
        figure("ns_per_key", "ns/key", 9, |o| Figure(Some(o.ns_each), 1, 1)),
        figure("peak_bytes", "+peak B", 9, |o| Count(o.once.peak)),
        figure("live_bytes", "+live B", 10, |o| Count(o.once.growth)),
        figure("together_ns_per_key", "held ns", 10, |o| {
            Figure(Some(o.ns_together), 1, 1)
        }),
        figure("together_peak_bytes", "held +peak", 10, |o| {
            Count(o.together.peak)
        }),
        figure("together_live_bytes", "held +live", 10, |o| {
            Count(o.together.growth)
        }),
        figure("bytes_per_key", "B/key", 7, |o| {
            Figure(Some(o.bytes_per_key()), 1, 0)
        }),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_measured() {
        let plan = Plan {
            many: 3_000,
            trials: 1,
            ..Plan::QUICK
        };
        let entries: Vec<&Entry> = ALL.iter().collect();
        let outcomes = measure(&entries, plan);
        assert_eq!(outcomes.len(), ALL.len());
        for outcome in outcomes {
            let name = outcome.subject;
            assert!(outcome.ns_each > 0.0 && outcome.ns_together > 0.0, "{name}");
        }
    }
}
