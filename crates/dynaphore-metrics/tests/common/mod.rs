//! A strict parser of OpenMetrics 1.0.0's text format, for what a registry renders: gauges,
//! counters and histograms. It panics at whatever the specification forbids of these.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a sample, by name.
pub type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub unit: Option<String>,
    pub help: Option<String>,
    /// By the whole name.
    pub samples: Vec<(String, Labels, f64)>,
}

/// All families, by name.
#[derive(Debug)]
pub struct Exposition(pub BTreeMap<String, Family>);

impl Exposition {
    /// The value of the sample of that name with these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut samples = self.0.values().flat_map(|family| &family.samples);
        samples
            .find(|(of, labels, _)| of == name && *labels == wanted)
            .map(|&(_, _, value)| value)
    }
}

/// The families of `text`.
#[track_caller]
pub fn parse(text: &str) -> Exposition {
    let body = text.strip_suffix("# EOF\n").expect("ends with # EOF");
    assert!(body.lines().all(|line| line != "# EOF"), "one end");
    assert!(body.is_empty() || body.ends_with('\n'));
    let mut families = BTreeMap::<String, Family>::new();
    let mut current: Option<String> = None;
    for line in body.lines() {
        assert!(!line.is_empty() && !line.ends_with('\r'), "an empty line");
        if let Some(rest) = line.strip_prefix("# ") {
            let mut parts = rest.splitn(3, ' ');
            let mut part = || parts.next().expect("a descriptor of three parts");
            let (what, name, value) = (part(), part(), part());
            assert_name(name);
            if current.as_deref() != Some(name) {
                assert!(!families.contains_key(name), "{name} comes in pieces");
                families.insert(name.to_owned(), Family::default());
                current = Some(name.to_owned());
            }
            let family = families.get_mut(name).unwrap();
            assert!(family.samples.is_empty(), "descriptors come first: {line}");
            match what {
                "TYPE" => {
                    assert!(family.kind.is_empty(), "two types: {line}");
                    assert!(["gauge", "counter", "histogram"].contains(&value), "{line}");
                    family.kind = value.to_owned();
                }
                "UNIT" => {
                    assert!(family.unit.is_none(), "two units: {line}");
                    assert!(name.ends_with(&format!("_{value}")), "{line}");
                    family.unit = Some(value.to_owned());
                }
                "HELP" => {
                    assert!(family.help.is_none(), "two helps: {line}");
                    assert!(!value.contains(['\\', '"']), "needs escapes: {line}");
                    family.help = Some(value.to_owned());
                }
                _ => panic!("no descriptor: {line}"),
            }
        } else {
            let current = current.as_deref().expect("a family comes first");
            let family = families.get_mut(current).unwrap();
            family.samples.push(sample(line, current, &family.kind));
        }
    }
    for (name, family) in &families {
        assert!(!family.kind.is_empty(), "{name} has no type");
        assert!(!family.samples.is_empty(), "{name} has no sample");
        check(name, family);
    }
    no_clashes(&families);
    Exposition(families)
}

fn assert_name(name: &str) {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    assert!(name.starts_with(starts), "{name}");
    assert!(
        name.chars().all(|c| starts(c) || c.is_ascii_digit()),
        "{name}"
    );
}

/// `name{label="value",...} number`, and nothing else.
fn sample(line: &str, family: &str, kind: &str) -> (String, Labels, f64) {
    let (name, rest) = line.split_once('{').expect("labels");
    assert_name(name);
    let suffix = name.strip_prefix(family).unwrap_or_else(|| {
        panic!("{name} is not of {family}");
    });
    let suffixes: &[_] = match kind {
        "gauge" => &[""],
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_count", "_sum"],
        _ => panic!("the type comes first: {line}"),
    };
    assert!(suffixes.contains(&suffix), "{line}");
    let mut labels = Labels::new();
    let mut rest = rest;
    let value = loop {
        let (label, after) = rest.split_once("=\"").expect("a label");
        assert_name(label);
        assert!(!label.contains(':') && !label.starts_with("__"), "{line}");
        let mut value = String::new();
        let mut chars = after.chars();
        loop {
            match chars.next().expect("a closing quote") {
                '"' => break,
                '\\' => value.push(match chars.next() {
                    Some('\\') => '\\',
                    Some('"') => '"',
                    Some('n') => '\n',
                    other => panic!("escaped {other:?}: {line}"),
                }),
                other => value.push(other),
            }
        }
        assert!(
            labels.insert(label.into(), value).is_none(),
            "twice: {line}"
        );
        rest = chars.as_str();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break rest.strip_prefix("} ").expect("the end of the labels"),
        }
    };
    let digits = |c: char| c.is_ascii_digit() || "+-.e".contains(c);
    assert!(value.chars().all(digits), "no number: {line}");
    let value: f64 = value.parse().expect("a number");
    assert!(value.is_finite(), "{line}");
    (name.to_owned(), labels, value)
}

/// What is asked of all samples of a family together.
fn check(name: &str, family: &Family) {
    let mut seen = BTreeSet::new();
    for (name, labels, value) in &family.samples {
        assert!(seen.insert((name, labels)), "{name}{labels:?} twice");
        if family.kind != "gauge" {
            assert!(*value >= 0.0, "{name}{labels:?} is negative");
            assert!(name.ends_with("_sum") || value.fract() == 0.0, "{name}");
        }
        assert_eq!(name.ends_with("_bucket"), labels.contains_key("le"));
    }
    // The samples of one set of labels come in one piece, a histogram's in order.
    let without = |labels: &Labels| {
        let mut labels = labels.clone();
        labels.retain(|name, _| name != "le");
        labels
    };
    let pieces = family
        .samples
        .chunk_by(|(_, one, _), (_, other, _)| without(one) == without(other));
    let mut sets = BTreeSet::new();
    for piece in pieces {
        let labels = without(&piece[0].1);
        assert!(sets.insert(labels), "{name} in pieces: {:?}", piece[0]);
        if family.kind == "histogram" {
            histogram(piece);
        }
    }
}

fn histogram(piece: &[(String, Labels, f64)]) {
    let (buckets, others) = piece.split_at(piece.len() - 2);
    assert!(others[0].0.ends_with("_count") && others[1].0.ends_with("_sum"));
    let (mut last_bound, mut last_count) = (f64::NEG_INFINITY, 0.0);
    for (name, labels, count) in buckets {
        assert!(name.ends_with("_bucket"), "{name}");
        let bound = match &*labels["le"] {
            "+Inf" => f64::INFINITY,
            text => {
                assert!(text.contains(['.', 'e']), "a canonical float: {text}");
                text.parse().expect("a bound")
            }
        };
        assert!(bound > last_bound && *count >= last_count, "{labels:?}");
        (last_bound, last_count) = (bound, *count);
    }
    assert_eq!(last_bound, f64::INFINITY, "the last bucket has all");
    assert_eq!(others[0].2, last_count, "the count is that of all buckets");
}

/// No sample may be taken for one of another family.
fn no_clashes(families: &BTreeMap<String, Family>) {
    let suffixes = |kind: &str| match kind {
        "counter" => vec!["", "_total", "_created"],
        "histogram" => vec!["", "_bucket", "_count", "_sum", "_created"],
        _ => vec![""],
    };
    let mut names = BTreeSet::new();
    for (name, family) in families {
        for suffix in suffixes(&family.kind) {
            let name = format!("{name}{suffix}");
            assert!(names.insert(name.clone()), "{name} is of two families");
        }
    }
}
