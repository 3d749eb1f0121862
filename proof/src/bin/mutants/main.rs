//! Makes dynaphore wrong in one place at a time, and sees what notices.
//!
//! `cargo run -p proof --bin mutants -- [OPTIONS] [PATTERN]...` tries those changes whose file,
//! function or change contains all PATTERNs, and adds what became of each to
//! `proof/mutants.tsv`. Those that are there already, of the same text, are not tried again.
//!
//! All changes are built at once, into a copy of the tree in the folder for temporary
//! files: each function has a copy of its body for each change, and a variable of the
//! environment picks one (mutant schemata; Untch, Offutt and Harrold, 1993). Each test is run
//! once without a change, to see how long it takes and which functions it comes to. A change
//! is tried by the tests that come to its function, quick ones first.
//!
//! | option | |
//! |---|---|
//! | `--list` | only says what there is to change |
//! | `--build` | only builds |
//! | `--report` | only writes what is known to `proof/mutants.md` |
//! | `--orderings`, `--conditions` | only these |
//! | `--units` | only unit tests: what survives is tried again without this option |
//! | `--without-models` | no loom, likewise |
//! | `--again` | those that have survived are tried again |
//! | `--limit SECONDS` | models that take longer are left out, 120 unless told otherwise |
//! | `--for SECONDS` | begins no more changes after so long |
//! | `--jobs N` | so many at a time, 2 unless told otherwise |

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use self::{
    changes::{Mutant, find},
    tests::{Test, Verdict},
    tree::Tree,
};

mod changes;
mod report;
mod tests;
mod tree;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Outcomes that are not the last word.
const NO_SUITE: &str = "survives; only unit tests were run";
const NO_MODEL: &str = "survives; no loom model was run";

/// What a change is tried by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Units,
    Suites,
    Models,
}

struct Options {
    list: bool,
    build: bool,
    report: bool,
    orderings: bool,
    conditions: bool,
    by: By,
    again: bool,
    limit: u64,
    all: Option<Duration>,
    jobs: usize,
    patterns: Vec<String>,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        list: false,
        build: false,
        report: false,
        orderings: false,
        conditions: false,
        by: By::Models,
        again: false,
        limit: 120,
        all: None,
        jobs: 2,
        patterns: vec![],
    };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, Failure> {
            Ok(arguments.next().ok_or("a number is missing")?.parse()?)
        };
        match argument.as_str() {
            "--list" => options.list = true,
            "--build" => options.build = true,
            "--report" => options.report = true,
            "--orderings" => options.orderings = true,
            "--conditions" => options.conditions = true,
            "--units" => options.by = By::Units,
            "--without-models" => options.by = By::Suites,
            "--again" => options.again = true,
            "--limit" => options.limit = number()?,
            "--for" => options.all = Some(Duration::from_secs(number()?)),
            "--jobs" => options.jobs = number()?.max(1) as usize,
            other if other.starts_with('-') => return Err(format!("{other} is no option").into()),
            _ => options.patterns.push(argument),
        }
    }
    if !options.orderings && !options.conditions {
        (options.orderings, options.conditions) = (true, true);
    }
    Ok(options)
}

impl Options {
    fn ask_for(&self, mutant: &Mutant) -> bool {
        let kind = if mutant.change.of_ordering {
            self.orderings
        } else {
            self.conditions
        };
        let key = mutant.key();
        kind && self.patterns.iter().all(|pattern| key.contains(pattern))
    }

