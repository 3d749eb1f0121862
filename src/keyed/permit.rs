//! Permits of a key, given back on drop.

use std::{fmt, hash::RandomState, sync::Arc};

use super::{KeyedSemaphore, handle::Permits};

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
#[must_use = "dropping a permit at once gives it back at once"]
#[clippy::has_significant_drop]
pub struct KeyedPermit<'a, K, S = RandomState>(pub(super) Permits<&'a KeyedSemaphore<K, S>>);

impl<'a, K, S> KeyedPermit<'a, K, S> {
    pub(super) fn new(permits: Permits<&'a KeyedSemaphore<K, S>>) -> Self {
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

impl<K: fmt::Debug, S> fmt::Debug for KeyedPermit<'_, K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPermit")
            .field("permits", &self.num_permits())
            .field("key", self.key())
            .finish_non_exhaustive()
    }
}

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
#[must_use = "dropping a permit at once gives it back at once"]
#[clippy::has_significant_drop]
pub struct OwnedKeyedPermit<K, S = RandomState>(pub(super) Permits<Arc<KeyedSemaphore<K, S>>>);

impl<K, S> OwnedKeyedPermit<K, S> {
    pub(super) fn new(permits: Permits<Arc<KeyedSemaphore<K, S>>>) -> Self {
        Self(permits)
    }

    /// The key that they belong to.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let hosts = Arc::new(dynaphore::KeyedSemaphore::<String>::new(3));
    /// let permit = hosts.clone().try_acquire_owned("a.example").unwrap();
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
    /// # use std::sync::Arc;
    /// let hosts = Arc::new(dynaphore::KeyedSemaphore::<String>::new(3));
    /// assert_eq!(hosts.clone().try_acquire_many_owned("a.example", 2).unwrap().num_permits(), 2);
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
    /// # use std::sync::Arc;
    /// let hosts = Arc::new(dynaphore::KeyedSemaphore::<String>::new(3));
    /// let mut all = hosts.clone().try_acquire_owned("a.example").unwrap();
    /// all.merge(hosts.clone().try_acquire_many_owned("a.example", 2).unwrap());
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
    /// # use std::sync::Arc;
    /// let hosts = Arc::new(dynaphore::KeyedSemaphore::<String>::new(3));
    /// let mut two = hosts.clone().try_acquire_many_owned("a.example", 2).unwrap();
    /// let one = two.split(1).unwrap();
    /// assert_eq!((one.num_permits(), two.num_permits()), (1, 1));
    /// assert!(two.split(2).is_none());
    /// ```
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.0.split(n).map(Self)
    }
}

impl<K: fmt::Debug, S> fmt::Debug for OwnedKeyedPermit<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedKeyedPermit")
            .field("permits", &self.num_permits())
            .field("key", self.key())
            .finish_non_exhaustive()
    }
}
