//! Keys, their targets and their counts.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use super::{LeasePool, entry::Counts, shared::Overflow};

/// Keys and their targets.
impl<K: Hash + Eq, S: BuildHasher> LeasePool<K, S> {
    /// Changes the target of a key, and returns the one that this replaces: 0
    /// for a key that was not known.
    ///
    /// When it returns, it is in force: leases beyond the new target will not be
    /// let out any more, or the waiters that can now be served are. Any thread
    /// may call it at any time, and calls that race take effect one after the
    /// other. A request that was told of a lease but has not come for it (a
    /// future that has not been polled since) goes back to where it stood in
    /// line, if this takes the lease away again.
    ///
    /// # Panics
    ///
    /// When all targets together, leases beyond their target included, would be
    /// more than [`MAX_LEASES`](LeasePool::MAX_LEASES); nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// assert_eq!(pool.set("a", 3), 0);
    /// assert_eq!(pool.set("a", 0), 3);
    /// assert!(pool.try_acquire().is_err(), "paused");
    /// ```
    #[track_caller]
    pub fn set(&self, key: K, target: usize) -> usize {
        let hash = self.hasher.hash_one(&key);
        let set = match u32::try_from(target) {
            Ok(target) => self.shared.set(hash, key, target),
            Err(_) => Err(Overflow),
        };
        match set {
            Ok(before) => before as usize,
            Err(Overflow) => panic!(
                "a target of {target} would give the pool more than MAX_LEASES leases (2147483647)"
            ),
        }
    }

    /// How many leases of `key` are out, and how many ought to be: none of
    /// either for a key that is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Counts, LeasePool};
    ///
    /// let pool = LeasePool::new();
    /// pool.set("a".to_owned(), 2);
    /// let _lease = pool.try_acquire().unwrap();
    /// assert_eq!(pool.counts("a"), Counts { target: 2, active: 1 });
    /// assert_eq!(pool.counts("b"), Counts::default());
    /// ```
    #[must_use]
    pub fn counts<Q>(&self, key: &Q) -> Counts
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.shared.find(hash, |known| known.borrow() == key);
        found.map_or_else(Counts::default, |entry| entry.tally().counts())
    }
}

/// Reading it.
impl<K, S> LeasePool<K, S> {
    /// All keys that are known, in no particular order, with their counts at one
    /// and the same moment.
    ///
    /// It holds the lock for as long as it takes to look at all keys: some
    /// milliseconds for 100,000. They are cloned afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Counts, LeasePool};
    ///
    /// let pool = LeasePool::new();
    /// pool.set("a", 2);
    /// assert_eq!(pool.snapshot(), [("a", Counts { target: 2, active: 0 })]);
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<(K, Counts)>
    where
        K: Clone,
    {
        let all = self.shared.snapshot().into_iter();
        all.map(|(entry, counts)| (entry.key.clone(), counts))
            .collect()
    }

    /// How many keys are known: those with a target above 0 or a lease out.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// assert_eq!(pool.len(), 1);
    /// pool.set("a", 0);
    /// assert_eq!(pool.len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no key is known.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(dynaphore::LeasePool::<&str>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many leases are out, of all keys together. One that a request has
    /// been told of is counted before that request comes for it. No lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// let _lease = pool.try_acquire().unwrap();
    /// assert_eq!(pool.active(), 1);
    /// ```
    #[must_use]
    pub fn active(&self) -> usize {
        self.shared.gate.active()
    }

    /// How many requests wait for a lease. No lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::LeasePool::<&str>::new().waiting(), 0);
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.gate.waiting()
    }
}
