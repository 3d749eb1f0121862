//! The end, and waiting for it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::LeasePool;
use crate::semaphore::{Acquire, Idle};

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
        Stopped {
            end: self.shared.end.acquire(),
        }
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

pin_project! {
    /// The future of [`LeasePool::stopped`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{LeasePool, Stopped};
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
    pub struct Stopped<'a> {
        #[pin]
        end: Acquire<'a>,
    }
}

impl Future for Stopped<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // There are no permits: what comes is the end.
        self.project().end.poll(cx).map(drop)
    }
}
