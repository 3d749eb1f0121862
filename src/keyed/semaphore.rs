//! The keyed semaphore: what it is, resizing it, closing it, reading it.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
};

use equivalent::Equivalent;

use super::{key::ToKey, shards::Shards};
#[cfg(doc)]
use crate::Semaphore;
use crate::{
    Fairness, Snapshot,
    error::SetMaxError,
    park::assert_may_block,
    semaphore::{checked, try_checked},
};

/// A semaphore for each key: it limits how much is done at once for one host, one
/// user, one file.
///
/// A key is anything that can be hashed, compared and cloned. It is in use, and
/// takes memory, exactly as long as somebody holds a permit of it, waits for one,
/// or it has a [max of its own](Self::set_max): nothing has to be swept up, and
/// nothing is left over, but a few empty entries in each shard for keys to come.
///
/// Making one allocates, so in a `static` it stands in a [`LazyLock`](std::sync::LazyLock).
///
/// Keys are looked up by a borrowed form, such as `&str` for `String` or `Arc<str>`: any
/// that [`ToKey`](crate::ToKey) makes a key of. That is done only if the key is not in use
/// yet, or small and without drop, such as `u64`: then each request makes one.
///
/// # Fairness
///
/// Each key has a line of its own, and in it all is as for
/// [`Semaphore`](crate::Semaphore): first in, first out, exactly, unless the
/// [builder](crate::KeyedBuilder::fairness) is told otherwise.
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
/// bounded by [`max_keys`](crate::KeyedBuilder::max_keys) and
/// [`max_waiters_per_key`](crate::KeyedBuilder::max_waiters_per_key).
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
    pub(super) hasher: S,
    pub(super) shards: Shards<K>,
}

/// Resizing.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// Gives `key` a max of its own, whether it is in use or not, and returns the
    /// one that this replaces. From then on the key is in use until
    /// [`clear_max`](Self::clear_max), and does not follow the default.
    ///
    /// When it returns, the shrink or growth is in force, as for
    /// [`Semaphore::set_max`](crate::Semaphore::set_max); calls that race take
    /// effect one after the other.
    ///
    /// # Errors
    ///
    /// [`TooManyKeys`](SetMaxError::TooManyKeys) if the key is not in use and may not be;
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when `max` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS). Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// assert_eq!(hosts.set_max("slow.example", 0)?, 2);
    /// assert!(hosts.try_acquire("slow.example").is_err(), "paused");
    /// assert_eq!(hosts.len(), 1);
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// ```
    pub fn set_max<Q: ToKey<K> + ?Sized>(&self, key: &Q, max: usize) -> Result<usize, SetMaxError> {
        let max = try_checked(max)?;
        let before = self.shards.set_override(self.hash(key), key, max)?;
        Ok(before as usize)
    }

    /// Makes `key` follow the default max again, and returns the max of its own
    /// that it had. `None`, and nothing changed, if it had none.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// hosts.set_max("slow.example", 0)?;
    /// assert_eq!(hosts.clear_max("slow.example"), Some(0));
    /// assert_eq!(hosts.clear_max("slow.example"), None);
    /// assert!(hosts.is_empty());
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// ```
    pub fn clear_max<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<usize> {
        let before = self.shards.clear_override(self.hash(key), key);
        before.map(|max| max as usize)
    }
}

/// Resizing all, and the end.
impl<K, S> KeyedSemaphore<K, S> {
    /// Changes the max of all keys that have none of their own, those in use
    /// included, and returns the one that this replaces.
    ///
    /// When it returns, it is in force for every key. The world goes on
    /// meanwhile: it comes to one shard after the other, so for a while some keys
    /// follow already and others do not yet. Calls that race take effect one
    /// after the other, for every key in the same order. Takes some tens of
    /// nanoseconds for each key that is in use.
    ///
    /// # Panics
    ///
    /// When `max` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS); nothing has
    /// changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// let _held = hosts.try_acquire("a.example").unwrap();
    /// assert_eq!(hosts.set_default_max(1), 2);
    /// assert!(hosts.try_acquire("a.example").is_err());
    /// assert_eq!(hosts.max("b.example"), 1);
    /// ```
    #[track_caller]
    pub fn set_default_max(&self, max: usize) -> usize {
        self.shards.set_default(checked(max)) as usize
    }

