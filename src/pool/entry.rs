//! What the pool knows of one key: the key and its two counts, packed into one
//! word so that they are read together.
//!
//! ```text
//!  63 ............... 32  31 ................ 0
//! +---------------------+----------------------+
//! | target (32 bits)    | active (32 bits)     |
//! +---------------------+----------------------+
//! ```
//!
//! Everything here is written by the holder of the pool's lock only (`shared.rs`
//! has the protocol). That it is atomic lets [`Counts`] be read without the
//! lock. No shift and no mask stands outside this file.

use std::fmt;

use crate::sync::{Acquire, AtomicU64, Relaxed, Release};

/// How many leases of a key are out, and how many ought to be.
///
/// Returned by [`LeasePool::counts`](crate::LeasePool::counts),
/// [`LeasePool::snapshot`](crate::LeasePool::snapshot) and
/// [`Lease::counts`](crate::Lease::counts); both figures belong to one and the
/// same moment.
///
/// # Examples
///
/// ```
/// use dynaphore::{Counts, LeasePool};
///
/// let pool = LeasePool::new();
/// pool.set("a", 3);
/// let _held = pool.try_acquire().unwrap();
/// let Counts { target, active, .. } = pool.counts("a");
/// assert_eq!((target, active), (3, 1));
/// assert_eq!(pool.counts("a").to_string(), "1 of 3 out");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Counts {
    /// How many leases the pool lets out: 0 to
    /// [`MAX_LEASES`](crate::LeasePool::MAX_LEASES).
    pub target: usize,
    /// How many leases are out. More than `target` for a while after that was
    /// lowered.
    pub active: usize,
}

impl Counts {
    /// Leases that are wanted and not out: `target - active`, or 0 while there
    /// are too many.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 3);
    /// assert_eq!(pool.counts("a").missing(), 3);
    /// ```
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.target.saturating_sub(self.active)
    }

    /// Leases that are out beyond the target.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let _lease = pool.try_acquire().unwrap();
    /// pool.set("a", 0);
    /// assert_eq!(pool.counts("a").excess(), 1);
    /// ```
    #[must_use]
    pub const fn excess(&self) -> usize {
        self.active.saturating_sub(self.target)
    }
}

impl Counts {
    /// The part of this key in the gate's max: the leases that are out, and
    /// those that may join them.
    pub(super) fn share(self) -> usize {
        self.target.max(self.active)
    }

    /// Wanted by nobody and held by nobody.
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} out", self.active, self.target)
    }
}

/// A key, from when it is first wanted until nobody wants or holds it.
pub(super) struct Entry<K> {
    pub(super) key: K,
    /// Kept, so that neither a look-up nor a growing table has to call the
    /// key's own `Hash` under the lock.
    pub(super) hash: u64,
    counts: AtomicU64,
    /// Its turn in the ring. The lock's holder alone looks at it.
    turn: AtomicU64,
}

/// It is not in the ring, whose turns begin with 1.
const NO_TURN: u64 = 0;

impl<K> Entry<K> {
    pub(super) fn new(key: K, hash: u64) -> Self {
        Self {
            key,
            hash,
            counts: AtomicU64::new(0),
            turn: AtomicU64::new(NO_TURN),
        }
    }

    #[inline]
    pub(super) fn counts(&self) -> Counts {
        // ORDERING: Acquire, pairs with the Release in `set_counts`: who reads
        // them without the lock also sees what led to them.
        let word = self.counts.load(Acquire);
        Counts {
            target: (word >> 32) as usize,
            active: word as u32 as usize,
        }
    }

    /// Neither is more than `MAX_LEASES`.
    #[inline]
    pub(super) fn set_counts(&self, Counts { target, active }: Counts) {
        let word = (target as u64) << 32 | active as u64;
        // ORDERING: Release, pairs with the Acquire in `counts`: who sees a
        // lease gone sees the gate's word as it is without it.
        self.counts.store(word, Release);
    }

    #[inline]
    pub(super) fn turn(&self) -> Option<u64> {
        Some(self.turn.load(Relaxed)).filter(|&turn| turn != NO_TURN)
    }

    #[inline]
    pub(super) fn set_turn(&self, turn: Option<u64>) {
        self.turn.store(turn.unwrap_or(NO_TURN), Relaxed);
    }
}
