//! A directory to hash, and what the example says of it.

#[path = "../common/example.rs"]
mod example;

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};
use std::sync::OnceLock;

/// A directory that is gone when this is dropped.
pub struct Tree {
    /// The directory's parent, which the test may write to as well.
    parent: PathBuf,
}

impl Tree {
    /// An empty directory; `name` is that of the test, or at least as unique.
    pub fn new(name: &str) -> Self {
        let parent = env::temp_dir().join(format!("checksum-{}-{name}", process::id()));
        let tree = Self { parent };
        fs::create_dir_all(tree.root()).unwrap();
        tree
    }

    fn root(&self) -> PathBuf {
        self.parent.join("tree")
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    /// Makes a file, with the directories that it needs.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        assert!(self.takes(Path::new(name), content), "{name:?}");
        self.path(name)
    }

    /// Makes a file, or returns false where the file system does not take its
    /// name: some have only UTF-8.
    pub fn takes(&self, name: &Path, content: impl AsRef<[u8]>) -> bool {
        let path = self.path(name);
        let parent = path.parent().expect("it is below the root");
        fs::create_dir_all(parent).is_ok() && fs::write(path, content).is_ok()
    }

    pub fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.path(name)).unwrap();
    }

    /// Runs the example in this directory.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let output = self.output(checksum().args(arguments));
        let output = output.expect("the example is there");
        Run {
            status: output.status.code().expect("it is not killed"),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command in this directory; `None` if it cannot be started, as
    /// when there is no such program.
    pub fn output(&self, command: &mut Command) -> Option<Output> {
        let command = command.stdin(Stdio::null()).current_dir(self.root());
        command.output().ok()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Nothing in it is of use to anyone, but nor is a second panic.
        let _ = fs::remove_dir_all(&self.parent);
    }
}

/// What the example did.
pub struct Run {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    /// The list, where all names are UTF-8.
    pub fn listed(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The lines on standard error before the summary.
    pub fn failures(&self) -> Vec<&str> {
        let mut lines: Vec<_> = self.stderr.lines().collect();
        lines.pop();
        lines
    }

    pub fn summary(&self) -> Summary {
        let line = self.stderr.lines().last().unwrap_or_default();
        Summary::parse(line).unwrap_or_else(|| panic!("no summary in {:?}", self.stderr))
    }
}

/// `2 files, 8 bytes, 0.001 seconds; highest active once settled: max 3 -> 2`,
/// with `max N -> none` for one that did not settle, and commas between them.
pub struct Summary {
    pub files: usize,
    pub bytes: u64,
    /// Each max that was in force, with the highest active under it.
    pub maxima: Vec<(usize, Option<usize>)>,
}

impl Summary {
    fn parse(line: &str) -> Option<Self> {
        let (totals, maxima) = line.split_once("; highest active once settled: ")?;
        let (files, totals) = totals.split_once(" files, ")?;
        let (bytes, seconds) = totals.split_once(" bytes, ")?;
        let _: f64 = seconds.strip_suffix(" seconds")?.parse().ok()?;
        let maxima = maxima.split(", ").map(|item| {
            let (max, highest) = item.strip_prefix("max ")?.split_once(" -> ")?;
            let highest = match highest {
                "none" => None,
                highest => Some(highest.parse().ok()?),
            };
            Some((max.parse().ok()?, highest))
        });
        Some(Self {
            files: files.parse().ok()?,
            bytes: bytes.parse().ok()?,
            maxima: maxima.collect::<Option<_>>()?,
        })
    }

    /// Each max that was in force.
    pub fn order(&self) -> Vec<usize> {
        self.maxima.iter().map(|&(max, _)| max).collect()
    }
}

/// The example.
pub fn checksum() -> Command {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    Command::new(EXAMPLE.get_or_init(|| example::find("checksum")))
}
