//! Blocking for permits of a key with a bound on the time.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{KeyedPermit, KeyedSemaphore, OwnedKeyedPermit, blocking::acquire};
use crate::{error::KeyedAcquireTimeoutError, park::after, semaphore::checked};

/// Blocking until the permits are there, or the time is over.
///
/// A permit that is available at once is taken even when the time is over
/// already.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// [`blocking_acquire`](Self::blocking_acquire) that waits until
    /// `timeout` is over at the longest.
    ///
    /// # Errors
    ///
    /// [`Timeout`](KeyedAcquireTimeoutError::Timeout) if the time was over first, which then
    /// leaves no trace; otherwise as for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_timeout(&17, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_timeout<Q>(
        &self,
        key: &Q,
        timeout: Duration,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, 1, after(timeout)).map(KeyedPermit::new)
    }

    /// [`blocking_acquire`](Self::blocking_acquire) that waits until
    /// `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_deadline(&17, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_deadline<Q>(
        &self,
        key: &Q,
        deadline: Instant,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, 1, Some(deadline)).map(KeyedPermit::new)
    }

    /// [`blocking_acquire_owned`](Self::blocking_acquire_owned) that waits until
    /// `timeout` is over at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone()
    ///     .blocking_acquire_owned_timeout(&17, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned_timeout<Q>(
        self: Arc<Self>,
        key: &Q,
        timeout: Duration,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, 1, after(timeout)).map(OwnedKeyedPermit::new)
    }

    /// [`blocking_acquire_owned`](Self::blocking_acquire_owned) that waits until
    /// `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone().blocking_acquire_owned_deadline(&17, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned_deadline<Q>(
        self: Arc<Self>,
        key: &Q,
        deadline: Instant,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, 1, Some(deadline)).map(OwnedKeyedPermit::new)
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many) that waits until
    /// `timeout` is over at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_many_timeout(&17, 1, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_timeout<Q>(
        &self,
        key: &Q,
        n: u32,
        timeout: Duration,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, checked(n as usize), after(timeout)).map(KeyedPermit::new)
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many) that waits until
    /// `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_many_deadline(&17, 1, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_deadline<Q>(
        &self,
        key: &Q,
        n: u32,
        deadline: Instant,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, checked(n as usize), Some(deadline)).map(KeyedPermit::new)
    }

    /// [`blocking_acquire_many_owned`](Self::blocking_acquire_many_owned) that waits until
    /// `timeout` is over at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone()
    ///     .blocking_acquire_many_owned_timeout(&17, 1, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned_timeout<Q>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
        timeout: Duration,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, checked(n as usize), after(timeout)).map(OwnedKeyedPermit::new)
    }

    /// [`blocking_acquire_many_owned`](Self::blocking_acquire_many_owned) that waits until
    /// `deadline` at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedAcquireTimeoutError, KeyedSemaphore};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone()
    ///     .blocking_acquire_many_owned_deadline(&17, 1, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned_deadline<Q>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
        deadline: Instant,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        acquire(self, key, checked(n as usize), Some(deadline)).map(OwnedKeyedPermit::new)
    }
}
