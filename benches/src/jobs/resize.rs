//! The maximum changes while the items run.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use dynaphore::Semaphore;
use dynaphore::throttle::ThrottleExt as _;
use rayon::prelude::*;

use super::{Turn, pool};

const ITEMS: usize = 4_000;
const WORKERS: usize = 8;
const LENGTH: Duration = Duration::from_micros(200);
const EVERY: Duration = Duration::from_millis(10);
/// In the middle of the two that it changes between.
const STEADY: usize = 4;
const LOW: usize = 2;
const HIGH: usize = 6;

fn turn(part: u32, run: impl Fn(&Semaphore, usize) + Sync) -> Turn {
    let items = ITEMS / part as usize;
    let pool = pool(WORKERS);
    let timed = |semaphore: &Semaphore| {
        let start = Instant::now();
        pool.install(|| run(semaphore, items));
        start.elapsed().as_secs_f64() * 1e3
    };

    let steady = timed(&Semaphore::new(STEADY));
    let semaphore = Semaphore::new(LOW);
    let done = AtomicBool::new(false);
    let resized = thread::scope(|scope| {
        scope.spawn(|| {
            let mut due = Instant::now();
            for max in [HIGH, LOW].into_iter().cycle() {
                due += EVERY;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if done.load(Relaxed) {
                    return;
                }
                semaphore.set_max(max);
            }
        });
        let resized = timed(&semaphore);
        done.store(true, Relaxed);
        resized
    });
    Turn {
        value: resized,
        base: Some(steady),
    }
}

fn job() {
    thread::sleep(LENGTH);
}

pub fn throttled(part: u32) -> Turn {
    turn(part, |semaphore, items| {
        (0..items)
            .into_par_iter()
            .throttle_for_each(semaphore, |_| job())
            .expect("it is open");
    })
}

pub fn blocking(part: u32) -> Turn {
    turn(part, |semaphore, items| {
        (0..items).into_par_iter().for_each(|_| {
            let _permit = semaphore.blocking_acquire();
            job();
        });
    })
}
