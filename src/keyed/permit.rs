//! Permits of a key, given back on drop, and what they and those who wait count in.

use std::{fmt, hash::RandomState, mem, ops::Deref, sync};

use triomphe::Arc;

use super::{entry::Entry, semaphore::KeyedSemaphore};
use crate::semaphore::{Held, Semaphore};

/// A way to reach a keyed semaphore: by reference, or by an `Arc` of its own.
pub(super) trait Reach: Deref<Target = KeyedSemaphore<Self::Key, Self::Hasher>> {
    type Key;
    type Hasher;
}

impl<K, S, R: Deref<Target = KeyedSemaphore<K, S>>> Reach for R {
    type Key = K;
    type Hasher = S;
}

/// One that waits, counted in already: the way by which an attempt to acquire
/// reaches the semaphore of its key. Dropping it counts it out.
pub(super) struct Waiter<R: Reach>(Option<(R, Arc<Entry<R::Key>>)>);

impl<R: Reach> Waiter<R> {
    pub(super) fn new(keyed: R, entry: Arc<Entry<R::Key>>) -> Self {
        Self(Some((keyed, entry)))
    }

    /// What it is made of, still counted.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    pub(super) fn into_parts(mut self) -> Option<(R, Arc<Entry<R::Key>>)> {
        self.0.take()
    }
}

impl<R: Reach> Deref for Waiter<R> {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        let (_, entry) = self.0.as_ref().expect("there until it is dropped");
        &entry.semaphore
    }
}

impl<R: Reach> Drop for Waiter<R> {
    fn drop(&mut self) {
        if let Some((keyed, entry)) = self.0.take() {
            keyed.shards.leave_waiting(entry);
        }
    }
}

/// Permits of one key. The semaphore counts them, or `users` counts this one
/// if it has none.
pub(super) struct Permits<R: Reach> {
    keyed: R,
    /// Missing only on the way out.
    entry: Option<Arc<Entry<R::Key>>>,
    held: Held,
}

impl<R: Reach> Permits<R> {
    /// Of a request that did not have to wait.
    #[inline]
    pub(super) fn taken(keyed: R, entry: Arc<Entry<R::Key>>, n: u32) -> Self {
        Self {
            keyed,
            entry: Some(entry),
            held: Held::taken(n),
        }
    }

    /// Of one that has waited for what it now holds.
    pub(super) fn waited_for((mut waiter, held): (Waiter<R>, Held)) -> Self {
        let (keyed, entry) = waiter.0.take().expect("there until it is dropped");
        // It is not the last: it has permits, since for none nobody waits.
        let _ = entry.users.leave_waiting();
        Self {
            keyed,
            entry: Some(entry),
            held,
        }
    }

    #[inline]
    pub(super) fn entry(&self) -> &Arc<Entry<R::Key>> {
        self.entry.as_ref().expect("there until it is dropped")
    }

    pub(super) fn key(&self) -> &R::Key {
        self.entry().key()
    }

    pub(super) fn num_permits(&self) -> usize {
        self.held.n as usize
    }

    #[track_caller]
    pub(super) fn merge(&mut self, mut other: Self) {
        // While both are there, so is the entry: the same key, the same entry.
        assert!(
            Arc::ptr_eq(self.entry(), other.entry()),
            "merging permits of different keys"
        );
        if self.held.n > 0 && other.held.n > 0 {
            self.held.merge(other.held);
            other.entry = None;
        } else if self.held.n == 0 {
            // The one without permits goes.
            mem::swap(&mut self.held, &mut other.held);
        }
    }

    #[track_caller]
    pub(super) fn split(&mut self, n: usize) -> Option<Self>
    where
        R: Clone,
    {
        let all = self.num_permits();
        if n > all {
            return None;
        }
        let entry = Arc::clone(self.entry());
        if n == 0 || n == all {
            self.keyed.shards.join_empty(&entry);
        }
        Some(Self {
            keyed: self.keyed.clone(),
            entry: Some(entry),
            held: self.held.split(n).expect("there are so many"),
        })
    }
}

/// To the semaphore of their key.
impl<R: Reach> Deref for Permits<R> {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        &self.entry().semaphore
    }
}

impl<R: Reach> Drop for Permits<R> {
    #[inline]
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.keyed.shards.leave(entry, self.held);
        }
    }
}

