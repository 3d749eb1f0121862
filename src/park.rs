//! What can be waited for, by a future or by a thread (`park/thread.rs`).

use core::task::{Poll, Waker};
#[cfg(feature = "std")]
use core::time::Duration;

#[cfg(feature = "std")]
mod thread;

#[cfg(feature = "std")]
pub(crate) use self::thread::{after, wait};

/// Something that can be waited for.
pub(crate) trait Wait {
    type Answer;

    /// Gets the answer, or sees to it that `waker` is woken.
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer>;

    /// For calls that block: is it worth while to poll again? Costs no lock.
    #[cfg(feature = "std")]
    fn may_be_ready(&self) -> bool;

    /// The longest sleep after which to poll again even if nobody has woken the
    /// thread. Usually there is none: waking is reliable.
    #[cfg(feature = "std")]
    fn max_sleep(&mut self) -> Option<Duration> {
        None
    }
}

/// What blocking calls do inside a tokio runtime: they block, unless refusing was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InRuntime {
    refuse: bool,
}

impl InRuntime {
    pub(crate) const BLOCK: Self = Self::refuse(false);

    pub(crate) const fn refuse(refuse: bool) -> Self {
        Self { refuse }
    }

    /// Panics inside a runtime, if that was asked for.
    #[inline]
    #[track_caller]
    pub(crate) fn assert_may_block(self) {
        if self.refuse {
            #[cfg(feature = "tokio")]
            assert_outside_runtime();
        }
    }
}

/// Panics inside a tokio runtime, in tokio's own words: its mutex can tell. But not while
/// the thread's locals are being dropped, where it would panic for want of its own. A thread
/// that looks for the first time there is not known to be there.
#[cfg(feature = "tokio")]
#[track_caller]
fn assert_outside_runtime() {
    struct Local;

    impl Drop for Local {
        fn drop(&mut self) {}
    }

    thread_local! {
        // Made after the first look, so after tokio's locals: those made last go first.
        static LOCAL: Local = const { Local };
        static IS_MADE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    if IS_MADE.get() && LOCAL.try_with(|_| ()).is_err() {
        return;
    }
    drop(tokio::sync::Mutex::const_new(()).blocking_lock());
    IS_MADE.set(LOCAL.try_with(|_| ()).is_ok());
}
