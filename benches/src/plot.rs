//! Pictures of the results, as SVG.

use plotters::style::RGBColor;

use crate::results::Results;
use crate::subject::{FLOOR, TOKIO};

mod bars;
mod frame;
mod lines;
mod scale;

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The name of its file.
    pub file: &'static str,
    /// What it shows.
    pub title: String,
    /// The file's contents.
    pub svg: String,
}

/// All for which there are results.
pub fn all(results: &Results) -> Vec<Plot> {
    let mut plots = Vec::new();
    plots.extend(bars::throughput(&results.workloads));
    plots.extend(lines::waits(&results.waits));
    for (sweep, outcomes) in &results.sweeps {
        plots.extend(lines::sweep(sweep, outcomes));
    }
    plots
}

/// The same colour in every picture, told apart by the colour-blind too (after
/// Okabe and Ito).
fn colour(subject: &str) -> RGBColor {
    match subject {
        "dynaphore" => RGBColor(0, 114, 178),
        "dynaphore_eventual" => RGBColor(86, 180, 233),
        "dynaphore_barging" => RGBColor(0, 158, 115),
        "dynaphore_generations" => RGBColor(0, 60, 100),
        "dynaphore_stats" => RGBColor(0, 70, 110),
        TOKIO => RGBColor(213, 94, 0),
        "async_lock" => RGBColor(230, 159, 0),
        "asyncband" => RGBColor(204, 121, 167),
        FLOOR => RGBColor(0, 0, 0),
        "dashmap_tokio" => RGBColor(150, 60, 0),
        "lockable" => RGBColor(90, 90, 160),
        "bare" => RGBColor(60, 60, 60),
        _ => RGBColor(120, 120, 120),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::SIZES;

    #[test]
    fn every_subject_has_a_colour_of_its_own() {
        let colours: Vec<RGBColor> = SIZES.iter().map(|size| colour(size().subject)).collect();
        for (index, one) in colours.iter().enumerate() {
            assert!(!colours[..index].contains(one), "{one:?} twice");
        }
    }

    #[test]
    fn no_results_no_plots() {
        assert!(all(&Results::default()).is_empty());
    }
}
