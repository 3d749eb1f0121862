//! What there is to change.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use proof::source::{Change, changes};

use crate::Failure;

/// Files whose conditions are looked at, too.
const CONDITIONS: [&str; 6] = [
    "src/semaphore/word.rs",
    "src/semaphore/queue.rs",
    "src/semaphore/line.rs",
    "src/generation/tracker.rs",
    "src/generation/stripes.rs",
    "src/generation/pending.rs",
];

/// A change of a file.
pub(crate) struct Mutant {
    pub(crate) number: u32,
    pub(crate) file: String,
    pub(crate) change: Change,
    /// Of the function's text, so that a result does not outlive it.
    text: u64,
}

impl Mutant {
    pub(crate) fn key(&self) -> String {
        let Self {
            file, change, text, ..
        } = self;
        format!("{file}\t{}\t{}\t{text:016x}", change.function, change.what)
    }
}

/// All changes, orderings first.
pub(crate) fn find(root: &Path) -> Result<Vec<Mutant>, Failure> {
    let mut files = vec![];
    gather(&root.join("src"), &mut files)?;
    let mut mutants = vec![];
    for path in files {
        let file = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        for change in changes(&text) {
            if !change.of_ordering && !CONDITIONS.contains(&file.as_str()) {
                continue;
            }
            let mut hasher = DefaultHasher::new();
            change.surroundings(&text).hash(&mut hasher);
            mutants.push(Mutant {
                number: 0,
                file: file.clone(),
                change,
                text: hasher.finish(),
            });
        }
    }
    mutants.sort_by_key(|mutant| !mutant.change.of_ordering);
    for (number, mutant) in (1..).zip(&mut mutants) {
        mutant.number = number;
    }
    Ok(mutants)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs")
            // Those of a build without std are not in this one.
            && !["tests.rs", "bare.rs"].iter().any(|name| path.ends_with(name))
        {
            files.push(path);
        }
    }
    Ok(())
}
