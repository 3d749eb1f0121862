//! What `compare` prints: aligned tables, or one JSON object a line.

use std::io::{self, Write};

use crate::table::{self, Row};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
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

    /// Lines that belong together; nothing if there are none.
    pub fn section<R: Row>(&mut self, lines: impl IntoIterator<Item = R>) -> io::Result<()> {
        let mut first = true;
        for line in lines {
            match self.format {
                Format::Json => {
                    table::write_json(&line, &mut self.out)?;
                    writeln!(self.out)?;
                }
                Format::Table => {
                    if first && self.started {
                        writeln!(self.out)?;
                    }
                    if first {
                        let headings =
                            table::columns::<R>().map(|column| column.heading.to_owned());
                        self.row::<R>(headings)?;
                    }
                    self.row::<R>(table::cells(&line))?;
                }
            }
            first = false;
            self.started = true;
        }
        self.out.flush()
    }

    fn row<R: Row>(&mut self, cells: impl IntoIterator<Item = String>) -> io::Result<()> {
        for (index, (column, cell)) in table::columns::<R>().zip(cells).enumerate() {
            let gap = if index == 0 { "" } else { " " };
            let width = column.width;
            if column.is_name {
                write!(self.out, "{gap}{cell:<width$}")?;
            } else {
                write!(self.out, "{gap}{cell:>width$}")?;
            }
        }
        writeln!(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Outcome;
    use crate::subject::Size;

    const OUTCOME: Outcome = Outcome {
        subject: "dynaphore",
        ns_per_op: 23.0999,
        vs_tokio: Some(0.53),
        vs_floor: None,
        vs_epoch: None,
        beside_per_1k: None,
        allocs_per_op: 0.0,
    };

    const SIZE: Size = Size {
        subject: "floor",
        semaphore_bytes: 8,
        acquire_future_bytes: None,
    };

    fn line() -> (&'static str, Outcome) {
        ("try_1t", OUTCOME)
    }

    fn written(format: Format, report: impl FnOnce(&mut Report<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        report(&mut Report::new(&mut out, format));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn json_lines() {
        let text = written(Format::Json, |report| {
            report.section([line()]).expect("in memory");
            report.section([SIZE]).expect("in memory");
        });
        assert_eq!(
            text,
            concat!(
                r#"{"workload":"try_1t","subject":"dynaphore","ns_per_op":23.1,"#,
                r#""vs_tokio":0.53,"vs_floor":null,"vs_epoch":null,"beside_per_1k":null,"allocs_per_op":0.0}"#,
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
            report.section([line(), line()]).expect("in memory");
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

    #[test]
    fn an_empty_line_between_sections_and_none_for_empty_ones() {
        let text = written(Format::Table, |report| {
            report.section([] as [Size; 0]).expect("in memory");
            report.section([line()]).expect("in memory");
            report.section([] as [Size; 0]).expect("in memory");
            report.section([SIZE]).expect("in memory");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(lines[2], "");
    }
}
