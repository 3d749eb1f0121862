//! The lease pool as its callers see it, and its protocol.
//!
//! # Parts
//!
//! The *gate* is the crate's own semaphore: whoever wants a lease takes a permit
//! of it, and keeps that as long as the lease. All waiting, order, timing out
//! and giving up is the gate's. The *table*, behind a lock, knows the keys, and
//! in its *ring* those that have a place free, in the order of their turns.
//! Between the gate and the table a request is *on its way*: it has a permit and
//! no lease, for an instant, or until a future that has been told is polled.
//!
//! A key's *share* is `max(target, active)`: the leases that are out, and its
//! *places*, those that may join them.
//!
//! | who | moves what |
//! |---|---|
//! | pick, by a request on its way | counts a lease of the key in front of the ring; the key goes to the end, or out if it is full |
//! | release, from a key not over its target | uncounts the lease, lets the key into the ring, gives the permit back |
//! | release, from a key over its target | uncounts the lease; the permit and a part of the gate's max go with it |
//! | set | changes the target, the gate's max by the same as the share, the key's being in the ring |
//! | stop | closes the gate, and the table against those on their way |
//!
//! Each of these is one critical section, in which the gate's word is written at
//! most once and no foreign code runs: no waker (those whom the write concerns
//! are served when the lock is free again), no `Hash` and no `Eq` (`names.rs`),
//! no `Drop` of a key (what is freed is carried out). What foreign code does, a
//! panic or a call of the pool, it does between two such sections.
//!
//! # Why there is never one too many, and nobody waits beside a place
//!
//! 1. *Never one too many.* Pick alone counts leases up, under the lock under
//!    which targets change, when it has seen `active < target` there. A permit of
//!    the gate entitles to a look and no more, so it does not matter what has
//!    become of the target since the permit was granted.
//! 2. *The books.* Whenever the lock is free, the gate's max is the sum of all
//!    shares and its active count is the leases that are out and the requests on
//!    their way. So the permits free at the gate are the places less those on
//!    their way; when targets were lowered, this may be less than nothing.
//! 3. *Nobody waits beside a place.* The gate lets nobody wait while a permit is
//!    free (`queue.rs`), and whoever makes one free changes the word first and
//!    looks at the line afterwards. So while places are left and somebody waits,
//!    at least as many are on their way as there are places. Each of those takes
//!    a place, or is dropped, which hands its permit to the next in line, or
//!    finds no place.
//! 4. *Those who find nothing.* Their permits are the ones by which the gate is
//!    over its max, by 2. They give them back, which lets nobody in, and stand in
//!    line again where they stood, in one step under the line's lock. Should a
//!    place have come up meanwhile, they are granted it in that step if they are
//!    first, and look again: each further look is somebody else's doing, so
//!    nobody spins.
//! 5. *The end.* Stop closes the table in the critical section that closes the
//!    gate. So after it no lease begins, not for those on their way either.
//!
//! # Origin
//!
//! Teleport's `workpool`, a Go package: leases of any key, targets that change at run
//! time. The protocol is written afresh; there, a key that is paused and resumed has
//! forgotten the leases that are out.
//!
//! # Order
//!
//! Requests are let through the gate first in, first out. One that is told of a
//! place which a `set` takes back before it comes keeps its rank. When several
//! have been told and there are fewer places left, those who come first have
//! them.
//!
//! Keys take turns. One that gets a place free stands at the end of the ring, so
//! before it is served again, each key that was there when it was last served is
//! served too, or has no place any more.
//!
//! # Why a lock
//!
//! A lease is of one key, a waiter waits for any. A release must therefore change
//! its key's count and the list of those with a place in one step; in safe code
//! this takes a lock. It is held for some tens of instructions: once to acquire
//! and once to release.

use std::{fmt, hash::RandomState, sync::Arc};

mod blocking;
mod end;
mod entry;
mod keys;
mod lease;
mod names;
mod request;
mod ring;
mod shared;
#[cfg(feature = "stream")]
mod stream;

pub use end::Stopped;
pub use entry::Counts;
pub use lease::Lease;
pub use request::AcquireLease;
#[cfg(feature = "stream")]
pub use stream::Leases;

use crate::{error::TryLeaseError, semaphore::Semaphore};
use request::Request;
use shared::Shared;

/// All targets together, and the leases beyond them.
const MAX_LEASES: u32 = Semaphore::MAX_PERMITS as u32;

