//! What the answers come to, phase by phase.

use std::{collections::BTreeMap, time::Duration};

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

pub fn print(phases: &[&str], runs: &Runs, calm_p99: f64) {
    println!("\np99 with a tenth of the load: {calm_p99:.1} ms. Goodput is what was served");
    println!("within {} ms from when it was due.\n", DEADLINE.as_millis());
    println!(
        "| load, times the capacity | requests/s | goodput | best static max | its goodput | part | p99, ms | times the calm one | max |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (number, phase) in phases.iter().enumerate() {
        let Some(ours) = runs.get(ADAPTIVE).and_then(|run| run.get(number)) else {
            continue;
        };
        let limits = runs.iter().filter(|(name, _)| *name != ADAPTIVE);
        let best = limits
            .filter_map(|(name, run)| Some((name.as_str(), run.get(number)?.goodput)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (name, best) = best.unwrap_or(("-", f64::NAN));
        println!(
            "| {phase} | {:.0} | {:.0} | {name} | {best:.0} | {:.0} % | {:.1} | {:.1} | {:.1} |",
            ours.load,
            ours.goodput,
            ours.goodput / best * 100.0,
            ours.p99,
            ours.p99 / calm_p99,
            ours.max,
        );
    }
    println!("\nGoodput of each:\n");
    println!("| max | {} |", phases.join(" | "));
    println!("|---|{}", "---:|".repeat(phases.len()));
    for (name, run) in runs {
        let cells: Vec<_> = run
            .iter()
            .map(|phase| format!("{:.0} (p99 {:.1} ms)", phase.goodput, phase.p99))
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}
