//! How much memory is resident when jobs of a known size have a budget.

use std::fs;
use std::hint::black_box;

use dynaphore::Semaphore;
use dynaphore::throttle::ThrottleExt as _;
use rayon::prelude::*;
use rayon_iter_concurrent_limit::ConcurrentLimit as _;

use super::{Turn, pool};

const MIB: usize = 1 << 20;
const SIZE: usize = 64 * MIB;
const BUDGET: usize = 256 * MIB;
const ITEMS: usize = 32;
const WORKERS: usize = 8;
const PAGE: usize = 4096;

/// Bytes from the line `what` of the process's status.
fn status(what: &str) -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(what))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn turn(run: impl FnOnce(rayon::range::Iter<usize>) + Send) -> Turn {
    let pool = pool(WORKERS);
    // Makes the peak what is resident now; Linux only, as the status is.
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("VmRSS:").filter(|_| reset);
    pool.install(|| run((0..ITEMS).into_par_iter()));
    let peak = status("VmHWM:");
    let (Some(before), Some(peak)) = (before, peak) else {
        return Turn::of(f64::NAN);
    };
    Turn {
        value: peak as f64 / MIB as f64,
        base: Some((before + BUDGET) as f64 / MIB as f64),
    }
}

/// Has all of its memory resident, and then gives it back.
fn job(item: usize) {
    let mut memory = vec![0_u8; SIZE];
    for byte in memory.iter_mut().step_by(PAGE) {
        *byte = item as u8 + 1;
    }
    black_box(&memory);
}

pub fn throttled(_: u32) -> Turn {
    let memory = Semaphore::new(BUDGET);
    turn(|items| {
        items
            .throttle_weighted_for_each(&memory, |_| SIZE as u32, job)
            .expect("it is open");
    })
}

/// As many at once as fit the budget.
pub fn limited(_: u32) -> Turn {
    turn(|items| items.concurrent_limit(BUDGET / SIZE).for_each(job))
}

pub fn plain(_: u32) -> Turn {
    turn(|items| items.with_max_len(1).for_each(job))
}
