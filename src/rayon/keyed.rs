//! A key of a keyed semaphore as a source of permits.
//!
//! Which semaphore a key has is looked up by each request, under the lock of its
//! shard, as by anybody else's; a permit knows its own, so that a look at it takes
//! no lock. A key is in use only while a permit of it is out or somebody asks: two
//! requests of one call may well meet two entries, one after the other. So nothing
//! here holds on to an entry but permits and places in line, and [`Id`]s are made
//! of numbers that no two entries share, those of one key included.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use super::source::{Id, NotNow, Permit, Source, counted, sealed::Sealed};
use crate::{
    Fairness, KeyedAcquire, KeyedPermit, KeyedSemaphore, OwnedKeyedPermit, Semaphore, ToKey,
    error::{KeyedAcquireError, KeyedTryAcquireError},
    keyed::KeyRequest,
};

impl From<KeyedTryAcquireError> for NotNow<KeyedAcquireError> {
    fn from(error: KeyedTryAcquireError) -> Self {
        match error {
            KeyedTryAcquireError::NoPermits => Self::NoPermits,
            KeyedTryAcquireError::Closed => Self::Refused(KeyedAcquireError::Closed),
            KeyedTryAcquireError::TooManyKeys => Self::Refused(KeyedAcquireError::TooManyKeys),
        }
    }
}

impl Id {
    /// Of an entry: odd.
    fn of_entry(number: u64) -> Self {
        Self(2 * number + 1)
    }

    /// Of a key that is not in use, so that nobody has a permit of it.
    const NOBODY: Self = Self(1);
}

/// A key of a [`KeyedSemaphore`], borrowed: a [`Source`] of permits for
/// [`ThrottleExt::throttle_by`](crate::throttle::ThrottleExt::throttle_by).
///
/// The key is in use, and has its max, exactly as long as any job runs under a
/// permit of it or waits for one; nothing is left over.
///
/// # Errors
///
/// What throttles by a key is turned away where any other request for that key
/// would be: [`Closed`](KeyedAcquireError::Closed),
/// [`TooManyKeys`](KeyedAcquireError::TooManyKeys) or
/// [`TooManyWaiters`](KeyedAcquireError::TooManyWaiters). A call that runs items
/// already goes on with the permits that it has, and asks again when it has none
/// left. Of too many waiters a call on a worker is told after three seconds: if what holds the
/// permits waits for this call, it shares them by then.
///
/// # Examples
///
/// ```
/// use dynaphore::{KeyedSemaphore, throttle::{KeyedSource, ThrottleExt}};
/// use rayon::prelude::*;
///
/// let hosts = KeyedSemaphore::<String>::new(2);
/// let lengths: Vec<usize> = ["/", "/about"]
///     .par_iter()
///     .throttle_by(KeyedSource::new(&hosts, "a.example"))
///     .map_collect(|page| page.len())?;
/// assert_eq!(lengths, [1, 6]);
/// assert!(hosts.is_empty());
/// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
/// ```
pub struct KeyedSource<'a, K, Q: ?Sized = K, S = RandomState> {
    keyed: &'a KeyedSemaphore<K, S>,
    key: &'a Q,
}

impl<'a, K, Q: ?Sized, S> KeyedSource<'a, K, Q, S> {
    /// The permits of `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, throttle::KeyedSource};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(2);
    /// let _source = KeyedSource::new(&hosts, "a.example");
    /// assert!(hosts.is_empty(), "nobody has asked yet");
    /// ```
    #[must_use]
    pub fn new(keyed: &'a KeyedSemaphore<K, S>, key: &'a Q) -> Self
    where
        Q: ToKey<K>,
    {
        Self { keyed, key }
    }
}

impl<K, Q: ?Sized, S> Clone for KeyedSource<'_, K, Q, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, Q: ?Sized, S> Copy for KeyedSource<'_, K, Q, S> {}

/// A key of a [`KeyedSemaphore`] that keeps it alive: a [`Source`] of permits for
/// a [`Throttle`](crate::throttle::Throttle).
///
/// Otherwise like [`KeyedSource`].
///
/// # Errors
///
/// As for [`KeyedSource`].
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, mpsc};
/// use dynaphore::{KeyedSemaphore, throttle::{OwnedKeyedSource, Throttle}};
///
/// let hosts = Arc::new(KeyedSemaphore::<String>::new(2));
/// let (sender, receiver) = mpsc::channel();
/// for host in ["a.example", "b.example", "a.example"] {
///     let key = OwnedKeyedSource::new(Arc::clone(&hosts), host.to_owned());
///     let sender = sender.clone();
///     Throttle::new(key).spawn(move |_permit| sender.send(host.len()).unwrap())?;
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<usize>(), 27);
/// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
/// ```
pub struct OwnedKeyedSource<K, S = RandomState> {
    keyed: Arc<KeyedSemaphore<K, S>>,
    key: Arc<K>,
}

