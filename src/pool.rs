//! The lease pool as its callers see it. Its protocol is in `pool/shared.rs`.

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash, RandomState},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

mod entry;
mod lease;
mod ring;
mod shared;

pub use entry::Counts;
#[cfg(feature = "stream")]
pub use lease::Leases;
pub use lease::{AcquireLease, Lease};

use crate::{
    error::{LeaseError, LeaseTimeoutError, SetMaxError, TryLeaseError},
    park::{Wait, after, assert_may_block},
    semaphore::{Goal, Idle, Semaphore, Watch},
};
use lease::block;
use shared::{MAX_LEASES, Shared};

/// Hands out leases of keys, as many of each as its target says, to whoever
/// comes for the next.
///
/// It is for keeping a number of things going at each of several places, such
/// as connections to endpoints: workers take the next lease of *any* key that
/// has fewer out than it ought to have, work for that key as long as they hold
/// the lease, and come back. Targets change at any time; the counts follow.
///
/// A lease is a key and a place in its count, and nothing else: connections that are kept
/// for the next one are yours to keep, beside the pool.
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
/// let pool = dynaphore::LeasePool::new();
/// pool.set("proxy-1", 2);
/// pool.set("proxy-2", 1);
///
/// let leases = [(); 3].map(|()| pool.try_acquire().unwrap());
/// assert_eq!(leases.each_ref().map(|lease| *lease.key()), ["proxy-1", "proxy-2", "proxy-1"]);
/// assert!(pool.try_acquire().is_err(), "every key has what it wants");
///
/// // Who is in stays in.
/// pool.set("proxy-1", 1);
/// assert_eq!(pool.counts("proxy-1").to_string(), "2 of 1 out");
/// drop(leases);
/// assert_eq!(pool.counts("proxy-1").active, 0);
/// ```
pub struct LeasePool<K, S = RandomState> {
    shared: Arc<Shared<K>>,
    hasher: S,
    refuse_in_runtime: bool,
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
    pub const MAX_LEASES: usize = MAX_LEASES;

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
            refuse_in_runtime: false,
        }
    }

    /// Whether blocking calls by this handle, and by its clones from then on, panic inside a
    /// tokio runtime, as
    /// [`Builder::refuse_blocking_in_runtime`](crate::Builder::refuse_blocking_in_runtime)
    /// has it.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new().refuse_blocking_in_runtime(true);
    /// pool.set("a", 1);
    /// assert!(pool.blocking_acquire().is_ok(), "there is none here");
    /// ```
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn refuse_blocking_in_runtime(mut self, refuse: bool) -> Self {
        self.refuse_in_runtime = refuse;
        self
    }
}

/// Leases.
impl<K, S> LeasePool<K, S> {
    /// Takes the next lease, if there is one and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`NoLease`](TryLeaseError::NoLease) if no key wants one more, if others are in line,
    /// or if the lease is on its way to a request; [`Stopped`](TryLeaseError::Stopped) if the
    /// pool is stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let lease = pool.try_acquire()?;
    /// assert!(pool.try_acquire().is_err());
    /// # Ok::<(), dynaphore::error::TryLeaseError>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Lease<K>, TryLeaseError> {
        lease::now(&self.shared)
    }

    /// Waits for the next lease.
    ///
    /// # Errors
    ///
    /// The future returns [`LeaseError`] if the pool is
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
    /// # Ok::<(), dynaphore::error::LeaseError>(())
    /// # }).unwrap();
    /// ```
    pub fn acquire(&self) -> AcquireLease<K> {
        AcquireLease::new(&self.shared)
    }

    /// All leases from now on, one after the other, until the pool is
    /// [stopped](Self::stop). With the feature `stream`.
    ///
    /// It is what a loop around [`acquire`](Self::acquire) would be: the stream
    /// stands in line once at a time, and takes no lease before it is polled.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire), for the stream and for what its
    /// `next()` returns. While the stream is kept it keeps its place in line,
    /// and a lease that it has been told of.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    ///
    /// # futures::executor::block_on(async {
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// pool.set("b", 1);
    /// let held: Vec<_> = pool.leases().take(2).collect().await;
    /// assert_eq!((*held[0].key(), *held[1].key()), ("a", "b"));
    ///
    /// pool.stop();
    /// assert!(pool.leases().next().await.is_none());
    /// # });
    /// ```
    #[cfg(feature = "stream")]
    pub fn leases(&self) -> Leases<K> {
        Leases::new(&self.shared)
    }
}

