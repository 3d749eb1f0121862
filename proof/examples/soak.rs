//! A semaphore under all that goes wrong, for as long as is asked: holders and wakers
//! that panic, requests that are dropped while they wait, requests with a deadline, max
//! changing all the time and now and then zero, closing. Every fairness in turn.
//!
//! `cargo run --release -p proof --example soak -- --seconds 60`
//!
//! Ends with an error if a permit is lost or made up, if anybody waits for ever (30
//! seconds, while others go on), or if memory grows. Says how long the longest wait was,
//! pauses included.

use std::{
    env, fs,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    process,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use dynaphore::{Fairness, OwnedSemaphorePermit, Semaphore};

const WORKERS: usize = 6;
const LARGEST: usize = 6;
const EPOCH: Duration = Duration::from_millis(100);

/// Wakes its thread, and then panics if it is told to.
struct Bell {
    thread: Thread,
    rung: AtomicBool,
    panics: bool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, SeqCst);
        self.thread.unpark();
        if self.panics {
            // No message: nothing is wrong.
            panic::resume_unwind(Box::new("a waker's"));
        }
    }
}

#[derive(Default)]
struct Counts {
    granted: AtomicU64,
    cancelled: AtomicU64,
    timed_out: AtomicU64,
    closed: AtomicU64,
    panics: AtomicU64,
    longest: AtomicU64,
}

impl Counts {
    fn waited(&self, since: Instant) {
        self.longest
            .fetch_max(since.elapsed().as_micros() as u64, Relaxed);
    }
}

/// Xorshift (Marsaglia, 2003).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % n
    }
}

/// What everybody shares for one epoch.
struct Epoch {
    semaphore: Arc<Semaphore>,
    inside: AtomicUsize,
    over: AtomicBool,
}

impl Epoch {
    fn hold(&self, permit: OwnedSemaphorePermit, draw: &mut Draw) {
        struct Leaves<'a>(&'a AtomicUsize, usize);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(self.1, SeqCst);
            }
        }
        // Counted out before the permit is given back, whatever happens.
        let n = permit.num_permits();
        let inside = self.inside.fetch_add(n, SeqCst) + n;
        let _leaves = Leaves(&self.inside, n);
        assert!(inside <= LARGEST, "{inside} permits are out");
        for _ in 0..draw.below(200) {
            std::hint::spin_loop();
        }
        if draw.below(50) == 0 {
            panic::resume_unwind(Box::new("a holder's"));
        }
    }

    fn one(&self, draw: &mut Draw, counts: &Counts) {
        let n = 1 + draw.below(3) as u32;
        let since = Instant::now();
        let permit = match draw.below(4) {
            0 => self.semaphore.clone().try_acquire_many_owned(n).ok(),
            1 => {
                let timeout = Duration::from_micros(draw.below(500));
                let asked = self.semaphore.clone();
                match asked.blocking_acquire_many_owned_timeout(n, timeout) {
                    Ok(permit) => Some(permit),
                    Err(_) => {
                        counts.timed_out.fetch_add(1, Relaxed);
                        None
                    }
                }
            }
            _ => self.wait(n, draw, counts),
        };
        if let Some(permit) = permit {
            counts.waited(since);
            counts.granted.fetch_add(1, Relaxed);
            self.hold(permit, draw);
        }
    }

    /// As a task, which may lose patience.
    fn wait(&self, n: u32, draw: &mut Draw, counts: &Counts) -> Option<OwnedSemaphorePermit> {
        let bell = Arc::new(Bell {
            thread: thread::current(),
            rung: AtomicBool::new(false),
            panics: draw.below(20) == 0,
        });
        let waker = Waker::from(bell.clone());
        let impatient = draw.below(4) == 0;
        let mut request = pin!(self.semaphore.clone().acquire_many_owned(n));
        loop {
            bell.rung.store(false, SeqCst);
            match request.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(Ok(permit)) => return Some(permit),
                Poll::Ready(Err(_)) => {
                    counts.closed.fetch_add(1, Relaxed);
                    return None;
                }
                Poll::Pending => {}
            }
            while !bell.rung.load(SeqCst) {
                thread::park_timeout(Duration::from_micros(if impatient { 50 } else { 10_000 }));
                if impatient {
                    counts.cancelled.fetch_add(1, Relaxed);
                    return None;
                }
            }
        }
    }

    fn work(&self, draw: &mut Draw, counts: &Counts) {
        while !self.over.load(SeqCst) {
            let done = panic::catch_unwind(AssertUnwindSafe(|| self.one(draw, counts)));
            if let Err(panic) = done {
                match panic.downcast_ref::<&str>() {
                    Some(&("a waker's" | "a holder's")) => counts.panics.fetch_add(1, Relaxed),
                    _ => panic::resume_unwind(panic),
                };
            }
        }
    }

    fn changes_max(&self, draw: &mut Draw) {
        let begun = Instant::now();
        while begun.elapsed() < EPOCH {
            let max = draw.below(LARGEST as u64 + 1) as usize;
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.semaphore.set_max(max)));
            thread::sleep(Duration::from_micros(draw.below(300)));
        }
        // All that still wait are served.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| self.semaphore.set_max(LARGEST)));
        self.over.store(true, SeqCst);
    }
}

