//! The keyed semaphore as its callers see it, and its protocol.
//!
//! # States
//!
//! A key is *in use* while it has an entry in the table of its shard, otherwise
//! it is *absent*. The entry holds the key and a [`Semaphore`], whose active count
//! says how many of the key's permits are out, and the word that counts those who
//! need the entry without having any ([`users`]): requests that wait, permits that
//! stand for none (what a split has left over), and the override. The entry is
//! *needed* while one of the two is not zero. Counting permits and waiting for
//! them is all the semaphore's; the rest of this module only decides which
//! semaphore a key has.
//!
//! | who | moves what |
//! |---|---|
//! | request | finds the entry, or makes it, and takes its permits, under the shard's lock |
//! | request that must wait | counts itself in as a waiter, under the lock; then waits as at any semaphore, without the lock |
//! | waiter that is granted its permits | counts itself out |
//! | waiter that gives up | leaves the line, gives back what it was granted meanwhile, then counts itself out |
//! | permit that is dropped | gives its permits back, or counts itself out if it stands for none |
//! | permit that is split with none left on one side | counts one in, under the lock |
//! | whoever has made one of the two counts zero and finds the other at zero | takes the lock, and removes the entry if both still are |
//! | permit that finds itself alone | takes the lock, and removes the entry with itself in it if it is still alone |
//! | `set_max`, `clear_max` | change the override and the semaphore's max under the lock |
//! | `set_default_max`, `close` | the same for one shard after the other, under the lock of each; one sweep at a time |
//!
//! # Why all who use a key meet at one entry
//!
//! 1. *Up only under the lock.* Users are counted in under the lock of the shard,
//!    in which the entry was found in the table. So are permits taken, but for
//!    those that a waiter is granted, and it counts as a user until it has them.
//! 2. *Both are zero.* Entries are removed under the same lock, by somebody who
//!    reads first that there are no users (U), then that no permits are out (A).
//!    After U there can be no waiter, and by 1 nothing rises any more; whoever was
//!    one before had its permits before it counted itself out, so A sees them
//!    unless they are back. So nobody is ever counted into an entry that is not in
//!    the table, and none that is needed leaves it: holder, waiter and newcomer
//!    have the same max.
//! 3. *None is left over.* A release that leaves nobody with a permit is told so
//!    by its write to the semaphore's word (R), and looks at the users afterwards.
//!    The last user to go makes its word zero (Z), then looks at the semaphore's
//!    word by a write (W). If R comes before W, W finds no permits out. If W comes
//!    before R, R acquires what W released, and the look at the users sees Z. So
//!    one of the two finds both zero, and takes the lock (L). If nobody has come
//!    by then, it removes the entry. If somebody has, that one needs it, and all of
//!    this is ahead of it. Should several be on the way to the lock, the first
//!    removes the entry and the others, who hold on to its memory, find it gone:
//!    an entry is looked for by its address, which is not used again as long as
//!    somebody has it.
//! 4. *Alone.* A permit for n that finds no users and n permits out, in this order,
//!    is the only one, by the reason of 2, and stays so while it holds the lock:
//!    nobody can come, and nobody else is there to split or leave. So the
//!    semaphore has no other holder and no waiter, and can go without its permits.
//! 5. *What the last holder did.* Every release is a write to the semaphore's word,
//!    every way out for others one to the users, and whoever removes an entry has
//!    acquired all of them. The key's next entry is made under the same lock after
//!    that. So what was done under a permit is visible to whoever has one later,
//!    whether by the same entry or by the next.
//! 6. *Which max.* Each shard's table has its own copy of the default, and sweeps
//!    come through all shards in one order. A new entry takes the copy under the
//!    lock, and one that was there before the sweep came is changed by it. An
//!    override is set, changed and cleared under the lock too. So of two changes
//!    to one key's max the later is in force, at once and for good.
//!
//! Waiting itself is not touched by this: a line belongs to a semaphore, and that
//! no wake-up is lost there is argued in `semaphore/queue.rs`. A change of max is
//! split in two (`semaphore/steps.rs`): the word changes under the shard's lock,
//! and those whom that lets in are woken with the lock free.
//!
//! # Origin
//!
//! [keyed-semaphore](https://github.com/MonsieurTib/keyed-semaphore), a Go package:
//! a max for each key, in shards, and entries that go when nobody needs them. The
//! protocol is written afresh; there, a release by somebody who holds nothing
//! removes the entry from under those who wait.
//!
//! # The lock
//!
//! Safe code cannot change a table that others read without a lock, so here even
//! a call that does not wait takes one: to find or make the entry, and once more
//! to remove it, if nobody else has come. It is held for a few dozen instructions,
//! and for a rehash now and then. No foreign code runs under it but a key's `Eq`,
//! which no search can do without: keys are hashed before, cloned and dropped
//! with the lock free, and so are wakers. If an `Eq` panics, nothing has changed.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
};

