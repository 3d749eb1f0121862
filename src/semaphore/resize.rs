//! Changing how many permits there are, closing, and waiting until that has taken effect: until
//! all older permits are back, no more are out than max, or none is.

use core::{
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture},
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, Waker},
};
#[cfg(feature = "std")]
use std::time::{Duration, Instant};

use super::{
    core::{Semaphore, checked, try_checked},
    queue::Goal,
    word::Overflow,
};
#[cfg(feature = "std")]
use crate::park::{self, after};
use crate::{
    error::SetMaxError,
    event::Listener,
    generation::{Drained, Pending, Tracker},
    park::Wait,
};

/// Resizing it.
impl Semaphore {
    /// Changes max, and returns the one that this replaces.
    ///
    /// When it returns, the shrink or growth is in force: permits beyond the
    /// new max that nobody holds are gone, or the waiters that now fit have
    /// theirs. Holders keep what they have; [`settled`](Self::settled) waits
    /// for them. Any thread may call it at any time, and calls that race take
    /// effect one after the other.
    ///
    /// # Panics
    ///
    /// When `max` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS); nothing
    /// has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(10);
    /// assert_eq!(semaphore.set_max(0), 10);
    /// assert!(semaphore.try_acquire().is_err(), "paused");
    /// assert_eq!(semaphore.set_max(20), 0);
    /// assert!(semaphore.try_acquire().is_ok());
    /// ```
    #[track_caller]
    pub fn set_max(&self, max: usize) -> usize {
        self.replace_max(checked(max))
    }

    /// [`set_max`](Self::set_max), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when `max` is larger than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS); nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, SetMaxError};
    ///
    /// let semaphore = Semaphore::new(10);
    /// assert_eq!(semaphore.try_set_max(20), Ok(10));
    /// assert_eq!(semaphore.try_set_max(usize::MAX), Err(SetMaxError::TooManyPermits));
    /// assert_eq!(semaphore.max(), 20);
    /// ```
    pub fn try_set_max(&self, max: usize) -> Result<usize, SetMaxError> {
        try_checked(max).map(|max| self.replace_max(max))
    }

    fn replace_max(&self, max: u32) -> usize {
        let before = self.queue.resize(&self.word, |aside| {
            Ok::<_, Infallible>(self.word.set_max(max, aside))
        });
        let Ok(before) = before;
        before.max() as usize
    }

    /// Raises max by `n`.
    ///
    /// # Panics
    ///
    /// When max would become larger than [`MAX_PERMITS`](Self::MAX_PERMITS);
    /// nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// semaphore.add_permits(2);
    /// assert_eq!((semaphore.max(), semaphore.available_permits()), (3, 3));
    /// ```
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        let raised = self.raise_max(checked(n));
        if raised.is_err() {
            panic!(
                "adding {n} permits would give the semaphore more than MAX_PERMITS permits \
                 (2147483647)"
            );
        }
    }

    /// [`add_permits`](Self::add_permits), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when max would become larger than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS); nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.try_add_permits(2)?;
    /// assert!(semaphore.try_add_permits(Semaphore::MAX_PERMITS).is_err());
    /// assert_eq!(semaphore.max(), 3);
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// ```
    pub fn try_add_permits(&self, n: usize) -> Result<(), SetMaxError> {
        let raised = self.raise_max(try_checked(n)?);
        raised.map_err(|Overflow| SetMaxError::TooManyPermits)
    }

    fn raise_max(&self, n: u32) -> Result<(), Overflow> {
        let raise = |aside| self.word.raise_max(n, aside);
        self.queue.resize(&self.word, raise).map(|_| ())
    }

    /// Lowers max by `n`, or by the number of
    /// [available](Self::available_permits) permits if that is less. Returns by
    /// how much. Permits that are held, or reserved for a waiter, are not touched:
    /// to shrink below those there is [`set_max`](Self::set_max).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let _held = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.forget_permits(9), 2);
    /// assert_eq!(semaphore.max(), 1);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let forgotten = self.word.forget_available(n, self.queue.reserved());
        // Where waiters compete there may be permits to forget beside a line,
        // whose first may need more than max now, and is in nobody's way.
        if forgotten > 0 && self.word.load().is_queued() {
            self.queue.hand_over(&self.word, 0);
        }
        forgotten as usize
    }
}

