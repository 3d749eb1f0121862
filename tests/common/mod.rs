//! What the test files share.
#![allow(dead_code, unused_imports)] // Each file uses its part of it.

mod silent;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use dynaphore::{Fairness, Snapshot};
pub use silent::{place, silence, silently};

pub const FAIRNESSES: [Fairness; 3] = [Fairness::Fifo, Fairness::Eventual, Fairness::Barging];

/// How long a test may hang before that is a failure. No outcome depends on it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs `test`, and fails if it has not ended within [`PATIENCE`].
pub fn watchdog<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    watchdog_of("it", test)
}

/// The same, where one test runs several of which `what` is one.
pub fn watchdog_of<T: Send + 'static>(what: &str, test: impl FnOnce() -> T + Send + 'static) -> T {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(catch_unwind(AssertUnwindSafe(test))));
    match end.recv_timeout(PATIENCE) {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{what} hangs"),
    }
}

/// Waits until `condition` holds.
pub fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "what was waited for never came");
        thread::yield_now();
    }
}

/// A barrier for one use that spins, so that all leave it at nearly one moment.
pub struct Start {
    expected: usize,
    there: AtomicUsize,
}

impl Start {
    pub fn of(expected: usize) -> Self {
        Self {
            expected,
            there: AtomicUsize::new(0),
        }
    }

    pub fn wait(&self) {
        self.there.fetch_add(1, SeqCst);
        let mut spins = 0_u32;
        while self.there.load(SeqCst) < self.expected {
            spins += 1;
            if spins % 1024 == 0 {
                thread::yield_now();
            }
        }
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A waker that panics with this text.
pub struct Panics(pub &'static str);

impl Panics {
    pub fn waker(text: &'static str) -> Waker {
        Waker::from(Arc::new(Self(text)))
    }
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("{}", self.0);
    }
}

/// Small random numbers that are the same on every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// 0 to `n - 1`.
    pub fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32 % n
    }
}

/// What `call` panics with.
pub fn panic_of<T>(call: impl FnOnce() -> T) -> String {
    match silently(call) {
        Ok(_) => panic!("no panic where one belongs"),
        Err(panic) => message(&*panic),
    }
}

/// The text of a panic.
pub fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap_or_default()
}

/// What a semaphore looks like.
pub fn snapshot(max: usize, active: usize, waiting: usize, closed: bool) -> Snapshot {
    let mut snapshot = Snapshot::default();
    (snapshot.max, snapshot.active) = (max, active);
    (snapshot.waiting, snapshot.closed) = (waiting, closed);
    snapshot
}
