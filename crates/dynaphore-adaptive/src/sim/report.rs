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

/// Runs everything. It takes some twenty seconds in a release build.
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
        if !runs[0].0.figures.is_empty() {
            let rows: Vec<_> = SEEDS.map(|seed| row(&OURS[0], seed).0).collect();
            writeln!(
                aims,
                "| {} | {} | {} | {} | {} of {} |",
                scenario.name,
                scenario.what,
                scenario.aim.words(),
                medians(&rows),
                rows.iter().filter(|row| row.reached).count(),
                rows.len()
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

/// Each figure of the rows, which are of one scenario: its median, and from where to where.
fn medians(rows: &[Row]) -> String {
    let figures = rows[0].figures.iter().enumerate().map(|(number, first)| {
        let mut values: Vec<_> = rows.iter().map(|row| row.figures[number].value).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[0], values[values.len() - 1]);
        let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        let (name, digits, unit) = (first.name, first.digits, first.unit);
        format!("{name} {median:.digits$}{unit} ({low:.digits$} to {high:.digits$})")
    });
    figures.collect::<Vec<_>>().join(", ")
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

By the default controller, `Gradient`: the median of sixteen seeds and from where to where they
are, and with how many of them the figure is reached. Where that is less than 16, chance decides,
and the figure counts as not reached. The best static max is that of one seed, whose load differs
from the others' by up to 2 %. \"Not above\" allows for half a permit.

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
## What made each row hold

With the controller of before, chance decided. What was found by looking
at each run that did not:

- The base was the least of many windows, or the time of the first. Windows of 100 requests differ by
  5 %, or by 10 % where times differ much, and max with them. Now the base is a mean.
- A probe was compared with what a single window before it was like.
- A queue disproved a base that had been seen without one, time and again.
- One comparison that chance had made made the base jump. Three that agree are needed now.
- A probe during which the server became quicker was taken for an effect of max.

With 16 seeds that nothing was tuned by (301 to 316), all 208 runs reach their figures (180 of them
before).

## On a real server

`cargo run --release -p dynaphore-adaptive --example adaptive -- --seconds 8`: a hyper server on two
cores that the load shares, whose handler burns 2 ms of CPU, against twelve static limits. One run
on a quiet machine, from 2 s after each step on. It can serve 776 requests a second; with a tenth of
that, p99 is 4.9 ms. Goodput is what was served within 20 ms from when it was due.

| load, times the capacity | requests/s | goodput | best static max | its goodput | part | p99, ms | times the calm one | max |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| 0.5 | 398 | 398 | 8 | 398 | 100 % | 9.2 | 1.9 | 10.0 |
| 1.5 | 1177 | 709 | 5 | 759 | 93 % | 32.0 | 6.5 | 6.1 |
| 3 | 2334 | 805 | 4 | 742 | 108 % | 25.0 | 5.1 | 5.0 |
| 1, a core is taken | 771 | 528 | 4 | 535 | 99 % | 30.7 | 6.2 | 5.3 |
| 1 | 779 | 735 | 4 | 709 | 104 % | 19.5 | 3.9 | 5.6 |

Goodput is above 90 % of that of the best static max in each phase. p99 was to be at most three
times that without load, and is so at half the load only. At 1.5 and 3 times the capacity, and
beside the other process, no static max reaches both: with at least 90 % of the best goodput, the
lowest p99 is 4.0, 4.5 and 4.2 times (max 4, 4 and 3). In the last phase max 3 does (2.8 times);
`Gradient` rests at 5 to 6, since its queue is of more requests than this server serves at once.
This was before its base became a mean, with a queue of 2.5 in place of 2.2; the README has figures
of today's, beside max 3 only.

| max | 0.5 | 1.5 | 3 | 1, a core is taken | 1 |
|---|---:|---:|---:|---:|---:|
| 1 | 326 (p99 7.9 ms) | 436 (p99 8.8 ms) | 444 (p99 9.5 ms) | 377 (p99 12.0 ms) | 430 (p99 8.7 ms) |
| 2 | 385 (p99 8.6 ms) | 682 (p99 11.6 ms) | 384 (p99 23.8 ms) | 408 (p99 22.0 ms) | 575 (p99 11.6 ms) |
| 3 | 394 (p99 11.6 ms) | 683 (p99 16.8 ms) | 656 (p99 19.5 ms) | 520 (p99 20.6 ms) | 663 (p99 13.5 ms) |
| 4 | 397 (p99 9.7 ms) | 749 (p99 19.4 ms) | 742 (p99 22.1 ms) | 535 (p99 25.9 ms) | 709 (p99 15.5 ms) |
| 5 | 398 (p99 10.4 ms) | 759 (p99 23.2 ms) | 606 (p99 35.1 ms) | 520 (p99 31.0 ms) | 696 (p99 20.3 ms) |
| 6 | 398 (p99 10.3 ms) | 658 (p99 30.7 ms) | 454 (p99 58.6 ms) | 449 (p99 40.2 ms) | 679 (p99 25.5 ms) |
| 8 | 398 (p99 12.1 ms) | 412 (p99 43.3 ms) | 197 (p99 87.9 ms) | 383 (p99 44.5 ms) | 664 (p99 31.1 ms) |
| 10 | 398 (p99 11.5 ms) | 143 (p99 69.0 ms) | 58 (p99 81.6 ms) | 234 (p99 64.1 ms) | 640 (p99 34.9 ms) |
| 12 | 396 (p99 15.8 ms) | 101 (p99 69.7 ms) | 16 (p99 131.8 ms) | 180 (p99 74.1 ms) | 633 (p99 64.5 ms) |
| 16 | 397 (p99 12.2 ms) | 30 (p99 96.3 ms) | 7 (p99 133.3 ms) | 45 (p99 109.5 ms) | 652 (p99 41.2 ms) |
| 24 | 398 (p99 9.9 ms) | 8 (p99 232.9 ms) | 2 (p99 388.3 ms) | 12 (p99 221.0 ms) | 666 (p99 38.7 ms) |
| 32 | 398 (p99 9.8 ms) | 1 (p99 1201.4 ms) | 1 (p99 943.1 ms) | 1 (p99 608.9 ms) | 603 (p99 78.3 ms) |
| adaptive | 398 (p99 9.2 ms) | 709 (p99 32.0 ms) | 805 (p99 25.0 ms) | 528 (p99 30.7 ms) | 735 (p99 19.5 ms) |

## Max over time

";
