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
on a quiet machine, from 2 s after each step on. It can serve 896 requests a second; with a tenth of
that, p99 is 4.6 ms. Goodput is what was served within 20 ms from when it was due.

| load, times the capacity | requests/s | goodput | best static max | its goodput | part | p99, ms | times the calm one | max |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| 0.5 | 462 | 462 | 8 | 462 | 100 % | 9.7 | 2.1 | 10.0 |
| 1.5 | 1340 | 880 | 5 | 889 | 99 % | 19.3 | 4.2 | 3.9 |
| 3 | 2677 | 874 | 4 | 924 | 95 % | 17.5 | 3.8 | 3.4 |
| 1, a core is taken | 894 | 644 | 6 | 717 | 90 % | 19.7 | 4.3 | 3.0 |
| 1 | 895 | 815 | 6 | 821 | 99 % | 20.5 | 4.4 | 5.3 |

Goodput is 95 % of that of the best static max or more, and beside the other process 90 % (89.8 in
this run). p99 was to be at most three
times that without load, and is so at half the load only. No static max reaches both at 1.5 and 3
times the capacity and beside the other process: with at least 90 % of the best goodput, the lowest
p99 is 3.0, 3.2 and 3.9 times, with max 3. In the last phase max 3 does (2.6 times). There
`Gradient` rested at a max of 5.3, with 4.4 times: the server is not overloaded, so that max is
seldom in the way.
(With a queue of the same length at every max, as it was before, it had 5.1 to 5.3 times in the
first three of these, and rested at a max above 5.)

That run is older than the queue that goes by what is in flight. In virtual time, with a server of
the same throughput at each max, `Gradient` then rests at 3.1 in the last phase (5.4 before), with
p99 2.2 times that without load (3.0 before; max 3 has 2.1), and with 94 % of the best goodput (98
before). In the phases of 1.5 and 3 times the capacity p99 falls from 2.9 and 3.0 to 2.6 and 2.8
times, with the same goodput but for a hundredth, and beside the other process all stays as it was. (Tried with 5 in place of 5.1.)

| max | 0.5 | 1.5 | 3 | 1, a core is taken | 1 |
|---|---:|---:|---:|---:|---:|
| 1 | 372 (p99 7.3 ms) | 463 (p99 8.3 ms) | 458 (p99 8.6 ms) | 430 (p99 13.3 ms) | 460 (p99 8.0 ms) |
| 2 | 448 (p99 7.9 ms) | 779 (p99 10.3 ms) | 778 (p99 11.0 ms) | 584 (p99 14.9 ms) | 701 (p99 9.5 ms) |
| 3 | 460 (p99 8.9 ms) | 876 (p99 14.0 ms) | 892 (p99 14.7 ms) | 663 (p99 18.0 ms) | 789 (p99 11.8 ms) |
| 4 | 462 (p99 8.5 ms) | 881 (p99 18.3 ms) | 924 (p99 19.0 ms) | 697 (p99 20.9 ms) | 811 (p99 14.5 ms) |
| 5 | 462 (p99 9.9 ms) | 889 (p99 22.7 ms) | 868 (p99 25.1 ms) | 717 (p99 23.1 ms) | 817 (p99 17.5 ms) |
| 6 | 462 (p99 9.7 ms) | 878 (p99 25.8 ms) | 832 (p99 29.4 ms) | 717 (p99 27.1 ms) | 821 (p99 21.9 ms) |
| 8 | 462 (p99 9.4 ms) | 806 (p99 35.3 ms) | 692 (p99 38.3 ms) | 673 (p99 35.1 ms) | 800 (p99 26.8 ms) |
| 10 | 462 (p99 9.8 ms) | 694 (p99 45.9 ms) | 614 (p99 46.8 ms) | 667 (p99 40.7 ms) | 783 (p99 31.6 ms) |
| 12 | 460 (p99 11.4 ms) | 598 (p99 53.6 ms) | 532 (p99 55.8 ms) | 630 (p99 45.5 ms) | 746 (p99 38.5 ms) |
| 16 | 462 (p99 10.0 ms) | 516 (p99 65.4 ms) | 427 (p99 75.7 ms) | 620 (p99 54.9 ms) | 741 (p99 47.1 ms) |
| 24 | 462 (p99 9.4 ms) | 432 (p99 104.1 ms) | 347 (p99 108.9 ms) | 568 (p99 73.7 ms) | 686 (p99 61.6 ms) |
| 32 | 462 (p99 9.4 ms) | 470 (p99 136.5 ms) | 285 (p99 154.3 ms) | 544 (p99 92.5 ms) | 615 (p99 87.9 ms) |
| adaptive | 462 (p99 9.7 ms) | 880 (p99 19.3 ms) | 874 (p99 17.5 ms) | 644 (p99 19.7 ms) | 815 (p99 20.5 ms) |

## Max over time

";
