//! When a thread that waits looks at the counts.
//!
//! A look takes the counts' cache lines from those who count, and so does an
//! increment with the tracker's words. Who increments and waits without pause
//! could keep acquirers waiting for cache lines most of the time; and a look that
//! comes right after the increment is often too early. So, after a wait that had
//! to look twice, the waits that follow give way first: for some times as long as
//! a look took, which tells how far the cache lines have to travel. Tokens that
//! live shortly go meanwhile, and one look is enough.
//!
//! Nothing depends on it but speed.

use crate::sync::{AtomicU64, Clock, Relaxed, const_fn};

/// How many waits give way after one that had to look twice.
const PATIENCE: u64 = 1000;

/// For how many times as long as a look took.
const SHARE: u64 = 6;

pub(super) struct Manners {
    /// So many waits to come give way.
    patience: AtomicU64,
    /// What a look took, in nanoseconds.
    look: AtomicU64,
}

impl Manners {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                patience: AtomicU64::new(0),
                look: AtomicU64::new(0),
            }
        }
    }

    /// Says what `look` says, perhaps a bit later.
    pub(super) fn look(&self, look: impl Fn() -> bool) -> bool {
        // Of two that do this at once one does not count: no matter.
        match self.patience.load(Relaxed) {
            0 => {
                if look() {
                    return true;
                }
                self.patience.store(PATIENCE, Relaxed);
            }
            left => self.patience.store(left - 1, Relaxed),
        }
        give_way(SHARE * self.look.load(Relaxed));
        let clock = Clock::default();
        let seen = look();
        self.look.store(clock.nanos(), Relaxed);
        seen
    }
}

/// Lets so many nanoseconds pass.
#[cfg(not(any(loom, shuttle)))]
fn give_way(nanos: u64) {
    let clock = Clock::default();
    while clock.nanos() < nanos.min(MOST) {
        std::hint::spin_loop();
    }
}

/// A thread that was suspended while it looked has measured that.
#[cfg(not(any(loom, shuttle)))]
const MOST: u64 = 5_000;

/// The models know no time.
#[cfg(any(loom, shuttle))]
fn give_way(_: u64) {}