    /// Is there more to learn about one of which this is known?
    fn go_on_after(&self, outcome: Option<&String>) -> bool {
        match outcome.map(String::as_str) {
            None => true,
            Some(NO_SUITE) if self.by > By::Units => true,
            Some(NO_MODEL) if self.by > By::Suites => true,
            Some(outcome) => self.again && outcome.starts_with("survives"),
        }
    }
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("no root")?;
    let results = root.join("proof/mutants.tsv");
    let mutants = find(root)?;
    let known = read(&results)?;
    if options.report {
        return report::write(root, &mutants, &known);
    }
    let asked = || mutants.iter().filter(|mutant| options.ask_for(mutant));
    if options.list {
        for mutant in asked() {
            let outcome = known.get(&mutant.key());
            println!(
                "{}\t{}",
                mutant.key(),
                outcome.map_or("", |outcome| outcome)
            );
        }
        println!("{} changes", asked().count());
        return Ok(());
    }
    let left: Vec<&Mutant> = asked()
        .filter(|mutant| options.go_on_after(known.get(&mutant.key())))
        .collect();
    println!("{} changes to try", left.len());
    if left.is_empty() {
        return Ok(());
    }
    let tree = Tree::of(root, &mutants, options.by)?;
    if options.build {
        return Ok(());
    }
    let judges = Judges {
        root,
        tests: tests::find(&tree)?,
        tree,
        limit: Duration::from_secs(options.limit),
        by: options.by,
    };
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&results)?;
    let file = Mutex::new(file);
    let (begun, next) = (Instant::now(), AtomicUsize::new(0));
    let work = || -> Result<(), Failure> {
        while let Some(mutant) = left.get(next.fetch_add(1, Relaxed)) {
            if options.all.is_some_and(|all| begun.elapsed() > all) {
                println!("time is over");
                break;
            }
            let started = Instant::now();
            let outcome = judges.judge(mutant)?;
            let seconds = started.elapsed().as_secs();
            let line = format!("{}\t{outcome}\t{seconds}\n", mutant.key());
            print!("{line}");
            let mut file = file.lock().map_err(|_| "another has failed")?;
            file.write_all(line.as_bytes())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        let mut done = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        done.try_for_each(|worked| worked)
    })
}

/// What is known: of each key, the outcome. The last line of a key counts.
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

/// Those who look at a change.
struct Judges<'a> {
    root: &'a Path,
    tree: Tree,
    tests: Vec<Test>,
    limit: Duration,
    by: By,
}

impl Judges<'_> {
    /// What becomes of it.
    fn judge(&self, mutant: &Mutant) -> Result<String, Failure> {
        let Some(function) = self.tree.function(mutant) else {
            return Ok("does not build".to_owned());
        };
        if mutant.change.of_ordering
            && let Some(name) = self.litmus(mutant)?
        {
            return Ok(format!("caught by litmus {name}"));
        }
        let coming = |test: &&Test| test.reached.contains(&function);
        let (models, tests): (Vec<_>, Vec<_>) = self
            .tests
            .iter()
            .filter(coming)
            .partition(|test| test.is_model);
        let mut late = vec![];
        // On the machines at hand, real threads hardly ever show an ordering.
        if !mutant.change.of_ordering {
            for batch in tests::batches(&tests) {
                match tests::run_batch(&batch, mutant.number)? {
                    Verdict::Passed => {}
                    Verdict::Failed(name) => return Ok(format!("caught by {name}")),
                    Verdict::Late(name) => {
                        return Ok(format!("caught by {name}, which does not end"));
                    }
                }
            }
        }
        match self.by {
            By::Units => return Ok(NO_SUITE.to_owned()),
            By::Suites => return Ok(NO_MODEL.to_owned()),
            By::Models => {}
        }
        for model in &models {
            if model.took > self.limit {
                late.push(model.full_name());
                continue;
            }
            match tests::run_batch(&[model], mutant.number)? {
                Verdict::Passed => {}
                Verdict::Failed(name) => return Ok(format!("caught by loom {name}")),
                // It may have more schedules than before.
                Verdict::Late(name) => late.push(name),
            }
        }
        Ok(match late.as_slice() {
            [] if tests.is_empty() && models.is_empty() => "survives; no test comes there".into(),
            [] => "survives".to_owned(),
            late => format!("survives, but these took too long: {}", late.join(", ")),
        })
    }

    /// Which outcome it makes possible.
    fn litmus(&self, mutant: &Mutant) -> Result<Option<String>, Failure> {
        // It reads the orderings from there.
        let folder = self.tree.changed(mutant)?;
        let litmus = Command::new(env!("CARGO"))
            .args([
                "run", "--quiet", "-p", "proof", "--bin", "litmus", "--", "--holds",
            ])
            .arg(&folder)
            .current_dir(self.root)
            .output()?;
        if litmus.status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&litmus.stdout);
        let name = said.lines().find_map(|line| line.strip_prefix("FAILS "));
        Ok(Some(name.ok_or("litmus has failed")?.to_owned()))
    }
}
