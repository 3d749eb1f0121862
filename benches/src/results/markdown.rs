//! `RESULTS.md`.

use std::fmt::Write as _;

use super::{Place, Results};
use crate::jobs;
use crate::plot::Plot;
use crate::sweep::{Outcome, Sweep};
use crate::table::{self, Row};
use crate::workload;

/// The whole document. Of `plots` those are shown that were drawn.
pub fn document(place: &Place, results: &Results, plots: &[Plot]) -> String {
    let mut text = String::from(
        "# Results\n\nWritten by `compare --report`; do not edit. Lower is better, save for \
         throughput. `vs_tokio`, `vs_floor` and `vs_epoch` are medians of the ratios within a \
         round; where there are keys, to `dashmap_tokio` and to `bare`.\n\n",
    );
    let about = place.0.iter();
    let about: Vec<_> = about
        .map(|(what, value)| vec![(*what).to_owned(), value.clone()])
        .collect();
    text += &table(&["", ""], 2, &about);
    let plot = |file| plots.iter().find(|plot| plot.file == file);

    let lines: Vec<_> = results
        .workloads
        .iter()
        .flat_map(|(name, all)| all.iter().map(|outcome| (*name, *outcome)))
        .collect();
    section(
        &mut text,
        "Workloads",
        &workloads(results),
        plot("throughput.svg"),
        &lines,
    );
    section(
        &mut text,
        "Single waits",
        "Microseconds from asking for a permit to having it, under the load of `blocking_8t`, \
         measured in a pass of its own. The longest wait contains whatever the system let other \
         threads run meanwhile.",
        plot("waits.svg"),
        &results.waits,
    );
    section(
        &mut text,
        "How a hand-off grows with the queue",
        "So many tasks on 4 permits and a current-thread runtime; aim: 100k within 1.5 times \
         10. What grows is also the memory that the tasks are spread over, in the runtime as in \
         the queue.",
        None,
        &results.growth(),
    );
    section(
        &mut text,
        "Acquires that are given up",
        "One permit, held: so many acquires wait, 64 at a time, and are dropped (after 1,024 that \
         do not count). Then the permit is released, past all of them, to one that came before \
         them, and by that one to one that came after; the slower of the two counts. Aim: no live \
         bytes more than before, and within 10 times the usual. A few releases on another \
         semaphore come right before, so that the code is in the caches: without them the first \
         release took about 15 times the usual for dynaphore, 31 for tokio, 11 for asyncband, \
         whatever had been cancelled.",
        None,
        &results.timeouts,
    );
    section(
        &mut text,
        "Many waiters at once",
        "Nanoseconds for each of so many waiters, the best of three: requests for more than max \
         that rejoin a line as long as they are many in one `set_max`; permits that come back one \
         by one, and all take theirs; requests aside that are given up; watchers of a state that \
         does not come. The last column is the growth from 1k to the most that was measured. \
         Aim: 10 at most.",
        None,
        &results.line_growth,
    );
    section(
        &mut text,
        "Overload",
        "Ten permits, held for 10 ms, and two requests in each millisecond, from clients that \
         leave after 100 ms and do not say so: which part of the permits' time goes to those who \
         are still there at the end. Aim: 0.9 with the order for it, where an exact FIFO has less \
         than 0.2.",
        None,
        &results.overload,
    );
    section(
        &mut text,
        "Keys that come and go",
        "So many keys, each taken once: first one after the other, then all held together and \
         dropped after that. Aim: no live bytes more than before but for a few that are kept, \
         whatever the number of keys. `B/key` is the peak of the second part for each key, \
         without the permits.",
        None,
        &results.keys,
    );
    section(
        &mut text,
        "Throttled rayon jobs",
        &job_workloads(results),
        None,
        &results.jobs,
    );
    for (sweep, outcomes) in &results.sweeps {
        text += &sweep_section(sweep, outcomes, plot(sweep.plot));
    }
    section(
        &mut text,
        "Sizes",
        "Bytes, without what may be allocated at the first wait.",
        None,
        &results.sizes,
    );
    if results.sweeps.len() > 1 {
        // Of a report of everything; measured by a script of its own.
        text += include_str!("checksum.md");
    }
    text
}

/// A list of what was measured, each with what is done.
fn list<'a>(measured: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<String> = measured
        .map(|(name, what)| format!("- `{name}`: {what}"))
        .collect();
    lines.join("\n")
}

/// What the workloads are that were measured.
fn workloads(results: &Results) -> String {
    let names = results.workloads.iter().map(|(name, _)| name);
    list(
        names
            .filter_map(|name| workload::find(name))
            .map(|found| (found.name, found.what)),
    )
}

/// What the workloads of rayon jobs are that were measured.
fn job_workloads(results: &Results) -> String {
    let measured = |name| results.jobs.iter().any(|outcome| outcome.workload == name);
    let all = jobs::ALL.iter().filter(|workload| measured(workload.name));
    list(all.map(|workload| (workload.name, workload.what)))
}

