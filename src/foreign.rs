//! Running foreign code: wakers, and the drops and clones of what callers own.
//!
//! It runs while no lock is held. A panic out of it waits until the books are in
//! order and everybody else has been woken; then it goes on.
//!
//! Without the standard library no panic can be caught. One that comes out of foreign code
//! would leave others without their wake-up, and nobody could tell. So it aborts the program,
//! as any panic does in most programs of this kind.

use core::mem;
#[cfg(feature = "std")]
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::panicking,
};

/// Never dropped: that would be to run foreign code again.
#[cfg(feature = "std")]
type Panic = mem::ManuallyDrop<Box<dyn std::any::Any + Send>>;
/// None is ever caught.
#[cfg(not(feature = "std"))]
type Panic = core::convert::Infallible;

/// A panic out of foreign code that waits until nothing can be lost by it.
#[must_use = "a panic must go on at last"]
#[derive(Default)]
pub(crate) struct Deferred(Option<Panic>);

impl Deferred {
    /// Runs `foreign` code. Of several panics the first is kept.
    #[inline]
    pub(crate) fn run(&mut self, foreign: impl FnOnce()) {
        if let Err(panic) = catch(foreign) {
            self.merge(Self(Some(panic)));
        }
    }

    /// Takes over the panic of `later`, unless there is one already.
    pub(crate) fn merge(&mut self, later: Self) {
        self.0 = self.0.take().or(later.0);
    }

    /// The same, by value.
    pub(crate) fn merged(mut self, later: Self) -> Self {
        self.merge(later);
        self
    }

    /// Will `resume` unwind?
    pub(crate) fn resumes(&self) -> bool {
        self.0.is_some() && !panicking()
    }

    /// Lets the panic go on, unless this thread unwinds already.
    #[inline]
    pub(crate) fn resume(self) {
        #[cfg(feature = "std")]
        match self.0 {
            Some(panic) if !panicking() => resume_unwind(mem::ManuallyDrop::into_inner(panic)),
            _ => {}
        }
    }
}

#[cfg(feature = "std")]
fn catch(foreign: impl FnOnce()) -> Result<(), Panic> {
    catch_unwind(AssertUnwindSafe(foreign)).map_err(mem::ManuallyDrop::new)
}

#[cfg(not(feature = "std"))]
fn panicking() -> bool {
    false
}

#[cfg(not(feature = "std"))]
fn catch(foreign: impl FnOnce()) -> Result<(), Panic> {
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
    Ok(())
}
