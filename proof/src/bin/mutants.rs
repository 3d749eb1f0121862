//! Makes dynaphore wrong in one place at a time, and sees what notices.
//!
//! `cargo run -p proof --bin mutants -- [OPTIONS] [PATTERN]...` changes those whose file,
//! function or change contains all PATTERNs, one after the other, in a copy of the tree
//! in the folder for temporary files, and adds what became of each to `proof/mutants.tsv`. Those that
//! are there already, of the same text, are not tried again.
//!
//! | option | |
//! |---|---|
//! | `--list` | only says what there is to change |
//! | `--report` | only writes what is known to `proof/mutants.md` |
//! | `--orderings`, `--conditions` | only these |
//! | `--without-models` | no loom: what survives is tried again without this option |
//! | `--limit SECONDS` | for each test binary, 120 unless told otherwise |
//! | `--for SECONDS` | begins no more changes after so long |

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use proof::source::{Change, changes};

type Failure = Box<dyn std::error::Error>;

/// Of each part of the source, what is run for it.
struct Part {
    /// How the paths of its files begin.
    files: &'static [&'static str],
    /// Its conditions are looked at, too, in these.
    conditions: &'static [&'static str],
    /// Names of unit tests, and integration tests: for conditions.
    units: &'static str,
    suites: &'static [&'static str],
    /// Those most likely to fail come first.
    models: &'static [&'static str],
}

const PARTS: [Part; 4] = [
    Part {
        files: &["src/semaphore", "src/event.rs", "src/park.rs"],
        conditions: &["word.rs", "queue.rs", "line.rs"],
        units: "semaphore",
        suites: &["semaphore", "counters"],
        models: &[
            "ordering",
            "permits",
            "release",
            "close",
            "watch",
            "cancel",
            "wake",
            "handed",
            "weighted",
            "empty_line",
            "two_at_once",
            "owned",
            "resize",
            "fairness",
        ],
    },
    Part {
        files: &["src/generation"],
        conditions: &["tracker.rs", "stripes.rs", "pending.rs"],
        units: "generation",
        suites: &["generation", "generation_swap", "generations"],
        models: &["generation"],
    },
    Part {
        files: &["src/keyed"],
        conditions: &[],
        units: "keyed",
        suites: &["keyed"],
        models: &["keyed"],
    },
    Part {
        files: &["src/pool"],
        conditions: &[],
        units: "pool",
        suites: &["pool"],
        models: &["pool"],
    },
];

/// An outcome that is not the last word.
const NO_MODEL: &str = "survives; no loom model was run";

struct Mutant {
    file: String,
    change: Change,
    part: &'static Part,
    /// Of the function's text, so that a result does not outlive it.
    text: u64,
}

impl Mutant {
    fn key(&self) -> String {
        let Self {
            file, change, text, ..
        } = self;
        format!("{file}\t{}\t{}\t{text:016x}", change.function, change.what)
    }
}

#[derive(Default)]
struct Options {
    list: bool,
    report: bool,
    orderings: bool,
    conditions: bool,
    without_models: bool,
    limit: u64,
    all: Option<Duration>,
    patterns: Vec<String>,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        limit: 120,
        ..Options::default()
    };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, Failure> {
            Ok(arguments.next().ok_or("a number is missing")?.parse()?)
        };
        match argument.as_str() {
            "--list" => options.list = true,
            "--report" => options.report = true,
            "--orderings" => options.orderings = true,
            "--conditions" => options.conditions = true,
            "--without-models" => options.without_models = true,
            "--limit" => options.limit = number()?,
            "--for" => options.all = Some(Duration::from_secs(number()?)),
            other if other.starts_with('-') => return Err(format!("{other} is no option").into()),
            _ => options.patterns.push(argument),
        }
    }
    if !options.orderings && !options.conditions {
        (options.orderings, options.conditions) = (true, true);
    }
    Ok(options)
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("no root")?;
    let results = root.join("proof/mutants.tsv");
    let mutants = find(root, &options)?;
    let known = read(&results)?;
    if options.report {
        return report(root, &mutants, &known);
    }
    if options.list {
        for mutant in &mutants {
            println!(
                "{}\t{}",
                mutant.key(),
                known.get(&mutant.key()).map_or("", |r| r)
            );
        }
        println!("{} changes", mutants.len());
        return Ok(());
    }
    let copy = Copy::of(root, &options)?;
    let begun = Instant::now();
    for mutant in &mutants {
        match known.get(&mutant.key()) {
            Some(outcome) if outcome == NO_MODEL && !options.without_models => {}
            Some(_) => continue,
            None => {}
        }
        if options.all.is_some_and(|all| begun.elapsed() > all) {
            println!("time is over");
            break;
        }
        let started = Instant::now();
        let outcome = copy.attempt(mutant)?;
        let seconds = started.elapsed().as_secs();
        let line = format!("{}\t{outcome}\t{seconds}\n", mutant.key());
        print!("{line}");
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&results)?
            .write_all(line.as_bytes())?;
    }
    Ok(())
}

