//! Waiting for a state of the semaphore rather than for its permits.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    Semaphore,
    queue::{Goal, Ticket},
};
use crate::park::Wait;

/// Waits until the word meets `goal`.
pub(super) struct Watch<'a> {
    semaphore: &'a Semaphore,
    goal: Goal,
    ticket: Option<Ticket>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, goal: Goal) -> Self {
        Self {
            semaphore,
            goal,
            ticket: None,
        }
    }
}

impl Wait for Watch<'_> {
    type Answer = ();

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Semaphore { word, queue, .. } = self.semaphore;
        self.ticket = match self.ticket {
            None if self.goal.is_met(word.load()) => None,
            None => queue.watch(word, self.goal, waker),
            Some(ticket) => Some(ticket).filter(|&ticket| queue.still_watches(ticket, waker)),
        };
        match self.ticket {
            None => Poll::Ready(()),
            Some(_) => Poll::Pending,
        }
    }

    fn is_told(&self) -> bool {
        self.ticket.is_none()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.semaphore.queue.unwatch(ticket);
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("goal", &self.goal)
            .field("waits", &self.ticket.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of [`Semaphore::settled`].
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
///
/// # Examples
///
/// ```
/// use dynaphore::{Settled, Semaphore};
///
/// # futures::executor::block_on(async {
/// let semaphore = Semaphore::new(1);
/// let settled: Settled<'_> = semaphore.settled();
/// settled.await;
/// # });
/// ```
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
///
/// # Examples
///
/// ```
/// use dynaphore::{Idle, Semaphore};
///
/// # futures::executor::block_on(async {
/// let semaphore = Semaphore::new(1);
/// let idle: Idle<'_> = semaphore.idle();
/// idle.await;
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Idle<'a>(pub(super) Watch<'a>);

impl Future for Idle<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx.waker())
    }
}
