//! All scenarios under all controllers, as a table and as plots.

use std::fmt::Write;

use super::{
    figures::{self, Row},
    peers::{Envoy, NetflixGradient2, NetflixVegas},
    plot::{self, Line},
    scenario::{self, Scenario},
    world::{self, Run},
};
use crate::{Aimd, Controller, Fixed, Gradient, QueueDelay, Vegas};

type Make = fn() -> Box<dyn Controller>;

const OURS: [Make; 4] = [
    || Box::new(Gradient::default()),
    || Box::new(QueueDelay::default()),
    || Box::new(Vegas::default()),
    || Box::new(Aimd::default()),
];
const PEERS: [Make; 3] = [
    || Box::new(NetflixVegas::new()),
    || Box::new(NetflixGradient2::new()),
    || Box::new(Envoy::new()),
];
const STATIC: [u32; 14] = [4, 6, 8, 10, 12, 15, 18, 20, 22, 25, 30, 40, 60, 100];
/// That of the table.
const SEED: u64 = 1;
/// The figures to reach are looked at with these too.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=16;

/// Best goodput of a static max, and which.
fn best(scenario: &Scenario) -> (f64, u32) {
    let clients = scenario.clients.len() as u32;
    let all = STATIC.iter().map(|max| {
        let run = world::run(scenario, SEED, (max / clients).max(1), &|| Box::new(Fixed));
        (figures::goodput(&run, scenario.measured), *max)
    });
    all.max_by(|a, b| a.0.total_cmp(&b.0)).expect("not empty")
}

fn calm_p99(scenario: &Scenario) -> f64 {
    let scenario = scenario.calm();
    let run = world::run(&scenario, SEED, scenario.knee as u32, &|| Box::new(Fixed));
    let [p99] = figures::quantiles(&run, scenario.measured, [0.99]);
    p99
}

/// The rows of our controllers alone, without those that need a static max to be
/// compared with: their goodput is right, [`part`](Row::part) is not.
#[must_use]
pub fn ours() -> Vec<Row> {
    let mut rows = Vec::new();
    for scenario in scenario::all() {
        for make in OURS {
            let run = world::run(&scenario, SEED, scenario.max, &make);
            rows.push(figures::row(
                &scenario,
                make().name(),
                &run,
                f64::NAN,
                f64::NAN,
            ));
        }
    }
    rows
}

/// What `RESULTS.md` and its plots are to be.
#[derive(Debug)]
pub struct Report {
    /// The text of `RESULTS.md`.
    pub results: String,
    /// Names and contents of the plots.
    pub plots: Vec<(String, String)>,
}

/// Runs everything. It takes some ten seconds in a release build.
#[must_use]
pub fn report() -> Report {
    let mut aims = String::new();
    let mut table = String::new();
    let mut links = String::new();
    let mut plots = Vec::new();
    for scenario in scenario::all() {
        let (best, best_max) = best(&scenario);
        let calm = calm_p99(&scenario);
        let row = |make: &Make, seed| {
            let run = world::run(&scenario, seed, scenario.max, make);
            (
                figures::row(&scenario, make().name(), &run, best, calm),
                run,
            )
        };
        let runs: Vec<(Row, Run)> = OURS
            .iter()
            .chain(&PEERS)
            .map(|make| row(make, SEED))
            .collect();
        for (row, _) in &runs {
            writeln!(table, "{}", line(row)).expect("a string takes all");
        }
        writeln!(
            table,
            "| {} | best static: {best_max} | {best_max} | {best:.1} | 100.0 | | | | | | |",
            scenario.name
        )
        .expect("a string takes all");
        if let Some((said, _)) = &runs[0].0.aim {
            let reached: Vec<_> = SEEDS.map(|seed| row(&OURS[0], seed).0).collect();
            let reached = reached
                .iter()
                .filter(|row| row.aim.as_ref().is_some_and(|aim| aim.1));
            writeln!(
                aims,
                "| {} | {} | {} | {said} | {} of {} |",
                scenario.name,
                scenario.what,
                scenario.aim.words(),
                reached.count(),
                SEEDS.count()
            )
            .expect("a string takes all");
        }
        let lines: Vec<Line<'_>> = (0..)
            .zip(&runs)
            .map(|(number, (row, run))| Line {
                name: row.controller,
                is_peer: number >= OURS.len(),
                points: &run.max[0],
            })
            .collect();
        let file = format!("{}.svg", scenario.name.replace(' ', "-"));
        let knee = scenario.knee / scenario.clients.len() as f64;
        plots.push((
            file.clone(),
            plot::plot(scenario.name, scenario.length, knee, &lines),
        ));
        writeln!(links, "![{0}](plots/{file})\n", scenario.name).expect("a string takes all");
    }
    Report {
        results: format!("{HEAD}{aims}{MIDDLE}{table}{TAIL}{links}"),
        plots,
    }
}