/// Resizing it, and waiting until all older permits are back.
impl Semaphore {
    /// Changes max, as [`set_max`](Self::set_max) does, and opens a new
    /// generation of permits. What it returns can be
    /// [awaited](Resize::drained): it tells when no permit is alive any more that
    /// was handed out before.
    ///
    /// That is what to do after a credential or the target of connections has
    /// been replaced: permits of the new generation were handed out after the
    /// replacement, which their holders therefore see. `max` may be the old one.
    ///
    /// A permit is handed out when the call that asked for it returns it. One
    /// that is split keeps its generation, and of those that are merged the
    /// oldest counts for all.
    ///
    /// # Panics
    ///
    /// When `max` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), or when the
    /// semaphore was built without [`generations`](crate::Builder::generations): to
    /// resize any semaphore there is [`set_max`](Self::set_max).
    /// Nothing has changed then. When a waker that it wakes does: max has changed
    /// then, and perhaps the generation; call it again.
    ///
    /// # Memory ordering
    ///
    /// What the caller did before is visible to whoever gets a permit of the new
    /// generation. What the holders of older ones did is visible when
    /// [`drained`](Resize::drained) resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// let old = semaphore.try_acquire().unwrap();
    ///
    /// let resize = semaphore.resize(8);
    /// assert_eq!(resize.previous, 2);
    /// let _new = semaphore.try_acquire().unwrap();
    /// assert!(!resize.is_drained());
    /// drop(old);
    /// resize.blocking_drained();
    /// ```
    #[must_use = "without waiting for it, this is `set_max`"]
    #[track_caller]
    pub fn resize(&self, max: usize) -> Resize<'_> {
        let max = checked(max);
        self.resize_in(max, self.tracker())
    }

    /// [`resize`](Self::resize), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when `max` is larger than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS); nothing has changed then.
    ///
    /// # Panics
    ///
    /// As for `resize`, but for that.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// semaphore.try_resize(8)?.blocking_drained();
    /// assert!(semaphore.try_resize(usize::MAX).is_err());
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// ```
    #[track_caller]
    pub fn try_resize(&self, max: usize) -> Result<Resize<'_>, SetMaxError> {
        let tracker = self.tracker();
        try_checked(max).map(|max| self.resize_in(max, tracker))
    }

    #[track_caller]
    fn tracker(&self) -> &Tracker {
        match self.optional.tracker() {
            Some(tracker) => tracker,
            None => panic!(
                "`resize` needs a semaphore that was built with `generations(true)`; \
                 `set_max` resizes any"
            ),
        }
    }

    fn resize_in<'a>(&'a self, max: u32, tracker: &'a Tracker) -> Resize<'a> {
        let previous = self.replace_max(max);
        let pending = tracker.increment();
        Resize {
            previous,
            generation: pending.generation().wrapping_add(1),
            semaphore: self,
            pending,
        }
    }

    /// The generation of the permits that are handed out now, 0 at first. `None`
    /// unless the semaphore keeps [generations](crate::Builder::generations).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// let resize = semaphore.resize(2);
    /// assert_eq!(semaphore.generation(), Some(resize.generation));
    /// ```
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.optional.tracker().map(|tracker| tracker.generation())
    }
}

/// Closing.
impl Semaphore {
    /// Refuses all further requests. Those that wait are told so; holders keep
    /// their permits and give them back as ever. Resizing still works, and does
    /// not open it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.queue.close(&self.word);
    }

    /// Whether it is [closed](Self::close).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!dynaphore::Semaphore::new(1).is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.word.load().is_closed()
    }
}

/// A resize whose older permits may still be out; see [`Semaphore::resize`].
///
/// Dropping it changes nothing.
///
/// # Examples
///
/// ```
/// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
/// let resize = semaphore.resize(8);
/// assert_eq!((resize.previous, resize.generation), (2, 1));
/// ```
#[must_use = "without waiting for it, a resize is a `set_max`"]
#[non_exhaustive]
pub struct Resize<'a> {
    /// The max that was replaced, 0 to
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    pub previous: usize,
    /// The generation that it has opened. Older permits have a smaller one (it
    /// counts modulo 2^64).
    pub generation: u64,
    semaphore: &'a Semaphore,
    pending: Pending<'a>,
}

