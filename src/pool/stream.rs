//! Leases as a stream.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::{FusedStream, Stream};

use super::{Lease, LeasePool, request::Request, shared::Shared};
use crate::park::Wait;

impl<K, S> LeasePool<K, S> {
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
    pub fn leases(&self) -> Leases<K> {
        Leases {
            next: Some(Request::new(Arc::clone(&self.shared))),
            shared: Arc::clone(&self.shared),
        }
    }
}

/// The stream of [`LeasePool::leases`].
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
/// use dynaphore::{LeasePool, Leases};
/// use futures::StreamExt;
///
/// # futures::executor::block_on(async {
/// let pool = LeasePool::new();
/// pool.set("a", 1);
/// let mut leases: Leases<&str> = pool.leases();
/// assert_eq!(leases.next().await.unwrap().key(), &"a");
/// # });
/// ```
#[must_use = "streams do nothing unless they are polled"]
pub struct Leases<K> {
    /// `None` at the end.
    next: Option<Request<K>>,
    shared: Arc<Shared<K>>,
}

impl<K> Stream for Leases<K> {
    type Item = Lease<K>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Lease<K>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let Poll::Ready(told) = next.poll(cx.waker()) else {
            return Poll::Pending;
        };
        self.next = match told {
            Ok(_) => Some(Request::new(Arc::clone(&self.shared))),
            Err(_) => None,
        };
        Poll::Ready(told.ok())
    }
}

impl<K> FusedStream for Leases<K> {
    fn is_terminated(&self) -> bool {
        self.next.is_none()
    }
}

impl<K> fmt::Debug for Leases<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("ended", &self.next.is_none())
            .finish_non_exhaustive()
    }
}
