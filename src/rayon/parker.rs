//! Where a thread naps, and what it waits for.

use std::{
    sync::{Arc, PoisonError},
    task::Wake,
    time::Duration,
};

use crate::sync::{Acquire, AtomicBool, Condvar, Mutex, MutexGuard, Release, thread_local};

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in this module panics while a mutex of its own is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a thread naps.
#[derive(Debug, Default)]
pub(super) struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    static OWN: Arc<Parker> = Arc::default();
}

impl Parker {
    /// One for all that waits on this thread's stack: what is on top looks after what lies
    /// beneath, whose permits it may use.
    pub(super) fn of_this_thread() -> Arc<Self> {
        // There is none of its own in the destructor of a thread-local value.
        OWN.try_with(Arc::clone).unwrap_or_default()
    }

    pub(super) fn unpark(&self) {
        *locked(&self.woken) = true;
        self.changed.notify_one();
    }

    pub(super) fn park(&self, at_most: Duration) {
        let woken = locked(&self.woken);
        let waited = self
            .changed
            .wait_timeout_while(woken, at_most, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

/// Permits that somebody waits for: in the semaphore's line, or to come back from a loan.
#[derive(Debug)]
pub(super) struct Awaited {
    parker: Arc<Parker>,
    are_there: AtomicBool,
}

impl Awaited {
    pub(super) fn new(parker: &Arc<Parker>) -> Arc<Self> {
        Arc::new(Self {
            parker: Arc::clone(parker),
            are_there: AtomicBool::new(false),
        })
    }

    pub(super) fn is_there(&self) -> bool {
        // ORDERING: pairs with the Release of the one who gives them.
        self.are_there.load(Acquire)
    }
}

impl Wake for Awaited {
    fn wake(self: Arc<Self>) {
        // ORDERING: Release, for `is_there`: a lender goes on with what is suspended.
        self.are_there.store(true, Release);
        self.parker.unpark();
    }
}