impl<K, S> OwnedKeyedSource<K, S> {
    /// The permits of `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, throttle::OwnedKeyedSource};
    ///
    /// let hosts = Arc::new(KeyedSemaphore::new(2));
    /// let source = OwnedKeyedSource::new(hosts, "a.example".to_owned());
    /// assert_eq!(source.key(), "a.example");
    /// ```
    #[must_use]
    pub fn new(keyed: Arc<KeyedSemaphore<K, S>>, key: K) -> Self {
        let key = Arc::new(key);
        Self { keyed, key }
    }

    /// The key.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, throttle::OwnedKeyedSource};
    ///
    /// let users = Arc::new(KeyedSemaphore::new(2));
    /// assert_eq!(OwnedKeyedSource::new(users, 17).key(), &17);
    /// ```
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K, S> Clone for OwnedKeyedSource<K, S> {
    fn clone(&self) -> Self {
        Self {
            keyed: Arc::clone(&self.keyed),
            key: Arc::clone(&self.key),
        }
    }
}

macro_rules! permit {
    ($permit:ty) => {
        impl<K: Send + Sync, S: Send + Sync> Permit for $permit {
            counted!();

            fn id(&self) -> Id {
                Id::of_entry(self.number())
            }

            #[inline]
            fn semaphore(&self) -> &Semaphore {
                <$permit>::semaphore(self)
            }
        }
    };
}

permit!(KeyedPermit<'_, K, S>);
permit!(OwnedKeyedPermit<K, S>);

/// All of [`Source`] that does not depend on how the key is held.
macro_rules! of_key {
    () => {
        type Error = KeyedAcquireError;

        fn id(&self) -> Id {
            let number = self.keyed.number(&*self.key);
            number.map_or(Id::NOBODY, Id::of_entry)
        }

        fn would_refuse(&self, n: u32) -> Option<KeyedAcquireError> {
            self.keyed.would_refuse(&*self.key, n)
        }

        fn is_closed(&self) -> bool {
            self.keyed.is_closed_for(&*self.key)
        }

        fn max_and_active(&self) -> (usize, usize) {
            let now = self.keyed.snapshot(&*self.key);
            (now.max, now.active)
        }

        fn available(&self) -> usize {
            let now = self.keyed.snapshot(&*self.key);
            if now.waiting > 0 { 0 } else { now.available() }
        }

        fn hands_over(&self) -> bool {
            self.keyed.fairness() == Fairness::Fifo
        }
    };
}

impl<K, Q: ?Sized, S> Sealed for KeyedSource<'_, K, Q, S> {}

impl<'a, K, Q, S> Source for KeyedSource<'a, K, Q, S>
where
    K: Send + Sync,
    S: BuildHasher + Send + Sync,
    Q: ToKey<K> + Sync + ?Sized,
{
    type Permit = KeyedPermit<'a, K, S>;
    type Ask = KeyedAcquire<'a, 'a, K, Q, S>;

    of_key!();

    fn take(&self, n: u32) -> Result<Self::Permit, NotNow<KeyedAcquireError>> {
        Ok(self.keyed.try_acquire_many(self.key, n)?)
    }

    fn ahead(&self, n: u32, over: bool) -> Option<Self::Permit> {
        self.keyed.acquire_ahead(self.key, n, over)
    }

    fn ask(&self, n: u32) -> Self::Ask {
        self.keyed.acquire_many(self.key, n)
    }
}

impl<K, S> Sealed for OwnedKeyedSource<K, S> {}

impl<K, S> Source for OwnedKeyedSource<K, S>
where
    K: Hash + Eq + Clone + Send + Sync,
    S: BuildHasher + Send + Sync,
{
    type Permit = OwnedKeyedPermit<K, S>;
    type Ask = KeyRequest<K, S>;

    of_key!();

    fn take(&self, n: u32) -> Result<Self::Permit, NotNow<KeyedAcquireError>> {
        Ok(Arc::clone(&self.keyed).try_acquire_many_owned(&*self.key, n)?)
    }

    fn ahead(&self, n: u32, over: bool) -> Option<Self::Permit> {
        Arc::clone(&self.keyed).acquire_ahead_owned(&*self.key, n, over)
    }

    fn ask(&self, n: u32) -> Self::Ask {
        KeyRequest::new(Arc::clone(&self.keyed), Arc::clone(&self.key), n)
    }
}

impl<K, Q: ?Sized, S> fmt::Debug for KeyedSource<'_, K, Q, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedSource")
            .field("keyed", self.keyed)
            .finish_non_exhaustive()
    }
}

impl<K, S> fmt::Debug for OwnedKeyedSource<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedKeyedSource")
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}
