//! Threads that block, more of them than there are permits.

use std::hint::spin_loop;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Runner, threads};
use crate::subject::BlockingAcquire;

const THREADS: usize = 8;
const PERMITS: usize = 2;
const HOLD: Duration = Duration::from_micros(1);
const PAUSE: Duration = Duration::from_micros(1);

/// 8 threads, 2 permits: hold for one microsecond, pause for one.
pub fn blocking_8t<S: BlockingAcquire>() -> Runner {
    blocking::<S>(THREADS, PERMITS)
}

/// The same with so many threads and a permit for every two of them.
pub fn blocking_half<S: BlockingAcquire, const THREADS: usize>() -> Runner {
    blocking::<S>(THREADS, (THREADS / 2).max(1))
}

fn blocking<S: BlockingAcquire>(threads: usize, permits: usize) -> Runner {
    let semaphore = S::semaphore(permits);
    Box::new(move |ops| {
        threads::run(threads, ops, |ops| {
            for _ in 0..ops {
                let permit = S::acquire_blocking(&semaphore);
                spin(HOLD);
                drop(permit);
                spin(PAUSE);
            }
        })
    })
}

/// How many nanoseconds each acquire takes under the load of [`blocking_8t`],
/// kept up for `time`.
///
/// All threads stop at the same time, so that none has it easier at the end. A
/// thread that never gets its turn shows up with the whole time.
pub fn blocking_8t_waits<S: BlockingAcquire>(time: Duration) -> Histogram<u64> {
    let semaphore = S::semaphore(PERMITS);
    let all = Mutex::new(new_histogram());
    threads::run(THREADS, 0, |_| {
        let mut waits = new_histogram();
        let start = Instant::now();
        let mut now = start;
        while now - start < time {
            let asked = Instant::now();
            let permit = S::acquire_blocking(&semaphore);
            now = Instant::now();
            spin(HOLD);
            drop(permit);
            waits.saturating_record((now - asked).as_nanos() as u64);
            spin(PAUSE);
        }
        let mut all = all.lock().expect("no thread panics");
        all.add(waits).expect("both have the same range");
    });
    all.into_inner().expect("no thread panics")
}

/// Nanoseconds from 1 to a minute, to three digits. Does not allocate later.
fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("a valid range")
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::{Dynaphore, ParkingLotCondvar};

    #[test]
    fn every_acquire_is_recorded() {
        let time = Duration::from_millis(20);
        for waits in [
            blocking_8t_waits::<Dynaphore>(time),
            blocking_8t_waits::<ParkingLotCondvar>(time),
        ] {
            assert!(waits.len() >= THREADS as u64, "{}", waits.len());
            assert!(waits.max() < 10_000_000_000, "{}", waits.max());
        }
    }
}
