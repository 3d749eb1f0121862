//! Axes: what lies where, and what is written there.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis. Positions are even: a logarithmic axis is one of logarithms.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, in what unit.
    pub label: String,
    /// From where to where.
    pub range: Range<f64>,
    /// Positions and what is written there.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to `most`, with round figures.
    pub fn from_zero(label: impl Into<String>, most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = round_step(most / 6.0);
        let steps = (most / step).ceil().max(1.0) as u32;
        // As many digits as the step has.
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let ticks = (0..=steps).map(|index| {
            let value = f64::from(index) * step;
            (value, format!("{value:.digits$}"))
        });
        Self {
            label: label.into(),
            range: 0.0..f64::from(steps) * step,
            ticks: ticks.collect(),
        }
    }

    /// A tick at each power of `base` around the exponents `values`; `write`
    /// says what is written at an exponent.
    pub fn of_powers(
        label: impl Into<String>,
        values: impl Iterator<Item = f64>,
        write: impl Fn(i32) -> String,
    ) -> Self {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let (first, last) = (least.floor() as i32, most.ceil() as i32);
        let last = last.max(first + 1);
        Self {
            label: label.into(),
            range: f64::from(first)..f64::from(last),
            ticks: (first..=last)
                .map(|power| (f64::from(power), write(power)))
                .collect(),
        }
    }

    /// What is written at the tick next to `position`.
    fn text_at(&self, position: f64) -> String {
        let distance = |tick: &(f64, String)| (tick.0 - position).abs();
        let nearest = self
            .ticks
            .iter()
            .min_by(|one, other| distance(one).total_cmp(&distance(other)));
        nearest.map_or_else(String::new, |(_, text)| text.clone())
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (first, last): (i32, i32)) -> i32 {
        let part = (position - self.range.start) / (self.range.end - self.range.start);
        first + (part * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // All grid lines are alike; there are none between them.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(position, _)| *position).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(position: &f64) -> String {
        position.to_string()
    }

    fn format_ext(&self, position: &f64) -> String {
        self.text_at(*position)
    }
}

/// A power of ten of nanoseconds, as one would say it.
pub fn power_of_ten_nanos(power: i32) -> String {
    let units = ["ns", "us", "ms", "s"];
    let unit = power.div_euclid(3).clamp(0, 3);
    let figure = 10_f64.powi(power - 3 * unit);
    format!("{figure} {}", units[unit as usize])
}

/// A power of two as a factor.
pub fn power_of_two_times(power: i32) -> String {
    format!("{}x", 2_f64.powi(power))
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0].into_iter();
    let mut steps = factors.map(|factor| factor * power);
    steps
        .find(|round| *round >= step * 0.999)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn round_figures_from_zero() {
        let axis = Axis::from_zero("Mop/s", 3.3);
        assert_eq!(texts(&axis), ["0", "1", "2", "3", "4"]);
        assert_eq!(axis.range, 0.0..4.0);
        let axis = Axis::from_zero("Mop/s", 0.6);
        assert_eq!(axis.ticks.len(), 7);
        assert_eq!(axis.ticks[3].1, "0.3");
        assert_eq!(Axis::from_zero("Mop/s", 0.0), Axis::from_zero("Mop/s", 1.0));
    }

    #[test]
    fn powers() {
        let values = [2.5_f64, 4.1].into_iter();
        let axis = Axis::of_powers("wait", values, power_of_ten_nanos);
        assert_eq!(texts(&axis), ["100 ns", "1 us", "10 us", "100 us"]);
        assert_eq!(axis.range, 2.0..5.0);
        assert_eq!(axis.text_at(3.2), "1 us");

        let one = Axis::of_powers("ratio", [0.0].into_iter(), power_of_two_times);
        assert_eq!(texts(&one), ["1x", "2x"]);
        assert_eq!(power_of_two_times(-2), "0.25x");
        assert_eq!(power_of_ten_nanos(10), "10 s");
    }
}