    /// [`set_default_max`](Self::set_default_max), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when `max` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS); nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// assert_eq!(hosts.try_set_default_max(1), Ok(2));
    /// assert!(hosts.try_set_default_max(usize::MAX).is_err());
    /// ```
    pub fn try_set_default_max(&self, max: usize) -> Result<usize, SetMaxError> {
        try_checked(max).map(|max| self.shards.set_default(max) as usize)
    }

    /// Refuses all further requests, for every key. Those that wait are told so;
    /// holders keep their permits and give them back as ever. Resizing still
    /// works, and does not open it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, error::KeyedTryAcquireError};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(2);
    /// hosts.close();
    /// assert_eq!(
    ///     hosts.try_acquire("a.example").unwrap_err(),
    ///     KeyedTryAcquireError::Closed,
    /// );
    /// ```
    pub fn close(&self) {
        self.shards.close();
    }
}

/// Reading what one key has.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// How many permits of `key` may be out: its own max, or the default.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// hosts.set_max("slow.example", 1)?;
    /// assert_eq!(hosts.max("slow.example"), 1);
    /// assert_eq!(hosts.max("a.example"), 2);
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// ```
    #[must_use]
    pub fn max<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> usize {
        self.snapshot(key).max
    }

    /// What the semaphore of `key` looks like now. A key that is not in use has
    /// the default max, and nobody holds or waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// let _held = hosts.try_acquire("a.example").unwrap();
    /// assert_eq!(hosts.snapshot("a.example").to_string(), "1 of 2 out, 0 waiting");
    /// assert_eq!(hosts.snapshot("b.example").active, 0);
    /// ```
    #[must_use]
    pub fn snapshot<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Snapshot {
        self.shards.read(self.hash(key), key, |table, entry| {
            entry.map_or(
                Snapshot {
                    max: table.default_max as usize,
                    active: 0,
                    waiting: 0,
                    closed: table.closed,
                },
                |entry| entry.semaphore.snapshot(),
            )
        })
    }
}

/// Reading all.
impl<K, S> KeyedSemaphore<K, S> {
    /// What all keys in use look like, in no particular order. The world goes on
    /// meanwhile: it comes to one shard after the other, and reads each key by
    /// itself.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// let _held = hosts.try_acquire("a.example").unwrap();
    /// for (host, snapshot) in hosts.snapshots() {
    ///     println!("{host}: {} of {}", snapshot.active, snapshot.max);
    /// }
    /// ```
    #[must_use]
    pub fn snapshots(&self) -> Vec<(K, Snapshot)>
    where
        K: Clone,
    {
        let mut snapshots = Vec::new();
        self.shards.for_each_entry(|key, semaphore| {
            snapshots.push((key.clone(), semaphore.snapshot()));
        });
        snapshots
    }

    /// How many keys are in use: those that somebody holds a permit of or waits
    /// for, and those that have a [max of their own](Self::set_max).
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// let held = hosts.try_acquire("a.example").unwrap();
    /// assert_eq!(hosts.len(), 1);
    /// drop(held);
    /// assert_eq!(hosts.len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// Whether no key is in use.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(dynaphore::KeyedSemaphore::<String>::new(2).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many permits of a key without a max of its own may be out.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::KeyedSemaphore::<String>::new(2).default_max(), 2);
    /// ```
    #[must_use]
    pub fn default_max(&self) -> usize {
        self.shards.read_any(|table| table.default_max as usize)
    }

    /// Whether it is [closed](Self::close).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!dynaphore::KeyedSemaphore::<String>::new(2).is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shards.read_any(|table| table.closed)
    }

    /// Who gets a permit of a key that comes back while others wait for one.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Fairness, KeyedSemaphore};
    ///
    /// assert_eq!(KeyedSemaphore::<String>::new(2).fairness(), Fairness::Fifo);
    /// ```
    #[must_use]
    pub fn fairness(&self) -> Fairness {
        self.shards.settings.policy.fairness
    }
}

impl<K, S> KeyedSemaphore<K, S> {
    /// Panics inside a tokio runtime, where the builder asked for that.
    #[inline]
    #[track_caller]
    pub(super) fn assert_may_block(&self) {
        assert_may_block(self.shards.settings.refuse_in_runtime);
    }
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }
}

impl<K, S> fmt::Debug for KeyedSemaphore<K, S> {
    /// How many keys are in use, unless a shard is locked just now. Never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("KeyedSemaphore");
        match self.shards.try_len() {
            Some(len) => out.field("keys", &len),
            None => out.field("keys", &format_args!("<locked>")),
        };
        out.field("settings", &self.shards.settings).finish()
    }
}
