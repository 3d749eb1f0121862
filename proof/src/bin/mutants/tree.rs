//! A copy of the tree with all changes in it, one of which can be switched on.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use proof::source::schemata;

use crate::{By, Failure, changes::Mutant};

/// The change that is in force, by its number.
pub(crate) const MUTANT: &str = "DYNAPHORE_MUTANT";

/// A file to which the numbers of functions are added that are come to.
pub(crate) const REACHED: &str = "DYNAPHORE_REACHED";

/// Besides the unit tests: what the files are about whose conditions are changed, and who
/// alone calls some of their functions.
const SUITES: [&str; 8] = [
    "semaphore",
    "generation",
    "generation_swap",
    "generations",
    "keyed",
    "keyed_memory",
    "panics",
    "pool",
];

/// Where the loom models are.
const MODELS: &str = "loom-tests";

pub(crate) struct Tree {
    pub(crate) folder: PathBuf,
    files: BTreeMap<String, String>,
    functions: BTreeMap<u32, usize>,
    all: usize,
    pub(crate) programs: Vec<Program>,
}

/// A test binary.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) is_of_models: bool,
}

impl Tree {
    /// What git knows or would know of `root`, with all of `mutants` that can be built.
    pub(crate) fn of(root: &Path, mutants: &[Mutant], by: By) -> Result<Self, Failure> {
        // Not under a workspace.
        let folder = env::temp_dir().join("dynaphore-mutants");
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()?;
        let mut files = BTreeMap::new();
        for file in String::from_utf8(listed.stdout)?.lines() {
            // Some are deleted, and not committed so far; some are no text.
            if let Ok(text) = fs::read_to_string(root.join(file)) {
                files.insert(file.to_owned(), text);
            }
        }
        let mut tree = Self {
            folder,
            files,
            functions: BTreeMap::new(),
            all: 0,
            programs: vec![],
        };
        let mut tests = vec!["--lib"];
        if by > By::Units {
            tests.extend(SUITES.iter().flat_map(|suite| ["--test", suite]));
        }
        let mut left_out = BTreeSet::new();
        loop {
            tree.write(mutants, &left_out)?;
            let mut at_fault = tree.build(".", &tests)?;
            if by == By::Models && at_fault.is_empty() {
                at_fault = tree.build(MODELS, &["--tests"])?;
            }
            if at_fault.is_empty() {
                return Ok(tree);
            }
            println!("do not build: {at_fault:?}");
            left_out.extend(at_fault);
        }
    }

    fn write(&mut self, mutants: &[Mutant], left_out: &BTreeSet<u32>) -> Result<(), Failure> {
        self.functions.clear();
        self.programs.clear();
        self.all = 0;
        let mut switched = BTreeMap::new();
        for (file, text) in &self.files {
            let numbered: Vec<_> = mutants
                .iter()
                .filter(|mutant| mutant.file == *file && !left_out.contains(&mutant.number))
                .map(|mutant| (mutant.number, &mutant.change))
                .collect();
            if numbered.is_empty() {
                continue;
            }
            let (text, functions) = schemata(text, &numbered, "crate::mutants::at", self.all);
            for ((number, _), function) in numbered.iter().zip(functions) {
                if let Some(function) = function {
                    self.functions.insert(*number, function);
                    self.all = self.all.max(function + 1);
                }
            }
            switched.insert(file.as_str(), text);
        }
        let lib = self.files.get("src/lib.rs").ok_or("no src/lib.rs")?;
        let lib = format!("{lib}\nmod mutants;\n");
        let switch = format!(
            r#"
use std::{{env, fs, io::Write, sync::{{OnceLock, atomic::{{AtomicBool, Ordering::Relaxed}}}}}};

static REACHED: [AtomicBool; {0}] = [const {{ AtomicBool::new(false) }}; {0}];

/// A function is come to. Which change is in force?
pub(crate) fn at(function: usize) -> u32 {{
    static CHOICE: OnceLock<(u32, Option<std::ffi::OsString>)> = OnceLock::new();
    let (number, log) = CHOICE.get_or_init(|| {{
        let number = env::var("{MUTANT}").map_or(0, |number| number.parse().unwrap());
        (number, env::var_os("{REACHED}"))
    }});
    if let Some(log) = log {{
        if !REACHED[function].load(Relaxed) && !REACHED[function].swap(true, Relaxed) {{
            let file = fs::OpenOptions::new().append(true).create(true).open(log);
            // Some tests count allocations.
            let mut line = [b' '; 24];
            let _ = write!(&mut line[..], "{{function}}");
            line[23] = b'\n';
            let _ = file.unwrap().write_all(&line);
        }}
    }}
    *number
}}
"#,
            self.all
        );
        for (file, text) in &self.files {
            let text = match switched.get(file.as_str()) {
                _ if file == "src/lib.rs" => &lib,
                Some(switched) => switched,
                None => text,
            };
            write(&self.folder.join(file), text)?;
        }
        write(&self.folder.join("src/mutants.rs"), &switch)
    }

