//! Taking permits: the calls that try, and those that wait as a future, with a bound on the time
//! that any runtime can set, and for as many as are there.
//!
//! An [`Attempt`] serves every way to wait. The futures wrap it; the blocking calls drive
//! it with a waker that unparks their thread.

use core::{
    fmt,
    future::Future,
    mem::{self, ManuallyDrop},
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
#[cfg(feature = "stats")]
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

#[cfg(feature = "pool")]
use super::line::Ticket;
use super::{
    core::{Semaphore, checked},
    line::Verdict,
    packed::{Held, Packed},
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    queue::{Arrival, Waiter},
    request::{Outcome, Since},
    word::Take,
};
use crate::{
    error::{AcquireError, AcquireTimeoutError, TryAcquireError},
    foreign::Deferred,
    park::Wait,
    sync::Arc,
};

/// Waiting for permits as a future.
impl Semaphore {
    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// The future returns [`Closed`](crate::AcquireError::Closed) if the
    /// semaphore is closed, or is closed while it waits,
    /// [`TooManyWaiters`](crate::AcquireError::TooManyWaiters) if it would have to
    /// wait and [may not](crate::Builder::max_waiting), and
    /// [`Overdue`](crate::AcquireError::Overdue) if it has waited for
    /// [too long](crate::Builder::overdue).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any moment loses no permit and leaves no trace:
    /// it gives up its place in line, or gives back what it has been granted.
    /// Asking again means a new place at the end. A future that has been
    /// granted its permit and is neither polled nor dropped keeps it.
    ///
    /// # Fairness
    ///
    /// First in, first out, by the time of the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = semaphore.acquire().await?;
    /// assert_eq!(semaphore.available_permits(), 0);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// With a bound on the time, by the runtime's own time-out, which drops the future.
    /// [`until`](Acquire::until) does the same with any timer, and tells the statistics.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # runtime.unwrap().block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(0);
    /// let late = timeout(Duration::from_millis(1), semaphore.acquire()).await;
    /// assert!(late.is_err());
    /// assert_eq!(semaphore.waiting(), 0);
    /// # });
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire::new(self, 1)
    }

    /// Waits for `n` permits, and takes them all at once. Zero are had at once.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the
    /// future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// First in, first out: lighter requests that arrive later do not pass.
    /// While `n` is more than max, the request waits beside the line and holds
    /// up nobody. Where `n` comes from outside, compare it with [`max`](Self::max) first:
    /// nobody waits for more than there can be, and max is never above `MAX_PERMITS`.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let two = semaphore.acquire_many(2).await?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: u32) -> Acquire<'_> {
        Acquire::new(self, checked(n as usize))
    }

    /// [`acquire`](Self::acquire), with a future and a permit that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        AcquireOwned::new(self, 1)
    }

    /// [`acquire_many`](Self::acquire_many), with a future and permits that
    /// keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the
    /// future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(3));
    /// let two = semaphore.clone().acquire_many_owned(2).await?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[inline]
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, n: u32) -> AcquireOwned {
        AcquireOwned::new(self, checked(n as usize))
    }
}

