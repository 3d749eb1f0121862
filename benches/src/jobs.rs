//! Throttled jobs in rayon's pools.
//!
//! Each workload compares its subjects with a figure of its own: the schedule
//! that nobody can beat, the plain iterator, the budget, the same without
//! resizing.

use std::num::NonZero;
use std::thread;

use crate::measure::{self, Plan};
use crate::stats::median;
use crate::table::{
    Column, Row,
    Value::{Figure, Text},
    figure, name,
};

mod memory;
mod mixed;
mod overhead;
mod resize;

/// A workload of throttled jobs.
pub struct Workload {
    /// The name in the output.
    pub name: &'static str,
    /// What is done, in short.
    pub what: &'static str,
    /// What `value` counts.
    pub unit: &'static str,
    /// What the ratios are to: a subject, or a figure of each turn's own.
    pub base: &'static str,
    /// How many rounds are enough.
    pub rounds: usize,
    /// Those who can do it.
    pub entries: &'static [Entry],
}

/// A subject that takes part; one turn of a `part` of the workload.
pub type Entry = measure::Entry<fn(part: u32) -> Turn>;

/// What came of a turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// In the workload's unit.
    value: f64,
    /// What it is compared with, if that is not the turn of another subject.
    base: Option<f64>,
}

impl Turn {
    fn of(value: f64) -> Self {
        Self { value, base: None }
    }
}

/// What a workload cost one subject.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The workload's name.
    pub workload: &'static str,
    /// The subject's name.
    pub subject: &'static str,
    /// Median over the rounds.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// What the ratio is to.
    pub base: &'static str,
    /// Median over the rounds.
    pub ratio: f64,
}

macro_rules! entries {
    ($($subject:literal => $turn:path),+ $(,)?) => {
        &[$(Entry { subject: $subject, run: $turn }),+]
    };
}

/// Every workload, in the order of the output.
pub const ALL: &[Workload] = &[
    Workload {
        name: "rayon_mixed",
        what: "10,000 jobs of 20 us in a pool with a worker for each core, every other throttled \
               to 1; the ideal is computed from the jobs' lengths as they were",
        unit: "ms",
        base: "ideal",
        rounds: 15,
        entries: entries![
            "dynaphore" => mixed::spawned,
            "dynaphore_scope" => mixed::scoped,
            "blocking_in_job" => mixed::blocking,
            "plain" => mixed::plain,
        ],
    },
    Workload {
        name: "rayon_overhead",
        what: "for_each over 1,000,000 empty items, max 64",
        unit: "ns/item",
        base: "iter_concurrent_limit",
        rounds: 25,
        entries: entries![
            "dynaphore" => overhead::throttled,
            "blocking_in_job" => overhead::blocking,
            "plain" => overhead::plain,
            "iter_concurrent_limit" => overhead::limited,
        ],
    },
    Workload {
        name: "rayon_memory",
        what: "32 items of 64 MiB each on 8 workers, a budget of 256 MiB; the peak of the \
               resident memory, to the budget and what was resident before",
        unit: "MiB",
        base: "budget",
        rounds: 3,
        entries: entries![
            "dynaphore" => memory::throttled,
            "iter_concurrent_limit" => memory::limited,
            "plain" => memory::plain,
        ],
    },
    Workload {
        name: "rayon_resize",
        what: "4,000 items that sleep for 200 us on 8 workers, max 2 and 6 by turns of 10 ms; to \
               the same with a max of 4",
        unit: "ms",
        base: "4 throughout",
        rounds: 9,
        entries: entries![
            "dynaphore" => resize::throttled,
            "blocking_in_job" => resize::blocking,
        ],
    },
];

/// How many workers a pool has that is to keep the machine busy.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn pool(workers: usize) -> rayon::ThreadPool {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(workers);
    builder.build().expect("threads for a pool")
}

/// Measures the entries of one workload against each other, by turns.
pub fn measure(workload: &Workload, entries: &[&Entry], plan: Plan) -> Vec<Outcome> {
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); entries.len()];
    for round in 0..plan.job_rounds.min(workload.rounds) {
        for turn in 0..entries.len() {
            let index = (round + turn) % entries.len();
            turns[index].push((entries[index].run)(plan.job_part));
        }
    }
    let base = entries
        .iter()
        .position(|entry| entry.subject == workload.base);
    let both = entries.iter().zip(&turns);
    both.map(|(entry, own)| {
        let ratios = own.iter().enumerate().map(|(round, turn)| {
            let other = base.map(|base| turns[base][round].value);
            turn.value / turn.base.or(other).unwrap_or(f64::NAN)
        });
        Outcome {
            workload: workload.name,
            subject: entry.subject,
            value: median(own.iter().map(|turn| turn.value)),
            unit: workload.unit,
            base: workload.base,
            ratio: median(ratios),
        }
    })
    .collect()
}

impl Row for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 24, |o| Text(o.workload)),
        name("subject", "subject", 22, |o| Text(o.subject)),
        figure("value", "value", 9, |o| Figure(Some(o.value), 2, 2)),
        figure("unit", "unit", 8, |o| Text(o.unit)),
        figure("ratio", "ratio", 8, |o| Figure(Some(o.ratio), 3, 2)),
        figure("base", "to", 22, |o| Text(o.base)),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_runs_on_every_subject() {
        for workload in ALL
            .iter()
            .filter(|workload| workload.name != "rayon_memory")
        {
            let all: Vec<&Entry> = workload.entries.iter().collect();
            let plan = Plan {
                job_rounds: 1,
                job_part: 50,
                ..Plan::QUICK
            };
            for outcome in measure(workload, &all, plan) {
                assert!(outcome.value > 0.0, "{outcome:?}");
                assert!(outcome.ratio > 0.0, "{outcome:?}");
            }
        }
    }
}
