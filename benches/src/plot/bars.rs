//! Throughput by workload.

use plotters::element::{PathElement, Rectangle};
use plotters::style::Color;

use super::frame::{self, stroke};
use super::scale::{Axis, power_of_two_times};
use super::{Plot, colour};
use crate::measure::Outcome;
use crate::subject::{FLOOR, SIZES, TOKIO};

/// Every workload that tokio took part in, with bars up for those who are
/// faster and down for those who are slower.
///
/// Without the floor: it is no semaphore, and its bars would be the largest. Without those
/// that have no size: the legend does not name them.
pub fn throughput(workloads: &[(&'static str, Vec<Outcome>)]) -> Option<Plot> {
    let groups: Vec<Group> = workloads.iter().filter_map(group).collect();
    let bars = || groups.iter().flat_map(|group| &group.bars);
    bars().next()?;

    // In the order of the output; tokio is the line.
    let subjects: Vec<&str> = SIZES
        .iter()
        .map(|size| size().subject)
        .filter(|name| *name == TOKIO || bars().any(|bar| bar.subject == *name))
        .collect();
    let names = groups.iter().zip(0..);
    let x = Axis {
        label: "workload".to_owned(),
        range: -0.5..groups.len() as f64 - 0.5,
        ticks: names
            .map(|(group, index)| (f64::from(index), group.workload.to_owned()))
            .collect(),
    };
    let y = Axis::of_powers(
        "operations per second, tokio = 1x (log)",
        bars().map(|bar| bar.power).chain([-0.5, 0.5]),
        power_of_two_times,
    );
    let title = "Throughput relative to tokio (up is faster)";
    let width = 320 + 104 * groups.len() as u32;
    let svg = frame::draw(title, width, (&x, &y), &subjects, |chart| {
        for (group, middle) in groups.iter().zip(0..) {
            chart.draw_series(group.bars.iter().zip(0..).map(|(bar, place)| {
                let left = f64::from(middle) - 0.4
                    + BAR * f64::from(place)
                    + (PLACES - group.bars.len() as f64) / 2.0 * BAR;
                let corners = [(left, 0.0), (left + BAR * 0.88, bar.power)];
                Rectangle::new(corners, colour(bar.subject).filled())
            }))?;
        }
        let ends = vec![(x.range.start, 0.0), (x.range.end, 0.0)];
        chart.draw_series([PathElement::new(ends, stroke(TOKIO))])?;
        Ok(())
    });
    Some(Plot {
        file: "throughput.svg",
        title: title.to_owned(),
        svg,
    })
}

/// Places for bars in a group, and how wide one is.
const PLACES: f64 = 6.0;
const BAR: f64 = 0.8 / PLACES;

struct Group {
    workload: &'static str,
    bars: Vec<Bar>,
}

struct Bar {
    subject: &'static str,
    /// Binary logarithm of how many times as fast as tokio.
    power: f64,
}

fn group((workload, outcomes): &(&'static str, Vec<Outcome>)) -> Option<Group> {
    if workload.starts_with("keyed_") {
        // Other subjects than those of the rest: for the table only.
        return None;
    }
    let has_size = |subject| SIZES.iter().any(|size| size().subject == subject);
    let bars: Vec<Bar> = outcomes
        .iter()
        .filter(|outcome| outcome.subject != TOKIO && outcome.subject != FLOOR)
        .filter(|outcome| has_size(outcome.subject))
        .filter_map(|outcome| {
            Some(Bar {
                subject: outcome.subject,
                power: -outcome.vs_tokio?.log2(),
            })
        })
        .collect();
    (!bars.is_empty()).then_some(Group { workload, bars })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(subject: &'static str, vs_tokio: Option<f64>) -> Outcome {
        Outcome {
            subject,
            ns_per_op: 10.0,
            vs_tokio,
            ..Outcome::default()
        }
    }

    #[test]
    fn half_the_time_is_one_power_up() {
        let outcomes = vec![
            outcome("dynaphore", Some(0.5)),
            outcome(TOKIO, Some(1.0)),
            outcome(FLOOR, Some(0.1)),
            outcome("no size", Some(0.5)),
        ];
        let group = group(&("try_1t", outcomes)).expect("a group");
        assert_eq!(group.bars.len(), 1);
        assert_eq!(group.bars[0].power, 1.0);
    }

    #[test]
    fn all_that_tokio_took_part_in() {
        let plot = throughput(&[
            ("try_1t", vec![outcome("dynaphore", Some(0.5))]),
            ("try_2t", vec![outcome("asyncband", None)]),
        ]);
        let svg = plot.expect("a plot").svg;
        assert!(svg.contains("try_1t") && svg.contains("dynaphore"), "{svg}");
        assert!(!svg.contains("try_2t"), "{svg}");
        assert!(throughput(&[("try_2t", vec![outcome("asyncband", None)])]).is_none());
    }
}
