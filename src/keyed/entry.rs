//! What there is of a key that is in use: the key, its semaphore, and the word that counts
//! those who need it without having a permit out.
//!
//! ```text
//!  63         62 .............. 32  31 ............... 0
//! +----------+--------------------+---------------------+
//! | OVERRIDE | waiters (31 bits)  | empties (32 bits)   |
//! +----------+--------------------+---------------------+
//! ```
//!
//! A *waiter* is a request that has not come to its permits, an *empty* one a
//! permit that stands for none. `OVERRIDE` is set while the key has a max of its
//! own. Permits that are out are counted by the semaphore, and not once more.
//!
//! No shift and no mask of it stands outside this file.

use std::fmt;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
use std::sync::OnceLock;

#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
use crate::sync::Unmodelled64;
use crate::{
    semaphore::Semaphore,
    sync::{Acquire, AtomicU64, Relaxed, Release},
};

/// One key that is in use.
// In order: what every call needs is in the first cache line, if the key is not
// too large.
#[repr(C)]
pub(super) struct Entry<K> {
    /// Missing only while the entry is a spare.
    pub(super) key: Option<K>,
    pub(super) hash: u64,
    pub(super) users: Users,
    pub(super) semaphore: Semaphore,
    /// Missing until somebody asks for it.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    pub(super) number: OnceLock<u64>,
}

impl<K> Entry<K> {
    /// Does nobody need it but one who has `n` permits, and asks? To that one it
    /// stays true as long as nobody else is let in.
    #[inline]
    pub(super) fn is_alone(&self, n: u32) -> bool {
        // In this order: a waiter counts itself out when it has its permits.
        self.users.are_none() && self.semaphore.active() == n as usize
    }

    #[inline]
    pub(super) fn key(&self) -> &K {
        self.key.as_ref().expect("in use")
    }

    /// A number that no other entry ever has, for a thread's own list of what it holds. The
    /// address of an entry will not do: as soon as its key is out of use it may be another
    /// key's. Keys that no throttled job uses cost no write for it.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    pub(super) fn number(&self) -> u64 {
        static NEXT: Unmodelled64 = Unmodelled64::new(1);
        *self.number.get_or_init(|| NEXT.fetch_add(1, Relaxed))
    }
}

const EMPTY: u64 = 1;
const EMPTIES: u64 = (1 << 32) - 1;
const WAITER: u64 = 1 << 32;
const OVERRIDE: u64 = 1 << 63;

/// What is left in the word when somebody has gone.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Somebody,
    Nobody,
}

/// The word with its transitions. All that make it rise happen under the lock of
/// the entry's shard.
#[derive(Default)]
pub(super) struct Users(AtomicU64);

impl Users {
    /// One more permit that stands for none.
    pub(super) fn join_empty(&self) {
        self.join(EMPTY);
    }

    /// One more waiter.
    #[inline]
    pub(super) fn join_waiting(&self) {
        self.join(WAITER);
    }

    /// Panics when there are so many that another one might not be counted,
    /// which takes requests or permits that were leaked on purpose.
    #[inline]
    fn join(&self, one: u64) {
        let word = self.0.load(Relaxed);
        assert!(
            word & EMPTIES < EMPTIES && word & !OVERRIDE < OVERRIDE - WAITER,
            "a key may not have more than 2147483647 waiters"
        );
        self.0.fetch_add(one, Relaxed);
    }

    /// The key has a max of its own from now on.
    pub(super) fn set_override(&self) {
        self.0.fetch_or(OVERRIDE, Relaxed);
    }

    #[inline]
    pub(super) fn waiters(&self) -> u32 {
        ((self.0.load(Relaxed) & !OVERRIDE) >> 32) as u32
    }

    #[inline]
    pub(super) fn is_overridden(&self) -> bool {
        self.0.load(Relaxed) & OVERRIDE != 0
    }

    /// One waiter less: it has come to its permits, or gives up.
    #[inline]
    pub(super) fn leave_waiting(&self) -> Left {
        // ORDERING: Release, pairs with the Acquire in `are_none`: whoever finds
        // this one gone sees the permits that it has been granted, and sees what
        // it did before when it removes the entry. No Acquire: the last one, too,
        // removes the entry only after `are_none`. That reads this write or a later
        // one, and those carry on what each has released that went before.
        Left::of(self.0.fetch_sub(WAITER, Release) - WAITER)
    }

    /// One permit that stands for none less: it is dropped, or stands for some.
    pub(super) fn leave_empty(&self) -> Left {
        // ORDERING: as in `leave_waiting`.
        Left::of(self.0.fetch_sub(EMPTY, Release) - EMPTY)
    }

    /// The key follows the default again.
    pub(super) fn clear_override(&self) -> Left {
        // ORDERING: as in `leave_waiting`.
        Left::of(self.0.fetch_and(!OVERRIDE, Release) & !OVERRIDE)
    }

    #[inline]
    pub(super) fn are_none(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `leave_waiting`.
        self.0.load(Acquire) == 0
    }
}

impl Left {
    #[inline]
    fn of(word: u64) -> Self {
        if word == 0 {
            Self::Nobody
        } else {
            Self::Somebody
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.load(Relaxed);
        f.debug_struct("Users")
            .field("waiters", &self.waiters())
            .field("empties", &(word & EMPTIES))
            .field("override", &self.is_overridden())
            .finish()
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_word_counts_by_itself() {
        let users = Users::default();
        assert!(users.are_none());
        users.join_waiting();
        users.join_empty();
        users.join_waiting();
        users.set_override();
        assert_eq!(users.waiters(), 2);
        assert!(users.is_overridden());
        assert_eq!(
            format!("{users:?}"),
            "Users { waiters: 2, empties: 1, override: true }"
        );
        assert_eq!(users.leave_waiting(), Left::Somebody);
        assert_eq!(users.leave_waiting(), Left::Somebody);
        assert_eq!(users.waiters(), 0);
        assert_eq!(users.clear_override(), Left::Somebody);
        assert!(!users.are_none());
        assert_eq!(users.leave_empty(), Left::Nobody);
        assert!(users.are_none());
    }

    #[test]
    fn whoever_goes_last_is_told() {
        let users = Users::default();
        users.set_override();
        assert!(!users.are_none(), "the entry must stay");
        assert_eq!(users.clear_override(), Left::Nobody);
        users.join_waiting();
        assert_eq!(users.leave_waiting(), Left::Nobody);
        users.join_empty();
        assert_eq!(users.leave_empty(), Left::Nobody);
    }

    #[test]
    fn too_many_are_refused_before_they_are_counted() {
        let none_left = [EMPTIES, OVERRIDE - WAITER, OVERRIDE | (OVERRIDE - WAITER)];
        for word in none_left {
            for join in [Users::join_empty, Users::join_waiting] {
                let users = Users(AtomicU64::new(word));
                assert!(std::panic::catch_unwind(|| join(&users)).is_err());
                assert_eq!(users.0.load(Relaxed), word, "{users:?}");
            }
        }
        Users(AtomicU64::new(EMPTIES - 1)).join_empty();
    }
}