/// All changes that are asked for, orderings first.
fn find(root: &Path, options: &Options) -> Result<Vec<Mutant>, Failure> {
    let mut files = vec![];
    gather(&root.join("src"), &mut files)?;
    let mut mutants = vec![];
    for path in files {
        let file = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let is_of = |part: &&Part| part.files.iter().any(|start| file.starts_with(start));
        let Some(part) = PARTS.iter().find(is_of) else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        for change in changes(&text) {
            let asked = if change.of_ordering {
                options.orderings
            } else {
                options.conditions && part.conditions.iter().any(|end| file.ends_with(end))
            };
            let mut hasher = DefaultHasher::new();
            change.surroundings(&text).hash(&mut hasher);
            let mutant = Mutant {
                file: file.clone(),
                change,
                part,
                text: hasher.finish(),
            };
            if asked
                && options
                    .patterns
                    .iter()
                    .all(|pattern| mutant.key().contains(pattern))
            {
                mutants.push(mutant);
            }
        }
    }
    mutants.sort_by_key(|mutant| !mutant.change.of_ordering);
    Ok(mutants)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// What is known: of each key, the outcome.
fn read(results: &Path) -> Result<BTreeMap<String, String>, Failure> {
    if !results.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(results)?;
    let known = text.lines().filter_map(|line| {
        let (rest, _seconds) = line.rsplit_once('\t')?;
        let (key, outcome) = rest.rsplit_once('\t')?;
        Some((key.to_owned(), outcome.to_owned()))
    });
    Ok(known.collect())
}

/// A tree that may be changed.
struct Copy {
    root: PathBuf,
    tree: PathBuf,
    limit: u64,
    without_models: bool,
}

impl Copy {
    fn of(root: &Path, options: &Options) -> Result<Self, Failure> {
        // Not under a workspace.
        let tree = env::temp_dir().join("dynaphore-mutants");
        fs::create_dir_all(&tree)?;
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()?;
        for file in String::from_utf8(listed.stdout)?.lines() {
            let to = tree.join(file);
            let text = match fs::read(root.join(file)) {
                Ok(text) => text,
                // Deleted, and not committed so far.
                Err(_) => continue,
            };
            // What has not changed is not built again.
            if fs::read(&to).ok().as_ref() != Some(&text) {
                fs::create_dir_all(to.parent().ok_or("no folder")?)?;
                fs::write(to, text)?;
            }
        }
        let &Options {
            limit,
            without_models,
            ..
        } = options;
        Ok(Self {
            root: root.to_owned(),
            tree,
            limit,
            without_models,
        })
    }

    /// What becomes of it.
    fn attempt(&self, mutant: &Mutant) -> Result<String, Failure> {
        let path = self.tree.join(&mutant.file);
        let text = fs::read_to_string(self.root.join(&mutant.file))?;
        let mut changed = text.clone();
        changed.replace_range(mutant.change.at.clone(), &mutant.change.by);
        fs::write(&path, changed)?;
        let outcome = self.judge(mutant);
        fs::write(&path, text)?;
        outcome
    }

    fn judge(&self, mutant: &Mutant) -> Result<String, Failure> {
        let Part {
            units,
            suites,
            models,
            ..
        } = mutant.part;
        let mut late = vec![];
        if mutant.change.of_ordering {
            // It reads the orderings from the tree.
            let litmus = Command::new(env!("CARGO"))
                .args([
                    "run", "--quiet", "-p", "proof", "--bin", "litmus", "--", "--holds",
                ])
                .arg(&self.tree)
                .current_dir(&self.root)
                .output()?;
            if !litmus.status.success() {
                let said = String::from_utf8_lossy(&litmus.stdout);
                let name = said.lines().find_map(|line| line.strip_prefix("FAILS "));
                return Ok(format!(
                    "caught by litmus {}",
                    name.ok_or("litmus has failed")?
                ));
            }
        } else {
            let unit = ["--lib"];
            if let Some(outcome) = self.run(".", &unit, &[units], &mut late)? {
                return Ok(outcome);
            }
            let suites: Vec<_> = suites.iter().flat_map(|suite| ["--test", suite]).collect();
            if let Some(outcome) = self.run(".", &suites, &[], &mut late)? {
                return Ok(outcome);
            }
        }
        if self.without_models {
            return Ok(NO_MODEL.to_owned());
        }
        let models: Vec<_> = models.iter().flat_map(|model| ["--test", model]).collect();
        if let Some(outcome) = self.run("loom-tests", &models, &[], &mut late)? {
            return Ok(outcome);
        }
        Ok(match late.as_slice() {
            [] => "survives".to_owned(),
            // A test that never ends is not known to have failed.
            late => format!("survives, but these took too long: {}", late.join(" ")),
        })
    }

    /// Builds these tests, and runs them one after the other.
    fn run(
        &self,
        folder: &str,
        which: &[&str],
        filter: &[&str],
        late: &mut Vec<String>,
    ) -> Result<Option<String>, Failure> {
        let folder = self.tree.join(folder);
        let built = Command::new("cargo")
            .args(["test", "--no-run"])
            .args(which)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&built.stderr);
        if !built.status.success() {
            // Its own fault, or that of the tree.
            if !said.contains("could not compile `dynaphore`") {
                return Err(said.into_owned().into());
            }
            let error = said.lines().find(|line| line.starts_with("error"));
            return Ok(Some(format!(
                "does not build: {}",
                error.unwrap_or("no reason given")
            )));
        }
        let mut programs: Vec<_> = said
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Executable ")?.strip_suffix(')'))
            .filter_map(|line| line.split_once(" ("))
            .map(|(name, program)| {
                let name = name.rsplit(' ').next().unwrap_or(name);
                let stem = name.trim_end_matches("/main.rs").trim_end_matches(".rs");
                let place = which
                    .iter()
                    .position(|asked| stem.ends_with(&format!("/{asked}")));
                (place, name.to_owned(), program.to_owned())
            })
            .collect();
        programs.sort();
        if programs.is_empty() {
            return Err(format!("no tests among {which:?}").into());
        }
        for (_, name, program) in programs {
            let ran = Command::new("timeout")
                .args(["-k", "5", &self.limit.to_string()])
                .arg(&program)
                .args(filter)
                .current_dir(&folder)
                .stdin(Stdio::null())
                .output()?;
            match ran.status.code() {
                Some(0) => {}
                Some(124) => late.push(name),
                _ => {
                    let said = String::from_utf8_lossy(&ran.stdout);
                    let failed = said
                        .lines()
                        .find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
                    let failed = failed.unwrap_or("an abort");
                    let kind = if folder.ends_with("loom-tests") {
                        "loom "
                    } else {
                        ""
                    };
                    return Ok(Some(format!("caught by {kind}{name} {failed}")));
                }
            }
        }
        Ok(None)
    }
}

