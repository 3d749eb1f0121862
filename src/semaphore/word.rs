//! The packed word: everything that decides who may enter, in one `AtomicU64`.
//!
//! ```text
//!  63       62       61 .............. 31  30 .............. 0
//! +--------+--------+--------------------+--------------------+
//! | CLOSED | QUEUED | max (31 bits)      | active (31 bits)   |
//! +--------+--------+--------------------+--------------------+
//! ```
//!
//! `active` counts the permits that are out, `max` how many may be. After a
//! shrink `active` may exceed `max`: that *is* the debt, and it is paid by
//! permits coming back, so there is no second counter to keep in step.
//!
//! `QUEUED` says that somebody stands in line. While it is set nobody enters
//! by this word alone, and whoever gives permits back looks after the line.
//! It changes only under the queue's lock (`queue.rs` has the protocol).
//! `CLOSED` is set once and never cleared.
//!
//! Every change is one atomic read-modify-write, so all changes of one
//! semaphore have one order, and one load is a consistent picture. What one value
//! says is here, with all shifts and masks; how it changes is in `transitions.rs`.

use std::fmt;

mod transitions;

pub(crate) use transitions::{Release, Take, Word};

/// The largest `max`, and the largest count in one request.
pub(crate) const MAX_PERMITS: u32 = (1 << MAX_SHIFT) - 1;

const MAX_SHIFT: u32 = 31;
const QUEUED: u64 = 1 << 62;
const CLOSED: u64 = 1 << 63;
const COUNT: u64 = MAX_PERMITS as u64;

/// One value of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    const fn open(max: u32) -> Self {
        Self((max as u64) << MAX_SHIFT)
    }

    /// Permits that are out.
    pub(crate) const fn active(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    /// Permits that may be out.
    pub(crate) const fn max(self) -> u32 {
        ((self.0 >> MAX_SHIFT) & COUNT) as u32
    }

    pub(crate) const fn is_queued(self) -> bool {
        self.0 & QUEUED != 0
    }

    pub(crate) const fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Permits that are not out and, unless the caller may `barge`, not spoken
    /// for by the line.
    pub(crate) const fn available(self, barge: bool) -> u32 {
        if self.is_queued() && !barge {
            0
        } else {
            self.max().saturating_sub(self.active())
        }
    }

    /// Permits that are not out, spoken for or not.
    pub(crate) const fn free(self) -> u64 {
        self.available(true) as u64
    }

    /// Would `n` not fit even if nobody held a permit? During a pause nothing
    /// fits, and nobody is held up by whoever is first in line.
    pub(crate) const fn is_too_large(self, n: u32) -> bool {
        n > self.max() && self.max() > 0
    }

    /// No more permits are out than may be.
    pub(crate) const fn is_settled(self) -> bool {
        self.active() <= self.max()
    }

    /// Open, nobody in line, and no more permits out than may be.
    #[cfg(all(feature = "rayon", not(loom)))]
    #[inline]
    pub(crate) const fn is_calm(self) -> bool {
        self.0 < QUEUED && self.0 & COUNT <= self.0 >> MAX_SHIFT
    }

    /// The whole of it, if it is calm.
    #[cfg(all(feature = "rayon", not(loom)))]
    #[inline]
    pub(crate) fn calm(self) -> Option<Calm> {
        self.is_calm().then_some(Calm(self.0))
    }

    /// As it was then.
    #[cfg(all(feature = "rayon", not(loom)))]
    #[inline]
    pub(crate) fn is_still(self, calm: Calm) -> bool {
        self.0 == calm.0
    }

    /// Both counts are at most 2^31 - 1, so the sum cannot overflow.
    pub(crate) const fn fits(self, n: u32) -> bool {
        self.active() + n <= self.max()
    }

    /// `n` more are out; they fit. One addition: it stands between a load and a
    /// write that waits for it.
    const fn plus_active(self, n: u32) -> Self {
        Self(self.0 + n as u64)
    }

    /// What it is when `returned` come back for a waiter that needs `need`: it
    /// fits then. Or what stands against it, the smallest request `aside` included.
    #[inline]
    fn without(self, returned: u32, need: u32, aside: Option<u32>) -> Result<Self, Take> {
        if self.is_closed() {
            return Err(Take::Closed);
        }
        if aside.is_some_and(|least| least <= self.max()) {
            return Err(Take::Spoken);
        }
        if self.is_too_large(need) {
            return Err(Take::TooLarge);
        }
        let left = self.with_active(self.active() - returned);
        if left.fits(need) {
            Ok(left)
        } else {
            Err(Take::Full)
        }
    }

    const fn with_active(self, active: u32) -> Self {
        Self(self.0 & !COUNT | active as u64)
    }

    const fn with_max(self, max: u32) -> Self {
        Self(self.0 & !(COUNT << MAX_SHIFT) | (max as u64) << MAX_SHIFT)
    }

    fn resized(self, max: u32, aside: Option<u32>) -> Self {
        let rejoins = aside.is_some_and(|need| need <= max);
        self.with_max(max).with_queued(self.is_queued() || rejoins)
    }

    const fn with_queued(self, queued: bool) -> Self {
        if queued {
            Self(self.0 | QUEUED)
        } else {
            Self(self.0 & !QUEUED)
        }
    }
}

/// A calm word.
#[cfg(all(feature = "rayon", not(loom)))]
#[derive(Clone, Copy)]
pub(crate) struct Calm(u64);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("max", &self.max())
            .field("active", &self.active())
            .field("queued", &self.is_queued())
            .field("closed", &self.is_closed())
            .finish()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
