//! The tests: how long each takes, to which functions it comes, and what it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    tree::{MUTANT, REACHED, Tree},
};

/// Left out: each run of the first would build tokio, and the second counts what the switch
/// allocates.
const LEFT_OUT: [&str; 2] = ["tokio_suite::", "a_refusal_allocates_nothing"];

pub(crate) struct Test {
    binary: String,
    program: PathBuf,
    folder: PathBuf,
    name: String,
    pub(crate) is_model: bool,
    /// Alone, without a change.
    pub(crate) took: Duration,
    /// The numbers of functions that it comes to.
    pub(crate) reached: BTreeSet<usize>,
}

impl Test {
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.binary, self.name)
    }
}

/// Unit tests, suites and models, quick ones first.
pub(crate) fn find(tree: &Tree) -> Result<Vec<Test>, Failure> {
    let mut tests = vec![];
    for program in &tree.programs {
        let listed = Command::new(&program.path)
            .args(["--list", "--format", "terse"])
            .current_dir(&program.folder)
            .output()?;
        let listed = String::from_utf8(listed.stdout)?;
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .filter(|name| !LEFT_OUT.iter().any(|prefix| name.starts_with(prefix)));
        tests.extend(names.map(|name| Test {
            binary: program.name.clone(),
            program: program.path.clone(),
            folder: program.folder.clone(),
            name: name.to_owned(),
            is_model: program.is_of_models,
            took: Duration::ZERO,
            reached: BTreeSet::new(),
        }));
    }
    measure(tree, &mut tests)?;
    tests.sort_by_key(|test| test.took);
    let (models, others): (Vec<_>, Vec<_>) = tests.iter().partition(|test| test.is_model);
    let sum = |tests: &[&Test]| tests.iter().map(|test| test.took).sum::<Duration>();
    println!(
        "{} tests in {:.0?}, {} models in {:.0?}",
        others.len(),
        sum(&others),
        models.len(),
        sum(&models)
    );
    Ok(tests)
}

/// Runs each alone, without a change, unless that is known from another time.
fn measure(tree: &Tree, tests: &mut [Test]) -> Result<(), Failure> {
    let measures = tree.folder.join("target/measured");
    fs::create_dir_all(&measures)?;
    let mut programs = BTreeMap::new();
    for test in &*tests {
        if !programs.contains_key(&test.program) {
            let mut hasher = DefaultHasher::new();
            fs::read(&test.program)?.hash(&mut hasher);
            programs.insert(test.program.clone(), hasher.finish());
        }
    }
    let next = AtomicUsize::new(0);
    let tests: Vec<_> = tests.iter_mut().map(Mutex::new).collect();
    let work = || -> Result<(), Failure> {
        while let Some(test) = tests.get(next.fetch_add(1, Relaxed)) {
            let mut test = test.lock().expect("each is taken once");
            let name = test.name.replace("::", ".");
            let file = measures.join(format!("{:016x}.{name}", programs[&test.program]));
            measure_one(&mut test, &file)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        let mut done = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        done.try_for_each(|worked| worked)
    })
}

/// First line of the file: milliseconds. Others: functions.
fn measure_one(test: &mut Test, file: &Path) -> Result<(), Failure> {
    if !file.exists() {
        // Not `with_extension`: what follows the last dot is the test in its module.
        let reached = PathBuf::from(format!("{}.reached", file.display()));
        let _ = fs::remove_file(&reached);
        let start = Instant::now();
        let ran = Command::new(&test.program)
            .args(["--include-ignored", "--exact", &test.name])
            .current_dir(&test.folder)
            .env(MUTANT, "0")
            .env(REACHED, &reached)
            .stdin(Stdio::null())
            .output()?;
        if !ran.status.success() {
            return Err(format!("{} fails without a change", test.full_name()).into());
        }
        let functions = fs::read_to_string(&reached).unwrap_or_default();
        let took = start.elapsed().as_millis();
        fs::write(file, format!("{took}\n{functions}"))?;
    }
    let text = fs::read_to_string(file)?;
    let mut lines = text.lines();
    test.took = Duration::from_millis(lines.next().ok_or("an empty file")?.parse()?);
    test.reached = lines
        .map(|line| line.trim().parse())
        .collect::<Result<_, _>>()?;
    Ok(())
}