/// Taking permits if they are there.
impl Semaphore {
    /// Takes a permit if one is available and nobody waits for it.
    ///
    /// A line that has gone holds up nobody: who knows that no request is in line,
    /// because it has read so ([`waiting`](Self::waiting),
    /// [`snapshot`](Self::snapshot)), or because the calls and futures that were in
    /// line have returned or been dropped, gets a permit that is free. A request is
    /// in line from its first poll that does not succeed until it is granted or
    /// closed out, or the call that gives it up has returned. One for more than max
    /// may count as in line while a call that lowers max, gives permits back or
    /// leaves the line is under way.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) if there is none, or if others
    /// are in line; [`Closed`](TryAcquireError::Closed) if the semaphore is
    /// closed. Neither changes anything.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = semaphore.try_acquire()?;
    /// assert!(semaphore.try_acquire().is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        Ok(SemaphorePermit::from_packed(self, self.try_take(1)?))
    }

    /// Takes `n` permits if they are available and nobody waits for them. Zero
    /// are always available.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let two = semaphore.try_acquire_many(2)?;
    /// assert!(semaphore.try_acquire_many(2).is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let n = checked(n as usize);
        Ok(SemaphorePermit::from_packed(self, self.try_take(n)?))
    }

    /// [`try_acquire`](Self::try_acquire), with a permit that keeps the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[inline]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let packed = self.try_take(1)?;
        Ok(OwnedSemaphorePermit::from_packed(self, packed))
    }

    /// [`try_acquire_many`](Self::try_acquire_many), with permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(3));
    /// let two = semaphore.clone().try_acquire_many_owned(2)?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[inline]
    #[track_caller]
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let packed = self.try_take(checked(n as usize))?;
        Ok(OwnedSemaphorePermit::from_packed(self, packed))
    }

    // What is inlined into the caller is the permit that is there: this, and the
    // functions below it that say so too.
    #[inline(always)]
    fn try_take(&self, n: u32) -> Result<Packed, TryAcquireError> {
        self.take_quietly(n).map_err(|found| self.refused(found))
    }

    /// Takes `n` permits for somebody whose refusal the statistics need not know.
    #[inline(always)]
    pub(super) fn take_quietly(&self, n: u32) -> Result<Packed, Take> {
        // Looked at before the word is written: a later look would wait for that.
        let (found, packed) = if self.optional.options.generations {
            self.take_with_token(n)
        } else {
            (self.take(n), Packed::plain(Held::taken(n)))
        };
        if found != Take::Acquired {
            return Err(found);
        }
        Ok(self.hand_out_at_once(packed))
    }

    #[inline(never)]
    fn refused(&self, found: Take) -> TryAcquireError {
        let error = found.refusal();
        self.record(
            match error {
                TryAcquireError::Closed => Outcome::Closed,
                TryAcquireError::NoPermits => Outcome::Rejected,
            },
            Since::NEVER,
        );
        error
    }
}

impl Take {
    /// What one is told who has found this, and no permits.
    pub(super) fn refusal(self) -> TryAcquireError {
        match self {
            Self::Closed => TryAcquireError::Closed,
            _ => TryAcquireError::NoPermits,
        }
    }
}

/// A request for `need` permits by somebody who reaches the semaphore by `S`.
///
/// Dropping it at any moment leaves no trace: a place in line is given up, and
/// permits that were granted but not picked up go to whoever is next.
pub(crate) struct Attempt<S: Deref<Target = Semaphore>> {
    /// Taken by the permit at the end.
    pub(super) semaphore: Option<S>,
    pub(super) need: u32,
    /// Whatever ends the request takes it out, `drop` at the latest. So there is nothing to
    /// drop in it, and on the plain path nobody looks for that.
    pub(super) waiter: ManuallyDrop<Option<Waiter>>,
    since: Since,
}

impl<S: Deref<Target = Semaphore>> Attempt<S> {
    #[inline]
    pub(crate) fn new(semaphore: S, need: u32) -> Self {
        Self {
            semaphore: Some(semaphore),
            need,
            waiter: ManuallyDrop::new(None),
            since: Since::NEVER,
        }
    }

    /// Takes the permits if they are there, and does nothing if not. If it does, nothing is left
    /// in it, and the caller forgets it: to find that out would make it go through memory.
    #[inline]
    fn try_now(&mut self) -> Option<(S, Packed)> {
        if self.waiter.is_some() {
            return None;
        }
        let packed = self.semaphore.as_deref()?.take_quietly(self.need).ok()?;
        Some((self.semaphore.take()?, packed))
    }

