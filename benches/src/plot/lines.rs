//! Throughput over a number, and waits over their part.

use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::frame::{self, Chart, Drawn, stroke};
use super::scale::{Axis, power_of_ten_nanos};
use super::{Plot, colour};
use crate::subject::TOKIO;
use crate::sweep::{self, Sweep};
use crate::waits::Waits;

const WIDTH: u32 = 940;

struct Line {
    subject: &'static str,
    points: Vec<(f64, f64)>,
}

fn draw(title: &str, x: &Axis, y: &Axis, lines: &[Line], marks: bool) -> String {
    let subjects: Vec<&str> = lines.iter().map(|line| line.subject).collect();
    frame::draw(title, WIDTH, (x, y), &subjects, |chart| {
        lines.iter().try_for_each(|line| one(chart, line, marks))
    })
}

fn one(chart: &mut Chart<'_, '_>, line: &Line, marks: bool) -> Drawn {
    chart.draw_series(LineSeries::new(
        line.points.iter().copied(),
        stroke(line.subject),
    ))?;
    let marked = if marks {
        line.points.as_slice()
    } else {
        line.points
            .last()
            .map(std::slice::from_ref)
            .unwrap_or_default()
    };
    let dots = marked.iter().copied();
    chart.draw_series(dots.map(|point| Circle::new(point, 4, colour(line.subject).filled())))?;
    Ok(())
}

/// Throughput of each subject over the number.
pub fn sweep(sweep: &Sweep, outcomes: &[sweep::Outcome]) -> Option<Plot> {
    let mut lines: Vec<Line> = Vec::new();
    for outcome in outcomes {
        let point = (
            f64::from(outcome.value).log2(),
            outcome.ops_per_second / 1e6,
        );
        match lines
            .iter_mut()
            .find(|line| line.subject == outcome.subject)
        {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                subject: outcome.subject,
                points: vec![point],
            }),
        }
    }
    let last = f64::from(sweep.points.last()?.value).log2();
    let highest = outcomes.iter().map(|outcome| outcome.ops_per_second / 1e6);
    let highest = highest.reduce(f64::max)?;
    let x = Axis {
        label: format!("{} (log)", sweep.number),
        range: -0.2..last + 0.2,
        ticks: sweep
            .points
            .iter()
            .map(|point| (f64::from(point.value).log2(), point.value.to_string()))
            .collect(),
    };
    let y = Axis::from_zero("million operations per second", highest);
    Some(Plot {
        file: sweep.plot,
        title: format!("Throughput over {}", sweep.number),
        svg: draw(sweep.what, &x, &y, &lines, true),
    })
}

/// Those whose waits are shown; with all of them it would be a tangle.
const SHOWN: [&str; 5] = [
    "dynaphore",
    "dynaphore_eventual",
    "dynaphore_barging",
    TOKIO,
    "parking_lot_condvar",
];

/// Where the longest wait is drawn: behind the 99.99 percentile.
const LONGEST: f64 = 4.7;

/// The distribution of single waits.
pub fn waits(waits: &[Waits]) -> Option<Plot> {
    let shown = waits.iter().filter(|waits| SHOWN.contains(&waits.subject));
    let lines: Vec<Line> = shown
        .map(|waits| Line {
            subject: waits.subject,
            points: distribution(waits),
        })
        .collect();
    lines.first()?;
    let mut ticks: Vec<(f64, String)> = ["p50", "p90", "p99", "p99.9", "p99.99"]
        .into_iter()
        .zip([0.5, 0.9, 0.99, 0.999, 0.9999].map(position))
        .map(|(text, position)| (position, text.to_owned()))
        .collect();
    ticks.push((LONGEST, "longest".to_owned()));
    let x = Axis {
        label: "part of the acquires that had to wait no longer".to_owned(),
        range: 0.2..LONGEST + 0.2,
        ticks,
    };
    let all = lines.iter().flat_map(|line| &line.points);
    let y = Axis::of_powers(
        "wait for one permit (log)",
        all.map(|(_, power)| *power),
        power_of_ten_nanos,
    );
    let title = "Wait for a permit: 8 threads, 2 permits, 1 us held and 1 us not";
    Some(Plot {
        file: "waits.svg",
        title: "How long single acquires wait".to_owned(),
        svg: draw(title, &x, &y, &lines, false),
    })
}

/// Where a part of the acquires (0 to 1) is drawn: as far to the right as it
/// has nines.
fn position(part: f64) -> f64 {
    -(1.0 - part).log10()
}

/// From the 50 percentile in even steps to the 99.99, then the longest.
fn distribution(waits: &Waits) -> Vec<(f64, f64)> {
    const STEPS: u32 = 40;
    let (first, last) = (position(0.5), position(0.9999));
    let nanos = |part| (waits.within(part).as_nanos() as f64).max(1.0).log10();
    let mut points: Vec<(f64, f64)> = (0..=STEPS)
        .map(|step| first + (last - first) * f64::from(step) / f64::from(STEPS))
        .map(|position| (position, nanos(1.0 - 10_f64.powf(-position))))
        .collect();
    points.push((LONGEST, nanos(1.0)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_far_to_the_right_as_it_has_nines() {
        assert!((position(0.9) - 1.0).abs() < 1e-9);
        assert!((position(0.9999) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn distributions_rise_to_the_longest() {
        let waits = Waits::of("tokio", 1..=100_000);
        let points = distribution(&waits);
        let rises = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
        assert!(points.windows(2).all(rises), "{points:?}");
        let (last, longest) = *points.last().expect("points");
        assert_eq!(last, LONGEST);
        assert!((longest - 5.0).abs() < 0.001, "{longest}");
    }

    #[test]
    fn only_those_shown() {
        let of = |subject| Waits::of(subject, 1..=1000);
        let svg = waits(&[of("tokio"), of("asyncband")]).expect("a plot").svg;
        assert!(svg.contains("tokio") && svg.contains("p99.99"), "{svg}");
        assert!(!svg.contains("asyncband"), "{svg}");
        assert!(waits(&[of("asyncband")]).is_none());
    }

    #[test]
    fn a_point_for_each_outcome() {
        let outcomes = [(1, 2e6), (16, 5e6)].map(|(value, ops_per_second)| sweep::Outcome {
            subject: "tokio",
            value,
            ops_per_second,
        });
        let plot = super::sweep(&sweep::ALL[0], &outcomes).expect("a plot");
        assert_eq!(plot.file, "threads.svg");
        assert_eq!(plot.svg.matches("<circle").count(), 2, "{}", plot.svg);
        assert!(super::sweep(&sweep::ALL[0], &[]).is_none());
    }
}
