//! SHA-256 of every regular file under a directory, in the format that
//! `sha256sum -c` reads, with a maximum of open files that moves while it runs:
//!
//! ```text
//! cargo run --release --example checksum -- --max 8 --resize '2@25%,16@60%' DIR
//! ```
//!
//! | module | role |
//! |---|---|
//! | `options` | the command line |
//! | `walk` | which files there are, and how large |
//! | `work` | the jobs: a permit, a file, its hash |
//! | `plan` | counts bytes and resizes when it is time |
//! | `watch` | the semaphore, and the proof that it kept to its max |
//! | `list` | the sorted lines on standard output |
//! | `screen` | the terminal: lines and progress bar |
//!
//! Walking and hashing are jobs of one rayon pool. What is limited is how many
//! files are open, not how many threads there are: a file that has to wait for
//! its turn is a closure in the semaphore's line, and no worker waits with it.
//!
//! What counts as a regular file: one found by the walk, or one that a link
//! found by the walk leads to (hashed under the path of the link). Links to
//! directories are not followed, except for DIR itself; sockets, FIFOs and
//! devices are passed over and never opened.
//!
//! Exit status: 0 when all went well, 1 when something could not be read or
//! written, 2 for bad arguments, 3 when active was granted above max.

mod list;
mod options;
mod plan;
mod screen;
mod walk;
mod watch;
mod work;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Instant;

use list::{List, Totals};
use options::{Options, Request};
use plan::Plan;
use rayon::{ThreadPool, ThreadPoolBuilder};
use screen::Screen;
use watch::Watch;
use work::Job;

const INCOMPLETE: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;
const ABOVE_MAX: u8 = 3;

/// Workers walk and hash in shallow frames; thousands of them should cost little.
const WORKER_STACK: usize = 256 * 1024;

fn main() -> ExitCode {
    match options::parse() {
        Ok(Request::Run(options)) => run(&options),
        Ok(Request::Help) => {
            // Nothing is left to do when nobody reads the help.
            let _ = io::stdout().write_all(options::USAGE.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = write!(io::stderr(), "checksum: {error}\n\n{}", options::USAGE);
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let start = Instant::now();
    let pool = match pool(options.workers) {
        Ok(pool) => pool,
        Err(error) => {
            let _ = writeln!(io::stderr(), "checksum: {error}");
            return ExitCode::from(INCOMPLETE);
        }
    };
    let tree = walk::walk(&options.dir, &pool);
    let total = tree.files.iter().map(|file| file.bytes).sum();

    let maxima = options.resizes.iter().map(|resize| resize.max);
    let watch = Watch::new(options.max, maxima);
    let plan = Plan::new(&watch, total, &options.resizes);
    let screen = Screen::new(total, tree.files.len());
    for failure in &tree.failures {
        screen.line(&list::failure(&failure.path, &failure.error));
    }

    let job = Job::new(&tree.files, &plan, &watch);
    let mut list = List::new(&tree.files, &screen);
    let written = hash_all(&job, &pool, &mut list, &plan, &watch);
    // The last max gets a reading even when no file was opened under it.
    watch.look();
    screen.clear();

    let above_max = watch.went_above_max();
    if above_max {
        screen.line("checksum: active was granted above max");
    }
    let totals = list.totals();
    let mut incomplete = totals.failures > 0 || !tree.failures.is_empty();
    match written {
        Ok(()) => screen.line(&summary(&totals, start, &watch)),
        Err(error) => {
            incomplete = true;
            // A reader that went away has seen what it wanted, as in `| head`.
            if error.kind() != io::ErrorKind::BrokenPipe {
                screen.line(&format!("checksum: {error}"));
            }
        }
    }

    if above_max {
        ExitCode::from(ABOVE_MAX)
    } else if incomplete {
        ExitCode::from(INCOMPLETE)
    } else {
        ExitCode::SUCCESS
    }
}

/// More would only be in each other's way: whoever looks for a job looks at all others.
const MOST_WORKERS: usize = 256;

/// A pool of so many workers, or of as many as are of use and the system lets us
/// have: fewer do the same work.
fn pool(workers: usize) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
    let mut workers = workers.min(MOST_WORKERS);
    loop {
        let builder = ThreadPoolBuilder::new().stack_size(WORKER_STACK);
        match builder.num_threads(workers).build() {
            Err(_) if workers > 1 => workers /= 2,
            built => return built,
        }
    }
}

/// Has the pool hash the files and lists what comes of them, until all is listed
/// or the list cannot be written.
fn hash_all(
    job: &Job<'_>,
    pool: &ThreadPool,
    list: &mut List<'_>,
    plan: &Plan<'_>,
    watch: &Watch,
) -> io::Result<()> {
    let (sender, outcomes) = mpsc::channel();
    // The list is written by this thread, the jobs are done by the pool's.
    pool.in_place_scope(|scope| {
        job.spawn_all(scope, sender);
        let written = list.write(&outcomes, || (plan.done(), watch.snapshot()));
        if written.is_err() {
            // Files that have not been opened yet are not.
            watch.close();
        }
        written
    })
}

fn summary(totals: &Totals, start: Instant, watch: &Watch) -> String {
    let mut line = format!(
        "{} files, {} bytes, {:.3} seconds; highest active once settled:",
        totals.files,
        totals.bytes,
        start.elapsed().as_secs_f64(),
    );
    let mut separator = " ";
    for (max, highest) in watch.highest_by_max() {
        // Writing to a String cannot fail.
        let _ = match highest {
            Some(highest) => write!(line, "{separator}max {max} -> {highest}"),
            None => write!(line, "{separator}max {max} -> none"),
        };
        separator = ", ";
    }
    line
}