    /// The first poll, which has `found` no permits.
    #[inline(never)]
    fn arrive(&mut self, found: Take, waker: &Waker) -> Poll<Result<(S, Held), AcquireError>> {
        let semaphore = self.semaphore.as_deref().expect("polled after completion");
        if found == Take::Closed {
            return Poll::Ready(self.finish(Err(AcquireError::Closed)));
        }
        let max_waiting = semaphore.optional.options.max_waiting;
        match semaphore
            .queue
            .arrive(&semaphore.word, self.need, max_waiting, waker)
        {
            // Others may have seen that it waits.
            Arrival::Acquired(deferred) => {
                self.since = semaphore.begins_to_wait();
                Poll::Ready(self.finish_wait(Verdict::Granted, deferred))
            }
            Arrival::Closed => Poll::Ready(self.finish(Err(AcquireError::Closed))),
            Arrival::TooMany => Poll::Ready(self.finish(Err(AcquireError::TooManyWaiters))),
            Arrival::Waits(waiter) => {
                // First, so that a panic finds it here and gives the place up.
                let waiter = self.waiter.insert(waiter);
                self.since = semaphore.begins_to_wait();
                if semaphore.queue.look_after_arrival(&semaphore.word, waiter) {
                    return self.poll(waker);
                }
                Poll::Pending
            }
        }
    }

    /// The caller does not want it any more.
    #[inline(never)]
    pub(super) fn cancel(&mut self, waiter: Waiter, outcome: Outcome) {
        let Some(semaphore) = &self.semaphore else {
            return;
        };
        let mut deferred = Deferred::default();
        semaphore.record_first(outcome, self.since, &mut deferred);
        deferred.run(|| {
            if semaphore.queue.cancel(&semaphore.word, waiter) == Verdict::Granted {
                semaphore.release(self.granted(semaphore));
            }
        });
        deferred.resume();
    }

    /// Stops waiting, unless the verdict was quicker. `None`: it still waited.
    /// There is nothing to poll after that.
    pub(crate) fn give_up(&mut self) -> Option<Result<(S, Held), AcquireError>> {
        // Taken first: if a waker panics in here, there is no place to give up.
        let waiter = self.waiter.take()?;
        let semaphore = self.semaphore.as_deref()?;
        let mut verdict = Verdict::Waiting;
        let mut deferred = Deferred::default();
        deferred.run(|| verdict = semaphore.queue.cancel(&semaphore.word, waiter));
        if deferred.resumes() {
            semaphore.record(Outcome::Cancelled, self.since);
        }
        deferred.resume();
        match verdict {
            Verdict::Waiting => {
                semaphore.record(Outcome::TimedOut, self.since);
                self.semaphore = None;
                None
            }
            verdict => Some(self.finish_wait(verdict, Deferred::default())),
        }
    }

    /// Its place in line, for `put_back`.
    #[cfg(feature = "pool")]
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match *self.waiter {
            Some(Waiter::InLine(ticket)) => Some(ticket),
            _ => None,
        }
    }

    /// Gives back what its last poll has returned, which was of no use, and goes on
    /// waiting: with the `ticket` that it had before that poll, or as a newcomer if it
    /// had none.
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
        // Now it is what it was before its last poll. Should a waker panic, `drop` finds
        // it so.
        *self.waiter = Some(Waiter::InLine(ticket));
        let Semaphore { word, queue, .. } = &**self.semaphore.insert(semaphore);
        if queue.put_back(word, ticket, self.need, waker) {
            return Ok(());
        }
        *self.waiter = None;
        let semaphore = self.semaphore.take().expect("just put there");
        semaphore.release(held);
        Err(AcquireError::Closed)
    }

    /// It did not wait. From here on there is nothing for `drop` to do.
    #[inline]
    fn finish(&mut self, answer: Result<(), AcquireError>) -> Result<(S, Held), AcquireError> {
        let semaphore = self.semaphore.take().expect("finished once");
        semaphore.record(Outcome::of(answer), Since::NEVER);
        answer.map(|()| (semaphore, Held::taken(self.need)))
    }

    /// What it holds once it has waited: where one is served in line, others may stand
    /// there too.
    fn granted(&self, semaphore: &Semaphore) -> Held {
        Held {
            n: self.need,
            handed: semaphore.queue.is_fifo(),
        }
    }

    /// It has waited. A panic of a waker goes on when the permits are back.
    #[inline(never)]
    fn finish_wait(
        &mut self,
        verdict: Verdict,
        mut deferred: Deferred,
    ) -> Result<(S, Held), AcquireError> {
        let semaphore = self.semaphore.take().expect("finished once");
        if let Some(Waiter::Competing { listener, .. }) = self.waiter.take() {
            deferred.merge(semaphore.queue.leave(listener));
        }
        let answer = match verdict {
            Verdict::Granted => Ok(()),
            Verdict::Overdue => Err(AcquireError::Overdue),
            Verdict::Closed | Verdict::Waiting => Err(AcquireError::Closed),
        };
        let outcome = if answer.is_ok() && deferred.resumes() {
            Outcome::Cancelled
        } else {
            Outcome::of(answer)
        };
        semaphore.record_first(outcome, self.since, &mut deferred);
        let held = self.granted(&semaphore);
        if answer.is_ok() && deferred.resumes() {
            deferred.run(|| semaphore.release(held));
        }
        deferred.resume();
        answer.map(|()| (semaphore, held))
    }
}

