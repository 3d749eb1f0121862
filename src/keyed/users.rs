//! Who needs an entry, in one `AtomicU64`.
//!
//! ```text
//!  63         62 .............. 32  31 ............... 0
//! +----------+--------------------+---------------------+
//! | OVERRIDE | waiters (31 bits)  | users (32 bits)     |
//! +----------+--------------------+---------------------+
//! ```
//!
//! A *user* is a permit, or a request that waits; those that wait are counted
//! once more as `waiters`. `OVERRIDE` is set while the key has a max of its own.
//! The entry is needed as long as the word is not zero.
//!
//! No shift and no mask of it stands outside this file.

use std::fmt;

use crate::sync::{AcqRel, Acquire, AtomicU64, Relaxed};

const USER: u64 = 1;
const USERS: u64 = (1 << 32) - 1;
const WAITER: u64 = 1 << 32;
const OVERRIDE: u64 = 1 << 63;

/// What is left when a user has gone.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Somebody else, or an override, still needs the entry.
    Needed,
    /// Nobody: whoever is told so sees to it that the entry goes.
    Unneeded,
}

/// The word with its transitions. All that can make it rise from zero happen
/// under the lock of the entry's shard.
pub(super) struct Users(AtomicU64);

impl Users {
    /// Of an entry that is made for one permit.
    #[inline]
    pub(super) fn one() -> Self {
        Self(AtomicU64::new(USER))
    }

    /// Of an entry that is made for one waiter.
    #[inline]
    pub(super) fn one_waiter() -> Self {
        Self(AtomicU64::new(USER + WAITER))
    }

    /// Of an entry that is made for an override.
    #[inline]
    pub(super) fn overridden() -> Self {
        Self(AtomicU64::new(OVERRIDE))
    }

    /// Panics when there are so many users that another one might not be
    /// counted, which takes permits that were leaked on purpose. Half of what
    /// the word can count, since several threads may be here at once.
    #[inline]
    #[track_caller]
    pub(super) fn assert_room(&self) {
        let users = self.0.load(Relaxed) & USERS;
        assert!(
            users < USERS / 2,
            "a key may not have more than 2147483647 permits and waiters"
        );
    }

    /// One more permit. There is room for it.
    #[inline]
    pub(super) fn join(&self) {
        self.0.fetch_add(USER, Relaxed);
    }

    /// One more waiter. There is room for it.
    #[inline]
    pub(super) fn join_waiting(&self) {
        self.0.fetch_add(USER + WAITER, Relaxed);
    }

    /// A waiter is one no more, and goes on as a plain user.
    #[inline]
    pub(super) fn waited(&self) {
        self.0.fetch_sub(WAITER, Relaxed);
    }

    #[inline]
    pub(super) fn waiters(&self) -> u32 {
        ((self.0.load(Relaxed) & !OVERRIDE) >> 32) as u32
    }

    /// One user less.
    #[inline]
    pub(super) fn leave(&self) -> Left {
        // ORDERING: Release, pairs with the Acquires in `is_alone` and
        // `is_unneeded`: whoever removes the entry, and by the shard's lock
        // whoever makes the key's next one, sees what this user did before.
        match self.0.fetch_sub(USER, AcqRel) {
            USER => Left::Unneeded,
            _ => Left::Needed,
        }
    }

    /// Is there one user and nothing else? For that user, to whom it stays true
    /// as long as nobody else is let in.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        // ORDERING: as in `leave`.
        self.0.load(Acquire) == USER
    }

    /// Does nobody need the entry?
    #[inline]
    pub(super) fn is_unneeded(&self) -> bool {
        // ORDERING: as in `leave`.
        self.0.load(Acquire) == 0
    }

    #[inline]
    pub(super) fn is_overridden(&self) -> bool {
        self.0.load(Relaxed) & OVERRIDE != 0
    }

    /// The key has a max of its own from now on.
    pub(super) fn set_override(&self) {
        self.0.fetch_or(OVERRIDE, Relaxed);
    }

    /// The key follows the default again.
    pub(super) fn clear_override(&self) -> Left {
        // ORDERING: as in `leave`.
        match self.0.fetch_and(!OVERRIDE, AcqRel) & !OVERRIDE {
            0 => Left::Unneeded,
            _ => Left::Needed,
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.load(Relaxed);
        f.debug_struct("Users")
            .field("users", &(word & USERS))
            .field("waiters", &self.waiters())
            .field("override", &self.is_overridden())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