/// In KiB, where the system tells.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let seconds = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 60,
        ["--seconds", seconds] => seconds.parse().expect("a number"),
        _ => panic!("soak [--seconds N]"),
    };
    let begun = Instant::now();
    let counts = Counts::default();
    let epochs = AtomicU64::new(0);
    let mut at_first = None;
    thread::scope(|scope| {
        let (epochs, done) = (&epochs, Arc::new(AtomicBool::new(false)));
        let is_done = done.clone();
        scope.spawn(move || {
            let (mut seen, mut since) = (0, Instant::now());
            while !is_done.load(SeqCst) {
                thread::sleep(Duration::from_millis(20));
                let now = epochs.load(SeqCst);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                }
                if since.elapsed() > Duration::from_secs(30) {
                    eprintln!("somebody waits for ever, in epoch {now}");
                    process::exit(1);
                }
            }
        });
        let mut draw = Draw(0x2545_f491_4f6c_dd1d);
        while begun.elapsed() < Duration::from_secs(seconds) {
            let number = epochs.fetch_add(1, SeqCst);
            let fairness =
                [Fairness::Fifo, Fairness::Eventual, Fairness::Barging][number as usize % 3];
            let epoch = Epoch {
                semaphore: Arc::new(Semaphore::builder(LARGEST).fairness(fairness).build()),
                inside: AtomicUsize::new(0),
                over: AtomicBool::new(false),
            };
            let closes = draw.below(2) == 0;
            thread::scope(|scope| {
                for worker in 0..WORKERS as u64 {
                    let (epoch, counts) = (&epoch, &counts);
                    let mut draw = Draw((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ worker);
                    scope.spawn(move || epoch.work(&mut draw, counts));
                }
                epoch.changes_max(&mut draw);
                if closes {
                    let _ = panic::catch_unwind(AssertUnwindSafe(|| epoch.semaphore.close()));
                }
            });
            let now = epoch.semaphore.snapshot();
            assert_eq!((now.active, now.waiting), (0, 0), "{:?}", epoch.semaphore);
            assert_eq!(now.closed, closes);
            if number == 20 {
                at_first = memory();
            }
        }
        done.store(true, SeqCst);
    });
    let Counts {
        granted,
        cancelled,
        timed_out,
        closed,
        panics,
        longest,
    } = counts;
    println!(
        "{:.0?}, {} epochs: {} grants, {} cancelled, {} timed out, {} closed out, {} panics",
        begun.elapsed(),
        epochs.load(SeqCst),
        granted.into_inner(),
        cancelled.into_inner(),
        timed_out.into_inner(),
        closed.into_inner(),
        panics.into_inner(),
    );
    println!(
        "longest wait: {:?}",
        Duration::from_micros(longest.into_inner())
    );
    if let (Some(first), Some(last)) = (at_first, memory()) {
        println!("memory: {first} KiB after 20 epochs, {last} KiB in the end");
        assert!(last < first + first / 2 + 4096, "memory grows");
    }
}
