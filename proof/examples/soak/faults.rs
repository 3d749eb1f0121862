//! What goes wrong, and how often it did.

use std::{
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::{Pin, pin},
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

/// Xorshift (Marsaglia, 2003).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        // Any seed will do, and neighbours are far apart.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to `n - 1`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % n
    }

    /// One for a thread of its own.
    pub fn fork(&mut self) -> Self {
        Self::new(self.below(u64::MAX >> 33))
    }

    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How a request ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Granted,
    /// There was nothing at once, or too many waited.
    Refused,
    Cancelled,
    TimedOut,
    Overdue,
    Closed,
}

/// How many requests ended in which way, and how long the longest of those waited that were
/// granted something.
#[derive(Default)]
pub struct Tally {
    ends: [AtomicU64; 6],
    panics: AtomicU64,
    longest: AtomicU64,
}

impl Tally {
    pub const HEADER: [&str; 8] = [
        "granted",
        "refused",
        "cancelled",
        "timed out",
        "overdue",
        "closed out",
        "panics",
        "longest wait",
    ];

    pub fn ended(&self, how: End, since: Instant) {
        self.ends[how as usize].fetch_add(1, Relaxed);
        if let End::Granted = how {
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.longest.fetch_max(micros, Relaxed);
        }
    }

    /// A row below [`HEADER`](Self::HEADER).
    pub fn row(&self) -> Vec<String> {
        let counts = self.ends.iter().chain([&self.panics]);
        let counts = counts.map(|count| count.load(Relaxed).to_string());
        let longest = Duration::from_micros(self.longest.load(Relaxed));
        counts.chain([format!("{longest:.1?}")]).collect()
    }

    /// Runs `call`, out of which a panic that was planned may come.
    pub fn survive<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        panic::catch_unwind(AssertUnwindSafe(call))
            .map_err(|panic| match panic.downcast_ref::<&str>() {
                Some(&PLANNED) => self.panics.fetch_add(1, Relaxed),
                _ => panic::resume_unwind(panic),
            })
            .ok()
    }
}

const PLANNED: &str = "as planned";

/// Panics without a message: nothing is wrong.
pub fn panic_as_planned() -> ! {
    panic::resume_unwind(Box::new(PLANNED))
}

/// How many permits are out, by those who hold them.
#[derive(Default)]
pub struct Inside(AtomicUsize);

impl Inside {
    /// Holds `n` permits of at most `most` for a while, splits them perhaps, panics perhaps.
    /// `permit` is given back after it has been counted out, whatever happens.
    pub fn hold<P>(&self, permit: P, n: usize, most: usize, draw: &mut Draw) {
        struct Leaves<'a>(&'a AtomicUsize, usize);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(self.1, SeqCst);
            }
        }
        // Dropped last: declared first.
        let _permit = permit;
        let inside = self.0.fetch_add(n, SeqCst) + n;
        let _leaves = Leaves(&self.0, n);
        assert!(inside <= most, "{inside} permits are out");
        for _ in 0..draw.below(200) {
            std::hint::spin_loop();
        }
        if draw.once_in(100) {
            thread::yield_now();
        }
        if draw.once_in(50) {
            panic_as_planned();
        }
    }
}

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
            panic_as_planned();
        }
    }
}

/// Runs `request` as a task would. `None` if it has lost patience, which some do.
pub fn run<F: Future>(request: F, draw: &mut Draw) -> Option<F::Output> {
    let bell = Arc::new(Bell {
        thread: thread::current(),
        rung: AtomicBool::new(false),
        panics: draw.once_in(20),
    });
    let waker = Waker::from(bell.clone());
    let impatient = draw.once_in(4);
    let mut request = pin!(request);
    loop {
        bell.rung.store(false, SeqCst);
        if let Poll::Ready(answer) = request.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        while !bell.rung.load(SeqCst) {
            thread::park_timeout(Duration::from_micros(if impatient { 50 } else { 10_000 }));
            if impatient {
                return None;
            }
        }
    }
}

/// Ends when its moment has come, and somebody polls it: nobody is woken for it.
pub struct Moment(Instant);

impl Moment {
    pub fn soon(draw: &mut Draw) -> Self {
        Self(Instant::now() + Duration::from_micros(draw.below(500)))
    }
}

impl Future for Moment {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