/// What is run in one process: tests of one binary that take about as long.
pub(crate) fn batches<'a>(tests: &[&'a Test]) -> Vec<Vec<&'a Test>> {
    let mut batches: BTreeMap<(usize, &Path), Vec<&Test>> = BTreeMap::new();
    for test in tests {
        let millis = test.took.as_millis();
        let class = [30, 200, 1000, 5000]
            .iter()
            .filter(|&&t| millis > t)
            .count();
        batches
            .entry((class, &test.program))
            .or_default()
            .push(test);
    }
    batches.into_values().collect()
}

/// What the tests say.
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    /// This one does not end.
    Late(String),
}

/// Runs a batch with a change.
pub(crate) fn run_batch(batch: &[&Test], mutant: u32) -> Result<Verdict, Failure> {
    let mut left = batch.to_vec();
    loop {
        let late = match run(&left, mutant)? {
            Run::Passed => return Ok(Verdict::Passed),
            Run::Failed(name) => return Ok(Verdict::Failed(name)),
            Run::Late(late) => late,
        };
        // Alone, so that it does not wait for the machine.
        let Some(first) = left.iter().position(|test| late.contains(&test.name)) else {
            return Ok(Verdict::Failed(left[0].full_name()));
        };
        let first = left.remove(first);
        match run(&[first], mutant)? {
            Run::Passed if left.is_empty() => return Ok(Verdict::Passed),
            Run::Passed => {}
            Run::Failed(name) => return Ok(Verdict::Failed(name)),
            Run::Late(_) => return Ok(Verdict::Late(first.full_name())),
        }
    }
}

enum Run {
    Passed,
    Failed(String),
    /// These have not ended.
    Late(BTreeSet<String>),
}

/// Runs tests of one binary in one process, until one fails.
fn run(tests: &[&Test], mutant: u32) -> Result<Run, Failure> {
    let Test {
        binary,
        program,
        folder,
        is_model,
        ..
    } = tests[0];
    let took: Duration = tests.iter().map(|test| test.took).sum();
    // The machine may be busy with other things.
    let limit = Duration::from_secs(if *is_model { 30 } else { 10 }) + 5 * took;
    let mut child = Command::new(program)
        .args(["--include-ignored", "--exact", "--test-threads", "2"])
        .args(tests.iter().map(|test| &test.name))
        .current_dir(folder)
        .env(MUTANT, mutant.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let (lines, said) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    let mut left: BTreeSet<String> = tests.iter().map(|test| test.name.clone()).collect();
    let end = Instant::now() + limit;
    let outcome = loop {
        match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let ended = line
                    .strip_prefix("test ")
                    .and_then(|line| line.split_once(" ... "));
                let Some((name, how)) = ended else { continue };
                let name = name.trim_end_matches(" - should panic");
                left.remove(name);
                if how == "FAILED" {
                    break Some(Run::Failed(format!("{binary} {name}")));
                }
            }
            Err(RecvTimeoutError::Timeout) => break Some(Run::Late(left.clone())),
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    if outcome.is_some() {
        // With those that it has started.
        let group = format!("-{}", child.id());
        Command::new("kill")
            .args(["-KILL", "--", &group])
            .status()?;
    }
    let status = child.wait()?;
    let _ = reader.join();
    Ok(outcome.unwrap_or_else(|| {
        if status.success() {
            Run::Passed
        } else {
            let name = left.first().map_or("at the end", |name| name);
            Run::Failed(format!("{binary} {name}, an abort"))
        }
    }))
}
