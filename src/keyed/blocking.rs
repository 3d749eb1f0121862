//! Taking permits of a key by blocking the thread, with a bound on the time or without.

use std::{
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    key::ToKey,
    permit::{KeyedPermit, OwnedKeyedPermit, Permits, Reach, Waiter},
    semaphore::KeyedSemaphore,
    shards::Entered,
};
use crate::{
    error::{KeyedAcquireError, KeyedAcquireTimeoutError},
    park::after,
    semaphore::{self, checked},
};

/// Waits for `n` permits of `key`, until the deadline if there is one. `None` if that comes
/// first.
#[track_caller]
fn block<R: Reach<Hasher: BuildHasher>, Q: ToKey<R::Key> + ?Sized>(
    keyed: R,
    key: &Q,
    n: u32,
    deadline: Option<Instant>,
) -> Option<Result<Permits<R>, KeyedAcquireError>> {
    keyed.assert_may_block();
    Some(match keyed.enter_or_wait(key, n) {
        Err(refused) => Err(refused),
        Ok(Entered::Holds(entry)) => Ok(Permits::taken(keyed, entry, n)),
        Ok(Entered::Waits(entry)) => {
            let told = semaphore::block(Waiter::new(keyed, entry), n, deadline)?;
            told.map(Permits::waited_for).map_err(Into::into)
        }
    })
}

#[track_caller]
fn acquire<R: Reach<Hasher: BuildHasher>, Q: ToKey<R::Key> + ?Sized>(
    keyed: R,
    key: &Q,
    n: u32,
    deadline: Option<Instant>,
) -> Result<Permits<R>, KeyedAcquireTimeoutError> {
    let told = block(keyed, key, n, deadline);
    Ok(told.ok_or(KeyedAcquireTimeoutError::Timeout)??)
}

/// Waits for `n` permits of `key` as long as it takes.
#[track_caller]
fn acquire_at_last<R: Reach<Hasher: BuildHasher>, Q: ToKey<R::Key> + ?Sized>(
    keyed: R,
    key: &Q,
    n: u32,
) -> Result<Permits<R>, KeyedAcquireError> {
    block(keyed, key, n, None).expect("there is no deadline")
}

/// Blocking until the permits are there.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// Waits for a permit of `key`, blocking the thread. Threads and async tasks stand in
    /// the same line.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::KeyedBuilder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.blocking_acquire(&17)?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireError> {
        acquire_at_last(self, key, 1).map(KeyedPermit::new)
    }

    /// [`blocking_acquire`](Self::blocking_acquire), with a permit that keeps the
    /// keyed semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().blocking_acquire_owned(&17)?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireError> {
        acquire_at_last(self, key, 1).map(OwnedKeyedPermit::new)
    }

    /// Waits for `n` permits of `key`, blocking the thread, and takes them all at once.
    /// Zero are had at once, unless it is closed or the key may not be in use.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    /// Otherwise as for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.blocking_acquire_many(&17, 2)?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
        n: u32,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireError> {
        acquire_at_last(self, key, checked(n as usize)).map(KeyedPermit::new)
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many), with permits that keep the
    /// keyed semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire_many`](Self::blocking_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().blocking_acquire_many_owned(&17, 2)?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireError> {
        acquire_at_last(self, key, checked(n as usize)).map(OwnedKeyedPermit::new)
    }
}

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
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_timeout(&17, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_timeout<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
        timeout: Duration,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_deadline(&17, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_deadline<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
        deadline: Instant,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone()
    ///     .blocking_acquire_owned_timeout(&17, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned_timeout<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        timeout: Duration,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone().blocking_acquire_owned_deadline(&17, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned_deadline<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        deadline: Instant,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire_many`](Self::blocking_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_many_timeout(&17, 1, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_timeout<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
        n: u32,
        timeout: Duration,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire_many`](Self::blocking_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.blocking_acquire_many_deadline(&17, 1, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_deadline<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
        n: u32,
        deadline: Instant,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire_many`](Self::blocking_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone()
    ///     .blocking_acquire_many_owned_timeout(&17, 1, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned_timeout<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
        timeout: Duration,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError> {
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
    /// As for [`blocking_acquire_many`](Self::blocking_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// # use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(0));
    /// let late = users.clone()
    ///     .blocking_acquire_many_owned_deadline(&17, 1, Instant::now());
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned_deadline<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
        deadline: Instant,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError> {
        acquire(self, key, checked(n as usize), Some(deadline)).map(OwnedKeyedPermit::new)
    }
}
