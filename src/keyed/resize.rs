//! Changing how many permits keys have, and the end.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use super::KeyedSemaphore;
use crate::{error::TooManyKeys, semaphore::checked};

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
    /// [`TooManyKeys`] if the key is not in use and may not be; nothing has
    /// changed then.
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
    /// assert_eq!(hosts.set_max("slow.example", 0)?, 2);
    /// assert!(hosts.try_acquire("slow.example").is_err(), "paused");
    /// assert_eq!(hosts.len(), 1);
    /// # Ok::<(), dynaphore::TooManyKeys>(())
    /// ```
    #[track_caller]
    pub fn set_max<Q>(&self, key: &Q, max: usize) -> Result<usize, TooManyKeys>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let max = checked(max);
        let before = self.map.set_override(self.hash(key), key, max)?;
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
    /// # Ok::<(), dynaphore::TooManyKeys>(())
    /// ```
    pub fn clear_max<Q>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let before = self.map.clear_override(self.hash(key), key);
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
        self.map.set_default(checked(max)) as usize
    }

    /// Refuses all further requests, for every key. Those that wait are told so;
    /// holders keep their permits and give them back as ever. Resizing still
    /// works, and does not open it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, KeyedTryAcquireError};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(2);
    /// hosts.close();
    /// assert_eq!(
    ///     hosts.try_acquire("a.example").unwrap_err(),
    ///     KeyedTryAcquireError::Closed,
    /// );
    /// ```
    pub fn close(&self) {
        self.map.close();
    }
}
