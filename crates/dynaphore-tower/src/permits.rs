//! Where permits come from: a semaphore, a key of a keyed one, or a semaphore asked ahead.

use std::{
    convert::Infallible,
    future::{Future, Pending},
    hash::{BuildHasher, Hash, RandomState},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use dynaphore::{
    AcquireTimeoutError, KeyedSemaphore, OwnedKeyedPermit, OwnedSemaphorePermit, Semaphore,
    SemaphorePermit,
    error::KeyedTryAcquireError,
    future::{AcquireOwnedUntil, AcquireUntil},
};
use pin_project_lite::pin_project;

use crate::{PollSemaphore, Reason, options::Deadline};

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Where the permits of a [`Limit`](crate::Limit) come from: an `Arc<Semaphore>`, a
/// `&'static Semaphore`, a [`Keyed`] or a [`Reserve`].
pub trait Permits<Req>: Clone + sealed::Sealed {
    /// What is held while a request is served.
    type Permit;
    /// What asks for it, and has not been polled yet.
    #[doc(hidden)]
    type Acquire;
    /// The same with an end.
    #[doc(hidden)]
    type Wait: Future<Output = Result<Self::Permit, Reason>>;

    /// May the next request come?
    #[doc(hidden)]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// The next request needs none.
    #[doc(hidden)]
    fn give_up(&mut self) {}

    /// Takes `n` permits for `request` if they are there.
    #[doc(hidden)]
    fn try_acquire(&mut self, request: &Req, n: u32) -> Found<Self::Permit, Self::Acquire>;

    /// Waits for them, but not longer than that.
    #[doc(hidden)]
    fn wait(acquire: Self::Acquire, until: Deadline) -> Self::Wait;
}

/// A permit that is told what became of its request. All but those of an adaptive
/// semaphore take no notice.
pub trait Told<R, E> {
    /// The inner service has answered.
    #[doc(hidden)]
    #[inline(always)]
    fn tell(&mut self, _: &Result<R, E>) {}
}

impl<R, E> Told<R, E> for OwnedSemaphorePermit {}
impl<R, E> Told<R, E> for SemaphorePermit<'_> {}
impl<K, S, R, E> Told<R, E> for OwnedKeyedPermit<K, S> {}

/// What there is for a request.
#[derive(Debug)]
#[doc(hidden)]
pub enum Found<P, A> {
    Permit(P),
    Nothing(A),
    Refused(Reason),
}

/// Is it closed? It counts the request that it refuses.
#[cold]
pub(crate) fn refuses(semaphore: &Semaphore, n: u32) -> bool {
    semaphore.is_closed() && semaphore.try_acquire_many(n).is_err()
}

impl sealed::Sealed for Arc<Semaphore> {}

// What is kept of a request that has found nothing is small, and not the future that did: it
// is moved with the response future whether there is any or not.
impl<Req> Permits<Req> for Arc<Semaphore> {
    type Permit = OwnedSemaphorePermit;
    type Acquire = (Self, u32);
    type Wait = Wait<AcquireOwnedUntil<Deadline>>;

    #[inline]
    fn try_acquire(&mut self, _: &Req, n: u32) -> Found<OwnedSemaphorePermit, Self::Acquire> {
        match self.acquire_many(n).try_now() {
            Ok(permit) => Found::Permit(permit.into_owned(Self::clone(self))),
            Err(_) if refuses(self, n) => Found::Refused(Reason::Closed),
            Err(_) => Found::Nothing((Self::clone(self), n)),
        }
    }

    fn wait((semaphore, n): Self::Acquire, until: Deadline) -> Self::Wait {
        Wait {
            acquire: semaphore.acquire_many_owned(n).until(until),
        }
    }
}

impl sealed::Sealed for &'static Semaphore {}

impl<Req> Permits<Req> for &'static Semaphore {
    type Permit = SemaphorePermit<'static>;
    type Acquire = (Self, u32);
    type Wait = Wait<AcquireUntil<'static, Deadline>>;

    #[inline]
    fn try_acquire(&mut self, _: &Req, n: u32) -> Found<Self::Permit, Self::Acquire> {
        match self.acquire_many(n).try_now() {
            Ok(permit) => Found::Permit(permit),
            Err(_) if refuses(self, n) => Found::Refused(Reason::Closed),
            Err(_) => Found::Nothing((self, n)),
        }
    }

    fn wait((semaphore, n): Self::Acquire, until: Deadline) -> Self::Wait {
        Wait {
            acquire: semaphore.acquire_many(n).until(until),
        }
    }
}

