//! A line about acquires that are given up.

use serde::Serialize;

use super::{Column, Line, SUBJECT, TIMEOUTS, WORKLOAD, figure, rounded};
use crate::timeouts;

/// What acquires that are given up cost a subject.
#[derive(Serialize)]
pub struct TimeoutLine {
    workload: &'static str,
    subject: &'static str,
    cancelled: u64,
    ns_per_op: f64,
    live_bytes: i64,
    peak_bytes: i64,
    release_ns: f64,
    ordinary_release_ns: f64,
    release_ratio: f64,
}

impl From<&timeouts::Outcome> for TimeoutLine {
    fn from(outcome: &timeouts::Outcome) -> Self {
        Self {
            workload: TIMEOUTS,
            subject: outcome.subject,
            cancelled: outcome.cancelled,
            ns_per_op: rounded(outcome.ns_each, 1),
            live_bytes: outcome.heap.growth,
            peak_bytes: outcome.heap.peak,
            release_ns: rounded(outcome.release_ns, 1),
            ordinary_release_ns: rounded(outcome.ordinary_ns, 1),
            release_ratio: rounded(outcome.release_ns / outcome.ordinary_ns.max(1.0), 3),
        }
    }
}

impl Line for TimeoutLine {
    const COLUMNS: &'static [Column] = &[
        WORKLOAD,
        SUBJECT,
        figure("given up", 9),
        figure("ns/op", 9),
        figure("+live B", 9),
        figure("+peak B", 10),
        figure("release ns", 10),
        figure("usual ns", 10),
        figure("ratio", 6),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            self.cancelled.to_string(),
            format!("{:.1}", self.ns_per_op),
            self.live_bytes.to_string(),
            self.peak_bytes.to_string(),
            format!("{:.0}", self.release_ns),
            format!("{:.0}", self.ordinary_release_ns),
            format!("{:.2}", self.release_ratio),
        ]
    }
}
