//! Blocking a thread until a future-like step has an answer.

use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::Instant,
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
#[cfg(not(loom))]
fn waker() -> Waker {
    thread_local!(static WAKER: Waker = Unparker::waker());
    // Gone while the thread's locals are being dropped.
    WAKER
        .try_with(Waker::clone)
        .unwrap_or_else(|_| Unparker::waker())
}

#[cfg(loom)]
fn waker() -> Waker {
    Unparker::waker()
}

/// Polls until there is an answer, parking the thread in between. `None` if
/// the deadline comes first.
pub(super) fn wait<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&Waker) -> Poll<T>,
) -> Option<T> {
    let waker = waker();
    loop {
        if let Poll::Ready(answer) = poll(&waker) {
            return Some(answer);
        }
        match deadline {
            None => thread::park(),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                park_timeout(left);
            }
        }
    }
}

#[cfg(not(loom))]
use std::thread::park_timeout;

/// loom knows no time.
#[cfg(loom)]
fn park_timeout(_: std::time::Duration) {
    unimplemented!("deadlines under loom")
}
