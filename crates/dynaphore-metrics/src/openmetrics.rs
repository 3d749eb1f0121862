//! Figures as text, by the [specification](https://prometheus.io/docs/specs/om/open_metrics_spec/)
//! of OpenMetrics 1.0.0.

use std::{
    fmt::{Display, Write},
    time::Duration,
};

use dynaphore::Times;

use crate::Figures;

/// Upper bounds of a histogram's buckets: as text, and in nanoseconds.
const BOUNDS: [(&str, u64); 23] = [
    ("0.0", 0),
    ("1e-05", 10_000),
    ("2.5e-05", 25_000),
    ("5e-05", 50_000),
    ("0.0001", 100_000),
    ("0.00025", 250_000),
    ("0.0005", 500_000),
    ("0.001", 1_000_000),
    ("0.0025", 2_500_000),
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.025", 25_000_000),
    ("0.05", 50_000_000),
    ("0.1", 100_000_000),
    ("0.25", 250_000_000),
    ("0.5", 500_000_000),
    ("1.0", 1_000_000_000),
    ("2.5", 2_500_000_000),
    ("5.0", 5_000_000_000),
    ("10.0", 10_000_000_000),
    ("25.0", 25_000_000_000),
    ("50.0", 50_000_000_000),
    ("100.0", 100_000_000_000),
];

/// One family of metrics.
struct Family {
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    help: &'static str,
}

pub(crate) fn render(figures: &[Figures]) -> String {
    let mut text = Text {
        // About so many lines of about so many bytes.
        out: String::with_capacity(1024 + figures.len() * 6 * 80),
        rows: figures
            .iter()
            .map(|figures| (labels(figures), figures))
            .collect(),
    };
    text.gauges();
    text.counters();
    text.times();
    text.out.push_str("# EOF\n");
    text.out
}

/// The labels that all samples of a row have.
fn labels(figures: &Figures) -> String {
    let mut labels = String::with_capacity(64);
    labels.push_str("name=\"");
    escape(&mut labels, &figures.name);
    if let Some(class) = &figures.class {
        labels.push_str("\",class=\"");
        escape(&mut labels, class);
    }
    labels.push('"');
    labels
}

