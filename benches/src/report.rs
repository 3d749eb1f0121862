//! What `compare` prints: an aligned table, or one JSON object a line.

use std::io::{self, Write};

use serde::Serialize;

use crate::measure::Outcome;
use crate::subject::Size;

/// The workload name of the lines about sizes.
pub const SIZE: &str = "size";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// One line about a workload.
#[derive(Serialize)]
struct WorkloadLine {
    workload: &'static str,
    subject: &'static str,
    ns_per_op: f64,
    vs_tokio: Option<f64>,
    vs_floor: Option<f64>,
    allocs_per_op: f64,
}

/// One line about a subject's types.
#[derive(Serialize)]
struct SizeLine {
    workload: &'static str,
    subject: &'static str,
    semaphore_bytes: usize,
    acquire_future_bytes: Option<usize>,
}

/// Writes lines as they become known.
pub struct Report<W> {
    out: W,
    format: Format,
    /// The table's sections have an empty line between them.
    started: bool,
}

impl<W: Write> Report<W> {
    /// A report on `out`.
    pub fn new(out: W, format: Format) -> Self {
        Self {
            out,
            format,
            started: false,
        }
    }

    /// All subjects of one workload.
    pub fn workload(&mut self, workload: &'static str, outcomes: &[Outcome]) -> io::Result<()> {
        self.heading(format_args!(
            "{:<16} {:<20} {:>9} {:>9} {:>9} {:>10}",
            "workload", "subject", "ns/op", "vs_tokio", "vs_floor", "allocs/op"
        ))?;
        for outcome in outcomes {
            let line = WorkloadLine {
                workload,
                subject: outcome.subject,
                ns_per_op: rounded(outcome.ns_per_op, 1),
                vs_tokio: outcome.vs_tokio.map(|ratio| rounded(ratio, 3)),
                vs_floor: outcome.vs_floor.map(|ratio| rounded(ratio, 3)),
                allocs_per_op: rounded(outcome.allocs_per_op, 4),
            };
            match self.format {
                Format::Json => self.json(&line)?,
                Format::Table => writeln!(
                    self.out,
                    "{:<16} {:<20} {:>9.1} {:>9} {:>9} {:>10.3}",
                    line.workload,
                    line.subject,
                    line.ns_per_op,
                    or_dash(line.vs_tokio.map(|ratio| format!("{ratio:.2}"))),
                    or_dash(line.vs_floor.map(|ratio| format!("{ratio:.2}"))),
                    line.allocs_per_op,
                )?,
            }
        }
        self.out.flush()
    }

    /// The sizes of all subjects.
    pub fn sizes(&mut self, sizes: &[Size]) -> io::Result<()> {
        self.heading(format_args!(
            "{:<16} {:<20} {:>15} {:>20}",
            "bytes", "subject", "idle semaphore", "acquire future"
        ))?;
        for size in sizes {
            let line = SizeLine {
                workload: SIZE,
                subject: size.subject,
                semaphore_bytes: size.semaphore_bytes,
                acquire_future_bytes: size.acquire_future_bytes,
            };
            match self.format {
                Format::Json => self.json(&line)?,
                Format::Table => writeln!(
                    self.out,
                    "{:<16} {:<20} {:>15} {:>20}",
                    line.workload,
                    line.subject,
                    line.semaphore_bytes,
                    or_dash(line.acquire_future_bytes),
                )?,
            }
        }
        self.out.flush()
    }

    fn heading(&mut self, heading: std::fmt::Arguments<'_>) -> io::Result<()> {
        if self.format == Format::Table {
            if self.started {
                writeln!(self.out)?;
            }
            writeln!(self.out, "{heading}")?;
        }
        self.started = true;
        Ok(())
    }

    fn json(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        writeln!(self.out)
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

    const OUTCOME: Outcome = Outcome {
        subject: "dynaphore",
        ns_per_op: 23.0999,
        vs_tokio: Some(0.53),
        vs_floor: None,
        allocs_per_op: 0.0,
    };

    fn written(format: Format, report: impl FnOnce(&mut Report<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        report(&mut Report::new(&mut out, format));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn json_lines() {
        let text = written(Format::Json, |report| {
            report.workload("try_1t", &[OUTCOME]).expect("in memory");
            let size = Size {
                subject: "floor",
                semaphore_bytes: 8,
                acquire_future_bytes: None,
            };
            report.sizes(&[size]).expect("in memory");
        });
        assert_eq!(
            text,
            concat!(
                r#"{"workload":"try_1t","subject":"dynaphore","ns_per_op":23.1,"#,
                r#""vs_tokio":0.53,"vs_floor":null,"allocs_per_op":0.0}"#,
                "\n",
                r#"{"workload":"size","subject":"floor","semaphore_bytes":8,"#,
                r#""acquire_future_bytes":null}"#,
                "\n",
            )
        );
    }

    #[test]
    fn table_columns_line_up() {
        let text = written(Format::Table, |report| {
            report
                .workload("try_1t", &[OUTCOME, OUTCOME])
                .expect("in memory");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines.iter().all(|line| line.len() == lines[0].len()),
            "{text}"
        );
        assert!(lines[1].contains(" 23.1 "), "{text}");
        assert!(lines[1].contains(" - "), "{text}");
    }
}
