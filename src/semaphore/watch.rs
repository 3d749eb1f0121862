//! Waiting for a state of the semaphore rather than for its permits.

use core::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, Waker},
};
#[cfg(feature = "std")]
use std::time::{Duration, Instant};

use super::{core::Semaphore, queue::Goal};
#[cfg(feature = "std")]
use crate::park::{self, after};
use crate::{event::Listener, park::Wait};

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
        self.done |= self.listener.is_none() && self.goal.is_met(word.load());
        if self.done {
            return Poll::Ready(());
        }
        if self.listener.is_none() {
            self.listener = queue.watch(word, self.goal, waker);
        }
        self.done = match &mut self.listener {
            Some(listener) => queue
                .poll_watch(word, self.goal, listener, waker)
                .is_ready(),
            None => true,
        };
        if self.done {
            self.leave();
            Poll::Ready(())
        } else {
            Poll::Pending
        }
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