/// Hands out leases of keys, as many of each as its target says, to whoever
/// comes for the next.
///
/// It is for keeping a number of things going at each of several places, such
/// as connections to endpoints: workers take the next lease of *any* key that
/// has fewer out than it ought to have, work for that key as long as they hold
/// the lease, and come back. Targets change at any time; the counts follow.
///
/// This is a handle. Clones of it are cheap and mean the same pool.
///
/// # Fairness
///
/// Workers are served first in, first out, threads and tasks alike. Keys are
/// served in turn: one with a thousand leases to give away does not keep
/// another waiting for its one.
///
/// # Targets
///
/// [`set`](Self::set) raises or lowers a key's target; 0 pauses the key. No lease
/// is ever revoked: those out are counted for as long as they are held, however
/// often the key is paused and resumed, and none is given out while there are as
/// many as the target says. A key with target 0 and no lease out is forgotten,
/// and costs nothing.
///
/// # Memory ordering
///
/// What the holder of a lease did before giving it back is visible to whoever
/// gets the next one, of whatever key.
///
/// # Locks
///
/// Acquiring and releasing a lease each hold the pool's lock once, for some tens
/// of instructions, however many keys there are. No foreign code runs inside it:
/// a key's `Hash`, `Eq` and `Drop` and a task's waker may call any method of the
/// pool, and if one panics, nobody else is the worse for it.
///
/// # Examples
///
/// ```
/// use dynaphore::{Counts, LeasePool};
///
/// let pool = LeasePool::new();
/// pool.set("proxy-1", 2);
/// pool.set("proxy-2", 1);
///
/// let leases = [(); 3].map(|()| pool.try_acquire().unwrap());
/// assert_eq!(leases.each_ref().map(|lease| *lease.key()), ["proxy-1", "proxy-2", "proxy-1"]);
/// assert!(pool.try_acquire().is_err(), "every key has what it wants");
///
/// // Who is in stays in.
/// pool.set("proxy-1", 1);
/// assert_eq!(pool.counts("proxy-1"), Counts { target: 1, active: 2 });
/// drop(leases);
/// assert_eq!(pool.counts("proxy-1"), Counts { target: 1, active: 0 });
/// ```
pub struct LeasePool<K, S = RandomState> {
    shared: Arc<Shared<K>>,
    hasher: S,
}

/// Making one.
impl<K> LeasePool<K> {
    /// The largest sum of all targets, leases that are out beyond their target
    /// included: 2^31 - 1.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::LeasePool::<String>::MAX_LEASES, 2_147_483_647);
    /// ```
    pub const MAX_LEASES: usize = MAX_LEASES as usize;

    /// A pool that knows no key. Its hasher is keyed at random, so that nobody
    /// can choose keys that collide.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::<String>::new();
    /// assert!(pool.is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(RandomState::new())
    }
}

impl<K, S> LeasePool<K, S> {
    /// A pool that hashes its keys with `hasher`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    /// use dynaphore::LeasePool;
    ///
    /// let pool = LeasePool::with_hasher(BuildHasherDefault::<DefaultHasher>::new());
    /// pool.set("a", 1);
    /// ```
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self {
            shared: Arc::new(Shared::new()),
            hasher,
        }
    }
}

/// Leases.
impl<K, S> LeasePool<K, S> {
    /// Takes the next lease, if there is one and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`NoLease`](TryLeaseError::NoLease) if no key wants one more, or if others
    /// are in line; [`Stopped`](TryLeaseError::Stopped) if the pool is stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let lease = pool.try_acquire()?;
    /// assert!(pool.try_acquire().is_err());
    /// # Ok::<(), dynaphore::TryLeaseError>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Lease<K>, TryLeaseError> {
        request::now(&self.shared)
    }

    /// Waits for the next lease.
    ///
    /// # Errors
    ///
    /// The future returns [`LeaseError`](crate::LeaseError) if the pool is
    /// stopped, or is stopped while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any moment loses no lease and leaves no trace: it
    /// gives up its place in line, or what it has been told of. Asking again
    /// means a new place at the end.
    ///
    /// # Fairness
    ///
    /// First in, first out, by the time of the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let lease = pool.acquire().await?;
    /// assert_eq!(*lease.key(), "a");
    /// # Ok::<(), dynaphore::LeaseError>(())
    /// # }).unwrap();
    /// ```
    pub fn acquire(&self) -> AcquireLease<K> {
        AcquireLease(Request::new(Arc::clone(&self.shared)))
    }
}

impl<K, S: Clone> Clone for LeasePool<K, S> {
    /// Another handle of the same pool.
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            hasher: self.hasher.clone(),
        }
    }
}

impl<K, S: Default> Default for LeasePool<K, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, S> fmt::Debug for LeasePool<K, S> {
    /// What can be read without a lock. Never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasePool")
            .field("active", &self.active())
            .field("waiting", &self.waiting())
            .field("stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}
