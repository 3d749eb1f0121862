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
    pin::Pin,
    sync::{Arc, Weak},
};

use super::{
    acquire::{KeyedAcquire, KeyedAcquireOwned, try_take},
    key::ToKey,
    permit::{KeyedPermit, OwnedKeyedPermit, Permits, Reach},
    semaphore::KeyedSemaphore,
};
use crate::{
    Fairness, Semaphore, Snapshot,
    error::{KeyedAcquireError, KeyedTryAcquireError},
    semaphore::checked,
    throttle::source::{Id, Permit, Sealed, Source, permit},
};

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
/// [`TooManyWaiters`](KeyedAcquireError::TooManyWaiters), a call
/// [somewhat later](crate::throttle::Throttled#errors).
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

permit!([K: Send + Sync, S: Send + Sync] KeyedPermit<'_, K, S>, |permit| permit.0.id(), &permit.0);
permit!([K: Send + Sync, S: Send + Sync] OwnedKeyedPermit<K, S>, |permit| permit.0.id(), &permit.0);

impl<R: Reach> Permits<R> {
    fn id(&self) -> Id {
        Id::of_number(self.entry().number())
    }
}

/// Takes `n` permits of `key` ahead of those who wait, if the key is in use.
fn take_ahead<R: Reach<Hasher: BuildHasher>, Q: ToKey<R::Key> + ?Sized>(
    keyed: R,
    key: &Q,
    n: u32,
    over: bool,
) -> Option<Permits<R>> {
    let entry = keyed.shards.read(keyed.hash(key), key, |_, entry| {
        entry
            .filter(|entry| entry.semaphore.take_ahead(n, over))
            .cloned()
    })?;
    Some(Permits::taken(keyed, entry, n))
}

/// What a source asks of its key.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    fn id<Q: ToKey<K> + ?Sized>(&self, key: &Q) -> Id {
        self.shards.read(self.hash(key), key, |_, entry| {
            entry.map_or(Id::NOBODY, |entry| Id::of_number(entry.number()))
        })
    }

    fn available<Q: ToKey<K> + ?Sized>(&self, key: &Q) -> usize {
        self.shards.read(self.hash(key), key, |table, entry| {
            entry.map_or(table.default_max as usize, |entry| {
                entry.semaphore.available_permits()
            })
        })
    }

    /// What a request for `n` permits of `key` would be told now, if it would
    /// be turned away.
    fn would_refuse<Q: ToKey<K> + ?Sized>(&self, key: &Q, n: u32) -> Option<KeyedAcquireError> {
        let max_waiters = self.shards.settings.max_waiters;
        self.shards.read(self.hash(key), key, |table, entry| {
            if table.closed {
                return Some(KeyedAcquireError::Closed);
            }
            let (available, waiters) = match entry {
                None if !self.shards.has_room() => return Some(KeyedAcquireError::TooManyKeys),
                None => (table.default_max as usize, 0),
                Some(entry) => {
                    let available = entry.semaphore.available_permits();
                    (available, entry.users.waiters())
                }
            };
            let is_full = n as usize > available && waiters >= max_waiters;
            is_full.then_some(KeyedAcquireError::TooManyWaiters)
        })
    }
}

/// All of [`Source`] that does not depend on how the key is held.
macro_rules! of_key {
    () => {
        type Error = KeyedAcquireError;

        fn id(&self) -> Id {
            self.keyed.id(&*self.key)
        }

        fn take(&self, n: u32) -> Result<Option<Self::Permit>, KeyedAcquireError> {
            let keyed = Clone::clone(&self.keyed);
            match try_take(keyed, &*self.key, checked(n as usize)) {
                Ok(permits) => Ok(Some(Self::Permit::new(permits))),
                Err(KeyedTryAcquireError::NoPermits) => Ok(None),
                Err(KeyedTryAcquireError::Closed) => Err(KeyedAcquireError::Closed),
                Err(KeyedTryAcquireError::TooManyKeys) => Err(KeyedAcquireError::TooManyKeys),
            }
        }

        fn ahead(&self, n: u32, over: bool) -> Option<Self::Permit> {
            let taken = take_ahead(Clone::clone(&self.keyed), &*self.key, n, over);
            taken.map(Self::Permit::new)
        }

        fn ask(&self, n: u32) -> Self::Ask {
            let (keyed, key) = (Clone::clone(&self.keyed), Clone::clone(&self.key));
            Self::Ask::new(keyed, key, checked(n as usize))
        }

        fn would_refuse(&self, n: u32) -> Option<KeyedAcquireError> {
            self.keyed.would_refuse(&*self.key, n)
        }

        fn now(&self) -> Snapshot {
            self.keyed.snapshot(&*self.key)
        }

        fn available(&self) -> usize {
            self.keyed.available(&*self.key)
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
    type Handle = ();
    type Weak = ();
    type Ask = KeyedAcquire<'a, 'a, K, Q, S>;

    of_key!();
}

impl<K, S> Sealed for OwnedKeyedSource<K, S> {}

impl<K, S> Source for OwnedKeyedSource<K, S>
where
    K: Hash + Eq + Clone + Send + Sync,
    S: BuildHasher + Send + Sync,
{
    type Permit = OwnedKeyedPermit<K, S>;
    type Handle = Arc<KeyedSemaphore<K, S>>;
    /// The hash and the number of the entry, which stays in use as long as the place is
    /// counted. The key would not do: it need not be equal to itself.
    type Weak = (Weak<KeyedSemaphore<K, S>>, u64, u64);
    type Ask = KeyedAcquireOwned<K, Arc<K>, S>;

    of_key!();

    fn lets_go(ask: Pin<&mut Self::Ask>) -> Option<(Self::Handle, Self::Weak)> {
        let (keyed, entry) = ask.project().request.lets_go()?;
        let weak = (Arc::downgrade(&keyed), entry.hash, entry.number());
        Some((keyed, weak))
    }

    fn holds(ask: Pin<&mut Self::Ask>, (keyed, hash, number): &Self::Weak) -> bool {
        let find = |keyed: Arc<KeyedSemaphore<K, S>>| {
            let entry = keyed.shards.find_number(*hash, *number)?;
            ask.project().request.holds(keyed, entry);
            Some(())
        };
        keyed.upgrade().and_then(find).is_some()
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