fn line(row: &Row) -> String {
    let settled = row
        .settled
        .map_or("-".to_owned(), |window| window.to_string());
    format!(
        "| {} | {} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {settled} | {:.1} | {} | {:.3} |",
        row.scenario,
        row.controller,
        row.max,
        row.goodput,
        row.part() * 100.0,
        row.p50,
        row.p99,
        row.rejected * 100.0,
        row.probed,
        row.jain
    )
}

const HEAD: &str = "\
# Controllers in the simulator

Written by `cargo run --release -p dynaphore-adaptive --bin simulate -- --report`, in virtual
time and from a seed, so it is the same on every machine. A server serves 20 requests at
once, in 100 ms each on the average (half of that in any case, the other half exponentially
distributed); beyond 20 they share it, and at 40 a fifth of the throughput is lost. A request waits in line for
100 ms and then goes away, and is of no use after a second. Where nothing else is said, twice the load comes that can be
served, in an open loop, and max begins at 10. No parameter is set anywhere.

## To reach

By the default controller, `Gradient`: the figure with the table's seed, and with how many of
sixteen seeds it is reached. Where that is less than 16, chance decides, and the figure counts as
not reached. \"Not above\" allows for half a permit.

| scenario | | to reach | figure | reached |
|---|---|---|---|---|
";

const MIDDLE: &str = "
## All controllers

- max: on the average over time, of the first client
- goodput: requests a second that were answered in time, and as a part of that of the best of
  14 static maxima (for several clients: shared out among them)
- p50, p99: of what was answered, in ms from when it was due, the wait in line included
- settled: the first window from which on the mean max of ten is within 20 % of the knee
- rejected: requests in 100 that got no permit in time
- probed: requests that got none because max had been lowered to less than half of the knee while
  the server was well (after an incident this counts the way back up, too)

Netflix's and Envoy's are written afresh from their descriptions. They are told of the same
windows as ours, and requests wait in the same line; at home, Netflix's windows are of a second
and Envoy's of 100 ms, and both turn away at once what finds no room.

| scenario | controller | max | goodput | part | p50 | p99 | settled | rejected | probed | Jain |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

const TAIL: &str = "
## How it depends on its constants

With how many of sixteen seeds the figures are reached, as it was and is, and with one constant
changed at a time. Load x2 and latency x10 are reached with 15 or 16 of 16 in each row.

| | start at 2 | start at 400 | slow for long | 5 and 500 ms | pauses | closed loop | three clients | worst index of three |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| a jump of the base in an incident, one comparison decides (before) | - | 13 | 11 | 7 | 12 | 13 | 8 | 0.721 |
| **as it is** | 15 | 11 | 15 | 9 | 13 | 16 | 16 | 0.969 |
| 0.2 of a comparison counts, not 0.25 | 15 | 11 | 14 | 9 | 13 | 16 | 16 | 0.961 |
| 0.35 | 15 | 11 | 10 | 9 | 13 | 16 | 15 | 0.936 |
| the base rises by 3 %, not 5 % | 15 | 11 | 13 | 6 | 13 | 16 | 16 | 0.952 |
| in an incident by 5 %, not 8 % | 15 | 11 | 13 | 9 | 13 | 16 | 16 | 0.963 |
| in an incident by 12 % | 15 | 11 | 12 | 9 | 13 | 16 | 16 | 0.951 |
| certain at 0.85, not 0.8 | 15 | 11 | 14 | 8 | 13 | 16 | 16 | 0.969 |
| `queue` 2.6, not 2.75 | 16 | 11 | 13 | 5 | 13 | 14 | 15 | 0.947 |
| `queue` 2.9 | 16 | 8 | 14 | 8 | 15 | 16 | 16 | 0.968 |
| `queue` 3 | 13 | 8 | 12 | 12 | 16 | 15 | 16 | 0.959 |

- What the several clients had not in common was their base: one of them, by the chance of one
  probe, took the latency of the full server for that of an empty one, at once, and kept it: each
  sees throughput follow by about two thirds, and one probe is of two windows only.
- `queue` trades a start at 400 (a lower max) for two kinds of requests and pauses (a higher one):
  what is left of these is the chance of 100 samples a window.

## Max over time

";
