//! Requests for leases: a permit of the gate first, then a place.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

#[cfg(feature = "stream")]
use futures_core::{FusedStream, Stream};

use super::{
    lease::Lease,
    shared::{Pick, Shared},
};
use crate::{
    error::{LeaseError, LeaseTimeoutError, TryLeaseError},
    park::{Wait, wait},
    semaphore::{Attempt, Held, Semaphore, Take},
};

/// How a request reaches the gate, and keeps the pool alive.
struct Gate<K>(Arc<Shared<K>>);

impl<K> Deref for Gate<K> {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        &self.0.gate
    }
}

/// Uses a permit of the gate. `Err`: there was nothing to be had for it, and it
/// is the caller's again.
#[inline]
fn enter<K>(
    Gate(shared): Gate<K>,
    held: Held,
) -> Result<Result<Lease<K>, LeaseError>, (Gate<K>, Held)> {
    match shared.pick() {
        Pick::Place(entry, id) => Ok(Ok(Lease::new(shared, held, entry, id))),
        Pick::Nothing => Err((Gate(shared), held)),
        Pick::Stopped => {
            shared.gate.release(held);
            Ok(Err(LeaseError::STOPPED))
        }
    }
}

/// Waits for a lease. Dropping it at any moment leaves no trace.
pub(super) struct Request<K>(Attempt<Gate<K>>);

impl<K> Request<K> {
    #[inline]
    pub(super) fn new(shared: Arc<Shared<K>>) -> Self {
        Self(Attempt::new(Gate(shared), 1))
    }

    /// Leaves the line, unless the verdict was quicker.
    fn give_up(mut self) -> Result<Lease<K>, LeaseTimeoutError> {
        match self.0.give_up() {
            None => Err(LeaseTimeoutError::Timeout),
            Some(Err(_)) => Err(LeaseTimeoutError::Stopped),
            Some(Ok((gate, held))) => match enter(gate, held) {
                Ok(told) => Ok(told?),
                Err((gate, held)) => {
                    gate.release(held);
                    Err(LeaseTimeoutError::Timeout)
                }
            },
        }
    }
}

impl<K> Wait for Request<K> {
    type Answer = Result<Lease<K>, LeaseError>;

    #[inline]
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer> {
        loop {
            let ticket = self.0.ticket();
            let (gate, held) = match self.0.poll(waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(LeaseError::STOPPED)),
                Poll::Ready(Ok(permit)) => permit,
            };
            match enter(gate, held) {
                Ok(told) => return Poll::Ready(told),
                // Argument 4 says why this does not spin.
                Err((gate, held)) => {
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

/// A lease, if there is one and nobody waits for it.
#[inline]
pub(super) fn now<K>(shared: &Arc<Shared<K>>) -> Result<Lease<K>, TryLeaseError> {
    match shared.gate.take(1) {
        Take::Acquired => {}
        Take::Closed => return Err(TryLeaseError::Stopped),
        Take::Full | Take::Spoken | Take::TooLarge => return Err(TryLeaseError::NoLease),
    }
    match enter(Gate(Arc::clone(shared)), Held::taken(1)) {
        Ok(told) => told.map_err(|_| TryLeaseError::Stopped),
        Err((gate, held)) => {
            gate.release(held);
            Err(TryLeaseError::NoLease)
        }
    }
}

/// Blocks until there is a lease, until the deadline if there is one.
pub(super) fn block<K>(
    shared: &Arc<Shared<K>>,
    deadline: Option<Instant>,
) -> Result<Lease<K>, LeaseTimeoutError> {
    match now(shared) {
        Ok(lease) => return Ok(lease),
        Err(TryLeaseError::Stopped) => return Err(LeaseTimeoutError::Stopped),
        Err(TryLeaseError::NoLease) => {}
    }
    let mut request = Request::new(Arc::clone(shared));
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
pub struct AcquireLease<K>(pub(super) Request<K>);

impl<K> Future for AcquireLease<K> {
    type Output = Result<Lease<K>, LeaseError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx.waker())
    }
}

impl<K> fmt::Debug for AcquireLease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcquireLease").field(&self.0.0).finish()
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
    next: Option<Request<K>>,
    shared: Arc<Shared<K>>,
}

#[cfg(feature = "stream")]
impl<K> Leases<K> {
    pub(super) fn new(shared: &Arc<Shared<K>>) -> Self {
        Self {
            next: Some(Request::new(Arc::clone(shared))),
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
