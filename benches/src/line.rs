//! What there is to say about a result: the same figures for a table, for JSON
//! and for Markdown.

use serde::Serialize;

use crate::measure::Outcome;
use crate::subject::Size;
use crate::sweep;

mod growth;
mod jobs;
mod keys;
mod timeouts;
mod waits;

pub use self::{
    growth::GrowthLine, jobs::JobLine, keys::KeysLine, timeouts::TimeoutLine, waits::WaitLine,
};

/// The workload name of the lines about sizes.
pub const SIZE: &str = "size";
/// The workload name of the lines about single waits.
pub const WAITS: &str = "waits";
/// The workload name of the lines about acquires that are given up.
pub const TIMEOUTS: &str = "timeouts";
/// The workload name of the lines about keys that come and go.
pub const KEYS: &str = "keys";
/// The workload name of the lines about many waiters at once.
pub const LINE_GROWTH: &str = "line_growth";
/// The workload name of the lines about growing queues.
pub const GROWTH: &str = "waiters_growth";

/// One line of a table.
pub trait Line: Serialize {
    /// What stands above; names on the left first, then figures.
    const COLUMNS: &'static [Column];

    /// What stands in the columns.
    fn cells(&self) -> Vec<String>;
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands above.
    pub heading: &'static str,
    /// In a terminal, where it lines up with those of other tables.
    pub width: usize,
    /// Names are aligned to the left, figures to the right.
    pub is_name: bool,
}

pub(crate) const fn name(heading: &'static str, width: usize) -> Column {
    Column {
        heading,
        width,
        is_name: true,
    }
}

pub(crate) const fn figure(heading: &'static str, width: usize) -> Column {
    Column {
        heading,
        width,
        is_name: false,
    }
}

pub(crate) const WORKLOAD: Column = name("workload", 24);
const SUBJECT: Column = name("subject", 20);

/// A subject in a workload.
#[derive(Serialize)]
pub struct WorkloadLine {
    workload: &'static str,
    subject: &'static str,
    ns_per_op: f64,
    vs_tokio: Option<f64>,
    vs_floor: Option<f64>,
    vs_epoch: Option<f64>,
    allocs_per_op: f64,
}

impl WorkloadLine {
    /// About `outcome` in `workload`.
    pub fn new(workload: &'static str, outcome: &Outcome) -> Self {
        Self {
            workload,
            subject: outcome.subject,
            ns_per_op: rounded(outcome.ns_per_op, 1),
            vs_tokio: outcome.vs_tokio.map(|ratio| rounded(ratio, 3)),
            vs_floor: outcome.vs_floor.map(|ratio| rounded(ratio, 3)),
            vs_epoch: outcome.vs_epoch.map(|ratio| rounded(ratio, 3)),
            allocs_per_op: rounded(outcome.allocs_per_op, 4),
        }
    }
}

impl Line for WorkloadLine {
    const COLUMNS: &'static [Column] = &[
        WORKLOAD,
        SUBJECT,
        figure("ns/op", 9),
        figure("vs_tokio", 9),
        figure("vs_floor", 9),
        figure("vs_epoch", 9),
        figure("allocs/op", 10),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            format!("{:.1}", self.ns_per_op),
            or_dash(self.vs_tokio.map(|ratio| format!("{ratio:.2}"))),
            or_dash(self.vs_floor.map(|ratio| format!("{ratio:.2}"))),
            or_dash(self.vs_epoch.map(|ratio| format!("{ratio:.2}"))),
            format!("{:.3}", self.allocs_per_op),
        ]
    }
}

/// A subject at one point of a sweep.
#[derive(Serialize)]
pub struct SweepLine {
    workload: &'static str,
    subject: &'static str,
    value: u32,
    million_ops_per_second: f64,
}

impl SweepLine {
    /// About `outcome` in `sweep`.
    pub fn new(sweep: &'static str, outcome: &sweep::Outcome) -> Self {
        Self {
            workload: sweep,
            subject: outcome.subject,
            value: outcome.value,
            million_ops_per_second: rounded(outcome.ops_per_second / 1e6, 4),
        }
    }
}

impl Line for SweepLine {
    const COLUMNS: &'static [Column] = &[WORKLOAD, SUBJECT, figure("value", 9), figure("Mop/s", 9)];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            self.value.to_string(),
            format!("{:.3}", self.million_ops_per_second),
        ]
    }
}

/// A subject's types.
#[derive(Serialize)]
pub struct SizeLine {
    workload: &'static str,
    subject: &'static str,
    semaphore_bytes: usize,
    acquire_future_bytes: Option<usize>,
}

impl From<&Size> for SizeLine {
    fn from(size: &Size) -> Self {
        Self {
            workload: SIZE,
            subject: size.subject,
            semaphore_bytes: size.semaphore_bytes,
            acquire_future_bytes: size.acquire_future_bytes,
        }
    }
}

impl Line for SizeLine {
    const COLUMNS: &'static [Column] = &[
        name("bytes", 16),
        SUBJECT,
        figure("idle semaphore", 15),
        figure("acquire future", 20),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            self.semaphore_bytes.to_string(),
            or_dash(self.acquire_future_bytes),
        ]
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// More digits than the measurement is good for only get in the way.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