/// Blocking.
///
/// A lease that is there at once is taken even when the time is over already.
impl<K, S> LeasePool<K, S> {
    /// Waits for the next lease, blocking the thread. Threads and async tasks
    /// stand in the same line.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] if the pool is stopped, or is stopped while it waits.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if this handle was told to
    /// [refuse](crate::LeasePool#method.refuse_blocking_in_runtime) that.
    ///
    /// # Fairness
    ///
    /// First in, first out, together with the async tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// assert_eq!(*pool.blocking_acquire()?.key(), "a");
    /// # Ok::<(), dynaphore::error::LeaseError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<Lease<K>, LeaseError> {
        assert_may_block(self.refuse_in_runtime);
        // Without a deadline there is no other error.
        block(&self.shared, None).map_err(|_| LeaseError::STOPPED)
    }

    /// [`blocking_acquire`](Self::blocking_acquire) that waits until `timeout`
    /// is over at the longest.
    ///
    /// # Errors
    ///
    /// [`Timeout`](LeaseTimeoutError::Timeout) if the time was over first, which
    /// then leaves no trace; [`Stopped`](LeaseTimeoutError::Stopped) if the pool
    /// is stopped, or is stopped while it waits.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{LeasePool, error::LeaseTimeoutError};
    ///
    /// let pool = LeasePool::<&str>::new();
    /// let late = pool.blocking_acquire_timeout(Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), LeaseTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Lease<K>, LeaseTimeoutError> {
        assert_may_block(self.refuse_in_runtime);
        block(&self.shared, after(timeout))
    }

    /// [`blocking_acquire`](Self::blocking_acquire) that waits until `deadline`
    /// at the longest.
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
    /// use dynaphore::{LeasePool, error::LeaseTimeoutError};
    ///
    /// let pool = LeasePool::<&str>::new();
    /// let late = pool.blocking_acquire_deadline(Instant::now());
    /// assert_eq!(late.unwrap_err(), LeaseTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Lease<K>, LeaseTimeoutError> {
        assert_may_block(self.refuse_in_runtime);
        block(&self.shared, Some(deadline))
    }

    /// [`stopped`](Self::stopped), blocking the thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::<&str>::new();
    /// pool.stop();
    /// pool.blocking_stopped();
    /// ```
    #[track_caller]
    pub fn blocking_stopped(&self) {
        assert_may_block(self.refuse_in_runtime);
        self.shared.gate.watch(Goal::Closed, None);
    }

    /// [`blocking_stopped`](Self::blocking_stopped) that gives up when `timeout` is over.
    /// Returns whether the pool is stopped.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = dynaphore::LeasePool::<&str>::new();
    /// assert!(!pool.blocking_stopped_timeout(Duration::from_millis(1)));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn blocking_stopped_timeout(&self, timeout: Duration) -> bool {
        assert_may_block(self.refuse_in_runtime);
        self.shared.gate.watch(Goal::Closed, after(timeout))
    }

    /// [`idle`](Self::idle), blocking the thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let lease = pool.try_acquire().unwrap();
    /// std::thread::spawn(move || drop(lease));
    /// pool.blocking_idle();
    /// ```
    #[track_caller]
    pub fn blocking_idle(&self) {
        assert_may_block(self.refuse_in_runtime);
        self.shared.gate.blocking_idle();
    }

    /// [`blocking_idle`](Self::blocking_idle) that gives up when `timeout` is over. Returns
    /// whether no lease was out.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let _lease = pool.try_acquire().unwrap();
    /// assert!(!pool.blocking_idle_timeout(Duration::from_millis(1)));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn blocking_idle_timeout(&self, timeout: Duration) -> bool {
        assert_may_block(self.refuse_in_runtime);
        self.shared.gate.blocking_idle_timeout(timeout)
    }
}

/// Keys and their targets.
impl<K: Hash + Eq, S: BuildHasher> LeasePool<K, S> {
    /// Changes the target of a key, and returns the one that this replaces: 0
    /// for a key that was not known.
    ///
    /// When it returns, it is in force: leases beyond the new target will not be
    /// let out any more, or the waiters that can now be served are. Any thread
    /// may call it at any time, and calls that race take effect one after the
    /// other. A request that was told of a lease but has not come for it (a
    /// future that has not been polled since) goes back to where it stood in
    /// line, if this takes the lease away again.
    ///
    /// # Panics
    ///
    /// When all targets together, leases beyond their target included, would be
    /// more than [`MAX_LEASES`](LeasePool::MAX_LEASES); nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// assert_eq!(pool.set("a", 3), 0);
    /// assert_eq!(pool.set("a", 0), 3);
    /// assert!(pool.try_acquire().is_err(), "paused");
    /// ```
    #[track_caller]
    pub fn set(&self, key: K, target: usize) -> usize {
        match self.try_set(key, target) {
            Ok(before) => before,
            Err(_) => panic!(
                "a target of {target} would give the pool more than MAX_LEASES leases (2147483647)"
            ),
        }
    }

    /// [`set`](Self::set), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when all targets together, leases
    /// beyond their target included, would be more than
    /// [`MAX_LEASES`](LeasePool::MAX_LEASES); nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// assert_eq!(pool.try_set("a", 3), Ok(0));
    /// assert!(pool.try_set("b", usize::MAX).is_err());
    /// assert_eq!(pool.len(), 1);
    /// ```
    pub fn try_set(&self, key: K, target: usize) -> Result<usize, SetMaxError> {
        let hash = self.hasher.hash_one(&key);
        self.shared.set(hash, key, target)
    }

