//! Counts the bytes that are done and resizes when it is time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::options::Resize;
use crate::watch::Watch;

/// The resizes that were asked for, by the count of bytes that brings each.
///
/// The bytes are those that the walk saw: each file counts for as many, whether
/// it has grown, has shrunk or cannot be read (see [`Share`]). So the count
/// ends at exactly the total, and every resize is made.
pub struct Plan<'a> {
    watch: &'a Watch,
    done: AtomicU64,
    /// The first entry of `thresholds` not reached, `u64::MAX` after the last.
    due: AtomicU64,
    /// In ascending order, none above the total.
    thresholds: Box<[u64]>,
    /// How many resizes have been made. Its lock makes them one at a time and
    /// in order.
    made: Mutex<usize>,
}

impl<'a> Plan<'a> {
    /// The resizes of a run over `total` bytes; those due at no bytes are made
    /// at once, which is all of them when there are no bytes at all.
    ///
    /// `resizes` are sorted by percentage and are those that the watch knows.
    pub fn new(watch: &'a Watch, total: u64, resizes: &[Resize]) -> Self {
        let threshold = |resize: &Resize| {
            let bytes = total as f64 * resize.percent / 100.0;
            // Rounding must not put it out of reach.
            (bytes.ceil() as u64).min(total)
        };
        let plan = Self {
            watch,
            done: AtomicU64::new(0),
            due: AtomicU64::new(0),
            thresholds: resizes.iter().map(threshold).collect(),
            made: Mutex::new(0),
        };
        plan.resize();
        plan
    }

    /// How many bytes are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        // ORDERING: SeqCst on `done` and `due`. Either this add is seen by the
        // thread that moves `due`, or this load sees a `due` that is at most
        // the next threshold. An old `due` is a lower one, and costs a look
        // under the lock.
        let done = self.done.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if done >= self.due.load(Ordering::SeqCst) {
            self.resize();
        }
    }

    /// Makes the resizes that are due.
    fn resize(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&threshold) = self.thresholds.get(*made) {
            self.due.store(threshold, Ordering::SeqCst);
            if self.done.load(Ordering::SeqCst) < threshold {
                return;
            }
            self.watch.resize_to_next();
            *made += 1;
        }
        self.due.store(u64::MAX, Ordering::SeqCst);
    }
}

/// The part of the plan's bytes that one file stands for.
///
/// Counts no more than that, and when dropped, counts what is left of it.
pub struct Share<'a> {
    plan: &'a Plan<'a>,
    left: u64,
}

impl<'a> Share<'a> {
    pub fn new(plan: &'a Plan<'a>, bytes: u64) -> Self {
        Self { plan, left: bytes }
    }

    pub fn done(&mut self, bytes: u64) {
        let counted = bytes.min(self.left);
        self.left -= counted;
        self.plan.add(counted);
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.plan.add(self.left);
    }
}
