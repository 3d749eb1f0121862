//! The table, and what it comes to.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{Failure, NO_MODEL, NO_SUITE, changes::Mutant};

/// Why some are expected to survive.
struct Reasons(Vec<Vec<String>>);

impl Reasons {
    fn read(root: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(root.join("proof/equivalent.tsv"))?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let reasons: Vec<Vec<_>> = lines
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect();
        if let Some(wrong) = reasons.iter().find(|reason| reason.len() != 4) {
            return Err(format!("{wrong:?} is not file, function, change, reason").into());
        }
        Ok(Self(reasons))
    }

    fn of(&self, Mutant { file, change, .. }: &Mutant) -> Option<&str> {
        let fits = |reason: &&Vec<String>| {
            file.ends_with(&reason[0])
                && change.function == reason[1]
                && change.what.contains(&reason[2])
        };
        self.0.iter().find(fits).map(|reason| reason[3].as_str())
    }
}

const KINDS: [&str; 7] = [
    "caught",
    "survive with a reason",
    "survive",
    "survive, and only unit tests were run",
    "survive, and no model was run",
    "do not build",
    "not tried",
];

/// Writes `proof/mutants.md`, and forgets what is known of changes that there are no more.
/// Fails if a change survives for no reason that is known.
pub(crate) fn write(
    root: &Path,
    mutants: &[Mutant],
    known: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let reasons = Reasons::read(root)?;
    let mut counts: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut lines = String::new();
    for mutant in mutants {
        let outcome = known.get(&mutant.key());
        let reason = reasons.of(mutant);
        let kind = match outcome.map(String::as_str) {
            None => "not tried",
            Some(outcome) if outcome.starts_with("caught") => "caught",
            Some(outcome) if outcome.starts_with("does not build") => "do not build",
            Some(_) if reason.is_some() => "survive with a reason",
            Some(NO_SUITE) => "survive, and only unit tests were run",
            Some(NO_MODEL) => "survive, and no model was run",
            Some(_) => "survive",
        };
        *counts.entry((kind, mutant.change.of_ordering)).or_default() += 1;
        let Some(outcome) = outcome else { continue };
        let Mutant { file, change, .. } = mutant;
        let why = match reason {
            Some(reason) if kind == "survive with a reason" => format!(": {reason}"),
            _ => String::new(),
        };
        let what = change.what.replace('|', "\\|");
        let outcome = outcome.replace('|', "\\|");
        let function = &change.function;
        lines += &format!("| {file} | `{function}` | {what} | {outcome}{why} |\n");
    }
    let mut text = String::from(
        "# What became of each change\n\nWritten by `cargo run -p proof --bin mutants -- --report`.\n\n| | orderings | conditions |\n|---|---|---|\n",
    );
    for kind in KINDS {
        let count = |of_ordering| counts.get(&(kind, of_ordering)).copied().unwrap_or(0);
        text += &format!("| {kind} | {} | {} |\n", count(true), count(false));
    }
    text += "\n| file | function | change | outcome |\n|---|---|---|---|\n";
    text += &lines;
    fs::write(root.join("proof/mutants.md"), text)?;
    forget(root, mutants)?;
    let survive = |kind: &str| kind.starts_with("survive") && !kind.ends_with("a reason");
    let unexplained = counts.iter().filter(|((kind, _), _)| survive(kind));
    match unexplained.map(|(_, count)| count).sum() {
        0 => Ok(()),
        n => Err(format!("{n} changes survive, and nothing says why").into()),
    }
}

fn forget(root: &Path, mutants: &[Mutant]) -> Result<(), Failure> {
    let results = root.join("proof/mutants.tsv");
    let text = fs::read_to_string(&results).unwrap_or_default();
    let keys: Vec<_> = mutants.iter().map(|mutant| mutant.key() + "\t").collect();
    let mut last = BTreeMap::new();
    for line in text.lines() {
        if let Some(at) = keys.iter().position(|key| line.starts_with(key)) {
            last.insert(at, line);
        }
    }
    let lines: String = last.values().map(|line| format!("{line}\n")).collect();
    Ok(fs::write(results, lines)?)
}