/// The table, and what it comes to.
fn report(
    root: &Path,
    mutants: &[Mutant],
    known: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let reasons = fs::read_to_string(root.join("proof/equivalent.tsv")).unwrap_or_default();
    let reasons: Vec<Vec<&str>> = reasons
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
        .collect();
    let reason = |mutant: &Mutant| {
        let fits = |reason: &&Vec<&str>| {
            mutant.file.ends_with(reason[0])
                && mutant.change.function == reason[1]
                && mutant.change.what.contains(reason[2])
        };
        reasons
            .iter()
            .filter(|reason| reason.len() == 4)
            .find(fits)
            .map(|reason| reason[3])
    };
    let mut counts: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut lines = String::new();
    for mutant in mutants {
        let outcome = known.get(&mutant.key());
        let kind = match outcome.map(String::as_str) {
            None => "not tried",
            Some(outcome) if outcome.starts_with("caught") => "caught",
            Some(outcome) if outcome.starts_with("does not build") => "do not build",
            Some(outcome) if outcome == NO_MODEL && reason(mutant).is_none() => {
                "survive, and no model was run"
            }
            Some(_) if reason(mutant).is_some() => "survive with a reason",
            Some(_) => "survive",
        };
        *counts.entry((kind, mutant.change.of_ordering)).or_default() += 1;
        let Some(outcome) = outcome else { continue };
        let Mutant { file, change, .. } = mutant;
        let why = match kind {
            "survive with a reason" => reason(mutant).map_or(String::new(), |r| format!(": {r}")),
            _ => String::new(),
        };
        let what = change.what.replace('|', "\\|");
        let outcome = outcome.replace('|', "\\|");
        lines += &format!(
            "| {file} | `{}` | {what} | {outcome}{why} |\n",
            change.function
        );
    }
    let mut text = String::from(
        "# What became of each change\n\nWritten by `cargo run -p proof --bin mutants -- --report`.\n\n| | orderings | conditions |\n|---|---|---|\n",
    );
    for kind in [
        "caught",
        "survive with a reason",
        "survive",
        "survive, and no model was run",
        "do not build",
        "not tried",
    ] {
        let count = |of_ordering| counts.get(&(kind, of_ordering)).copied().unwrap_or(0);
        text += &format!("| {kind} | {} | {} |\n", count(true), count(false));
    }
    text += "\n| file | function | change | outcome |\n|---|---|---|---|\n";
    text += &lines;
    fs::write(root.join("proof/mutants.md"), text)?;
    Ok(())
}