impl<S: Deref<Target = Semaphore>> Wait for Attempt<S> {
    type Answer = Result<(S, Held), AcquireError>;

    /// Gets the permits, or sees to it that `waker` is woken when there is
    /// something new. The permits are handed out as the semaphore and what
    /// the caller has of it.
    // Inlined down to the permit that is there: what is not is out of line.
    #[inline]
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer> {
        let semaphore = self.semaphore.as_deref().expect("polled after completion");
        let Some(waiter) = &mut *self.waiter else {
            return match semaphore.take(self.need) {
                Take::Acquired => Poll::Ready(self.finish(Ok(()))),
                found => self.arrive(found, waker),
            };
        };
        let (verdict, deferred) = match *waiter {
            Waiter::InLine(ticket) => {
                let verdict = semaphore.queue.poll_in_line(&semaphore.word, ticket, waker);
                (verdict, Deferred::default())
            }
            Waiter::Competing { .. } => semaphore.queue.compete(&semaphore.word, waiter, waker),
        };
        if verdict == Verdict::Waiting {
            deferred.resume();
            return Poll::Pending;
        }
        Poll::Ready(self.finish_wait(verdict, deferred))
    }

    #[cfg(feature = "std")]
    fn may_be_ready(&self) -> bool {
        let (Some(semaphore), Some(waiter)) = (self.semaphore.as_deref(), &*self.waiter) else {
            return true;
        };
        semaphore.queue.may_be_ready(&semaphore.word, waiter)
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Attempt<S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.cancel(waiter, Outcome::Cancelled);
        }
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Attempt<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("need", &self.need)
            .field("waits", &self.waiter.is_some())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
    ///
    /// It takes its place in line when it is polled for the first time. It is not `Unpin`,
    /// nor is tokio's, so that what it consists of may change: who polls it by hand pins it,
    /// by [`pin!`](std::pin::pin) on the stack or by `Box::pin`.
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
    /// use dynaphore::{Semaphore, future::Acquire};
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
    // As tokio's: `Unpin` would be a promise about the inside.
    #[project(!Unpin)]
    pub struct Acquire<'a> {
        pub(crate) attempt: Attempt<&'a Semaphore>,
    }
}

impl<'a> Acquire<'a> {
    #[inline]
    pub(super) fn new(semaphore: &'a Semaphore, need: u32) -> Self {
        Self {
            attempt: Attempt::new(semaphore, need),
        }
    }

    /// Takes the permits if they can be had without waiting, and is as it was if not. For
    /// callers that have something to do only if they must wait: unlike
    /// [`try_acquire`](Semaphore::try_acquire), it is the same request for the
    /// statistics (`Builder::stats`).
    ///
    /// # Errors
    ///
    /// Itself, if it would have to wait, or to return an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = match semaphore.acquire().try_now() {
    ///     Ok(permit) => permit,
    ///     Err(acquire) => {
    ///         println!("waiting for a permit");
    ///         acquire.await?
    ///     }
    /// };
    /// # drop(permit);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn try_now(mut self) -> Result<SemaphorePermit<'a>, Self> {
        match self.attempt.try_now() {
            Some((semaphore, packed)) => {
                mem::forget(self);
                Ok(SemaphorePermit::from_packed(semaphore, packed))
            }
            None => Err(self),
        }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<SemaphorePermit<'a>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().attempt.poll(cx.waker());
        polled.map_ok(SemaphorePermit::new)
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
    /// use dynaphore::{Semaphore, future::AcquireOwned};
    ///
    /// # futures::executor::block_on(async {
    /// let acquire: AcquireOwned = Arc::new(Semaphore::new(1)).acquire_owned();
    /// assert_eq!(acquire.await?.semaphore().active(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[project(!Unpin)]
    pub struct AcquireOwned {
        pub(crate) attempt: Attempt<Arc<Semaphore>>,
    }
}

