//! Threads that start together.

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::thread;
use std::time::{Duration, Instant};

use super::share;
use crate::measure::BESIDE;

/// Holds threads back until all of them are there.
pub struct StartLine {
    missing: AtomicUsize,
}

impl StartLine {
    /// A line for that many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            missing: AtomicUsize::new(threads),
        }
    }

    /// Returns once all threads have called this. Spins, since waking a
    /// sleeping thread takes longer than many an operation measured here.
    pub fn wait(&self) {
        self.missing.fetch_sub(1, SeqCst);
        while self.missing.load(SeqCst) != 0 {
            thread::yield_now();
        }
    }
}

/// The time that `body` takes while another thread does `other` again and again, as often
/// as [`BESIDE`] says then.
pub fn beside(other: impl Fn() + Sync, body: impl FnOnce()) -> Duration {
    let line = StartLine::new(2);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut times = 0;
            line.wait();
            while !done.load(Relaxed) {
                other();
                times += 1;
            }
            times
        });
        line.wait();
        let start = Instant::now();
        body();
        let wall = start.elapsed();
        done.store(true, Relaxed);
        BESIDE.set(Some(others.join().expect("the other panicked")));
        wall
    })
}

/// Shares `ops` operations out among `threads` threads, each of which runs
/// `body` with its part; returns the time from the first one's start to the
/// last one's end. Starting the threads is not in it.
pub fn run(threads: usize, ops: u64, body: impl Fn(u64) + Sync) -> Duration {
    let line = &StartLine::new(threads);
    let body = &body;
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|index| {
                scope.spawn(move || {
                    line.wait();
                    let start = Instant::now();
                    body(share(ops, threads, index));
                    (start, Instant::now())
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker panicked"))
            .collect()
    });
    let start = times.iter().map(|(start, _)| *start).min();
    let end = times.iter().map(|(_, end)| *end).max();
    end.zip(start)
        .map_or(Duration::ZERO, |(end, start)| end - start)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn what_is_done_beside_is_counted() {
        let done = AtomicU64::new(0);
        let other = || {
            done.fetch_add(1, SeqCst);
        };
        beside(other, || {
            while done.load(SeqCst) < 3 {
                thread::yield_now();
            }
        });
        assert_eq!(BESIDE.take(), Some(done.into_inner()));
        assert_eq!(BESIDE.take(), None);
    }

    #[test]
    fn all_operations_are_done_at_the_same_time() {
        let done = AtomicU64::new(0);
        let together = StartLine::new(3);
        let wall = run(3, 100, |ops| {
            done.fetch_add(ops, SeqCst);
            // Passed only if all three bodies run at once.
            together.wait();
            thread::sleep(Duration::from_millis(5));
        });
        assert_eq!(done.into_inner(), 100);
        assert!(wall >= Duration::from_millis(5));
    }
}
