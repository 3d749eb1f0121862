//! Which files there are, and how large: one pass before the work begins,
//! since a percentage of the bytes needs their total.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

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
pub fn walk(dir: &Path) -> Tree {
    let mut tree = Tree::default();
    for found in WalkDir::new(dir) {
        match found {
            Ok(found) => tree.add(found),
            Err(error) => tree.failures.push(Failure {
                path: error.path().unwrap_or(dir).to_owned(),
                // Its own text would name the path once more.
                error: error.into_io_error().unwrap_or_else(link_loop),
            }),
        }
    }
    // By bytes: `Path` compares by component, `a/b` before `a.b`.
    tree.files
        .sort_unstable_by(|a, b| bytes_of(&a.path).cmp(bytes_of(&b.path)));
    tree.failures
        .sort_unstable_by(|a, b| bytes_of(&a.path).cmp(bytes_of(&b.path)));
    tree
}

/// The bytes of a path: on Unix exactly those that the file system holds.
pub fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

impl Tree {
    fn add(&mut self, found: DirEntry) {
        let is_root = found.depth() == 0;
        if !is_root && passed_over(found.file_type()) {
            return;
        }
        let path = found.into_path();
        // Follows links: one to a file is hashed, a dangling one is a failure.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => self.files.push(Entry {
                path,
                bytes: metadata.len(),
            }),
            // What was asked for by name is not passed over in silence.
            Ok(metadata) if is_root && !metadata.is_dir() => self.failures.push(Failure {
                path,
                error: not_regular(),
            }),
            Ok(_) => {}
            Err(error) => self.failures.push(Failure { path, error }),
        }
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

/// All that is not an I/O error in a walk; without following links there is none.
fn link_loop() -> io::Error {
    io::Error::other("a loop of links")
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}