impl AcquireOwned {
    #[inline]
    pub(super) fn new(semaphore: Arc<Semaphore>, need: u32) -> Self {
        Self {
            attempt: Attempt::new(semaphore, need),
        }
    }

    /// See [`Acquire::try_now`].
    ///
    /// # Errors
    ///
    /// Itself, if it would have to wait, or to return an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().try_now().unwrap();
    /// assert!(semaphore.acquire_owned().try_now().is_err());
    /// # drop(permit);
    /// ```
    #[inline]
    pub fn try_now(mut self) -> Result<OwnedSemaphorePermit, Self> {
        match self.attempt.try_now() {
            Some((semaphore, packed)) => {
                mem::forget(self);
                Ok(OwnedSemaphorePermit::from_packed(semaphore, packed))
            }
            None => Err(self),
        }
    }
}

impl Future for AcquireOwned {
    type Output = Result<OwnedSemaphorePermit, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().attempt.poll(cx.waker());
        polled.map_ok(OwnedSemaphorePermit::new)
    }
}

#[track_caller]
pub(super) fn assert_some(n: u32) -> u32 {
    assert!(n > 0, "up to 0 permits, and at least one");
    checked(n as usize)
}

/// Taking what is there.
// A request for one, in line like any other, and a look at what is available when that has
// been granted. So neither the word nor the line knows of it, and whoever waits behind is
// served before anybody takes more than one.
impl Semaphore {
    /// Waits for a permit, and takes as many more as are available then, up to `n` in all.
    ///
    /// For work that goes in batches, and takes a small one rather than wait for a full one.
    /// For a bound on the time, take one permit by any other call, and
    /// [extend](SemaphorePermit::extend_up_to) it.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is 0, or larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire): what is dropped gives up its place in line, and no
    /// permit is lost.
    ///
    /// # Fairness
    ///
    /// In line it is a request for one. What comes free goes to those behind it first: it
    /// takes more than one of what nobody waits for.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(5);
    /// let three = semaphore.acquire_up_to(3).await?;
    /// let rest = semaphore.acquire_up_to(3).await?;
    /// assert_eq!((three.num_permits(), rest.num_permits()), (3, 2));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_up_to(
        &self,
        n: u32,
    ) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> + Send {
        let n = assert_some(n);
        let acquire = self.acquire();
        async move {
            let mut permit = acquire.await?;
            permit.extend_up_to(n as usize);
            Ok(permit)
        }
    }

    /// [`acquire_up_to`](Self::acquire_up_to), for permits that keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Arc::new(Semaphore::new(2));
    /// let both = semaphore.acquire_up_to_owned(8).await?;
    /// assert_eq!(both.num_permits(), 2);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[track_caller]
    pub fn acquire_up_to_owned(
        self: Arc<Self>,
        n: u32,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send {
        let n = assert_some(n);
        let acquire = self.acquire_owned();
        async move {
            let mut permit = acquire.await?;
            permit.extend_up_to(n as usize);
            Ok(permit)
        }
    }

    /// Takes up to `n` permits, as many as are available, without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire): not one is to be had.
    ///
    /// # Panics
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let both = semaphore.try_acquire_up_to(8)?;
    /// assert_eq!(both.num_permits(), 2);
    /// assert!(semaphore.try_acquire_up_to(8).is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn try_acquire_up_to(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let n = assert_some(n);
        let mut permit = self.try_acquire()?;
        permit.extend_up_to(n as usize);
        Ok(permit)
    }
}