mod acquire;
#[cfg(all(feature = "rayon", not(loom)))]
mod ahead;
mod blocking;
mod builder;
mod handle;
mod map;
#[cfg(all(feature = "rayon", not(loom)))]
mod number;
mod permit;
mod read;
mod resize;
mod table;
mod take;
mod timeout;
mod users;

#[cfg(all(feature = "rayon", not(loom)))]
pub(crate) use acquire::KeyRequest;
pub use acquire::{KeyedAcquire, KeyedAcquireOwned};
pub use builder::KeyedBuilder;
pub use permit::{KeyedPermit, OwnedKeyedPermit};

#[cfg(doc)]
use crate::Semaphore;
use map::{Entered, Map, Refusal};

/// A semaphore for each key: it limits how much is done at once for one host, one
/// user, one file.
///
/// A key is anything that can be hashed, compared and cloned. It is in use, and
/// takes memory, exactly as long as somebody holds a permit of it, waits for one,
/// or it has a [max of its own](Self::set_max): nothing has to be swept up, and
/// nothing is left over, but a few empty entries in each shard for keys to come.
///
/// Keys are looked up by a borrowed form, such as `&str` for `String`: any that
/// [`ToOwned`] makes a key of. That is done only if the key is not in use yet.
///
/// # Fairness
///
/// Each key has a line of its own, and in it all is as for
/// [`Semaphore`](crate::Semaphore): first in, first out, exactly, unless the
/// [builder](KeyedBuilder::fairness) is told otherwise.
///
/// # Memory ordering
///
/// As for [`Semaphore`](crate::Semaphore), for each key: what a holder did before
/// it gave a permit back is visible to whoever gets that permit next, also when
/// the key has been out of use in between.
///
/// # Locks
///
/// The keys are spread over shards. Taking a permit, and giving back the last one
/// of a key, holds the lock of one shard for a few dozen instructions. A key's
/// `Eq` runs inside it and must not call the keyed semaphore; `Hash`, `Clone` and
/// `Drop` of keys, and wakers, run outside and may. If one of them panics, the
/// panic reaches the caller, other keys do not notice, and nothing is lost.
///
/// # Hostile keys
///
/// The default hasher is keyed at random, so that nobody can choose keys that
/// collide. How many keys may be in use, and how many may wait for one, is
/// bounded by [`max_keys`](KeyedBuilder::max_keys) and
/// [`max_waiters_per_key`](KeyedBuilder::max_waiters_per_key).
///
/// # Examples
///
/// ```
/// use dynaphore::KeyedSemaphore;
///
/// let hosts = KeyedSemaphore::<String>::new(2);
/// let one = hosts.try_acquire("a.example").unwrap();
/// let two = hosts.try_acquire("a.example").unwrap();
/// assert!(hosts.try_acquire("a.example").is_err());
/// assert!(hosts.try_acquire("b.example").is_ok());
/// assert_eq!(one.key(), "a.example");
///
/// drop((one, two));
/// assert!(hosts.is_empty());
/// ```
pub struct KeyedSemaphore<K, S = RandomState> {
    hasher: S,
    map: Map<K>,
}

/// Making one.
impl<K> KeyedSemaphore<K> {
    /// A keyed semaphore with `max` permits for each key, 0 to
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Panics
    ///
    /// When `max` is larger than `MAX_PERMITS`.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// assert_eq!(users.max(&17), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(max: usize) -> Self {
        Self::builder(max).build()
    }
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }
}

impl<K, S> fmt::Debug for KeyedSemaphore<K, S> {
    /// How many keys are in use, unless a shard is locked just now. Never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("KeyedSemaphore");
        match self.map.try_len() {
            Some(len) => out.field("keys", &len),
            None => out.field("keys", &format_args!("<locked>")),
        };
        out.field("settings", self.map.settings()).finish()
    }
}