pin_project! {
    /// Waits for permits of a semaphore.
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct Wait<A> {
        #[pin]
        acquire: A,
    }
}

impl<P, A: Future<Output = Result<P, AcquireTimeoutError>>> Future for Wait<A> {
    type Output = Result<P, Reason>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().acquire.poll(cx).map_err(Reason::from)
    }
}

/// Permits of a key that a function takes from the request. See
/// [`LimitLayer::keyed`](crate::LimitLayer::keyed).
#[derive(Debug)]
pub struct Keyed<K, F, S = RandomState> {
    keyed: Arc<KeyedSemaphore<K, S>>,
    key: F,
}

impl<K, F, S> Keyed<K, F, S> {
    pub(crate) fn new(keyed: Arc<KeyedSemaphore<K, S>>, key: F) -> Self {
        Self { keyed, key }
    }
}

impl<K, F: Clone, S> Clone for Keyed<K, F, S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.keyed), self.key.clone())
    }
}

impl<K, F, S> sealed::Sealed for Keyed<K, F, S> {}

impl<Req, K, F, S> Permits<Req> for Keyed<K, F, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
    F: Fn(&Req) -> K + Clone,
{
    type Permit = OwnedKeyedPermit<K, S>;
    type Acquire = (Arc<KeyedSemaphore<K, S>>, K, u32);
    type Wait = Pin<Box<dyn Future<Output = Result<Self::Permit, Reason>> + Send>>;

    fn try_acquire(&mut self, request: &Req, n: u32) -> Found<Self::Permit, Self::Acquire> {
        let key = (self.key)(request);
        match Arc::clone(&self.keyed).try_acquire_many_owned(&key, n) {
            Ok(permit) => {
                // Foreign code, before the permit is on its way out.
                drop(key);
                Found::Permit(permit)
            }
            Err(KeyedTryAcquireError::NoPermits) => {
                Found::Nothing((Arc::clone(&self.keyed), key, n))
            }
            Err(KeyedTryAcquireError::TooManyKeys) => Found::Refused(Reason::TooManyKeys),
            Err(_) => Found::Refused(Reason::Closed),
        }
    }

    fn wait((keyed, key, n): Self::Acquire, until: Deadline) -> Self::Wait {
        // Boxed, since it borrows the key that comes with it.
        Box::pin(async move {
            let told = keyed.acquire_many_owned(&key, n).until(until).await;
            // Foreign code, before the permit is on its way out.
            drop(key);
            told.map_err(Reason::from)
        })
    }
}

/// Permits that are taken before there is a request. See
/// [`LimitLayer::reserve`](crate::LimitLayer::reserve).
#[derive(Debug)]
pub struct Reserve {
    semaphore: PollSemaphore,
    reserved: Option<Result<OwnedSemaphorePermit, Reason>>,
}

impl Reserve {
    pub(crate) fn new(semaphore: PollSemaphore) -> Self {
        Self {
            semaphore,
            reserved: None,
        }
    }
}

impl Clone for Reserve {
    fn clone(&self) -> Self {
        Self::new(self.semaphore.clone())
    }
}

impl sealed::Sealed for Reserve {}

impl<Req> Permits<Req> for Reserve {
    type Permit = OwnedSemaphorePermit;
    type Acquire = Infallible;
    type Wait = Pending<Result<OwnedSemaphorePermit, Reason>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.reserved.is_none() {
            let permit = ready!(self.semaphore.poll_for(cx, 1));
            self.reserved = Some(permit.map_err(Reason::from));
        }
        Poll::Ready(())
    }

    fn give_up(&mut self) {
        self.reserved = None;
    }

    fn try_acquire(&mut self, _: &Req, _: u32) -> Found<OwnedSemaphorePermit, Infallible> {
        let reserved = self.reserved.take();
        match reserved.expect("`call` without `poll_ready` having returned `Ready`") {
            Ok(permit) => Found::Permit(permit),
            Err(reason) => Found::Refused(reason),
        }
    }

    fn wait(acquire: Infallible, _: Deadline) -> Self::Wait {
        match acquire {}
    }
}
