//! How many jobs may wait in a scope by themselves.
//!
//! A rayon scope stays open for the jobs in it that have not ended, and for
//! nothing else; what a job borrows has a lifetime that only values of the caller
//! carry. So a borrowing job that waits without a
//! [`ScopeThrottle`](super::ScopeThrottle) to wait in must be one that has begun:
//! its keeper, which takes a [broker](super::broker) and a place on some worker's
//! stack, on top of the keepers that came before. Here is counted how many there
//! are, so that there is never too little stack for them.

use std::sync::{Arc, PoisonError};

use super::broker;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The places of one throttle.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<usize>,
    left: Condvar,
}

/// Free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    /// How many there are. In a debug build 2 MiB of stack are enough for 300
    /// keepers one upon the other, and not for 1000.
    pub(super) const MOST: usize = if cfg!(shuttle) { 2 } else { 64 };

    /// Takes a place. Waits for one if need be; a worker does other jobs
    /// meanwhile.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        if !Self::take(&mut self.lock()) {
            broker::off_worker(|| {
                let full = |taken: &mut usize| !Self::take(taken);
                let waited = self.left.wait_while(self.lock(), full);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            });
        }
        Place(Arc::clone(self))
    }

    fn take(taken: &mut usize) -> bool {
        let is_free = *taken < Self::MOST;
        *taken += usize::from(is_free);
        is_free
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        // A number is never half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.left.notify_one();
    }
}
