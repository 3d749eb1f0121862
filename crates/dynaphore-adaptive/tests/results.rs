//! `RESULTS.md` holds: no row of ours has become worse by more than 2 %.

use std::sync::LazyLock;

use dynaphore_adaptive::sim::{self, Row};

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(sim::ours);

const RESULTS: &str = include_str!("../RESULTS.md");

/// Columns: scenario, controller, max, goodput, part, p50, p99, settled, rejected,
/// probed, Jain.
fn recorded(scenario: &str, controller: &str) -> Vec<&'static str> {
    let begins = format!("| {scenario} | {controller} |");
    let line = RESULTS.lines().find(|line| line.starts_with(&begins));
    let line = line.unwrap_or_else(|| panic!("no row `{begins}`: run simulate --report"));
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn no_row_of_ours_is_worse_than_recorded() {
    let mut worse = Vec::new();
    for row in &*ROWS {
        let recorded = recorded(row.scenario, row.controller);
        let number = |column: usize| recorded[column].parse::<f64>().expect("a number");
        // The last term is what the table's rounding hides.
        let high = [
            ("goodput", row.goodput, number(3), 0.05),
            ("Jain's index", row.jain, number(10), 0.0005),
        ];
        let low = [
            ("p50", row.p50, number(5), 0.5),
            ("p99", row.p99, number(6), 0.5),
            ("rejected", row.rejected * 100.0, number(8), 0.05),
        ];
        for (what, is, was, rounding) in high {
            if is < was * 0.98 - rounding {
                worse.push(format!(
                    "{} {}: {what} {is} < {was}",
                    row.scenario, row.controller
                ));
            }
        }
        for (what, is, was, rounding) in low {
            if is > was * 1.02 + rounding {
                worse.push(format!(
                    "{} {}: {what} {is} > {was}",
                    row.scenario, row.controller
                ));
            }
        }
        let settles = row
            .settled
            .map_or("-".to_owned(), |window| window.to_string());
        let was = recorded[7].parse().unwrap_or(f64::INFINITY);
        if settles.parse().unwrap_or(f64::INFINITY) > was * 1.02 {
            worse.push(format!(
                "{} {}: settled {settles} > {was}",
                row.scenario, row.controller
            ));
        }
    }
    assert!(worse.is_empty(), "{}", worse.join("\n"));
}

#[test]
fn nobody_is_turned_away_for_a_probe_by_the_default() {
    // In these the server is well all the time, so max has no reason to be far
    // below the knee once it has been there.
    let well = [
        "start at 2",
        "load x2",
        "idle",
        "closed loop",
        "light load",
        "pauses",
    ];
    for row in &*ROWS {
        if row.controller == "gradient" && well.contains(&row.scenario) {
            assert_eq!(row.probed, 0, "{}", row.scenario);
        }
    }
}
