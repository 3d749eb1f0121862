//! One attempt to acquire: try, wait, be told, or give up.
//!
//! An [`Attempt`] serves every way to wait. The futures wrap it; the blocking
//! calls drive it with a waker that unparks their thread.

use std::{
    fmt,
    future::Future,
    marker::PhantomPinned,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;

use super::{
    OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    ended::{End, Since},
    owed::Held,
    queue::{Arrival, Ticket, Verdict},
    word::Take,
};
use crate::{error::AcquireError, park::Wait};

/// A request for `need` permits by somebody who reaches the semaphore by `S`.
///
/// Dropping it at any moment leaves no trace: a place in line is given up, and
/// permits that were granted but not picked up go to whoever is next.
pub(crate) struct Attempt<S: Deref<Target = Semaphore>> {
    /// Taken by the permit at the end.
    semaphore: Option<S>,
    need: u32,
    ticket: Option<Ticket>,
    since: Since,
}

impl<S: Deref<Target = Semaphore>> Attempt<S> {
    pub(crate) fn new(semaphore: S, need: u32) -> Self {
        Self {
            semaphore: Some(semaphore),
            need,
            ticket: None,
            since: Since::NEVER,
        }
    }

    /// A poll that came before the verdict.
    #[inline(never)]
    fn wait_on(&mut self, ticket: Ticket, waker: &Waker) -> Verdict {
        let Some(semaphore) = self.semaphore.as_deref() else {
            return Verdict::Waiting;
        };
        let Semaphore { word, queue, .. } = semaphore;
        let (verdict, deferred) = queue.wait_on(word, ticket, self.need, waker);
        if deferred.resumes() && verdict == Verdict::Granted {
            // The caller will not get what was granted.
            self.ticket = None;
            semaphore.ended(End::Cancelled, self.since);
            semaphore.release(Held::taken(self.need));
        }
        deferred.resume();
        verdict
    }

    /// The first poll, which has `found` no permits.
    #[inline(never)]
    fn arrive(&mut self, found: Take, waker: &Waker) -> Poll<Result<(S, Held), AcquireError>> {
        let semaphore = self.semaphore.as_deref().expect("polled after completion");
        let acquired = match found {
            Take::Acquired => true,
            Take::Closed => false,
            Take::Full | Take::Spoken | Take::TooLarge => {
                match semaphore.queue.arrive(&semaphore.word, self.need, waker) {
                    Arrival::Acquired(waker) => {
                        // What was taken is given back should this panic.
                        let taken = SemaphorePermit::new(semaphore, Held::taken(self.need));
                        drop(waker);
                        taken.keep();
                        true
                    }
                    Arrival::Closed => false,
                    Arrival::Waits(ticket) => {
                        self.ticket = Some(ticket);
                        self.since = semaphore.begins_to_wait();
                        return Poll::Pending;
                    }
                }
            }
        };
        Poll::Ready(self.finish(acquired, false))
    }

    /// The caller does not want it any more.
    #[inline(never)]
    fn cancel(&mut self, ticket: Ticket) {
        let Some(semaphore) = &self.semaphore else {
            return;
        };
        semaphore.ended(End::Cancelled, self.since);
        if semaphore.queue.cancel(&semaphore.word, ticket) == Verdict::Granted {
            semaphore.release(Held::taken(self.need));
        }
    }

    /// Leaves the line, unless the verdict was quicker. `None`: still waiting.
    pub(crate) fn give_up(mut self) -> Option<Result<(S, Held), AcquireError>> {
        // Taken first: if a waker panics in here, the ticket is void.
        let ticket = self.ticket.take()?;
        let semaphore = self.semaphore.as_deref()?;
        match semaphore.queue.cancel(&semaphore.word, ticket) {
            Verdict::Waiting => {
                semaphore.ended(End::TimedOut, self.since);
                None
            }
            verdict => Some(self.finish(verdict == Verdict::Granted, true)),
        }
    }

    /// Its place in line, for `put_back`.
    #[cfg(feature = "pool")]
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// Gives back what its last poll has returned, which was of no use, and goes
    /// on waiting: with the `ticket` that it had before that poll, or as a
    /// newcomer if it had none.
    ///
    /// All that is asked of this semaphore is single permits, in order.
    #[cfg(feature = "pool")]
    pub(crate) fn put_back(
        &mut self,
        semaphore: S,
        held: Held,
        ticket: Option<Ticket>,
        waker: &Waker,
    ) -> Result<(), AcquireError> {
        let Some(ticket) = ticket else {
            semaphore.release(held);
            self.semaphore = Some(semaphore);
            return Ok(());
        };
        // Now it is what it was before its last poll. Should a waker panic,
        // `drop` finds it so.
        self.ticket = Some(ticket);
        let Semaphore { word, queue, .. } = &**self.semaphore.insert(semaphore);
        if queue.put_back(word, ticket, self.need, waker) {
            return Ok(());
        }
        self.ticket = None;
        let semaphore = self.semaphore.take().expect("just put there");
        semaphore.release(held);
        Err(AcquireError::CLOSED)
    }

    /// From here on there is nothing for `drop` to do.
    #[inline]
    fn finish(&mut self, acquired: bool, waited: bool) -> Result<(S, Held), AcquireError> {
        self.ticket = None;
        let semaphore = self.semaphore.take().expect("finished once");
        let since = if waited { self.since } else { Since::NEVER };
        let end = if acquired { End::Acquired } else { End::Closed };
        semaphore.ended(end, since);
        if !acquired {
            return Err(AcquireError::CLOSED);
        }
        let held = Held {
            n: self.need,
            handed: waited && semaphore.queue.hands_over(),
        };
        Ok((semaphore, held))
    }
}

impl<S: Deref<Target = Semaphore>> Wait for Attempt<S> {
    type Answer = Result<(S, Held), AcquireError>;

    /// Gets the permits, or sees to it that `waker` is woken when there is
    /// something new. The permits are handed out as the semaphore and what
    /// the caller now owes it.
    // Inlined down to the permit that is there: what is not is out of line.
    #[inline]
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer> {
        let semaphore = self.semaphore.as_deref().expect("polled after completion");
        let Some(ticket) = self.ticket else {
            return match semaphore.take(self.need) {
                Take::Acquired => Poll::Ready(self.finish(true, false)),
                found => self.arrive(found, waker),
            };
        };
        let verdict = match semaphore.queue.verdict(ticket) {
            Verdict::Waiting => self.wait_on(ticket, waker),
            told => told,
        };
        match verdict {
            Verdict::Waiting => Poll::Pending,
            told => Poll::Ready(self.finish(told == Verdict::Granted, true)),
        }
    }

    fn is_told(&self) -> bool {
        let (Some(semaphore), Some(ticket)) = (self.semaphore.as_deref(), self.ticket) else {
            return true;
        };
        let Semaphore { word, queue, .. } = semaphore;
        let told = queue.verdict(ticket) != Verdict::Waiting;
        if told || queue.hands_over() {
            return told;
        }
        // What is free is no reason to stay awake if it cannot be had: behind a
        // front that nobody may pass, or when the closer is about to tell.
        let state = word.load();
        state.free() >= u64::from(self.need) && !state.is_closed() && queue.may_barge()
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Attempt<S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.cancel(ticket);
        }
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Attempt<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("need", &self.need)
            .field("waits", &self.ticket.is_some())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
    ///
    /// It takes its place in line when it is polled for the first time.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up its place, or gives back what it has been granted.
    /// A granted future holds its permits until it is polled or dropped: one
    /// that is kept and never polled again keeps them from everybody else.
    ///
    /// # Panics
    ///
    /// When it is polled after it has returned `Ready`.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Acquire, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Semaphore::new(1);
    /// let acquire: Acquire<'_> = semaphore.acquire();
    /// assert_eq!(semaphore.active(), 0, "not polled yet");
    /// let permit = acquire.await?;
    /// assert_eq!(semaphore.active(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Acquire<'a> {
        attempt: Attempt<&'a Semaphore>,
        // As tokio's: `Unpin` would be a promise about the inside.
        #[pin]
        pinned: PhantomPinned,
    }
}

impl<'a> Acquire<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, need: u32) -> Self {
        Self {
            attempt: Attempt::new(semaphore, need),
            pinned: PhantomPinned,
        }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<SemaphorePermit<'a>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().attempt.poll(cx.waker());
        polled.map_ok(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
    }
}

pin_project! {
    /// The future of [`Semaphore::acquire_owned`] and
    /// [`Semaphore::acquire_many_owned`].
    ///
    /// Like [`Acquire`], but it keeps the semaphore alive by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{AcquireOwned, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let acquire: AcquireOwned = Arc::new(Semaphore::new(1)).acquire_owned();
    /// assert_eq!(acquire.await?.semaphore().active(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct AcquireOwned {
        attempt: Attempt<Arc<Semaphore>>,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl AcquireOwned {
    pub(super) fn new(semaphore: Arc<Semaphore>, need: u32) -> Self {
        Self {
            attempt: Attempt::new(semaphore, need),
            pinned: PhantomPinned,
        }
    }
}

impl Future for AcquireOwned {
    type Output = Result<OwnedSemaphorePermit, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().attempt.poll(cx.waker());
        polled.map_ok(|(semaphore, held)| OwnedSemaphorePermit::new(semaphore, held))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
