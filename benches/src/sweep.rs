//! One workload again and again with one number of it changed.

use std::time::Instant;

use crate::measure::{self, Entry, Plan, Prepare};
use crate::subject::{AsyncLock, Asyncband, Dynaphore, DynaphoreEventual, Subject, Tokio};
use crate::table::{
    Column, Row,
    Value::{Count, Figure, Text},
    figure, name,
};
use crate::workload::{blocking_half, tasks_per_permit};

/// A workload and the values of its number.
pub struct Sweep {
    /// The name in the output.
    pub name: &'static str,
    /// The file of its plot.
    pub plot: &'static str,
    /// What the number counts.
    pub number: &'static str,
    /// What is done, for a heading.
    pub what: &'static str,
    /// How many times the usual slice each point takes.
    pub slices: u32,
    /// In order.
    pub points: &'static [Point],
}

/// A value of the number.
pub struct Point {
    /// The value.
    pub value: u32,
    /// Those who take part.
    pub entries: &'static [Prepare],
}

/// What came out for one subject at one point.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The subject's name.
    pub subject: &'static str,
    /// The value of the number.
    pub value: u32,
    /// Operations (an acquire and a release each) of all together.
    pub ops_per_second: f64,
}

macro_rules! points {
    ($workload:ident, $($value:literal)+, $subjects:tt) => {
        &[$(points!(@point $workload $value $subjects)),+]
    };
    (@point $workload:ident $value:literal [$($subject:ident),+]) => {
        Point { value: $value, entries: &[$(Entry {
                subject: $subject::NAME,
                run: $workload::<$subject, $value>,
            }),+] }
    };
}

/// Every sweep, in the order of the output.
pub const ALL: &[Sweep] = &[
    Sweep {
        name: "threads",
        plot: "threads.svg",
        number: "threads",
        what: "Blocking acquires, a permit for every two threads, 1 us held and 1 us not",
        slices: 5,
        points: points!(
            blocking_half, 1 2 4 8 16,
            [Dynaphore, DynaphoreEventual, Tokio, AsyncLock, Asyncband]
        ),
    },
    Sweep {
        name: "permits",
        plot: "permits.svg",
        number: "tasks per permit",
        what: "Hand-offs between tasks on two workers, 4 permits, one yield while holding",
        slices: 1,
        points: points!(
            tasks_per_permit, 1 2 4 16 64 256,
            [Dynaphore, DynaphoreEventual, Tokio, AsyncLock, Asyncband]
        ),
    },
];

/// Measures the selected subjects at every point; no round of a point begins
/// after its part of the time `until` is over, except the first.
pub fn measure(
    sweep: &Sweep,
    plan: Plan,
    until: Option<Instant>,
    selects: impl Fn(&str) -> bool,
) -> Vec<Outcome> {
    let plan = Plan {
        // Enough for a picture.
        rounds: plan.rounds.div_ceil(3),
        counts: 1,
        ..plan.slower(sweep.slices)
    };
    let mut all = Vec::new();
    for (done, point) in sweep.points.iter().enumerate() {
        let entries = point.entries.iter();
        let entries: Vec<&Prepare> = entries.filter(|entry| selects(entry.subject)).collect();
        let left = (sweep.points.len() - done) as u32;
        let until = until.map(|until| measure::share_of_time(until, left));
        for outcome in measure::compare(&entries, plan, until) {
            all.push(Outcome {
                subject: outcome.subject,
                value: point.value,
                ops_per_second: 1e9 / outcome.ns_per_op,
            });
        }
    }
    all
}

/// With the name of the sweep.
impl Row for (&'static str, Outcome) {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 24, |o| Text(o.0)),
        name("subject", "subject", 20, |o| Text(o.1.subject)),
        figure("value", "value", 9, |o| Count(o.1.value.into())),
        figure("million_ops_per_second", "Mop/s", 9, |o| {
            Figure(Some(o.1.ops_per_second / 1e6), 4, 3)
        }),
    ];
}
