//! Permits and futures, those that borrow the semaphore and those that own it
//! alike.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use dynaphore::{
    AcquireError, AcquireTimeoutError, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    TryAcquireError,
    future::{Acquire, AcquireOwned, Idle, Settled},
};

#[derive(Debug)]
pub(crate) enum Permit<'a> {
    Borrowed(SemaphorePermit<'a>),
    Owned(OwnedSemaphorePermit),
}

impl<'a> Permit<'a> {
    /// The singular forms are called for one permit.
    pub(crate) fn acquire_now(
        semaphore: &'a Arc<Semaphore>,
        n: u32,
        owned: bool,
    ) -> Result<Self, TryAcquireError> {
        let shared = || Arc::clone(semaphore);
        match (owned, n) {
            (false, 1) => semaphore.try_acquire().map(Self::Borrowed),
            (false, n) => semaphore.try_acquire_many(n).map(Self::Borrowed),
            (true, 1) => shared().try_acquire_owned().map(Self::Owned),
            (true, n) => shared().try_acquire_many_owned(n).map(Self::Owned),
        }
    }

    /// Blocks, but not for long: for no time.
    pub(crate) fn acquire_blocking(
        semaphore: &'a Arc<Semaphore>,
        n: u32,
        owned: bool,
    ) -> Result<Self, AcquireTimeoutError> {
        const NOW: Duration = Duration::ZERO;
        let shared = || Arc::clone(semaphore);
        match (owned, n) {
            (false, 1) => semaphore.blocking_acquire_timeout(NOW).map(Self::Borrowed),
            (false, n) => semaphore
                .blocking_acquire_many_timeout(n, NOW)
                .map(Self::Borrowed),
            (true, 1) => shared()
                .blocking_acquire_owned_timeout(NOW)
                .map(Self::Owned),
            (true, n) => shared()
                .blocking_acquire_many_owned_timeout(n, NOW)
                .map(Self::Owned),
        }
    }

    pub(crate) fn num_permits(&self) -> usize {
        match self {
            Self::Borrowed(permit) => permit.num_permits(),
            Self::Owned(permit) => permit.num_permits(),
        }
    }

    pub(crate) fn semaphore(&self) -> &Semaphore {
        match self {
            Self::Borrowed(permit) => permit.semaphore(),
            Self::Owned(permit) => permit.semaphore(),
        }
    }

    pub(crate) fn forget(self) {
        match self {
            Self::Borrowed(permit) => permit.forget(),
            Self::Owned(permit) => permit.forget(),
        }
    }

    pub(crate) fn split(&mut self, n: usize) -> Option<Self> {
        match self {
            Self::Borrowed(permit) => permit.split(n).map(Self::Borrowed),
            Self::Owned(permit) => permit.split(n).map(Self::Owned),
        }
    }

    /// Gives `other` back if the two cannot be merged.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), Self> {
        match (self, other) {
            (Self::Borrowed(permit), Self::Borrowed(other)) => permit.merge(other),
            (Self::Owned(permit), Self::Owned(other)) => permit.merge(other),
            (_, other) => return Err(other),
        }
        Ok(())
    }
}

/// A future of the semaphore's.
#[derive(Debug)]
pub(crate) enum Pending<'a> {
    Borrowed(Pin<Box<Acquire<'a>>>),
    Owned(Pin<Box<AcquireOwned>>),
    Settled(Pin<Box<Settled<'a>>>),
    Idle(Pin<Box<Idle<'a>>>),
}

impl<'a> Pending<'a> {
    pub(crate) fn acquire(semaphore: &'a Arc<Semaphore>, n: u32, owned: bool) -> Self {
        let shared = || Arc::clone(semaphore);
        match (owned, n) {
            (false, 1) => Self::Borrowed(Box::pin(semaphore.acquire())),
            (false, n) => Self::Borrowed(Box::pin(semaphore.acquire_many(n))),
            (true, 1) => Self::Owned(Box::pin(shared().acquire_owned())),
            (true, n) => Self::Owned(Box::pin(shared().acquire_many_owned(n))),
        }
    }

    pub(crate) fn settled(semaphore: &'a Semaphore) -> Self {
        Self::Settled(Box::pin(semaphore.settled()))
    }

    pub(crate) fn idle(semaphore: &'a Semaphore) -> Self {
        Self::Idle(Box::pin(semaphore.idle()))
    }

    /// Those that wait for a state return no permit.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<Option<Permit<'a>>, AcquireError>> {
        let cx = &mut Context::from_waker(waker);
        match self {
            Self::Borrowed(future) => future
                .as_mut()
                .poll(cx)
                .map_ok(|permit| Some(Permit::Borrowed(permit))),
            Self::Owned(future) => future
                .as_mut()
                .poll(cx)
                .map_ok(|permit| Some(Permit::Owned(permit))),
            Self::Settled(future) => future.as_mut().poll(cx).map(|()| Ok(None)),
            Self::Idle(future) => future.as_mut().poll(cx).map(|()| Ok(None)),
        }
    }
}
