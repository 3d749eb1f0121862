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
const STATIC: [u32; 16] = [2, 3, 4, 6, 8, 10, 12, 15, 18, 20, 22, 25, 30, 40, 60, 100];
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
  16 static maxima (for several clients: shared out among them)
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
- A small max that was seldom in the way stayed high, since the queue that it lets in was then short
  on the average (`two cores`: p99 was 2.05 to 3.00 times that without load, and goodput 94 %). Now
  the queue goes by what is in flight, not by max.

With 16 seeds that nothing was tuned by (301 to 316), all 224 runs reach theirs.

## On a real server

`cargo run --release -p dynaphore-adaptive --example adaptive -- --seconds 8`: a hyper server on two
cores that the load shares, whose handler burns 2 ms of CPU, against twelve static limits. One run
on a quiet machine, from 2 s after each step on. It can serve 904 requests a second; with a tenth of
that, p99 is 4.6 ms. Goodput is what was served within 20 ms from when it was due.

| load, times the capacity | requests/s | goodput | best static max | its goodput | part | p99, ms | times the calm one | max |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| 0.5 | 465 | 465 | 8 | 465 | 100 % | 10.1 | 2.2 | 10.0 |
| 1.5 | 1353 | 852 | 4 | 862 | 99 % | 14.1 | 3.1 | 3.0 |
| 3 | 2695 | 866 | 5 | 849 | 102 % | 16.3 | 3.6 | 3.1 |
| 1, a core is taken | 907 | 651 | 5 | 705 | 92 % | 18.4 | 4.0 | 3.0 |
| 1 | 908 | 779 | 5 | 810 | 96 % | 13.2 | 2.9 | 3.1 |

Goodput is 92 % of that of the best static max or more. p99 was to be at most three times that
without load. It is so at half the load and in the last phase. In the others no static max reaches
both: of those with at least 90 % of the best goodput the lowest p99 is 13.9, 15.1 and 21.7 ms (3.02,
3.3 and 4.7 times, with max 3, 3 and 4), and `Gradient` has 14.1, 16.3 and 18.4.

In two more runs beside max 3 alone, by turns with a queue that went by max and not by what is in
flight: p99 was 17 to 23 ms before and 17 to 19 now at 1.5 and 3 times the capacity, and in the last
phase 18 and 22 before (a max of 4.5 and 5.8, seldom in the way) and 12 and 13 now.

| max | 0.5 | 1.5 | 3 | 1, a core is taken | 1 |
|---|---:|---:|---:|---:|---:|
| 1 | 365 (p99 7.3 ms) | 453 (p99 8.3 ms) | 440 (p99 8.6 ms) | 417 (p99 11.7 ms) | 448 (p99 8.1 ms) |
| 2 | 443 (p99 8.8 ms) | 729 (p99 10.6 ms) | 732 (p99 10.9 ms) | 538 (p99 16.2 ms) | 665 (p99 10.3 ms) |
| 3 | 460 (p99 9.4 ms) | 826 (p99 13.9 ms) | 822 (p99 15.1 ms) | 627 (p99 18.0 ms) | 725 (p99 14.0 ms) |
| 4 | 464 (p99 10.8 ms) | 862 (p99 18.0 ms) | 839 (p99 20.3 ms) | 674 (p99 21.7 ms) | 795 (p99 15.6 ms) |
| 5 | 465 (p99 10.2 ms) | 857 (p99 22.7 ms) | 849 (p99 23.8 ms) | 705 (p99 24.1 ms) | 810 (p99 19.2 ms) |
| 6 | 465 (p99 10.2 ms) | 859 (p99 26.8 ms) | 829 (p99 28.9 ms) | 698 (p99 28.2 ms) | 800 (p99 22.4 ms) |
| 8 | 465 (p99 10.4 ms) | 742 (p99 36.5 ms) | 625 (p99 40.8 ms) | 652 (p99 34.4 ms) | 752 (p99 30.7 ms) |
| 10 | 465 (p99 12.4 ms) | 653 (p99 43.9 ms) | 552 (p99 51.0 ms) | 630 (p99 39.2 ms) | 730 (p99 34.7 ms) |
| 12 | 465 (p99 11.2 ms) | 555 (p99 53.0 ms) | 500 (p99 60.0 ms) | 580 (p99 47.9 ms) | 710 (p99 41.0 ms) |
| 16 | 465 (p99 10.8 ms) | 482 (p99 67.6 ms) | 406 (p99 76.1 ms) | 550 (p99 62.6 ms) | 671 (p99 52.7 ms) |
| 24 | 465 (p99 10.1 ms) | 390 (p99 94.6 ms) | 285 (p99 113.3 ms) | 488 (p99 83.9 ms) | 602 (p99 73.7 ms) |
| 32 | 465 (p99 11.5 ms) | 335 (p99 137.1 ms) | 241 (p99 145.5 ms) | 458 (p99 100.8 ms) | 541 (p99 99.5 ms) |
| adaptive | 465 (p99 10.1 ms) | 852 (p99 14.1 ms) | 866 (p99 16.3 ms) | 651 (p99 18.4 ms) | 779 (p99 13.2 ms) |

## Max over time

";
