//! A thousand counters that are read and reset as one, again and again, while
//! threads count in them: `cargo run --release --example counters -- [SECONDS [THREADS]]`.
//!
//! Ends with status 1 if a single increment is lost or counted twice, a thread cannot be
//! had or the report cannot be written, with 2 for bad arguments.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use dynaphore::generation::Swap;

const COUNTERS: usize = 1000;

const USAGE: &str = "usage: counters [SECONDS [THREADS]]\n";

/// No lock, no wait: two writes of the thread's own, and the counter.
fn increment(counters: &Swap<Vec<AtomicU64>>, n: usize) {
    counters.write()[n].fetch_add(1, Relaxed);
}

/// Counts in one after the other, until told to stop. Returns how often.
fn count(counters: &Swap<Vec<AtomicU64>>, thread: usize, stop: &AtomicBool) -> u64 {
    let mut counted = 0;
    // Each thread has an order of its own: 1000 has no divisor of these.
    let stride = [1, 3, 7, 9][thread % 4];
    let mut n = thread % COUNTERS;
    while !stop.load(Relaxed) {
        for _ in 0..COUNTERS {
            increment(counters, n);
            n = (n + stride) % COUNTERS;
        }
        counted += COUNTERS as u64;
    }
    counted
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == ["-h"] || arguments == ["--help"] {
        return write(USAGE);
    }
    let numbers: Result<Vec<u32>, _> = arguments.iter().map(|number| number.parse()).collect();
    let (seconds, threads) = match numbers.as_deref() {
        Ok([]) => (2, 4),
        Ok(&[seconds]) => (seconds, 4),
        Ok(&[seconds, threads]) => (seconds, threads),
        _ => {
            let _ = io::stderr().write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    let empty = || (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
    let counters: Swap<Vec<AtomicU64>> = Swap::new([empty(), empty()]);
    let stop = AtomicBool::new(false);
    let (mut totals, mut takes, mut longest) = (vec![0_u64; COUNTERS], 0_u64, Duration::ZERO);
    let start = Instant::now();
    let counted: io::Result<u64> = thread::scope(|scope| {
        let (counters, stop) = (&counters, &stop);
        let mut workers = Vec::new();
        for thread in 0..threads as usize {
            let worker = thread::Builder::new();
            match worker.spawn_scoped(scope, move || count(counters, thread, stop)) {
                Ok(worker) => workers.push(worker),
                Err(error) => {
                    // Those that are there count until they are told.
                    stop.store(true, Relaxed);
                    return Err(error);
                }
            }
        }
        while start.elapsed() < Duration::from_secs(seconds.into()) {
            let begun = Instant::now();
            let interval = counters.blocking_take();
            longest = longest.max(begun.elapsed());
            for (total, count) in totals.iter_mut().zip(interval) {
                *total += count;
            }
            takes += 1;
        }
        stop.store(true, Relaxed);
        let counted = workers.into_iter().map(|worker| worker.join().unwrap());
        Ok(counted.sum())
    });
    let counted = match counted {
        Ok(counted) => counted,
        Err(error) => {
            let _ = writeln!(io::stderr(), "counters: a thread: {error}");
            return ExitCode::FAILURE;
        }
    };
    let wall = start.elapsed();
    for (total, count) in totals.iter_mut().zip(counters.blocking_take()) {
        *total += count;
    }
    let taken: u64 = totals.iter().sum();
    // Each round counts in each counter once.
    let each = counted / COUNTERS as u64;
    let wrong = totals.iter().filter(|total| **total != each).count();
    let report = format!(
        "{threads} threads, {COUNTERS} counters, {:.1} s: {counted} increments, {:.1} million a second
{takes} takes meanwhile, {:.0} us each, the longest {:.0} us
{taken} taken, {wrong} counters wrong
",
        wall.as_secs_f64(),
        counted as f64 / wall.as_secs_f64() / 1e6,
        wall.as_secs_f64() * 1e6 / takes.max(1) as f64,
        longest.as_secs_f64() * 1e6,
    );
    let written = write(&report);
    if wrong > 0 || taken != counted {
        return ExitCode::FAILURE;
    }
    written
}

/// Writes to standard output. Whoever closes that has seen what he wanted.
fn write(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "counters: standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