/// Permits, whose keyed semaphore is reached by a `$handle`.
macro_rules! permit {
    ($(#[$docs:meta])* $name:ident<$($lifetime:lifetime,)? K, S>, $handle:ty) => {
        $(#[$docs])*
        #[must_use = "dropping a permit at once gives it back at once"]
        #[clippy::has_significant_drop]
        pub struct $name<$($lifetime,)? K, S = RandomState>(pub(super) Permits<$handle>);

        impl<$($lifetime,)? K, S> $name<$($lifetime,)? K, S> {
            pub(super) fn new(permits: Permits<$handle>) -> Self {
                Self(permits)
            }

            /// The key that they belong to.
            ///
            /// # Examples
            ///
            /// ```
            /// let hosts = dynaphore::KeyedSemaphore::<String>::new(3);
            /// let permit = hosts.try_acquire("a.example").unwrap();
            /// assert_eq!(permit.key(), "a.example");
            /// ```
            #[must_use]
            pub fn key(&self) -> &K {
                self.0.key()
            }

            /// How many permits these are: 0 to
            /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
            ///
            /// # Examples
            ///
            /// ```
            /// let hosts = dynaphore::KeyedSemaphore::<String>::new(3);
            /// assert_eq!(hosts.try_acquire_many("a.example", 2).unwrap().num_permits(), 2);
            /// ```
            #[must_use]
            pub fn num_permits(&self) -> usize {
                self.0.num_permits()
            }

            /// Adds the permits of `other` to these.
            ///
            /// # Panics
            ///
            /// When `other` belongs to another key or another keyed semaphore. Both keep
            /// what they have, and give it back as they are dropped.
            ///
            /// # Examples
            ///
            /// ```
            /// let hosts = dynaphore::KeyedSemaphore::<String>::new(3);
            /// let mut all = hosts.try_acquire("a.example").unwrap();
            /// all.merge(hosts.try_acquire_many("a.example", 2).unwrap());
            /// assert_eq!(all.num_permits(), 3);
            /// ```
            #[track_caller]
            pub fn merge(&mut self, other: Self) {
                self.0.merge(other.0);
            }

            /// Splits `n` permits off, into one of their own. `None`, and nothing
            /// changed, when there are fewer than `n`.
            ///
            /// # Panics
            ///
            /// When 2^32 - 1 permits of the key stand for none already; nothing has changed
            /// then.
            ///
            /// # Examples
            ///
            /// ```
            /// let hosts = dynaphore::KeyedSemaphore::<String>::new(3);
            /// let mut two = hosts.try_acquire_many("a.example", 2).unwrap();
            /// let one = two.split(1).unwrap();
            /// assert_eq!((one.num_permits(), two.num_permits()), (1, 1));
            /// assert!(two.split(2).is_none());
            /// ```
            #[track_caller]
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.0.split(n).map(Self)
            }
        }

        impl<$($lifetime,)? K: fmt::Debug, S> fmt::Debug for $name<$($lifetime,)? K, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("permits", &self.num_permits())
                    .field("key", self.key())
                    .finish_non_exhaustive()
            }
        }
    };
}

permit! {
    /// Permits of one key of a [`KeyedSemaphore`], given back when this is
    /// dropped.
    ///
    /// Returned by [`acquire`](KeyedSemaphore::acquire),
    /// [`try_acquire`](KeyedSemaphore::try_acquire),
    /// [`blocking_acquire`](KeyedSemaphore::blocking_acquire) and their kin.
    /// Unwinding drops it like anything else, so a panic loses no permit.
    ///
    /// # Memory ordering
    ///
    /// All that its holder did before dropping it is visible to whoever gets
    /// permits of the key next.
    ///
    /// # Examples
    ///
    /// ```
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(1);
    /// let permit = hosts.try_acquire("a.example").unwrap();
    /// assert_eq!(hosts.snapshot("a.example").active, 1);
    /// drop(permit);
    /// assert!(hosts.is_empty());
    /// ```
    KeyedPermit<'a, K, S>, &'a KeyedSemaphore<K, S>
}

permit! {
    /// Permits of one key of a [`KeyedSemaphore`] that keep it alive, given back when this is
    /// dropped.
    ///
    /// Returned by [`acquire_owned`](KeyedSemaphore::acquire_owned),
    /// [`try_acquire_owned`](KeyedSemaphore::try_acquire_owned),
    /// [`blocking_acquire_owned`](KeyedSemaphore::blocking_acquire_owned) and their kin.
    /// For what is moved to another task or thread; otherwise like
    /// [`KeyedPermit`].
    ///
    /// # Memory ordering
    ///
    /// All that its holder did before dropping it is visible to whoever gets
    /// permits of the key next.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::Arc, thread};
    /// use dynaphore::KeyedSemaphore;
    ///
    /// let hosts = Arc::new(KeyedSemaphore::<String>::new(1));
    /// let permit = Arc::clone(&hosts).try_acquire_owned("a.example").unwrap();
    /// thread::spawn(move || drop(permit)).join().unwrap();
    /// assert!(hosts.is_empty());
    /// ```
    OwnedKeyedPermit<K, S>, sync::Arc<KeyedSemaphore<K, S>>
}