/// Waiting until something else happens.
impl Semaphore {
    /// Waits for a permit until `until` completes: a sleep of the caller's runtime, a
    /// shutdown signal, any future. It is polled only while there is no permit. If both
    /// are ready at the same poll, the permit wins.
    ///
    /// # Errors
    ///
    /// The future returns [`Timeout`](AcquireTimeoutError::Timeout) if `until` completes
    /// first. The place in line is given up by then. Otherwise as for
    /// [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    /// use tokio::time::sleep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let semaphore = Semaphore::new(1);
    /// let patience = || sleep(Duration::from_millis(5));
    /// let permit = semaphore.acquire_until(patience()).await.unwrap();
    /// let late = semaphore.acquire_until(patience()).await;
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// # drop(permit);
    /// # }
    /// ```
    pub fn acquire_until<F: Future>(&self, until: F) -> AcquireUntil<'_, F> {
        self.acquire().until(until)
    }

    /// [`acquire_until`](Self::acquire_until) for `n` permits at once.
    ///
    /// # Errors
    ///
    /// As for [`acquire_until`](Self::acquire_until).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the future is
    /// made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::ready;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Semaphore::new(3);
    /// let two = semaphore.acquire_many_until(2, ready(())).await?;
    /// let late = semaphore.acquire_many_until(2, ready(())).await;
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// # drop(two);
    /// # Ok::<(), AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_many_until<F: Future>(&self, n: u32, until: F) -> AcquireUntil<'_, F> {
        self.acquire_many(n).until(until)
    }

    /// [`acquire_until`](Self::acquire_until), with a future and a permit that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire_until`](Self::acquire_until).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::pending, sync::Arc};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned_until(pending::<()>()).await?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// # Ok::<(), AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    pub fn acquire_owned_until<F: Future>(self: Arc<Self>, until: F) -> AcquireOwnedUntil<F> {
        self.acquire_owned().until(until)
    }

    /// [`acquire_many_until`](Self::acquire_many_until), with a future and permits that
    /// keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire_until`](Self::acquire_until).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the future is
    /// made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::pending, sync::Arc};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let two = semaphore.clone().acquire_many_owned_until(2, pending::<()>()).await?;
    /// assert_eq!(two.num_permits(), 2);
    /// # Ok::<(), AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[track_caller]
    pub fn acquire_many_owned_until<F: Future>(
        self: Arc<Self>,
        n: u32,
        until: F,
    ) -> AcquireOwnedUntil<F> {
        self.acquire_many_owned(n).until(until)
    }
}

/// The same with any future of a request.
impl<'a> Acquire<'a> {
    /// Waits until `end` is ready at the longest: the sleep of any runtime, or a signal.
    ///
    /// A time-out of the runtime's own bounds the time as well, and drops the future. To
    /// the statistics that one was cancelled, and this one has timed out. Permits that are
    /// there when `end` is ready are taken.
    ///
    /// # Errors
    ///
    /// [`Timeout`](AcquireTimeoutError::Timeout) if `end` was ready first, which then leaves
    /// no trace. Otherwise as for [`acquire`](Semaphore::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for `acquire`.
    ///
    /// # Panics
    ///
    /// When `end` does, which leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    /// use tokio::time::sleep;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # runtime.unwrap().block_on(async {
    /// let semaphore = Semaphore::new(0);
    /// let late = semaphore.acquire().until(sleep(Duration::from_millis(1))).await;
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// # });
    /// ```
    pub fn until<F: Future>(self, end: F) -> AcquireUntil<'a, F> {
        AcquireUntil {
            attempt: self.attempt,
            until: end,
        }
    }
}

impl AcquireOwned {
    /// As [`Acquire::until`].
    ///
    /// # Errors
    ///
    /// As for `Acquire::until`.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// As for `Acquire::until`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::ready, sync::Arc};
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// assert!(semaphore.acquire_owned().until(ready(())).await.is_ok(), "it is there");
    /// # });
    /// ```
    pub fn until<F: Future>(self, end: F) -> AcquireOwnedUntil<F> {
        AcquireOwnedUntil {
            attempt: self.attempt,
            until: end,
        }
    }
}

