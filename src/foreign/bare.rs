//! `foreign.rs` without the standard library, where no panic can be caught.
//!
//! One that comes out of foreign code would leave others without their wake-up, and nobody
//! could tell. So it aborts the program, as any panic does in most programs of this kind.

use core::mem;

/// What is left of a panic out of foreign code: nothing.
#[must_use = "as where there is something left"]
#[derive(Default)]
pub(crate) struct Deferred(());

impl Deferred {
    /// Runs `foreign` code. If that panics, the program aborts.
    #[inline]
    pub(crate) fn run(&mut self, foreign: impl FnOnce()) {
        struct Aborts;

        impl Drop for Aborts {
            fn drop(&mut self) {
                // The second panic at once.
                panic!("a waker has panicked, and without its feature `std` dynaphore aborts");
            }
        }

        let aborts = Aborts;
        foreign();
        mem::forget(aborts);
    }

    pub(crate) fn merge(&mut self, _: Self) {}

    pub(crate) fn merged(self, _: Self) -> Self {
        self
    }

    pub(crate) fn resumes(&self) -> bool {
        false
    }

    pub(crate) fn resume(self) {}
}
