//! Leases: what has been acquired, given back on drop.

use std::{fmt, sync::Arc};

use super::{
    entry::{Counts, Entry},
    shared::Shared,
};
use crate::semaphore::Held;

/// A lease of one key of a [`LeasePool`](crate::LeasePool), given back when
/// this is dropped.
///
/// It borrows nothing, and goes to any task or thread if its key does.
/// Unwinding drops it like anything else, so a panic loses no lease. It stays
/// good whatever becomes of the key's target, and after the pool has been
/// stopped or its last handle dropped.
///
/// # Memory ordering
///
/// All that its holder did before dropping it is visible to whoever gets a
/// lease of the pool next.
///
/// # Examples
///
/// ```
/// let pool = dynaphore::LeasePool::new();
/// pool.set("proxy-1", 2);
/// let lease = pool.try_acquire()?;
/// std::thread::spawn(move || assert_eq!(*lease.key(), "proxy-1")).join().unwrap();
/// assert_eq!(pool.counts("proxy-1").active, 0);
/// # Ok::<(), dynaphore::error::TryLeaseError>(())
/// ```
#[must_use = "dropping a lease at once gives it back at once"]
#[clippy::has_significant_drop]
pub struct Lease<K> {
    held: Held,
    id: u64,
    /// Missing only when the lease has been given back.
    entry: Option<Arc<Entry<K>>>,
    shared: Arc<Shared<K>>,
}

impl<K> Lease<K> {
    pub(super) fn new(shared: Arc<Shared<K>>, held: Held, entry: Arc<Entry<K>>, id: u64) -> Self {
        Self {
            held,
            id,
            entry: Some(entry),
            shared,
        }
    }

    fn entry(&self) -> &Entry<K> {
        self.entry.as_ref().expect("there until it is given back")
    }

    /// What it is a lease of: the key as it was given to the
    /// [`set`](crate::LeasePool::set) that made it known.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// assert_eq!(*pool.try_acquire()?.key(), "a");
    /// # Ok::<(), dynaphore::error::TryLeaseError>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> &K {
        &self.entry().key
    }

    /// Its number: counted from 0 in each pool, over all keys, in the order in
    /// which the leases were let out.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// let (first, second) = (pool.try_acquire()?, pool.try_acquire()?);
    /// assert_eq!((first.id(), second.id()), (0, 1));
    /// # Ok::<(), dynaphore::error::TryLeaseError>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How many leases of this key are out, this one included, and how many
    /// ought to be. One load, no lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::LeasePool;
    ///
    /// let pool = LeasePool::new();
    /// pool.set("a", 2);
    /// let lease = pool.try_acquire()?;
    /// assert_eq!((lease.counts().target, lease.counts().active), (2, 1));
    /// # Ok::<(), dynaphore::error::TryLeaseError>(())
    /// ```
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.entry().tally().counts()
    }

    /// Gives the lease back if more of this key are out than its target;
    /// otherwise returns it.
    ///
    /// Lowering a target revokes nothing. Holders that ask here from time to
    /// time let the count follow it down, and however many ask at once, no more
    /// leases go than are too many.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// let (one, two) = (pool.try_acquire()?, pool.try_acquire()?);
    /// pool.set("a", 1);
    /// assert!(one.release_excess().is_none(), "one too many");
    /// assert!(two.release_excess().is_some(), "one is what there ought to be");
    /// # Ok::<(), dynaphore::error::TryLeaseError>(())
    /// ```
    #[must_use = "dropping what it returns gives that back as well"]
    pub fn release_excess(mut self) -> Option<Self> {
        // Most ask in vain: no lock for those.
        if self.counts().excess() == 0 {
            return Some(self);
        }
        self.entry = self.shared.release_excess(self.entry.take()?, self.held);
        self.entry.is_some().then_some(self)
    }
}

impl<K> Drop for Lease<K> {
    #[inline]
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.shared.release(entry, self.held);
        }
    }
}

impl<K: fmt::Debug> fmt::Debug for Lease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", self.key())
            .field("id", &self.id)
            .field("counts", &self.counts())
            .finish()
    }
}