impl<'a> Resize<'a> {
    /// Waits until no permit is alive any more that was handed out before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace; it can be asked for again.
    ///
    /// # Memory ordering
    ///
    /// All that the holders did before they gave those permits back is visible.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// let old = semaphore.acquire().await?;
    /// let resize = semaphore.resize(2);
    /// drop(old);
    /// resize.drained().await;
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    pub fn drained(&self) -> ResizeDrained<'a> {
        ResizeDrained(self.pending.clone().into_future())
    }

    /// Whether no permit is alive any more that was handed out before. Once that
    /// is so, it stays so.
    ///
    /// # Memory ordering
    ///
    /// If so, as for [`drained`](Self::drained).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// assert!(semaphore.resize(8).is_drained());
    /// ```
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.pending.is_drained()
    }
}

#[cfg(feature = "std")]
impl Resize<'_> {
    /// [`drained`](Self::drained) that blocks the thread.
    ///
    /// A thread that holds an older permit itself waits for ever.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// semaphore.resize(8).blocking_drained();
    /// ```
    #[track_caller]
    pub fn blocking_drained(&self) {
        self.semaphore.assert_may_block();
        self.pending.wait();
    }

    /// [`blocking_drained`](Self::blocking_drained) that gives up when `timeout`
    /// is over. Returns whether the older permits are gone.
    ///
    /// # Panics
    ///
    /// As for [`blocking_drained`](Self::blocking_drained).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// let _old = semaphore.try_acquire().unwrap();
    /// let resize = semaphore.resize(8);
    /// assert!(!resize.blocking_drained_timeout(Duration::from_millis(1)));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn blocking_drained_timeout(&self, timeout: Duration) -> bool {
        self.semaphore.assert_may_block();
        self.pending.wait_timeout(timeout)
    }
}

impl fmt::Debug for Resize<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resize")
            .field("previous", &self.previous)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The future of [`Resize::drained`].
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, future::ResizeDrained};
///
/// # futures::executor::block_on(async {
/// let semaphore = Semaphore::builder(2).generations(true).build();
/// let drained: ResizeDrained<'_> = semaphore.resize(8).drained();
/// drained.await;
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ResizeDrained<'a>(Drained<'a>);

impl Future for ResizeDrained<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Waiting for a state.
impl Semaphore {
    /// Waits until no more permits are out than max: until a shrink has taken
    /// full effect.
    ///
    /// Resolves when it finds `active <= max`, on a closed semaphore too. The
    /// [blocking form](Self::blocking_settled) is for threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let held = semaphore.try_acquire_many(2).unwrap();
    /// semaphore.set_max(1);
    /// drop(held);
    /// semaphore.settled().await;
    /// # });
    /// ```
    pub fn settled(&self) -> Settled<'_> {
        Settled(Watch::new(self, Goal::Settled))
    }

    /// Waits until no permit is out.
    ///
    /// Resolves when it finds `active == 0`, on a closed semaphore too. A
    /// moment of idleness in busy traffic may pass unseen: to drain, first
    /// [`close`](Self::close) the semaphore or [set max](Self::set_max) to 0.
    /// The [blocking form](Self::blocking_idle) is for threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Memory ordering
    ///
    /// All that the holders did before giving their permits back is visible
    /// when it resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// drop(semaphore.try_acquire());
    /// semaphore.close();
    /// semaphore.idle().await;
    /// # });
    /// ```
    pub fn idle(&self) -> Idle<'_> {
        Idle(Watch::new(self, Goal::Idle))
    }
}

/// Blocking until the semaphore is in some state.
#[cfg(feature = "std")]
impl Semaphore {
    /// [`settled`](Self::settled), blocking the thread.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let held = semaphore.try_acquire_many(2).unwrap();
    /// semaphore.set_max(1);
    /// drop(held);
    /// semaphore.blocking_settled();
    /// ```
    #[track_caller]
    pub fn blocking_settled(&self) {
        self.watch(Goal::Settled, None);
    }