/// One poll of both.
fn poll_until<S: Deref<Target = Semaphore>, F: Future>(
    attempt: &mut Attempt<S>,
    until: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<(S, Held), AcquireTimeoutError>> {
    if let Poll::Ready(answer) = attempt.poll(cx.waker()) {
        return Poll::Ready(Ok(answer?));
    }
    ready!(until.poll(cx));
    let answer = attempt.give_up().ok_or(AcquireTimeoutError::Timeout)?;
    Poll::Ready(Ok(answer?))
}

macro_rules! until {
    (
        $(#[$docs:meta])* $name:ident<$($lifetime:lifetime)?>, $handle:ty, $permit:ident, $out:ty
    ) => {
        pin_project! {
            $(#[$docs])*
            #[must_use = "futures do nothing unless you `.await` or poll them"]
            pub struct $name<$($lifetime,)? F> {
                attempt: Attempt<$handle>,
                #[pin]
                until: F,
            }
        }

        impl<$($lifetime,)? F: Future> Future for $name<$($lifetime,)? F> {
            type Output = Result<$out, AcquireTimeoutError>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.project();
                poll_until(this.attempt, this.until, cx).map_ok($permit::new)
            }
        }

        impl<$($lifetime,)? F> fmt::Debug for $name<$($lifetime,)? F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("attempt", &self.attempt)
                    .finish_non_exhaustive()
            }
        }
    };
}

until! {
    /// The future of [`Semaphore::acquire_until`], [`Semaphore::acquire_many_until`] and
    /// [`Acquire::until`].
    ///
    /// It takes its place in line when it is polled for the first time, and gives it up
    /// in the poll in which `F` completes, or when it is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled after it has returned `Ready`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::{Pending, pending};
    /// use dynaphore::{Semaphore, future::AcquireUntil};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let acquire: AcquireUntil<'_, Pending<()>> = semaphore.acquire_until(pending());
    /// assert!(futures::executor::block_on(acquire).is_ok());
    /// ```
    AcquireUntil<'a>, &'a Semaphore, SemaphorePermit, SemaphorePermit<'a>
}

until! {
    /// The future of [`Semaphore::acquire_owned_until`],
    /// [`Semaphore::acquire_many_owned_until`] and [`AcquireOwned::until`].
    ///
    /// Like [`AcquireUntil`], but it keeps the semaphore alive by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::{Pending, pending}, sync::Arc};
    /// use dynaphore::{Semaphore, future::AcquireOwnedUntil};
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let acquire: AcquireOwnedUntil<Pending<()>> = semaphore.acquire_owned_until(pending());
    /// assert!(futures::executor::block_on(acquire).is_ok());
    /// ```
    AcquireOwnedUntil<>, Arc<Semaphore>, OwnedSemaphorePermit, OwnedSemaphorePermit
}