    /// How many leases of `key` are out, and how many ought to be: none of
    /// either for a key that is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Counts, LeasePool};
    ///
    /// let pool = LeasePool::new();
    /// pool.set("a".to_owned(), 2);
    /// let _lease = pool.try_acquire().unwrap();
    /// let Counts { target, active, .. } = pool.counts("a");
    /// assert_eq!((target, active), (2, 1));
    /// assert_eq!(pool.counts("b"), Counts::default());
    /// ```
    #[must_use]
    pub fn counts<Q>(&self, key: &Q) -> Counts
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.shared.find(hash, |known| known.borrow() == key);
        found.map_or_else(Counts::default, |entry| entry.counts())
    }
}

/// Reading it.
impl<K, S> LeasePool<K, S> {
    /// All keys that are known, in no particular order, with their counts at one
    /// and the same moment.
    ///
    /// It holds the lock for as long as it takes to look at all keys: some
    /// milliseconds for 100,000. They are cloned afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// for (key, counts) in pool.snapshot() {
    ///     assert_eq!((key, counts.target, counts.active), ("a", 2, 0));
    /// }
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<(K, Counts)>
    where
        K: Clone,
    {
        let all = self.shared.snapshot().into_iter();
        all.map(|(entry, counts)| (entry.key.clone(), counts))
            .collect()
    }

    /// How many keys are known: those with a target above 0 or a lease out.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// assert_eq!(pool.len(), 1);
    /// pool.set("a", 0);
    /// assert_eq!(pool.len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no key is known.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(dynaphore::LeasePool::<&str>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many leases are out, of all keys together. One that a request has
    /// been told of is counted before that request comes for it. No lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 2);
    /// let _lease = pool.try_acquire().unwrap();
    /// assert_eq!(pool.active(), 1);
    /// ```
    #[must_use]
    pub fn active(&self) -> usize {
        self.shared.gate.active()
    }

    /// How many requests wait for a lease. No lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::LeasePool::<&str>::new().waiting(), 0);
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.gate.waiting()
    }
}

/// The end.
impl<K, S> LeasePool<K, S> {
    /// Lets no more leases out, for good. When it returns, none begins any more,
    /// and those who wait are told. Leases that are out stay good;
    /// [`idle`](Self::idle) waits for them. Targets can still be set, to no
    /// effect on anybody.
    ///
    /// Dropping all handles does not stop the pool: requests and leases keep it
    /// alive.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let lease = pool.try_acquire().unwrap();
    /// pool.stop();
    /// assert!(pool.acquire().await.is_err());
    /// drop(lease);
    /// pool.idle().await;
    /// # });
    /// ```
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Whether it is [stopped](Self::stop).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!dynaphore::LeasePool::<&str>::new().is_stopped());
    /// ```
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.gate.is_closed()
    }

    /// Waits until the pool is [stopped](Self::stop): for the holders of leases
    /// to learn that they should come to an end. That they have is what
    /// [`idle`](Self::idle) waits for. The [blocking
    /// form](Self::blocking_stopped) is for threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let pool = dynaphore::LeasePool::<&str>::new();
    /// pool.stop();
    /// pool.stopped().await;
    /// # });
    /// ```
    pub fn stopped(&self) -> Stopped<'_> {
        Stopped(Watch::new(&self.shared.gate, Goal::Closed))
    }

    /// Waits until no lease is out, and none on its way to a request that has
    /// been told of it.
    ///
    /// A moment of idleness in busy traffic may pass unseen: to drain, first
    /// [`stop`](Self::stop) the pool or pause its keys. The [blocking
    /// form](Self::blocking_idle) is for threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Memory ordering
    ///
    /// All that the holders did before giving their leases back is visible when
    /// it resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// drop(pool.try_acquire());
    /// pool.set("a", 0);
    /// pool.idle().await;
    /// # });
    /// ```
    pub fn idle(&self) -> Idle<'_> {
        self.shared.gate.idle()
    }
}

impl<K, S: Clone> Clone for LeasePool<K, S> {
    /// Another handle of the same pool.
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            hasher: self.hasher.clone(),
            refuse_in_runtime: self.refuse_in_runtime,
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

/// The future of [`LeasePool::stopped`].
///
/// Polled after it has returned `Ready`, it returns `Ready` again.
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
///
/// # Examples
///
/// ```
/// use dynaphore::{LeasePool, future::Stopped};
///
/// # futures::executor::block_on(async {
/// let pool = LeasePool::<String>::new();
/// let stopped: Stopped<'_> = pool.stopped();
/// pool.stop();
/// stopped.await;
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Stopped<'a>(Watch<&'a Semaphore>);

impl Future for Stopped<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx.waker())
    }
}
