//! Waking what a critical section has granted, after it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Waker,
};

/// Wakers on their way out of the lock. As many as one critical section may
/// grant; then it lets go, wakes, and comes back.
#[derive(Default)]
pub(super) struct Wakes {
    wakers: [Option<Waker>; Self::MANY],
    len: usize,
    panic: Option<Box<dyn Any + Send>>,
}

impl Wakes {
    const MANY: usize = 8;

    pub(super) fn is_full(&self) -> bool {
        self.len == Self::MANY
    }

    /// Adds one, if there is one. There must be room.
    pub(super) fn push(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            self.wakers[self.len] = waker;
            self.len += 1;
        }
    }

    /// Wakes them all, even if one panics.
    pub(super) fn wake(&mut self) {
        for waker in self.wakers[..self.len].iter_mut().filter_map(Option::take) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                self.panic.get_or_insert(panic);
            }
        }
        self.len = 0;
    }

    /// Lets the first panic go on, unless this thread unwinds already.
    pub(super) fn finish(self) {
        if let Some(panic) = self.panic {
            if !std::thread::panicking() {
                resume_unwind(panic);
            }
        }
    }
}
