//! What a run comes to.

use super::{
    scenario::{Aim, Scenario},
    world::{DEADLINE, Run},
};

/// The figures of one scenario under one controller.
#[derive(Clone, Debug)]
pub struct Row {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The controller's.
    pub controller: &'static str,
    /// Max on the average over time, that of the first client.
    pub max: f64,
    /// Requests a second that were answered within the deadline.
    pub goodput: f64,
    /// That of the best static max.
    pub best: f64,
    /// The median of what answered requests took from when they were due, in
    /// milliseconds.
    pub p50: f64,
    /// The 99th percentile of that.
    pub p99: f64,
    /// The p99 with a tenth of the load.
    pub calm_p99: f64,
    /// The window from which on the mean max of ten is within 20 % of the knee.
    pub settled: Option<usize>,
    /// The part of requests that got no permit in time.
    pub rejected: f64,
    /// Requests that got none because max was lowered far below the knee while the
    /// server was well.
    pub probed: usize,
    /// Jain's index of the clients' goodput.
    pub jain: f64,
    /// What the scenario is about. Empty where nothing is promised.
    pub figures: Vec<Figure>,
    /// Whether these are what was to be reached.
    pub reached: bool,
}

/// A figure that a scenario is about.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it is of.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// With how many digits behind the point it is told.
    pub digits: usize,
    /// What comes behind the value.
    pub unit: &'static str,
}

impl Row {
    /// Goodput as a part of that of the best static max.
    #[must_use]
    pub fn part(&self) -> f64 {
        self.goodput / self.best
    }
}

type Span = (f64, f64);

pub(super) fn goodput(run: &Run, (from, to): Span) -> f64 {
    let good = run.ended.iter().filter(|ended| {
        (from..to).contains(&ended.at) && ended.took.is_some_and(|took| took <= DEADLINE)
    });
    good.count() as f64 / (to - from)
}

/// In milliseconds, 0.0 if nothing was answered.
pub(super) fn quantiles<const N: usize>(run: &Run, (from, to): Span, of: [f64; N]) -> [f64; N] {
    let within = run
        .ended
        .iter()
        .filter(|ended| (from..to).contains(&ended.at));
    let mut times: Vec<f64> = within.filter_map(|ended| ended.took).collect();
    times.sort_by(f64::total_cmp);
    of.map(|quantile| {
        let last = times.len().saturating_sub(1) as f64;
        times
            .get((last * quantile) as usize)
            .map_or(0.0, |time| time * 1e3)
    })
}

fn mean_max(log: &[(f64, u32)], (from, to): Span) -> f64 {
    let ends = log
        .iter()
        .skip(1)
        .map(|entry| entry.0)
        .chain([f64::INFINITY]);
    let parts = log
        .iter()
        .zip(ends)
        .map(|(&(begin, max), end)| (end.min(to) - begin.max(from)).max(0.0) * f64::from(max));
    parts.sum::<f64>() / (to - from)
}

fn mean(log: &[(f64, u32)]) -> f64 {
    log.iter().map(|entry| f64::from(entry.1)).sum::<f64>() / log.len().max(1) as f64
}

fn jain(run: &Run, clients: usize, (from, to): Span) -> f64 {
    let mut good = vec![0.0_f64; clients];
    for ended in &run.ended {
        if (from..to).contains(&ended.at) && ended.took.is_some_and(|took| took <= DEADLINE) {
            good[ended.client] += 1.0;
        }
    }
    let sum: f64 = good.iter().sum();
    let squares: f64 = good.iter().map(|good| good * good).sum();
    if squares > 0.0 {
        sum * sum / clients as f64 / squares
    } else {
        0.0
    }
}

/// The figures of a run; `best` and `calm_p99` are from others.
pub(super) fn row(
    scenario: &Scenario,
    controller: &'static str,
    run: &Run,
    best: f64,
    calm_p99: f64,
) -> Row {
    let span = scenario.measured;
    let clients = scenario.clients.len();
    let log = &run.max[0];
    let [p50, p99] = quantiles(run, span, [0.5, 0.99]);
    let within = || {
        run.ended
            .iter()
            .filter(|ended| (span.0..span.1).contains(&ended.at))
    };
    let knee = scenario.knee / clients as f64;
    let near = |max: f64| (max / knee - 1.0).abs() <= 0.2;
    let settled = (0..log.len().saturating_sub(10)).find(|at| near(mean(&log[*at..at + 10])));
    let mut row = Row {
        scenario: scenario.name,
        controller,
        max: mean_max(log, span),
        goodput: goodput(run, span),
        best,
        p50,
        p99,
        calm_p99,
        settled,
        rejected: within().filter(|ended| ended.took.is_none()).count() as f64
            / within().count().max(1) as f64,
        probed: run.ended.iter().filter(|ended| ended.probed).count(),
        jain: jain(run, clients, span),
        figures: Vec::new(),
        reached: false,
    };
    (row.figures, row.reached) = aim(scenario, &row, log);
    row
}

fn aim(scenario: &Scenario, row: &Row, log: &[(f64, u32)]) -> (Vec<Figure>, bool) {
    let figure = |name, value, digits, unit| Figure {
        name,
        value,
        digits,
        unit,
    };
    let goodput = figure("goodput", row.part() * 100.0, 1, " %");
    match scenario.aim {
        Aim::None => (Vec::new(), false),
        Aim::Settles => {
            let windows = log.get(50..100.min(log.len()).max(50)).unwrap_or_default();
            let max = mean(windows);
            let figure = figure("max in windows 50 to 100:", max, 1, "");
            (vec![figure], (max / scenario.knee - 1.0).abs() <= 0.2)
        }
        Aim::Goodput(least) => (vec![goodput], row.part() >= least),
        Aim::GoodputAndLatency(least, most) => {
            let times = row.p99 / row.calm_p99;
            let p99 = figure("p99", times, 2, " times");
            (vec![goodput, p99], row.part() >= least && times <= most)
        }
        Aim::NotAbove(from, to) => {
            let before = mean_max(log, (from - 60.0, from));
            let after = mean_max(log, (to, to + 60.0));
            let figures = vec![
                figure("max before", before, 1, ""),
                figure("after", after, 1, ""),
            ];
            // Half a permit is within what max moves about all the time.
            (figures, after <= before + 0.5)
        }
        Aim::Unchanged(from, to) => {
            let at = |time: f64| {
                log.iter()
                    .rev()
                    .find(|entry| entry.0 <= time)
                    .map_or(0, |e| e.1)
            };
            // What is still under way as the idle time begins ends in a second.
            let (before, after) = (at(from + 1.0), at(to - 0.001));
            let figures = vec![
                figure("max before", f64::from(before), 0, ""),
                figure("after", f64::from(after), 0, ""),
            ];
            (figures, before == after)
        }
        Aim::Fair(least) => (
            vec![figure("Jain's index", row.jain, 3, "")],
            row.jain >= least,
        ),
    }
}
