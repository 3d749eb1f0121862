//! A line about single waits.

use serde::Serialize;

use super::{Column, Line, SUBJECT, WAITS, figure, name, rounded};
use crate::waits::Waits;

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
}
