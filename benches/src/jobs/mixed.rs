//! Throttled jobs among others.

use std::hint::spin_loop;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use dynaphore::Semaphore;
use dynaphore::throttle::Throttle;
use rayon::ThreadPool;

use super::{Turn, cores, pool};

const JOBS: usize = 10_000;
const LENGTH: Duration = Duration::from_micros(20);
/// Of a job that is not throttled.
const NONE: Option<()> = None;

/// What the jobs of a turn report to.
struct Books {
    left: AtomicUsize,
    throttled_ns: AtomicU64,
    other_ns: AtomicU64,
    done: mpsc::Sender<Instant>,
}

impl Books {
    /// A job, under a permit if it is throttled. It is over when that is given back.
    fn job(&self, permit: Option<impl Sized>) {
        let start = Instant::now();
        let mut length = Duration::ZERO;
        while length < LENGTH {
            spin_loop();
            length = start.elapsed();
        }
        let books = if permit.is_some() {
            &self.throttled_ns
        } else {
            &self.other_ns
        };
        books.fetch_add(length.as_nanos() as u64, Relaxed);
        drop(permit);
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.done.send(Instant::now()).expect("somebody waits");
        }
    }
}

/// Runs `spawn` on a worker, which spawns as many jobs as it is told to.
fn turn(part: u32, spawn: impl FnOnce(&Arc<ThreadPool>, &Arc<Books>, usize) + Send) -> Turn {
    let pool = Arc::new(pool(cores()));
    let jobs = JOBS / part as usize;
    let (done, end) = mpsc::channel();
    let books = Arc::new(Books {
        left: AtomicUsize::new(jobs),
        throttled_ns: AtomicU64::new(0),
        other_ns: AtomicU64::new(0),
        done,
    });
    let start = Instant::now();
    pool.install(|| spawn(&pool, &books, jobs));
    let end = end.recv().expect("the last job reports");
    let throttled = books.throttled_ns.load(Relaxed) as f64;
    let all = throttled + books.other_ns.load(Relaxed) as f64;
    Turn {
        value: (end - start).as_secs_f64() * 1e3,
        base: Some((all / cores() as f64).max(throttled) / 1e6),
    }
}

/// A throttle of 1, and jobs of their own.
pub fn spawned(part: u32) -> Turn {
    turn(part, |pool, books, jobs| {
        let throttle = Throttle::in_pool(Arc::new(Semaphore::new(1)), Arc::clone(pool));
        for n in 0..jobs {
            let books = Arc::clone(books);
            if n % 2 == 0 {
                let job = throttle.spawn(move |permit| books.job(Some(permit)));
                job.expect("it is open");
            } else {
                pool.spawn(move || books.job(NONE));
            }
        }
    })
}

/// A throttle of 1, and jobs in a scope.
pub fn scoped(part: u32) -> Turn {
    turn(part, |_, books, jobs| {
        let throttle = Throttle::new(Arc::new(Semaphore::new(1)));
        rayon::scope(|scope| {
            let throttled = throttle.scoped();
            for n in 0..jobs {
                if n % 2 == 0 {
                    let job = throttled.spawn(scope, |_, permit| books.job(Some(permit)));
                    job.expect("it is open");
                } else {
                    scope.spawn(|_| books.job(NONE));
                }
            }
        });
    })
}

/// Jobs that block their worker until they have the permit.
pub fn blocking(part: u32) -> Turn {
    turn(part, |pool, books, jobs| {
        let semaphore = Arc::new(Semaphore::new(1));
        for n in 0..jobs {
            let books = Arc::clone(books);
            let semaphore = Arc::clone(&semaphore);
            pool.spawn(move || {
                books.job((n % 2 == 0).then(|| semaphore.blocking_acquire()));
            });
        }
    })
}

/// No throttle at all.
pub fn plain(part: u32) -> Turn {
    turn(part, |pool, books, jobs| {
        for _ in 0..jobs {
            let books = Arc::clone(books);
            pool.spawn(move || books.job(NONE));
        }
    })
}
