//! Waiting for a state of the semaphore rather than for its permits.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    Semaphore,
    queue::{Goal, Verdict, Waiter},
};

/// Waits until the word meets `goal`.
pub(super) struct Watch<'a> {
    semaphore: &'a Semaphore,
    goal: Goal,
    waiter: Option<Waiter>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, goal: Goal) -> Self {
        Self {
            semaphore,
            goal,
            waiter: None,
        }
    }

    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Semaphore { word, queue } = self.semaphore;
        match &self.waiter {
            None if self.goal.is_met(word.load()) => return Poll::Ready(()),
            None => self.waiter = queue.watch(word, self.goal, waker),
            Some(waiter) if queue.register(waiter, waker) != Verdict::Waiting => {
                self.waiter = None;
            }
            Some(_) => {}
        }
        match self.waiter {
            None => Poll::Ready(()),
            Some(_) => Poll::Pending,
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = &self.waiter {
            self.semaphore.queue.cancel(&self.semaphore.word, waiter);
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("goal", &self.goal)
            .field("waits", &self.waiter.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of [`Semaphore::settled`].
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Settled<'a>(pub(super) Watch<'a>);

impl Future for Settled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx.waker())
    }
}

/// The future of [`Semaphore::idle`].
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Idle<'a>(pub(super) Watch<'a>);

impl Future for Idle<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx.waker())
    }
}
