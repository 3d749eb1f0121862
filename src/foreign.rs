//! Running foreign code: wakers, and the drops and clones of what callers own.
//!
//! It runs while no lock is held. A panic out of it waits until the books are in
//! order and everybody else has been woken; then it goes on.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
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
            self.merge(Self(Some(panic)));
        }
    }

    /// Takes over the panic of `later`, unless there is one already.
    pub(crate) fn merge(&mut self, later: Self) {
        if self.0.is_none() {
            self.0 = later.0;
        } else {
            // To drop it would be to run foreign code again.
            mem::forget(later);
        }
    }

    /// The same, by value.
    pub(crate) fn merged(mut self, later: Self) -> Self {
        self.merge(later);
        self
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
