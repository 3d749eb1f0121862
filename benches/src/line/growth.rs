//! A line about growing queues.

use serde::Serialize;

use super::{Column, GROWTH, Line, SUBJECT, figure, name, rounded};

/// How the cost of a hand-off grows with the queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthLine {
    workload: &'static str,
    subject: &'static str,
    ns_with_10: f64,
    ns_with_1k: f64,
    ns_with_100k: f64,
    ratio_1k_to_10: f64,
    ratio_100k_to_10: f64,
}

impl GrowthLine {
    /// About the three costs of one subject.
    pub fn new(subject: &'static str, with_10: f64, with_1k: f64, with_100k: f64) -> Self {
        Self {
            workload: GROWTH,
            subject,
            ns_with_10: rounded(with_10, 1),
            ns_with_1k: rounded(with_1k, 1),
            ns_with_100k: rounded(with_100k, 1),
            ratio_1k_to_10: rounded(with_1k / with_10, 3),
            ratio_100k_to_10: rounded(with_100k / with_10, 3),
        }
    }
}

impl Line for GrowthLine {
    const COLUMNS: &'static [Column] = &[
        name("ns/op", 16),
        SUBJECT,
        figure("10", 9),
        figure("1k", 9),
        figure("100k", 9),
        figure("1k/10", 10),
        figure("100k/10", 10),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.workload.to_owned(),
            self.subject.to_owned(),
            format!("{:.1}", self.ns_with_10),
            format!("{:.1}", self.ns_with_1k),
            format!("{:.1}", self.ns_with_100k),
            format!("{:.2}", self.ratio_1k_to_10),
            format!("{:.2}", self.ratio_100k_to_10),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_a_ratio_to_ten() {
        let cells = GrowthLine::new("tokio", 100.0, 110.0, 150.04).cells();
        assert_eq!(cells[2..], ["100.0", "110.0", "150.0", "1.10", "1.50"]);
    }
}
