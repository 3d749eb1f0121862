//! Running foreign code, which wakers are, with the lock free and the books in
//! order.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Waker,
};

/// A panic out of foreign code that waits until nothing can be lost by it.
#[must_use = "a panic must go on at last"]
#[derive(Default)]
pub(crate) struct Deferred(Option<Box<dyn Any + Send>>);

impl Deferred {
    /// Runs `foreign` code. Of several panics the first is kept.
    #[inline]
    pub(crate) fn run(&mut self, foreign: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {
            match self.0 {
                None => self.0 = Some(panic),
                // To drop it would be to run foreign code again.
                Some(_) => mem::forget(panic),
            }
        }
    }

    /// Will `resume` unwind?
    pub(crate) fn resumes(&self) -> bool {
        self.0.is_some() && !std::thread::panicking()
    }

    /// Lets the panic go on, unless this thread unwinds already.
    #[inline]
    pub(crate) fn resume(self) {
        if let Some(panic) = self.0 {
            if std::thread::panicking() {
                mem::forget(panic);
            } else {
                resume_unwind(panic);
            }
        }
    }
}

/// Wakers on their way out of the lock. As many as one critical section may
/// grant; then it lets go, wakes, and comes back.
#[derive(Default)]
pub(super) struct Wakes {
    wakers: [Option<Waker>; Self::MANY],
    len: usize,
    deferred: Deferred,
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
            self.deferred.run(|| waker.wake());
        }
        self.len = 0;
    }

    /// Drops a waker that nobody needs any more.
    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            self.deferred.run(|| drop(waker));
        }
    }

    pub(super) fn finish(self) -> Deferred {
        self.deferred
    }

    /// The same, after something that came `before`.
    pub(super) fn finish_with(self, mut before: Deferred) -> Deferred {
        if let Some(panic) = self.deferred.0 {
            before.run(|| resume_unwind(panic));
        }
        before
    }
}
