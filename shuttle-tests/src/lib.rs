//! What the shuttle runs share. The runs are in `tests/`.
//!
//! # How to run
//!
//! `cargo test` in this folder is all: `.cargo/config.toml` sets `--cfg dynaphore_shuttle`.
//! `SCHEDULES=50 cargo test` runs fifty times as many schedules. A failure prints
//! its seed, and its schedule. `SHUTTLE_RANDOM_SEED=SEED cargo test NAME` starts
//! with that seed; with the schedule saved to a file, `REPLAY=FILE cargo test NAME`
//! runs it alone.
//!
//! # What the runs mean
//!
//! loom (`../loom-tests`) explores *every* schedule of two or three threads, by
//! the C11 memory model. That cannot be paid for with more of them. shuttle
//! draws its schedules at random, for as many threads and tasks as wanted: what
//! passes is not proved, only tried some ten thousand times, with other
//! schedules each time. Two ways to draw are used. One picks any runnable thread
//! at each step; the other (PCT, Burckhardt et al., "A Randomized Scheduler with
//! Probabilistic Guarantees of Finding Bugs", 2010) gives the threads priorities
//! and changes those at a few random steps, which finds what needs one thread to
//! be held up for long.
//!
//! # What shuttle cannot see
//!
//! - Memory ordering. Every atomic operation counts as SeqCst, so a missing
//!   Acquire or Release passes here; it is loom's to find.
//! - Spurious failures of `compare_exchange_weak`: it fails only if it must.
//! - Real time. A look at the clock takes a microsecond, and nothing else does:
//!   a [bound](dynaphore::Builder::bound) of n microseconds has passed after n
//!   looks. A deadline that is past is one when the thread would have to sleep,
//!   any other never comes.
//! - A thread that sleeps in `park` for want of an unpark, as long as others
//!   run: shuttle may wake it for nothing, as the system may. Tasks wake only
//!   when they are woken.
//! - What is std's here: `Arc`, and the `OnceLock` that makes the queue when it
//!   is first needed, which happens in one step.
//! - Panics that are caught: who unwinds is not to be switched away from, since all
//!   threads are one to std.
//! - How long the buffer of the line is. (`tests/` counts allocations.)

use std::{
    env,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};

use dynaphore::{AcquireError, OwnedSemaphorePermit, Semaphore};
use shuttle::{
    Config, Runner,
    current::context_switches,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler},
    thread::JoinHandle,
};
pub use shuttle::{
    future::block_on,
    thread::{spawn, yield_now},
};

pub mod history;
mod house;
pub mod script;
mod waiter;

pub use house::{Guest, House};
pub use waiter::{Count, Kind, Waiter};

/// Runs `f` under `schedules` random schedules, and half as many by PCT.
///
/// # Panics
///
/// When a run of `f` panics, or all its threads wait, or when there was hardly
/// anything to schedule.
#[track_caller]
pub fn explore(schedules: usize, f: impl Fn() + Send + Sync + 'static) {
    explore_by(schedules, schedules / 2, f);
}

/// The same without PCT, which may let a thread that looks again and again run for
/// ever.
///
/// # Panics
///
/// As for [`explore`].
#[track_caller]
pub fn explore_fairly(schedules: usize, f: impl Fn() + Send + Sync + 'static) {
    explore_by(schedules, 0, f);
}

#[track_caller]
fn explore_by(random: usize, pct: usize, f: impl Fn() + Send + Sync + 'static) {
    if let Ok(file) = env::var("REPLAY") {
        return shuttle::replay_from_file(f, file);
    }
    let times = env::var("SCHEDULES").map_or(1, |times| times.parse().expect("a number"));
    let start = Instant::now();
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = steps.clone();
    let f = Arc::new(move || {
        f();
        counted.fetch_add(context_switches(), Relaxed);
    });
    let mut config = Config::new();
    // It warns of what the documentation above says.
    config.silence_warnings = true;
    // Jobs of a thread pool lie on top of each other.
    config.stack_size = 1 << 20;
    let again = f.clone();
    let random = RandomScheduler::new(random * times);
    let random = Runner::new(random, config.clone()).run(move || again());
    let pct = match pct * times {
        0 => 0,
        // Three changes of priority besides the first draw.
        pct => Runner::new(PctScheduler::new(4, pct), config).run(move || f()),
    };
    let steps = steps.load(Relaxed) / (random + pct);
    println!(
        "{}: {random} schedules and {pct} by PCT, of about {steps} steps, {:.1?}",
        std::thread::current().name().unwrap_or_default(),
        start.elapsed(),
    );
    assert!(steps > 20, "the threads do not race");
}

/// 0 to `n - 1`, as the schedule has it.
pub fn below(n: usize) -> usize {
    thread_rng().gen_range(0..n)
}

/// In a new order, as the schedule has it.
pub fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    for at in 1..items.len() {
        items.swap(at, below(at + 1));
    }
    items
}

/// Waits for `threads` to end.
pub fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    // All are spawned before the first is waited for.
    let threads: Vec<_> = threads.into_iter().collect();
    let ended = threads.into_iter().map(|thread| thread.join().unwrap());
    ended.collect()
}

/// Locks what is locked for a moment only: no thread is switched to in between.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Poisoned by the panic that is being reported.
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => unreachable!("switched under a lock"),
    }
}

impl Kind {
    /// One of all kinds, as the schedule has it.
    pub fn any() -> Self {
        match below(3) {
            0 => Kind::Fifo,
            _ => Kind::competing(),
        }
    }

    /// One in which waiters compete with newcomers.
    pub fn competing() -> Self {
        match below(4) {
            0 => Kind::Eventual(Duration::ZERO),
            // As many looks at the clock: some come in time and some do not.
            1 => Kind::Eventual(Duration::from_micros(20)),
            2 => Kind::Barging(Duration::ZERO),
            _ => Kind::Barging(Duration::MAX),
        }
    }
}

impl Waiter {
    /// Waits as an async task does.
    pub fn wait(mut self) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(poll_fn(|context| self.poll_with(context)))
    }

    /// Waits for some polls, then gives up.
    pub fn wait_for(
        mut self,
        mut polls: usize,
    ) -> Option<Result<OwnedSemaphorePermit, AcquireError>> {
        block_on(poll_fn(|context| {
            if let Poll::Ready(permit) = self.poll_with(context) {
                return Poll::Ready(Some(permit));
            }
            if polls == 0 {
                return Poll::Ready(None);
            }
            polls -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}

/// Nobody holds or waits, and all permits can be had again, unless it is closed.
#[track_caller]
pub fn assert_at_rest(semaphore: &Arc<Semaphore>) {
    let now = semaphore.snapshot();
    assert_eq!((now.active, now.waiting), (0, 0), "{semaphore:?}");
    let all = Arc::clone(semaphore).try_acquire_many_owned(now.max as u32);
    assert_eq!(all.is_err(), now.closed);
}

/// Takes `permits` that are there.
#[track_caller]
pub fn take(semaphore: &Arc<Semaphore>, permits: u32) -> OwnedSemaphorePermit {
    let taken = Arc::clone(semaphore).try_acquire_many_owned(permits);
    taken.expect("available")
}
