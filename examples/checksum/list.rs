//! The lines on standard output, sorted whatever order the work ends in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use dynaphore::Snapshot;

use crate::screen::Screen;
use crate::walk::{self, Entry};
use crate::work::{Hashed, Outcome};

/// How long a finished line may wait, and how often the progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// How many bytes of lines are gathered at most.
const PENDING: usize = 64 * 1024;

pub struct List<'a> {
    files: &'a [Entry],
    screen: &'a Screen,
    /// Outcomes of files that come after one still being hashed.
    early: BTreeMap<usize, io::Result<Hashed>>,
    /// The first file without a line.
    next: usize,
    /// Lines not yet written.
    pending: Vec<u8>,
    totals: Totals,
}

/// What was listed, and what could not be.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    pub files: usize,
    pub bytes: u64,
    pub failures: usize,
}

impl<'a> List<'a> {
    pub fn new(files: &'a [Entry], screen: &'a Screen) -> Self {
        Self {
            files,
            screen,
            early: BTreeMap::new(),
            next: 0,
            pending: Vec::with_capacity(PENDING),
            totals: Totals::default(),
        }
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Lists the outcomes until there are no more. Fails when standard output
    /// does.
    pub fn write(
        &mut self,
        outcomes: &Receiver<Outcome>,
        progress: impl Fn() -> (u64, Snapshot),
    ) -> io::Result<()> {
        let mut ticked = Instant::now();
        loop {
            match outcomes.recv_timeout(TICK) {
                Ok(outcome) => {
                    self.early.insert(outcome.index, outcome.result);
                    self.add_ready();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
            let tick = ticked.elapsed() >= TICK;
            if tick || self.pending.len() >= PENDING {
                self.flush()?;
            }
            if tick {
                ticked = Instant::now();
                let (bytes, snapshot) = progress();
                let files = self.next + self.early.len();
                self.screen.progress(files, bytes, &snapshot);
            }
        }
    }

    /// Makes lines of the outcomes whose turn it is.
    fn add_ready(&mut self) {
        while let Some(result) = self.early.remove(&self.next) {
            let path = &self.files[self.next].path;
            self.next += 1;
            match result {
                Ok(hashed) => {
                    push_line(&mut self.pending, &hashed.digest, path);
                    self.totals.files += 1;
                    self.totals.bytes += hashed.bytes;
                }
                Err(error) => {
                    self.screen.line(&failure(path, &error));
                    self.totals.failures += 1;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.screen.output(&self.pending);
        self.pending.clear();
        written
    }
}

/// Adds the line that GNU sha256sum prints for `path`.
fn push_line(line: &mut Vec<u8>, digest: &[u8], path: &Path) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let name = walk::bytes_of(path);
    if name.iter().any(|&byte| escape(byte).is_some()) {
        line.push(b'\\');
    }
    for byte in digest {
        line.push(HEX[usize::from(byte >> 4)]);
        line.push(HEX[usize::from(byte & 15)]);
    }
    line.extend_from_slice(b"  ");
    push_escaped(line, name);
    line.push(b'\n');
}

/// What is said of a file that could not be read, in one line whatever its name.
pub fn failure(path: &Path, error: &io::Error) -> Vec<u8> {
    let mut line = b"checksum: ".to_vec();
    push_escaped(&mut line, walk::bytes_of(path));
    line.extend_from_slice(format!(": {error}").as_bytes());
    line
}

/// Adds `name`, escaped as GNU sha256sum escapes what would break a line.
fn push_escaped(line: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        match escape(byte) {
            Some(letter) => line.extend_from_slice(&[b'\\', letter]),
            None => line.push(byte),
        }
    }
}

fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}