    /// Builds the tests of a folder of it. Says which changes keep it from being built.
    fn build(&mut self, folder: &str, which: &[&str]) -> Result<BTreeSet<u32>, Failure> {
        let folder = self.folder.join(folder);
        let built = Command::new("cargo")
            .args(["test", "--no-run"])
            .args(which)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&built.stderr);
        if built.status.success() {
            let programs = said
                .lines()
                .filter_map(|line| line.trim().strip_prefix("Executable ")?.strip_suffix(')'))
                .filter_map(|line| line.split_once(" ("))
                .map(|(name, program)| Program {
                    name: name.rsplit(' ').next().unwrap_or(name).to_owned(),
                    path: folder.join(program),
                    is_of_models: folder.ends_with(MODELS),
                    folder: folder.clone(),
                });
            self.programs.extend(programs);
            return Ok(BTreeSet::new());
        }
        let mut at_fault = BTreeSet::new();
        let mut is_error = false;
        for line in said.lines() {
            if line.starts_with("error") || line.starts_with("warning") {
                is_error = line.starts_with("error");
            }
            let Some(place) = line.trim().strip_prefix("--> ").filter(|_| is_error) else {
                continue;
            };
            is_error = false;
            let mut parts = place.split(':');
            if let (Some(file), Some(line)) = (parts.next(), parts.next()) {
                at_fault.extend(arm(&folder.join(file), line.parse()?)?);
            }
        }
        if at_fault.is_empty() {
            return Err(said.into_owned().into());
        }
        Ok(at_fault)
    }

    /// The number of the function that it is in. `None` if it is not there.
    pub(crate) fn function(&self, mutant: &Mutant) -> Option<usize> {
        self.functions.get(&mutant.number).copied()
    }

    /// A folder with the source and only this change in it, for litmus.
    pub(crate) fn changed(&self, mutant: &Mutant) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(format!("target/litmus-{}", mutant.number));
        let source = self
            .files
            .iter()
            .filter(|(file, _)| file.starts_with("src/"));
        for (file, text) in source {
            let mut text = text.clone();
            if *file == mutant.file {
                text.replace_range(mutant.change.at.clone(), &mutant.change.by);
            }
            write(&folder.join(file), &text)?;
        }
        Ok(folder)
    }
}

/// The change in whose copy of a body this line is.
fn arm(file: &Path, line: usize) -> Result<Option<u32>, Failure> {
    let text = fs::read_to_string(file)?;
    let lines: Vec<_> = text.lines().take(line).collect();
    let mut arms = lines
        .iter()
        .rev()
        .filter_map(|line| line.split_once(" => {"));
    let head = arms.find(|(head, _)| *head == "_" || head.parse::<u32>().is_ok());
    Ok(head.and_then(|(head, _)| head.parse().ok()))
}

/// What has not changed is not built again.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    Ok(fs::write(path, text)?)
}
