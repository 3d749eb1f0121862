//! Whether acquirers need a fence, and the barrier for those who look at them.
//!
//! With the feature `membarrier`, on Linux, an acquirer counts itself in by a plain
//! store and does not fence. Whoever scans, or increments, makes a system call
//! instead of fencing: when it returns, every thread of the process has gone
//! through a full barrier since the call, wherever it was. If a thread was there
//! after its count-in, the count-in is seen by what follows the call. If it was
//! there before, its looks at phase and generation, which come after, see what was
//! written before the call. So the call stands for S and I in arguments 1 and 2 of
//! `tracker.rs`, and for W in argument 4; and since a holder that counts itself out
//! is interrupted in the same way, there is no window (argument 5).
//!
//! Rust's memory model does not know such a call. It knows fences that order
//! within a thread for the compiler's sake; that, and the kernel's promise, is what
//! this stands on, as liburcu does.

use std::panic::RefUnwindSafe;

use crate::sync::{SeqCst, fence};

#[cfg(all(
    feature = "membarrier",
    target_os = "linux",
    not(any(dynaphore_loom, dynaphore_shuttle, miri))
))]
mod system {
    use std::sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    use rustix::thread::{MembarrierCommand as Command, membarrier};

    /// What `prepare` has found out: the same for all trackers, and for good.
    static WORKS: OnceLock<bool> = OnceLock::new();

    /// The same, for acquirers: they see stripes, which are made after it is set.
    static ON: AtomicBool = AtomicBool::new(false);

    /// Tells the kernel. If it refuses, acquirers go on fencing.
    pub(in crate::generation) fn prepare() -> bool {
        *WORKS.get_or_init(|| {
            // A trial, since what is not there or not allowed may say so only now.
            let works = membarrier(Command::RegisterPrivateExpedited).is_ok()
                && membarrier(Command::PrivateExpedited).is_ok();
            ON.store(works, Relaxed);
            works
        })
    }

    #[inline(always)]
    pub(in crate::generation) fn is_on() -> bool {
        ON.load(Relaxed)
    }

    /// The barrier. Not only if `is_on`: that may change in this moment.
    #[inline(never)]
    pub(in crate::generation) fn cross() {
        if prepare() {
            let crossed = membarrier(Command::PrivateExpedited).or_else(|_| {
                // A process that was forked off may have to say again that it will.
                membarrier(Command::RegisterPrivateExpedited)?;
                membarrier(Command::PrivateExpedited)
            });
            crossed.expect("the kernel takes no membarrier(2) any more, and tokens rely on it");
        }
    }
}

#[cfg(not(all(
    feature = "membarrier",
    target_os = "linux",
    not(any(dynaphore_loom, dynaphore_shuttle, miri))
)))]
mod system {
    pub(in crate::generation) fn prepare() -> bool {
        false
    }

    #[inline(always)]
    pub(in crate::generation) fn is_on() -> bool {
        false
    }

    pub(in crate::generation) fn cross() {}
}

use system::cross;
pub(super) use system::{is_on, prepare};

/// A word that is written after each plain count-in.
pub(crate) trait Meeting: Sync + RefUnwindSafe {
    /// A read-modify-write of it, both Acquire and Release.
    fn meet(&self);
}

/// What scans and incrementers do before they look.
#[inline]
pub(super) fn meet(meeting: Option<&dyn Meeting>) {
    // ORDERING: for the callers to say.
    fence(SeqCst);
    if let Some(word) = meeting {
        word.meet();
    }
    cross();
}
