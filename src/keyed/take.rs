//! Taking permits of a key without blocking: the calls that try and those that
//! return a future.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use super::{
    Entered, KeyedAcquire, KeyedAcquireOwned, KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    Refusal,
    handle::{Permits, Reach},
};
use crate::{
    error::{KeyedAcquireError, KeyedTryAcquireError},
    semaphore::checked,
};

/// Takes `n` permits of `key` if they are there.
#[inline]
fn try_take<R, Q>(keyed: R, key: &Q, n: u32) -> Result<Permits<R>, KeyedTryAcquireError>
where
    R: Reach,
    R::Key: Borrow<Q>,
    R::Hasher: BuildHasher,
    Q: Hash + Eq + ToOwned<Owned = R::Key> + ?Sized,
{
    let KeyedSemaphore { map, .. } = keyed.keyed();
    let hash = keyed.keyed().hash(key);
    match map.enter(hash, key, n, 0)? {
        Entered::Holds(entry) => Ok(Permits::taken(keyed, entry, n)),
        Entered::Waits(_) => unreachable!("there is no place to wait"),
    }
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// Takes `n` permits of `key`, or a place to wait for them.
    #[inline]
    pub(super) fn enter<Q>(&self, key: &Q, n: u32) -> Result<Entered<K>, KeyedAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let max_waiters = self.map.settings().max_waiters;
        let entered = self.map.enter(self.hash(key), key, n, max_waiters);
        entered.map_err(Refusal::into)
    }
}

/// Taking permits that are there.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// Takes a permit of `key` if there is one and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](KeyedTryAcquireError::NoPermits) if there is none, or it belongs to
    /// somebody who waits; [`TooManyKeys`](KeyedTryAcquireError::TooManyKeys) if the key is
    /// not in use and may not be;
    /// [`Closed`](KeyedTryAcquireError::Closed) after [`close`](Self::close). Nothing has
    /// changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.try_acquire(&17)?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire<Q>(&self, key: &Q) -> Result<KeyedPermit<'_, K, S>, KeyedTryAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        try_take(self, key, 1).map(KeyedPermit::new)
    }

    /// [`try_acquire`](Self::try_acquire), with a permit that keeps the keyed
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().try_acquire_owned(&17)?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire_owned<Q>(
        self: Arc<Self>,
        key: &Q,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedTryAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        try_take(self, key, 1).map(OwnedKeyedPermit::new)
    }

    /// Takes `n` permits of `key`, all or none. Zero are had unless it is closed, and
    /// the key is in use by them too.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.try_acquire_many(&17, 2)?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many<Q>(
        &self,
        key: &Q,
        n: u32,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedTryAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        try_take(self, key, checked(n as usize)).map(KeyedPermit::new)
    }

    /// [`try_acquire_many`](Self::try_acquire_many), with permits that keep the keyed
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().try_acquire_many_owned(&17, 2)?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many_owned<Q>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedTryAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        try_take(self, key, checked(n as usize)).map(OwnedKeyedPermit::new)
    }
}

/// Waiting for permits.
impl<K, S> KeyedSemaphore<K, S> {
    /// Waits for a permit of `key`. The key is looked up when the future is polled
    /// for the first time.
    ///
    /// # Errors
    ///
    /// [`Closed`](KeyedAcquireError::Closed) if it is closed, or is closed while it waits;
    /// [`TooManyKeys`](KeyedAcquireError::TooManyKeys) if the key is not in use and may not
    /// be; [`TooManyWaiters`](KeyedAcquireError::TooManyWaiters) if it would have to wait
    /// and may not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace: its place in line goes to whoever is next,
    /// and so does a permit that it has been granted.
    ///
    /// # Fairness
    ///
    /// First in, first out among those who want this key; see
    /// [`KeyedSemaphore`](Self#fairness).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.acquire(&17).await?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn acquire<'k, Q>(&self, key: &'k Q) -> KeyedAcquire<'_, 'k, K, Q, S>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        KeyedAcquire::new(self, key, 1)
    }

    /// [`acquire`](Self::acquire), with a permit that keeps the keyed semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().acquire_owned(&17).await?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn acquire_owned<'k, Q>(self: Arc<Self>, key: &'k Q) -> KeyedAcquireOwned<'k, K, Q, S>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        KeyedAcquireOwned::new(self, key, 1)
    }

    /// Waits for `n` permits of `key`, and takes them all at once. A request for more
    /// than the max of the key waits beside the line until max allows it, as for
    /// [`Semaphore::acquire_many`](crate::Semaphore::acquire_many).
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.acquire_many(&17, 2).await?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many<'k, Q>(&self, key: &'k Q, n: u32) -> KeyedAcquire<'_, 'k, K, Q, S>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        KeyedAcquire::new(self, key, checked(n as usize))
    }

    /// [`acquire_many`](Self::acquire_many), with permits that keep the keyed semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().acquire_many_owned(&17, 2).await?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_owned<'k, Q>(
        self: Arc<Self>,
        key: &'k Q,
        n: u32,
    ) -> KeyedAcquireOwned<'k, K, Q, S>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        KeyedAcquireOwned::new(self, key, checked(n as usize))
    }
}
