//! A semaphore for code that polls.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use dynaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, future::AcquireOwned};

/// A semaphore for code that polls, such as an implementation of `Service` or `Stream`.
///
/// Names and meaning are those of tokio-util's. A permit that is there costs no allocation;
/// a value that has to wait for the first time makes a box, which it keeps for its other
/// waits.
///
/// Dropping it gives up its place in line. A clone has no place.
///
/// # Examples
///
/// ```
/// use std::{future::poll_fn, sync::Arc};
/// use dynaphore::Semaphore;
/// use dynaphore_tower::PollSemaphore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut semaphore = PollSemaphore::new(Arc::new(Semaphore::new(1)));
/// let permit = poll_fn(|cx| semaphore.poll_acquire(cx)).await.unwrap();
/// assert_eq!(semaphore.available_permits(), 0);
/// # drop(permit);
/// # }
/// ```
pub struct PollSemaphore {
    semaphore: Arc<Semaphore>,
    /// The box stays when the wait in it has ended.
    wait: Option<Pin<Box<Option<AcquireOwned>>>>,
    /// How many permits that wait is for, if there is one.
    permits: u32,
}

impl PollSemaphore {
    /// One that takes its permits from `semaphore`.
    #[must_use]
    pub fn new(semaphore: Arc<Semaphore>) -> Self {
        Self {
            semaphore,
            wait: None,
            permits: 0,
        }
    }

    /// Closes the semaphore, for everybody.
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// The semaphore.
    #[must_use]
    pub fn clone_inner(&self) -> Arc<Semaphore> {
        Arc::clone(&self.semaphore)
    }

    /// The semaphore. A place in line is given up.
    #[must_use]
    pub fn into_inner(self) -> Arc<Semaphore> {
        self.semaphore
    }

    /// Polls for a permit: `None` if the semaphore is closed,
    /// [may not have one more waiting](dynaphore::Builder::max_waiting), or has kept this one
    /// waiting for [too long](dynaphore::Builder::overdue).
    ///
    /// When this returns `Pending`, the task of the last call is woken when there is
    /// something new.
    pub fn poll_acquire(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        self.poll_acquire_many(cx, 1)
    }

    /// Polls for `permits` at once, as [`poll_acquire`](Self::poll_acquire). If the last
    /// call asked for another number and returned `Pending`, that place in line is given up.
    ///
    /// # Panics
    ///
    /// When `permits` is larger than [`Semaphore::MAX_PERMITS`]. A place in line is kept then.
    #[track_caller]
    pub fn poll_acquire_many(
        &mut self,
        cx: &mut Context<'_>,
        permits: u32,
    ) -> Poll<Option<OwnedSemaphorePermit>> {
        self.poll_for(cx, permits).map(Result::ok)
    }

    /// The same, and why there is none.
    #[track_caller]
    pub(crate) fn poll_for(
        &mut self,
        cx: &mut Context<'_>,
        permits: u32,
    ) -> Poll<Result<OwnedSemaphorePermit, AcquireError>> {
        if !self.waits() || self.permits != permits {
            let acquire = Arc::clone(&self.semaphore).acquire_many_owned(permits);
            self.end_wait();
            match acquire.try_now() {
                Ok(permit) => return Poll::Ready(Ok(permit)),
                Err(acquire) => {
                    let wait = self.wait.get_or_insert_with(|| Box::pin(None));
                    wait.set(Some(acquire));
                    self.permits = permits;
                }
            }
        }
        let wait = self
            .wait
            .as_mut()
            .and_then(|wait| wait.as_mut().as_pin_mut());
        let answer = ready!(wait.expect("just put there").poll(cx));
        self.end_wait();
        Poll::Ready(answer)
    }

    fn waits(&self) -> bool {
        self.wait.as_ref().is_some_and(|wait| wait.is_some())
    }

    fn end_wait(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.set(None);
        }
    }

    /// How many permits are free.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// Raises max by `n`.
    ///
    /// # Panics
    ///
    /// As [`Semaphore::add_permits`].
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.semaphore.add_permits(n);
    }
}

impl Clone for PollSemaphore {
    fn clone(&self) -> Self {
        Self::new(self.clone_inner())
    }
}

impl fmt::Debug for PollSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollSemaphore")
            .field("semaphore", &self.semaphore)
            .field("waits", &self.waits())
            .finish()
    }
}

impl AsRef<Semaphore> for PollSemaphore {
    fn as_ref(&self) -> &Semaphore {
        &self.semaphore
    }
}