/// How long one will wait, as an estimate.
// Who comes too late to make its deadline, and may know at once.
//
// With `m` permits that are held for `h` on average, `m / h` come back in a second, while
// somebody waits. So a line of `l` is gone after `l x h / m`: John Little's law (*A Proof for
// the Queuing Formula L = λW*, Operations Research 9(3), 1961), where `L` are the permits and
// `W` is the hold. The rate at which requests were served would not do: where little is
// asked for, it says how little that is, not how much can be done.
#[cfg(feature = "stats")]
impl Semaphore {
    /// How long a request for `n` permits will probably wait that comes now. An estimate: as
    /// many requests as [wait](Self::waiting) and ask for no more than max, taken for one permit
    /// each, and `n`, times the mean hold of the last interval, divided by max. Holds that are
    /// longer than before, and requests for several, make it too short; that some give up makes
    /// it too long. In another order than first in, first out, it is what all wait on average.
    ///
    /// `None` if it need not wait for others, and while there is no such figure: without
    /// [statistics](crate::Builder::stats), before an [interval](crate::Stats::take) has been
    /// taken in which a permit came back, with [generations](crate::Builder::generations), whose
    /// permits are not timed, and if `n` is more than max.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// assert_eq!(semaphore.expected_wait(1), None);
    /// ```
    #[must_use]
    pub fn expected_wait(&self, n: u32) -> Option<Duration> {
        let hold = self.optional.counters()?.mean_hold()?;
        let now = self.word.load();
        let waiting = self.waiting().saturating_sub(self.queue.aside());
        let is_there = now.available(self.queue.reserved()) >= n;
        if waiting == 0 || is_there || n > now.max() {
            return None;
        }
        let permits = waiting as u128 + u128::from(n);
        let nanos = permits * u128::from(hold) / u128::from(now.max());
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    /// Refuses a request for `n` permits at once that the line would keep beyond its
    /// `deadline`, as [`expected_wait`](Self::expected_wait) estimates that. For what can be
    /// done elsewhere, or not at all, while there is time: nothing is gained by waiting for a
    /// time-out. For calls that block; futures have [`Acquire::by`].
    ///
    /// # Errors
    ///
    /// [`WouldTimeOut`](AcquireTimeoutError::WouldTimeOut), which the
    /// [statistics](crate::Interval::would_time_out) count. Never if there is no estimate.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// fn work(semaphore: &Semaphore) -> Result<(), AcquireTimeoutError> {
    ///     let deadline = Instant::now() + Duration::from_millis(100);
    ///     semaphore.check_deadline(1, deadline)?;
    ///     let _permit = semaphore.blocking_acquire_deadline(deadline)?;
    ///     Ok(())
    /// }
    /// # assert!(work(&Semaphore::builder(1).stats(true).build()).is_ok());
    /// ```
    pub fn check_deadline(&self, n: u32, deadline: Instant) -> Result<(), AcquireTimeoutError> {
        match self.expected_wait(n) {
            Some(wait) if wait > deadline.saturating_duration_since(Instant::now()) => {
                self.record(Outcome::WouldTimeOut, Since::NEVER);
                Err(AcquireTimeoutError::WouldTimeOut)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "stats")]
impl<S: Deref<Target = Semaphore>> Attempt<S> {
    fn check(&self, deadline: Instant) -> Result<(), AcquireTimeoutError> {
        match &self.semaphore {
            Some(semaphore) => semaphore.check_deadline(self.need, deadline),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "stats")]
impl Acquire<'_> {
    /// Refuses the request at once if the line would keep it beyond `deadline`, as
    /// [`Semaphore::expected_wait`] estimates that. One that is not refused may be late all the
    /// same: [`until`](Self::until) ends it.
    ///
    /// # Errors
    ///
    /// As for [`Semaphore::check_deadline`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    /// use tokio::time::sleep_until;
    ///
    /// async fn work(semaphore: &Semaphore) -> Result<(), AcquireTimeoutError> {
    ///     let deadline = Instant::now() + Duration::from_millis(100);
    ///     let late = sleep_until(deadline.into());
    ///     let _permit = semaphore.acquire().by(deadline)?.until(late).await?;
    ///     Ok(())
    /// }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # let semaphore = Semaphore::builder(1).stats(true).build();
    /// # assert!(runtime.unwrap().block_on(work(&semaphore)).is_ok());
    /// ```
    pub fn by(self, deadline: Instant) -> Result<Self, AcquireTimeoutError> {
        self.attempt.check(deadline).map(|()| self)
    }
}

#[cfg(feature = "stats")]
impl AcquireOwned {
    /// As [`Acquire::by`].
    ///
    /// # Errors
    ///
    /// As for [`Semaphore::check_deadline`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::Arc, time::{Duration, Instant}};
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::builder(1).stats(true).build());
    /// let deadline = Instant::now() + Duration::from_millis(100);
    /// let permit = semaphore.acquire_owned().by(deadline)?.await?;
    /// # drop(permit);
    /// # Ok::<(), dynaphore::AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    pub fn by(self, deadline: Instant) -> Result<Self, AcquireTimeoutError> {
        self.attempt.check(deadline).map(|()| self)
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests;
