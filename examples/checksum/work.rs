//! The jobs: a permit, a file, its hash.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use rayon::Scope;
use sha2::{Digest, Sha256};

use crate::plan::{Plan, Share};
use crate::walk::{self, Entry};
use crate::watch::Watch;

/// What is read at a time; also how often progress and max are looked at.
const CHUNK: usize = 128 * 1024;

/// What all jobs share.
pub struct Job<'a> {
    files: &'a [Entry],
    plan: &'a Plan<'a>,
    watch: &'a Watch,
    buffers: Buffers,
}

/// What came of the file at `index`.
pub struct Outcome {
    pub index: usize,
    pub result: io::Result<Hashed>,
}

pub struct Hashed {
    pub digest: [u8; 32],
    /// What was read, which may differ from what the walk saw.
    pub bytes: u64,
}

impl<'a> Job<'a> {
    pub fn new(files: &'a [Entry], plan: &'a Plan<'a>, watch: &'a Watch) -> Self {
        Self {
            files,
            plan,
            watch,
            buffers: Buffers::default(),
        }
    }

    /// Spawns a job for each file, which waits for its permit and hashes it. They
    /// are begun in their order, so that the list waits for no more than those
    /// that are open.
    pub fn spawn_all<'s>(&'s self, scope: &Scope<'s>, outcomes: Sender<Outcome>) {
        let throttled = self.watch.throttle().scoped();
        for index in 0..self.files.len() {
            let outcomes = outcomes.clone();
            let spawned = throttled.spawn(scope, move |_, permit| {
                let result = self.one(&self.files[index]);
                drop(permit);
                // Nobody listens any more if the list could not be written.
                let _ = outcomes.send(Outcome { index, result });
            });
            if spawned.is_err() {
                return;
            }
        }
    }

    /// Hashes one file, under a permit.
    fn one(&self, file: &Entry) -> io::Result<Hashed> {
        let open = self.watch.enter();
        let mut buffer = self.buffers.take();
        let result = self.hash(file, &mut buffer);
        self.buffers.put(buffer);
        drop(open);
        result
    }

    fn hash(&self, entry: &Entry, buffer: &mut [u8]) -> io::Result<Hashed> {
        // Its drop counts what is not read, so that a file that fails or has
        // shrunk does not hold up the plan.
        let mut share = Share::new(self.plan, entry.bytes);
        let mut file = open(&entry.path)?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        loop {
            let read = match file.read(buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(&buffer[..read]);
            bytes += read as u64;
            share.done(read as u64);
            self.watch.look();
            if self.watch.is_closed() {
                return Err(io::Error::other("given up"));
            }
        }
        Ok(Hashed {
            digest: hash.finalize().into(),
            bytes,
        })
    }
}

/// Opens a regular file, and nothing else: what the walk saw may since have
/// been replaced.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Without it, opening a FIFO would wait for a writer. It means nothing to
    // a regular file.
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        const O_NONBLOCK: i32 = 0o4000;
        options.custom_flags(O_NONBLOCK);
    }
    let file = options.open(path)?;
    walk::check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Buffers that go with the permits: as many as files are open, however many
/// workers there are.
#[derive(Default)]
struct Buffers {
    spare: Mutex<Vec<Box<[u8]>>>,
}

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        let spare = self.lock().pop();
        spare.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice())
    }

    fn put(&self, buffer: Box<[u8]>) {
        self.lock().push(buffer);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<[u8]>>> {
        // A push or a pop leaves nothing half done.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