/// Nothing if there is no line.
fn section<R: Row>(text: &mut String, title: &str, words: &str, plot: Option<&Plot>, lines: &[R]) {
    if lines.is_empty() {
        return;
    }
    let headings: Vec<&str> = table::columns::<R>().map(|column| column.heading).collect();
    let names = table::columns::<R>()
        .filter(|column| column.is_name)
        .count();
    let rows: Vec<Vec<String>> = lines.iter().map(table::cells).collect();
    let _ = write!(text, "\n## {title}\n\n{words}\n\n");
    text.push_str(&image(plot));
    text.push_str(&table(&headings, names, &rows));
}

/// A row for a subject, a column for a point.
fn sweep_section(sweep: &Sweep, outcomes: &[Outcome], plot: Option<&Plot>) -> String {
    let mut subjects: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !subjects.contains(&outcome.subject) {
            subjects.push(outcome.subject);
        }
    }
    let values: Vec<String> = sweep
        .points
        .iter()
        .map(|point| point.value.to_string())
        .collect();
    let mut headings = vec![sweep.number];
    headings.extend(values.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = subjects
        .iter()
        .map(|subject| {
            let of_subject = outcomes.iter().filter(|other| other.subject == *subject);
            let figures =
                of_subject.filter_map(|outcome| table::cells(&(sweep.name, *outcome)).pop());
            [(*subject).to_owned()].into_iter().chain(figures).collect()
        })
        .collect();
    format!(
        "\n## Throughput over {}\n\n{}. Million operations a second of all together.\n\n{}{}",
        sweep.number,
        sweep.what,
        image(plot),
        table(&headings, 1, &rows)
    )
}

fn image(plot: Option<&Plot>) -> String {
    plot.map_or_else(String::new, |plot| {
        format!("![{}](plots/{})\n\n", plot.title, plot.file)
    })
}

/// The first `names` columns are aligned to the left, the rest to the right.
fn table(headings: &[&str], names: usize, rows: &[Vec<String>]) -> String {
    let mut text = row(headings.iter().copied());
    let rules = (0..headings.len()).map(|index| if index < names { "---" } else { "---:" });
    text += &row(rules);
    for cells in rows {
        text += &row(cells.iter().map(String::as_str));
    }
    text
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("|");
    for cell in cells {
        let _ = write!(text, " {} |", cell.replace('|', "\\|"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;
    use crate::subject::Size;
    use crate::sweep;

    fn place() -> Place {
        let versions = ("versions", "tokio 1.54.1".to_owned());
        Place(vec![("date", "2026-11-22 03:39 UTC".to_owned()), versions])
    }

    #[test]
    fn tables_escape_and_align() {
        let rows = [vec!["a|b".to_owned(), "1".to_owned()]];
        assert_eq!(
            table(&["name", "ns"], 1, &rows),
            "| name | ns |\n| --- | ---: |\n| a\\|b | 1 |\n"
        );
    }

    #[test]
    fn only_what_was_measured() {
        let text = document(&place(), &Results::default(), &[]);
        assert!(text.contains("| date | 2026-11-22 03:39 UTC |\n"), "{text}");
        assert!(text.contains("| versions | tokio 1.54.1 |\n"), "{text}");
        assert!(!text.contains("##"), "{text}");
    }

    #[test]
    fn everything_is_there() {
        let results = Results {
            workloads: vec![(
                "try_1t",
                vec![measure::Outcome {
                    subject: "dynaphore",
                    ns_per_op: 23.0999,
                    vs_tokio: Some(0.53),
                    ..measure::Outcome::default()
                }],
            )],
            sweeps: vec![(
                &sweep::ALL[0],
                [(1, 2e6), (2, 3e6)]
                    .map(|(value, ops_per_second)| sweep::Outcome {
                        subject: "dynaphore",
                        value,
                        ops_per_second,
                    })
                    .to_vec(),
            )],
            sizes: vec![Size {
                subject: "floor",
                semaphore_bytes: 8,
                acquire_future_bytes: None,
            }],
            ..Results::default()
        };
        let plots = [Plot {
            file: "throughput.svg",
            title: "Throughput".to_owned(),
            svg: String::new(),
        }];
        let text = document(&place(), &results, &plots);
        for part in [
            "## Workloads\n\n- `try_1t`: ",
            "\n![Throughput](plots/throughput.svg)\n",
            "| try_1t | dynaphore | 23.1 | 0.53 | - | - | - | 0.000 |\n",
            "| dynaphore | 2.000 | 3.000 |\n",
            "| size | floor | 8 | - |\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        assert!(!text.contains("threads.svg"), "{text}");
        assert!(!text.contains("Single waits"), "{text}");
    }
}
