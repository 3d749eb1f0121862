//! All that came out of a run, and `RESULTS.md` about it.

use crate::measure::Outcome;
use crate::subject::Size;
use crate::sweep::{self, Sweep};
use crate::table::{
    Column, Row,
    Value::{Figure, Text},
    figure, name,
};
use crate::timeouts;
use crate::waits::Waits;
use crate::{growth, jobs, keys, overload};

mod lock;
mod markdown;
mod place;

pub use self::markdown::document;
pub use self::place::Place;

/// Whatever was selected; the rest is empty.
#[derive(Default)]
pub struct Results {
    /// Every workload with its subjects.
    pub workloads: Vec<(&'static str, Vec<Outcome>)>,
    /// How long single acquires of `blocking_8t` waited.
    pub waits: Vec<Waits>,
    /// What acquires cost that were given up.
    pub timeouts: Vec<timeouts::Outcome>,
    /// What many waiters at once cost.
    pub line_growth: Vec<growth::Outcome>,
    /// How much is done for those who still wait.
    pub overload: Vec<overload::Outcome>,
    /// What keys cost that come and go.
    pub keys: Vec<keys::Outcome>,
    /// What throttled rayon jobs cost.
    pub jobs: Vec<jobs::Outcome>,
    /// Every sweep with all its points.
    pub sweeps: Vec<(&'static Sweep, Vec<sweep::Outcome>)>,
    /// Bytes of the subjects' types.
    pub sizes: Vec<Size>,
}

/// How the cost of a hand-off grows with the queue: a subject, and nanoseconds with 10,
/// 1,000 and 100,000 waiters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth(&'static str, f64, f64, f64);

impl Row for Growth {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "ns/op", 16, |_| Text("waiters_growth")),
        name("subject", "subject", 20, |o| Text(o.0)),
        figure("ns_with_10", "10", 9, |o| Figure(Some(o.1), 1, 1)),
        figure("ns_with_1k", "1k", 9, |o| Figure(Some(o.2), 1, 1)),
        figure("ns_with_100k", "100k", 9, |o| Figure(Some(o.3), 1, 1)),
        figure("ratio_1k_to_10", "1k/10", 10, |o| {
            Figure(Some(o.2 / o.1), 3, 2)
        }),
        figure("ratio_100k_to_10", "100k/10", 10, |o| {
            Figure(Some(o.3 / o.1), 3, 2)
        }),
    ];
}

impl Results {
    /// The outcomes of a workload; none if it was not selected.
    pub fn workload(&self, name: &str) -> &[Outcome] {
        let mut found = self.workloads.iter().filter(|(other, _)| *other == name);
        found.next().map_or(&[], |(_, outcomes)| outcomes)
    }

    /// How the cost of a hand-off grows, for subjects measured with every
    /// number of waiters.
    pub fn growth(&self) -> Vec<Growth> {
        let ns = |workload, subject| {
            let mut outcomes = self.workload(workload).iter();
            outcomes
                .find(|outcome| outcome.subject == subject)
                .map(|outcome| outcome.ns_per_op)
        };
        let subjects = self.workload("waiters_10").iter();
        subjects
            .filter_map(|outcome| {
                Some(Growth(
                    outcome.subject,
                    outcome.ns_per_op,
                    ns("waiters_1k", outcome.subject)?,
                    ns("waiters_100k", outcome.subject)?,
                ))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(subject: &'static str, ns_per_op: f64) -> Outcome {
        Outcome {
            subject,
            ns_per_op,
            ..Outcome::default()
        }
    }

    #[test]
    fn growth_of_those_that_have_all_three() {
        let mut results = Results::default();
        assert!(results.growth().is_empty());
        results.workloads = vec![
            ("waiters_10", vec![outcome("a", 10.0), outcome("b", 1.0)]),
            ("waiters_1k", vec![outcome("b", 2.0), outcome("a", 11.0)]),
            ("waiters_100k", vec![outcome("a", 15.0)]),
        ];
        let growth = results.growth();
        assert_eq!(growth, [Growth("a", 10.0, 11.0, 15.0)]);
    }

    #[test]
    fn growth_is_a_ratio_to_ten() {
        let cells = crate::table::cells(&Growth("tokio", 100.0, 110.0, 150.04));
        assert_eq!(cells[2..], ["100.0", "110.0", "150.0", "1.10", "1.50"]);
    }
}
