//! What the answers come to, phase by phase.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::load::Answer;

/// An answer that takes longer is of no use.
const DEADLINE: Duration = Duration::from_millis(20);

/// The figures of one run in one phase.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Requests a second that came.
    pub load: f64,
    /// Of these, served within the deadline.
    pub goodput: f64,
    /// Of what was served, in milliseconds.
    pub p99: f64,
    /// Max on the average.
    pub max: f64,
}

/// Of what was due in this span of time.
pub fn figures(answers: &[Answer], from: Duration, to: Duration, max: f64) -> Figures {
    let within = || {
        answers
            .iter()
            .filter(|answer| (from..to).contains(&answer.due))
    };
    let seconds = (to - from).as_secs_f64();
    let mut times: Vec<_> = within()
        .filter(|answer| answer.served)
        .map(|answer| answer.took)
        .collect();
    times.sort_unstable();
    let p99 = times.len().saturating_sub(1) * 99 / 100;
    Figures {
        load: within().count() as f64 / seconds,
        goodput: times.iter().filter(|took| **took <= DEADLINE).count() as f64 / seconds,
        p99: times.get(p99).map_or(0.0, |took| took.as_secs_f64() * 1e3),
        max,
    }
}

/// By phase, the runs by name.
pub type Runs = BTreeMap<String, Vec<Figures>>;

pub const ADAPTIVE: &str = "adaptive";

/// A figure, if there is one: without a static max to compare with there is none.
fn cell(figure: f64, digits: usize, unit: &str) -> String {
    if figure.is_finite() {
        format!("{figure:.digits$}{unit}")
    } else {
        "-".to_owned()
    }
}

pub fn table(phases: &[&str], runs: &Runs, calm_p99: f64) -> String {
    let mut table = format!(
        "
p99 with a tenth of the load: {calm_p99:.1} ms. Goodput is what was served
within {} ms from when it was due.

| load, times the capacity | requests/s | goodput | best static max | its goodput | part | p99, ms | times the calm one | max |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
",
        DEADLINE.as_millis()
    );
    // Writing to a string cannot fail.
    for (number, phase) in phases.iter().enumerate() {
        let Some(ours) = runs.get(ADAPTIVE).and_then(|run| run.get(number)) else {
            continue;
        };
        let limits = runs.iter().filter(|(name, _)| *name != ADAPTIVE);
        let best = limits
            .filter_map(|(name, run)| Some((name.as_str(), run.get(number)?.goodput)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (name, best) = best.unwrap_or(("-", f64::NAN));
        let _ = writeln!(
            table,
            "| {phase} | {:.0} | {:.0} | {name} | {} | {} | {:.1} | {} | {:.1} |",
            ours.load,
            ours.goodput,
            cell(best, 0, ""),
            cell(ours.goodput / best * 100.0, 0, " %"),
            ours.p99,
            cell(ours.p99 / calm_p99, 1, ""),
            ours.max,
        );
    }
    let _ = writeln!(
        table,
        "\nGoodput of each:\n\n| max | {} |",
        phases.join(" | ")
    );
    let _ = writeln!(table, "|---|{}", "---:|".repeat(phases.len()));
    for (name, run) in runs {
        let cells: Vec<_> = run
            .iter()
            .map(|phase| format!("{:.0} (p99 {:.1} ms)", phase.goodput, phase.p99))
            .collect();
        let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
    }
    table
}
