//! A line about keys that come and go.

use serde::Serialize;

use super::{Column, KEYS, Line, SUBJECT, WORKLOAD, figure, rounded};
use crate::keys;

/// What keys cost a subject that come and go.
#[derive(Serialize)]
pub struct KeysLine {
    workload: &'static str,
    subject: &'static str,
    keys: u64,
    ns_per_key: f64,
    peak_bytes: i64,
    live_bytes: i64,
    together_ns_per_key: f64,
    together_peak_bytes: i64,
    together_live_bytes: i64,
    bytes_per_key: f64,
}

impl From<&keys::Outcome> for KeysLine {
    fn from(outcome: &keys::Outcome) -> Self {
        Self {
            workload: KEYS,
            subject: outcome.subject,
            keys: outcome.keys,
            ns_per_key: rounded(outcome.ns_each, 1),
            peak_bytes: outcome.once.peak,
            live_bytes: outcome.once.growth,
            together_ns_per_key: rounded(outcome.ns_together, 1),
            together_peak_bytes: outcome.together.peak,
            together_live_bytes: outcome.together.growth,
            bytes_per_key: rounded(outcome.bytes_per_key(), 1),
        }
    }
}

impl Line for KeysLine {
    const COLUMNS: &'static [Column] = &[
        WORKLOAD,
        SUBJECT,
        figure("keys", 9),
        figure("ns/key", 9),
        figure("+peak B", 9),
        figure("+live B", 10),
        figure("held ns", 10),
        figure("held +peak", 10),
        figure("held +live", 10),
        figure("B/key", 7),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            self.keys.to_string(),
            format!("{:.1}", self.ns_per_key),
            self.peak_bytes.to_string(),
            self.live_bytes.to_string(),
            format!("{:.1}", self.together_ns_per_key),
            self.together_peak_bytes.to_string(),
            self.together_live_bytes.to_string(),
            format!("{:.0}", self.bytes_per_key),
        ]
    }
}
