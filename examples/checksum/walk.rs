//! Which files there are, and how large: one pass before the work begins,
//! since a percentage of the bytes needs their total. Each directory is a job.

use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::{Scope, ThreadPool};

/// What the walk found, each part sorted by path.
#[derive(Default)]
pub struct Tree {
    pub files: Vec<Entry>,
    pub failures: Vec<Failure>,
}

/// A file to hash.
pub struct Entry {
    /// As reached through the directory that was asked for.
    pub path: PathBuf,
    /// The length as the walk saw it; the file may change before it is read.
    pub bytes: u64,
}

/// Something that the walk could not look at.
pub struct Failure {
    pub path: PathBuf,
    pub error: io::Error,
}

/// Finds the regular files under `dir`, or `dir` itself when it is one.
pub fn walk(dir: &Path, pool: &ThreadPool) -> Tree {
    let found = Mutex::new(Tree::default());
    pool.scope(|scope| visit_root(dir.to_owned(), scope, &found));
    let mut tree = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    // By bytes: `Path` compares by component, `a/b` before `a.b`.
    tree.files
        .sort_unstable_by(|a, b| bytes_of(&a.path).cmp(bytes_of(&b.path)));
    tree.failures
        .sort_unstable_by(|a, b| bytes_of(&a.path).cmp(bytes_of(&b.path)));
    tree
}

/// What was asked for by name: followed if it is a link, not passed over in
/// silence if it is neither file nor directory.
fn visit_root<'s>(root: PathBuf, scope: &Scope<'s>, found: &'s Mutex<Tree>) {
    let mut tree = Tree::default();
    match fs::metadata(&root) {
        Ok(metadata) if metadata.is_dir() => return visit(root, scope, found),
        Ok(metadata) if metadata.is_file() => tree.file(root, &metadata),
        Ok(_) => tree.failure(root, not_regular()),
        Err(error) => tree.failure(root, error),
    }
    tree.join(found);
}

/// Reads a directory, and has those in it read by other jobs.
fn visit<'s>(dir: PathBuf, scope: &Scope<'s>, found: &'s Mutex<Tree>) {
    let mut tree = Tree::default();
    match fs::read_dir(&dir) {
        Ok(entries) => {
            for entry in entries {
                let below = entry.and_then(|entry| tree.add(entry));
                match below {
                    Ok(Some(below)) => scope.spawn(move |scope| visit(below, scope, found)),
                    Ok(None) => {}
                    Err(error) => tree.failure(dir.clone(), error),
                }
            }
        }
        Err(error) => tree.failure(dir, error),
    }
    tree.join(found);
}

/// The bytes of a path: on Unix exactly those that the file system holds.
pub fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

impl Tree {
    /// Adds what was found in a directory, or returns it if it is one.
    fn add(&mut self, entry: DirEntry) -> io::Result<Option<PathBuf>> {
        let file_type = entry.file_type()?;
        let path = entry.path();
        if file_type.is_dir() {
            return Ok(Some(path));
        }
        if passed_over(file_type) {
            return Ok(None);
        }
        // Follows links: one to a file is hashed, a dangling one is a failure.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => self.file(path, &metadata),
            Ok(_) => {}
            Err(error) => self.failure(path, error),
        }
        Ok(None)
    }

    fn file(&mut self, path: PathBuf, metadata: &Metadata) {
        let bytes = metadata.len();
        self.files.push(Entry { path, bytes });
    }

    fn failure(&mut self, path: PathBuf, error: io::Error) {
        self.failures.push(Failure { path, error });
    }

    /// Adds all of it to what was found so far.
    fn join(mut self, found: &Mutex<Self>) {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.files.append(&mut self.files);
        found.failures.append(&mut self.failures);
    }
}

/// True for what cannot lead to a regular file.
fn passed_over(file_type: FileType) -> bool {
    !file_type.is_file() && !file_type.is_symlink()
}

/// Fails unless `metadata` is that of a regular file.
pub fn check_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(not_regular())
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}
