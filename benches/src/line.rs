//! What there is to say about a result: the same figures for a table, for JSON
//! and for Markdown.

use serde::Serialize;

use crate::measure::Outcome;
use crate::subject::Size;
use crate::waits::Waits;
use crate::{jobs, sweep, timeouts};

mod keys;

pub use self::keys::KeysLine;

/// The workload name of the lines about sizes.
pub const SIZE: &str = "size";
/// The workload name of the lines about single waits.
pub const WAITS: &str = "waits";
/// The workload name of the lines about acquires that are given up.
pub const TIMEOUTS: &str = "timeouts";
/// The workload name of the lines about keys that come and go.
pub const KEYS: &str = "keys";
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

const fn name(heading: &'static str, width: usize) -> Column {
    Column {
        heading,
        width,
        is_name: true,
    }
}

const fn figure(heading: &'static str, width: usize) -> Column {
    Column {
        heading,
        width,
        is_name: false,
    }
}

const WORKLOAD: Column = name("workload", 24);
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

/// The single waits of a subject.
#[derive(Serialize)]
pub struct WaitLine {
    workload: &'static str,
    subject: &'static str,
    acquires: u64,
    p50_us: f64,
    p99_us: f64,
    p99_9_us: f64,
    p99_99_us: f64,
    longest_us: f64,
}

impl From<&Waits> for WaitLine {
    fn from(waits: &Waits) -> Self {
        let micros = |part| rounded(waits.within(part).as_secs_f64() * 1e6, 2);
        Self {
            workload: WAITS,
            subject: waits.subject,
            acquires: waits.count(),
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p99_9_us: micros(0.999),
            p99_99_us: micros(0.9999),
            longest_us: micros(1.0),
        }
    }
}

impl Line for WaitLine {
    const COLUMNS: &'static [Column] = &[
        name("us", 16),
        SUBJECT,
        figure("acquires", 9),
        figure("p50", 9),
        figure("p99", 9),
        figure("p99.9", 10),
        figure("p99.99", 10),
        figure("longest", 10),
    ];

    fn cells(&self) -> Vec<String> {
        let micros = [
            self.p50_us,
            self.p99_us,
            self.p99_9_us,
            self.p99_99_us,
            self.longest_us,
        ];
        let mut cells = vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            self.acquires.to_string(),
        ];
        cells.extend(micros.map(|micros| format!("{micros:.2}")));
        cells
    }
}

/// How the cost of a hand-off grows with the queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthLine {
    workload: &'static str,
    subject: &'static str,
    ns_with_10: f64,
    ns_with_1k: f64,
    ns_with_100k: f64,
    ratio_1k_to_10: f64,
    ratio_100k_to_10: f64,
}

impl GrowthLine {
    /// About the three costs of one subject.
    pub fn new(subject: &'static str, with_10: f64, with_1k: f64, with_100k: f64) -> Self {
        Self {
            workload: GROWTH,
            subject,
            ns_with_10: rounded(with_10, 1),
            ns_with_1k: rounded(with_1k, 1),
            ns_with_100k: rounded(with_100k, 1),
            ratio_1k_to_10: rounded(with_1k / with_10, 3),
            ratio_100k_to_10: rounded(with_100k / with_10, 3),
        }
    }
}

impl Line for GrowthLine {
    const COLUMNS: &'static [Column] = &[
        name("ns/op", 16),
        SUBJECT,
        figure("10", 9),
        figure("1k", 9),
        figure("100k", 9),
        figure("1k/10", 10),
        figure("100k/10", 10),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            format!("{:.1}", self.ns_with_10),
            format!("{:.1}", self.ns_with_1k),
            format!("{:.1}", self.ns_with_100k),
            format!("{:.2}", self.ratio_1k_to_10),
            format!("{:.2}", self.ratio_100k_to_10),
        ]
    }
}

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
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_in_microseconds() {
        // 10,000 waits, of which the last hundredth takes a thousand times as
        // long, and the very last one a million times.
        let nanos = (1..=10_000).map(|number| match number {
            10_000 => 100_000_000,
            9_901.. => 100_000,
            _ => 100,
        });
        let line = WaitLine::from(&Waits::of("tokio", nanos));
        assert_eq!(line.acquires, 10_000);
        assert_eq!((line.p50_us, line.p99_us), (0.1, 0.1));
        assert!((line.p99_9_us - 100.0).abs() < 0.1, "{}", line.p99_9_us);
        assert!((line.p99_99_us - 100.0).abs() < 0.1, "{}", line.p99_99_us);
        let cells = line.cells();
        assert_eq!(cells.len(), WaitLine::COLUMNS.len());
        assert_eq!(cells[..4], ["waits", "tokio", "10000", "0.10"]);
        assert!((line.longest_us / 100_000.0 - 1.0).abs() < 0.001);
    }

    #[test]
    fn growth_is_a_ratio_to_ten() {
        let cells = GrowthLine::new("tokio", 100.0, 110.0, 150.04).cells();
        assert_eq!(cells[2..], ["100.0", "110.0", "150.0", "1.10", "1.50"]);
    }
}