    /// [`blocking_settled`](Self::blocking_settled) that gives up when `timeout` is over.
    /// Returns whether it has found `active <= max`.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let _held = semaphore.try_acquire_many(2).unwrap();
    /// semaphore.set_max(1);
    /// assert!(!semaphore.blocking_settled_timeout(Duration::from_millis(1)));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn blocking_settled_timeout(&self, timeout: Duration) -> bool {
        self.watch(Goal::Settled, after(timeout))
    }

    /// [`idle`](Self::idle), blocking the thread.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// std::thread::scope(|scope| {
    ///     let permit = semaphore.try_acquire().unwrap();
    ///     scope.spawn(move || drop(permit));
    ///     semaphore.blocking_idle();
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_idle(&self) {
        self.watch(Goal::Idle, None);
    }

    /// [`blocking_idle`](Self::blocking_idle) that gives up when `timeout` is over. Returns
    /// whether it has found `active == 0`.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let held = semaphore.try_acquire().unwrap();
    /// assert!(!semaphore.blocking_idle_timeout(Duration::from_millis(1)));
    /// drop(held);
    /// assert!(semaphore.blocking_idle_timeout(Duration::ZERO));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn blocking_idle_timeout(&self, timeout: Duration) -> bool {
        self.watch(Goal::Idle, after(timeout))
    }

    /// Says whether it has seen the goal met.
    #[track_caller]
    pub(crate) fn watch(&self, goal: Goal, deadline: Option<Instant>) -> bool {
        self.assert_may_block();
        park::wait(&mut Watch::new(self, goal), deadline).is_some()
    }
}

/// Waits until the word meets `goal`.
pub(crate) struct Watch<S: Deref<Target = Semaphore>> {
    semaphore: S,
    goal: Goal,
    /// While it is counted among those who watch.
    listener: Option<Listener>,
    /// It has seen its goal met, and does not look again.
    done: bool,
}

impl<S: Deref<Target = Semaphore>> Watch<S> {
    pub(crate) fn new(semaphore: S, goal: Goal) -> Self {
        Self {
            semaphore,
            goal,
            listener: None,
            done: false,
        }
    }

    fn leave(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.semaphore.queue.unwatch(self.goal, listener);
        }
    }
}

impl<S: Deref<Target = Semaphore>> Wait for Watch<S> {
    type Answer = ();

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Semaphore { word, queue, .. } = &*self.semaphore;
        if self.done {
            return Poll::Ready(());
        }
        if self.listener.is_none() && !self.goal.is_met(word.load()) {
            self.listener = queue.watch(word, self.goal, waker);
        }
        self.done = match &mut self.listener {
            Some(listener) => queue
                .poll_watch(word, self.goal, listener, waker)
                .is_ready(),
            None => true,
        };
        if !self.done {
            return Poll::Pending;
        }
        self.leave();
        Poll::Ready(())
    }

    #[cfg(feature = "std")]
    fn may_be_ready(&self) -> bool {
        self.listener.as_ref().is_none_or(Listener::is_woken)
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Watch<S> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Watch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("goal", &self.goal)
            .field("waits", &self.listener.is_some())
            .finish_non_exhaustive()
    }
}

/// The future of [`Semaphore::settled`].
///
/// Once it has returned `Ready`, it goes on to do so, whatever becomes of the semaphore.
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, future::Settled};
///
/// # futures::executor::block_on(async {
/// let semaphore = Semaphore::new(1);
/// let settled: Settled<'_> = semaphore.settled();
/// settled.await;
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Settled<'a>(Watch<&'a Semaphore>);

impl Future for Settled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx.waker())
    }
}

/// The future of [`Semaphore::idle`].
///
/// Once it has returned `Ready`, it goes on to do so, whatever becomes of the semaphore.
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, future::Idle};
///
/// # futures::executor::block_on(async {
/// let semaphore = Semaphore::new(1);
/// let idle: Idle<'_> = semaphore.idle();
/// idle.await;
/// # });
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Idle<'a>(Watch<&'a Semaphore>);

impl Future for Idle<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx.waker())
    }
}
