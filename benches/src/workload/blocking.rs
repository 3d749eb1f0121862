//! Threads that block, four times as many as there are permits.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use super::{Runner, threads};
use crate::subject::BlockingAcquire;

const THREADS: usize = 8;
const PERMITS: usize = 2;
const HOLD: Duration = Duration::from_micros(1);
const PAUSE: Duration = Duration::from_micros(1);

/// 8 threads, 2 permits: hold for one microsecond, pause for one.
pub fn blocking_8t<S: BlockingAcquire>() -> Runner {
    let semaphore = S::semaphore(PERMITS);
    Box::new(move |ops| {
        threads::run(THREADS, ops, |ops| {
            for _ in 0..ops {
                let permit = S::acquire_blocking(&semaphore);
                spin(HOLD);
                drop(permit);
                spin(PAUSE);
            }
        })
    })
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}
