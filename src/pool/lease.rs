//! Leases: what has been acquired, given back on drop, and the requests for them: a permit
//! of the gate first, then a place.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

#[cfg(feature = "stream")]
use futures_core::{FusedStream, Stream};

use super::{
    entry::{Counts, Entry},
    shared::Shared,
};
use crate::{
    error::{LeaseError, LeaseTimeoutError, TryLeaseError},
    park::{Wait, wait},
    semaphore::{Attempt, Held, Semaphore, Take},
};

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
    /// Uses a permit of the gate. `Err`: there was nothing to be had for it, and it
    /// is the caller's again.
    #[inline]
    fn pick(Gate(shared): Gate<K>, held: Held) -> Result<Self, Gate<K>> {
        match shared.pick() {
            Some((entry, id)) => Ok(Self {
                held,
                id,
                entry: Some(entry),
                shared,
            }),
            None => Err(Gate(shared)),
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
        self.entry().counts()
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

/// How a request reaches the gate, and keeps the pool alive.
struct Gate<K>(Arc<Shared<K>>);

impl<K> Deref for Gate<K> {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        &self.0.gate
    }
}

/// A lease, if there is one and nobody waits for it.
#[inline]
pub(super) fn now<K>(shared: &Arc<Shared<K>>) -> Result<Lease<K>, TryLeaseError> {
    if shared.gate.take(1) == Take::Acquired {
        let held = Held::taken(1);
        match Lease::pick(Gate(Arc::clone(shared)), held) {
            Ok(lease) => return Ok(lease),
            Err(gate) => gate.release(held),
        }
    }
    Err(if shared.gate.is_closed() {
        TryLeaseError::Stopped
    } else {
        TryLeaseError::NoLease
    })
}

/// Blocks until there is a lease, until the deadline if there is one.
pub(super) fn block<K>(
    shared: &Arc<Shared<K>>,
    deadline: Option<Instant>,
) -> Result<Lease<K>, LeaseTimeoutError> {
    if let Ok(lease) = now(shared) {
        return Ok(lease);
    }
    let mut request = AcquireLease::new(shared);
    match wait(&mut request, deadline) {
        Some(told) => Ok(told?),
        None => request.give_up(),
    }
}

/// The future of [`LeasePool::acquire`](crate::LeasePool::acquire).
///
/// It takes its place in line when it is polled for the first time, and keeps
/// the pool alive.
///
/// # Cancel safety
///
/// Dropping it gives up its place. A future that has been told of a lease keeps
/// that from everybody else until it is polled or dropped, unless the lease's
/// target is lowered first.
///
/// # Panics
///
/// When it is polled after it has returned `Ready`.
///
/// # Examples
///
/// ```
/// use dynaphore::{LeasePool, future::AcquireLease};
///
/// # futures::executor::block_on(async {
/// let pool = LeasePool::new();
/// pool.set("a", 1);
/// let acquire: AcquireLease<&str> = pool.acquire();
/// assert_eq!(acquire.await?.key(), &"a");
/// # Ok::<(), dynaphore::error::LeaseError>(())
/// # }).unwrap();
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct AcquireLease<K>(Attempt<Gate<K>>);

impl<K> AcquireLease<K> {
    #[inline]
    pub(super) fn new(shared: &Arc<Shared<K>>) -> Self {
        Self(Attempt::new(Gate(Arc::clone(shared)), 1))
    }

    /// Leaves the line, unless the verdict was quicker.
    fn give_up(mut self) -> Result<Lease<K>, LeaseTimeoutError> {
        let answer = self.0.give_up().ok_or(LeaseTimeoutError::Timeout)?;
        let (gate, held) = answer.map_err(|_| LeaseTimeoutError::Stopped)?;
        Lease::pick(gate, held).map_err(|gate| {
            gate.release(held);
            if gate.is_closed() {
                LeaseTimeoutError::Stopped
            } else {
                LeaseTimeoutError::Timeout
            }
        })
    }
}

impl<K> Wait for AcquireLease<K> {
    type Answer = Result<Lease<K>, LeaseError>;

    #[inline]
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer> {
        loop {
            let ticket = self.0.ticket();
            let permit = ready!(self.0.poll(waker));
            let (gate, held) = permit.map_err(|_| LeaseError::STOPPED)?;
            match Lease::pick(gate, held) {
                Ok(lease) => return Poll::Ready(Ok(lease)),
                // Argument 4 says why this does not spin.
                Err(gate) => {
                    if self.0.put_back(gate, held, ticket, waker).is_err() {
                        return Poll::Ready(Err(LeaseError::STOPPED));
                    }
                }
            }
        }
    }

    fn may_be_ready(&self) -> bool {
        self.0.may_be_ready()
    }
}

impl<K> Future for AcquireLease<K> {
    type Output = Result<Lease<K>, LeaseError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Wait::poll(&mut *self, cx.waker())
    }
}

impl<K> fmt::Debug for AcquireLease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcquireLease").field(&self.0).finish()
    }
}

/// The stream of [`LeasePool::leases`](crate::LeasePool::leases).
///
/// It takes its place in line when it is polled, and keeps the pool alive.
///
/// # Cancel safety
///
/// Dropping it gives up its place, or the lease that it has been told of.
///
/// # Examples
///
/// ```
/// use dynaphore::{LeasePool, future::Leases};
/// use futures::StreamExt;
///
/// # futures::executor::block_on(async {
/// let pool = LeasePool::new();
/// pool.set("a", 1);
/// let mut leases: Leases<&str> = pool.leases();
/// assert_eq!(leases.next().await.unwrap().key(), &"a");
/// # });
/// ```
#[cfg(feature = "stream")]
#[must_use = "streams do nothing unless they are polled"]
pub struct Leases<K> {
    /// `None` at the end.
    next: Option<AcquireLease<K>>,
    shared: Arc<Shared<K>>,
}

#[cfg(feature = "stream")]
impl<K> Leases<K> {
    pub(super) fn new(shared: &Arc<Shared<K>>) -> Self {
        Self {
            next: Some(AcquireLease::new(shared)),
            shared: Arc::clone(shared),
        }
    }
}

#[cfg(feature = "stream")]
impl<K> Stream for Leases<K> {
    type Item = Lease<K>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Lease<K>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let told = ready!(Wait::poll(next, cx.waker()));
        self.next = match told {
            Ok(_) => Some(AcquireLease::new(&self.shared)),
            Err(_) => None,
        };
        Poll::Ready(told.ok())
    }
}

#[cfg(feature = "stream")]
impl<K> FusedStream for Leases<K> {
    fn is_terminated(&self) -> bool {
        self.next.is_none()
    }
}

#[cfg(feature = "stream")]
impl<K> fmt::Debug for Leases<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("ended", &self.next.is_none())
            .finish_non_exhaustive()
    }
}
