//! A line about rayon jobs.

use serde::Serialize;

use super::{Column, Line, WORKLOAD, figure, name, rounded};
use crate::jobs;

/// What a workload of rayon jobs cost a subject.
#[derive(Serialize)]
pub struct JobLine {
    workload: &'static str,
    subject: &'static str,
    value: f64,
    unit: &'static str,
    ratio: f64,
    base: &'static str,
}

impl From<&jobs::Outcome> for JobLine {
    fn from(outcome: &jobs::Outcome) -> Self {
        Self {
            workload: outcome.workload,
            subject: outcome.subject,
            value: rounded(outcome.value, 2),
            unit: outcome.unit,
            ratio: rounded(outcome.ratio, 3),
            base: outcome.base,
        }
    }
}

impl Line for JobLine {
    const COLUMNS: &'static [Column] = &[
        WORKLOAD,
        name("subject", 22),
        figure("value", 9),
        figure("unit", 8),
        figure("ratio", 8),
        figure("to", 22),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            format!("{:.2}", self.value),
            self.unit.to_owned(),
            format!("{:.2}", self.ratio),
            self.base.to_owned(),
        ]
    }
}
