//! Blocking a thread until a future-like step has an answer.

use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

use crate::sync::thread::{self, Thread};

/// Unparks the thread that made it.
struct Unparker(Thread);

impl Unparker {
    fn waker() -> Waker {
        Waker::from(Arc::new(Self(thread::current())))
    }
}

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// This thread's waker, made once a thread.
#[cfg(not(any(loom, shuttle)))]
fn waker() -> Waker {
    thread_local!(static WAKER: Waker = Unparker::waker());
    // Gone while the thread's locals are being dropped.
    WAKER
        .try_with(Waker::clone)
        .unwrap_or_else(|_| Unparker::waker())
}

// The threads of a model share one real thread, and its locals.
#[cfg(any(loom, shuttle))]
fn waker() -> Waker {
    Unparker::waker()
}

/// Something that can be waited for.
pub(crate) trait Wait {
    type Answer;

    /// Gets the answer, or sees to it that `waker` is woken.
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer>;

    /// Is it worth while to poll again? Costs no lock.
    fn is_told(&self) -> bool;

    /// The longest sleep after which to poll again even if nobody has woken the
    /// thread. Usually there is none: waking is reliable.
    fn nap(&mut self) -> Option<Duration> {
        None
    }
}

/// Polls until there is an answer, parking the thread in between. `None` if
/// the deadline comes first.
pub(crate) fn wait<W: Wait>(wait: &mut W, deadline: Option<Instant>) -> Option<W::Answer> {
    let waker = waker();
    loop {
        if let Poll::Ready(answer) = wait.poll(&waker) {
            return Some(answer);
        }
        linger(|| wait.is_told());
        // Where waiters compete the next poll may be in vain, again and again:
        // look at the time before it, too.
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return None;
        }
        if wait.is_told() {
            continue;
        }
        match left.into_iter().chain(wait.nap()).min() {
            None => thread::park(),
            Some(sleep) => park_timeout(sleep),
        }
    }
}

/// Lets other threads run for some microseconds, or until `told`.
///
/// In strict order a permit that goes to a thread that sleeps lies idle until
/// the kernel has woken it, and so for each in turn. A waiter that yields for a
/// moment first was served several times faster in the workload `blocking_8t`.
#[cfg(not(loom))]
fn linger(told: impl Fn() -> bool) {
    for _ in 0..6 {
        if told() {
            return;
        }
        thread::yield_now();
    }
}

#[cfg(loom)]
fn linger(_: impl Fn() -> bool) {}

#[cfg(not(loom))]
use thread::park_timeout;

/// loom knows no time: other threads run, and then it is over.
#[cfg(loom)]
fn park_timeout(_: Duration) {
    thread::yield_now();
}

/// A time too far to be told is never.
pub(crate) fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// Panics inside a tokio runtime, in tokio's own words: its mutex can tell.
#[cfg(feature = "tokio")]
#[track_caller]
pub(crate) fn assert_may_block() {
    drop(tokio::sync::Mutex::const_new(()).blocking_lock());
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn assert_may_block() {}
