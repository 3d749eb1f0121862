//! How long a single acquire waits.
//!
//! A pass of its own, since a look at the clock for every acquire would slow
//! down what `blocking_8t` measures.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::measure::{self, Plan, entries};
use crate::subject::{
    AsyncLock, Asyncband, Dynaphore, DynaphoreBarging, DynaphoreEventual, ParkingLotCondvar,
    Subject, Tokio,
};
use crate::table::{
    Column, Row, Value,
    Value::{Count, Figure, Text},
    figure, name,
};
use crate::workload::blocking_8t_waits;

/// A subject that takes part.
pub type Entry = measure::Entry<fn(Duration) -> Histogram<u64>>;

/// Those who take part, in the order of the output.
pub const ALL: &[Entry] = entries!(blocking_8t_waits; Dynaphore,
    DynaphoreEventual,
    DynaphoreBarging,
    Tokio,
    AsyncLock,
    Asyncband,
    ParkingLotCondvar);

/// The waits of one subject.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The subject's name.
    pub subject: &'static str,
    nanos: Histogram<u64>,
}

impl Waits {
    /// How many acquires there were.
    pub fn count(&self) -> u64 {
        self.nanos.len()
    }

    /// The time within which that part (0 to 1) of the acquires is done.
    pub fn within(&self, part: f64) -> Duration {
        Duration::from_nanos(self.nanos.value_at_quantile(part))
    }

    fn micros(&self, part: f64) -> Value {
        Figure(Some(self.within(part).as_secs_f64() * 1e6), 2, 2)
    }

    /// These waits, in nanoseconds.
    #[cfg(test)]
    pub(crate) fn of(subject: &'static str, nanos: impl Iterator<Item = u64>) -> Self {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("a range");
        nanos.for_each(|wait| histogram.record(wait).expect("in range"));
        Self {
            subject,
            nanos: histogram,
        }
    }
}

/// Measures the subjects by turns, so that a change of the machine's pace hits
/// all alike.
pub fn measure(entries: &[&Entry], plan: Plan) -> Vec<Waits> {
    let mut all: Vec<Waits> = Vec::new();
    for turn in 0..plan.waits.0.max(1) {
        for (index, entry) in entries.iter().enumerate() {
            let nanos = (entry.run)(plan.waits.1);
            if turn == 0 {
                all.push(Waits {
                    subject: entry.subject,
                    nanos,
                });
            } else {
                let sum = &mut all[index].nanos;
                sum.add(nanos).expect("all have the same range");
            }
        }
    }
    all
}

/// The workload name of the lines.
pub const NAME: &str = "waits";

impl Row for Waits {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "us", 16, |_| Text(NAME)),
        name("subject", "subject", 20, |o| Text(o.subject)),
        figure("acquires", "acquires", 9, |o| Count(o.count() as i64)),
        figure("p50_us", "p50", 9, |o| o.micros(0.5)),
        figure("p99_us", "p99", 9, |o| o.micros(0.99)),
        figure("p99_9_us", "p99.9", 10, |o| o.micros(0.999)),
        figure("p99_99_us", "p99.99", 10, |o| o.micros(0.9999)),
        figure("longest_us", "longest", 10, |o| o.micros(1.0)),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    /// 1 to 1000 microseconds, each once, and a minute once.
    fn fake(_time: Duration) -> Histogram<u64> {
        let mut nanos = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("a range");
        for micros in 1..=1000 {
            nanos.record(micros * 1000).expect("in range");
        }
        nanos.saturating_record(u64::MAX);
        nanos
    }

    #[test]
    fn parts_and_the_longest() {
        let entry = Entry {
            subject: "fake",
            run: fake,
        };
        let plan = Plan {
            waits: (3, Duration::ZERO),
            ..Plan::QUICK
        };
        let waits = &measure(&[&entry], plan)[0];
        assert_eq!(waits.subject, "fake");
        assert_eq!(waits.count(), 3003);
        let about = |found: Duration, micros: f64| {
            let ratio = found.as_secs_f64() * 1e6 / micros;
            assert!((0.998..1.002).contains(&ratio), "{found:?}");
        };
        about(waits.within(0.5), 501.0);
        about(waits.within(0.99), 991.0);
        about(waits.within(1.0), 60e6);
    }

    #[test]
    fn waits_in_microseconds() {
        // 10,000 waits, of which the last hundredth takes a thousand times as
        // long, and the very last one a million times.
        let nanos = (1..=10_000).map(|number| match number {
            10_000 => 100_000_000,
            9_901.. => 100_000,
            _ => 100,
        });
        let cells = table::cells(&Waits::of("tokio", nanos));
        assert_eq!(cells[..5], ["waits", "tokio", "10000", "0.10", "0.10"]);
        for (cell, micros) in cells[5..].iter().zip([100.0, 100.0, 100_000.0]) {
            let found: f64 = cell.parse().expect("a figure");
            assert!((found / micros - 1.0).abs() < 0.001, "{found}");
        }
    }
}
