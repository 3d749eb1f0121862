//! Reading a keyed semaphore. What is asked about one key looks it up under the
//! lock of its shard.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use super::KeyedSemaphore;
use crate::{Fairness, Snapshot};

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
    /// # Ok::<(), dynaphore::TooManyKeys>(())
    /// ```
    #[must_use]
    pub fn max<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.snapshot(key).max
    }

    /// What the semaphore of `key` looks like now. A key that is not in use has
    /// the default max, and nobody holds or waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, Snapshot};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(2);
    /// let _held = hosts.try_acquire("a.example").unwrap();
    /// assert_eq!(
    ///     hosts.snapshot("a.example"),
    ///     Snapshot { max: 2, active: 1, waiting: 0, closed: false },
    /// );
    /// assert_eq!(hosts.snapshot("b.example").active, 0);
    /// ```
    #[must_use]
    pub fn snapshot<Q>(&self, key: &Q) -> Snapshot
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.read(self.hash(key), key, |table, entry| {
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
        self.map.for_each_entry(|key, semaphore| {
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
        self.map.len()
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
        self.map.read_any(|table| table.default_max as usize)
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
        self.map.read_any(|table| table.closed)
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
        self.map.settings().policy.fairness
    }
}