/// The three characters that may not stand in a label's value.
fn escape(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

struct Text<'a> {
    out: String,
    rows: Vec<(String, &'a Figures)>,
}

impl<'a> Text<'a> {
    fn gauges(&mut self) {
        self.family(
            Family {
                name: "dynaphore_permit_count",
                kind: "gauge",
                unit: "",
                help: "Permits that are out (used), and those that are not (idle).",
            },
            |figures| figures.permits,
            |out, labels, permits| {
                sample(out, "", labels, Some(("state", "used")), permits.used);
                sample(out, "", labels, Some(("state", "idle")), permits.idle);
            },
        );
        self.family(
            Family {
                name: "dynaphore_permit_max",
                kind: "gauge",
                unit: "",
                help: "How many permits may be out.",
            },
            |figures| figures.permits,
            |out, labels, permits| sample(out, "", labels, None, permits.max),
        );
        self.family(
            Family {
                name: "dynaphore_permit_pending_requests",
                kind: "gauge",
                unit: "",
                help: "Requests that wait.",
            },
            |figures| figures.pending,
            |out, labels, pending| sample(out, "", labels, None, pending),
        );
        self.family(
            Family {
                name: "dynaphore_permit_longest_wait_seconds",
                kind: "gauge",
                unit: "seconds",
                help: "How long the one has waited that waits for longest now.",
            },
            |figures| figures.longest_wait,
            |out, labels, wait| sample(out, "", labels, None, wait.as_secs_f64()),
        );
        self.family(
            Family {
                name: "dynaphore_permit_keys",
                kind: "gauge",
                unit: "",
                help: "Keys in use.",
            },
            |figures| figures.keys,
            |out, labels, keys| sample(out, "", labels, None, keys),
        );
    }

    fn counters(&mut self) {
        self.family(
            Family {
                name: "dynaphore_permit_requests",
                kind: "counter",
                unit: "",
                help: "How requests have ended.",
            },
            |figures| figures.requests.as_deref(),
            |out, labels, requests| {
                for (outcome, count) in requests.outcomes() {
                    sample(out, "_total", labels, Some(("outcome", outcome)), count);
                }
            },
        );
        self.family(
            Family {
                name: "dynaphore_permit_timeouts",
                kind: "counter",
                unit: "",
                help: "Requests that ended at a deadline.",
            },
            |figures| figures.requests.as_deref(),
            |out, labels, requests| sample(out, "_total", labels, None, requests.timed_out),
        );
        self.family(
            Family {
                name: "dynaphore_permit_rejections",
                kind: "counter",
                unit: "",
                help: "Requests that were turned away.",
            },
            |figures| figures.rejections.as_deref().filter(|all| !all.is_empty()),
            |out, labels, rejections| {
                for (reason, count) in rejections {
                    let mut escaped = String::new();
                    escape(&mut escaped, reason);
                    sample(out, "_total", labels, Some(("reason", &escaped)), count);
                }
            },
        );
    }

    fn times(&mut self) {
        self.family(
            Family {
                name: "dynaphore_permit_wait_time_seconds",
                kind: "histogram",
                unit: "seconds",
                help: "How long requests waited that were served.",
            },
            |figures| figures.requests.as_deref(),
            |out, labels, requests| histogram(out, labels, requests.at_once(), &requests.waits),
        );
        self.family(
            Family {
                name: "dynaphore_permit_use_time_seconds",
                kind: "histogram",
                unit: "seconds",
                help: "How long permits were held that are back.",
            },
            |figures| figures.requests.as_deref(),
            |out, labels, requests| histogram(out, labels, 0, &requests.holds),
        );
    }

    /// All samples of a family, of the rows of which `of` says something. There is none
    /// without a sample.
    fn family<T>(
        &mut self,
        family: Family,
        of: impl Fn(&'a Figures) -> Option<T>,
        samples: impl Fn(&mut Samples<'_>, &str, T),
    ) {
        let Family {
            name,
            kind,
            unit,
            help,
        } = family;
        let mut is_first = true;
        for (labels, figures) in &self.rows {
            let Some(value) = of(figures) else { continue };
            if std::mem::take(&mut is_first) {
                for part in ["# TYPE ", name, " ", kind, "\n"] {
                    self.out.push_str(part);
                }
                if !unit.is_empty() {
                    for part in ["# UNIT ", name, " ", unit, "\n"] {
                        self.out.push_str(part);
                    }
                }
                for part in ["# HELP ", name, " ", help, "\n"] {
                    self.out.push_str(part);
                }
            }
            let out = &mut self.out;
            samples(&mut Samples { name, out }, labels, value);
        }
    }
}

/// Where the samples of a family go.
struct Samples<'a> {
    name: &'static str,
    out: &'a mut String,
}

/// One line.
fn sample(
    Samples { name, out }: &mut Samples<'_>,
    suffix: &str,
    labels: &str,
    label: Option<(&str, &str)>,
    value: impl Display,
) {
    for part in [name, suffix, "{", labels] {
        out.push_str(part);
    }
    if let Some((name, value)) = label {
        for part in [",", name, "=\"", value, "\""] {
            out.push_str(part);
        }
    }
    out.push_str("} ");
    // A string takes all.
    let _ = writeln!(out, "{value}");
}

/// `zeros` times of no length, and `times`.
fn histogram(out: &mut Samples<'_>, labels: &str, zeros: u64, times: &Times) {
    let mut within = zeros;
    let mut buckets = times.buckets().peekable();
    for (text, nanos) in BOUNDS {
        let bound = Duration::from_nanos(nanos);
        while let Some((_, count)) = buckets.next_if(|&(end, _)| end <= bound) {
            within += count;
        }
        sample(out, "_bucket", labels, Some(("le", text)), within);
    }
    let all = zeros + times.count();
    sample(out, "_bucket", labels, Some(("le", "+Inf")), all);
    sample(out, "_count", labels, None, all);
    sample(out, "_sum", labels, None, times.sum().as_secs_f64());
}
