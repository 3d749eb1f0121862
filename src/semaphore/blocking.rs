//! Taking permits by blocking the thread, with or without a bound on the time.

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    acquire::{Attempt, assert_some},
    core::{Semaphore, checked},
    packed::Held,
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    request::{Outcome, Since},
    word::Take,
};
use crate::{
    error::{AcquireError, AcquireTimeoutError},
    park::{self, after},
};

/// Waits for `n` permits, until the deadline if there is one. `None` if that comes first.
#[track_caller]
pub(crate) fn block<S: Deref<Target = Semaphore>>(
    semaphore: S,
    n: u32,
    deadline: Option<Instant>,
) -> Option<Result<(S, Held), AcquireError>> {
    semaphore.assert_may_block();
    if semaphore.take(n) == Take::Acquired {
        semaphore.record(Outcome::Acquired, Since::NEVER);
        return Some(Ok((semaphore, Held::taken(n))));
    }
    let mut attempt = Attempt::new(semaphore, n);
    park::wait(&mut attempt, deadline).or_else(|| attempt.give_up())
}

#[track_caller]
fn acquire<S: Deref<Target = Semaphore>>(
    semaphore: S,
    n: u32,
    deadline: Option<Instant>,
) -> Result<(S, Held), AcquireTimeoutError> {
    let told = block(semaphore, n, deadline);
    Ok(told.ok_or(AcquireTimeoutError::Timeout)??)
}

/// Waits for `n` permits as long as it takes.
#[track_caller]
fn acquire_at_last<S: Deref<Target = Semaphore>>(
    semaphore: S,
    n: u32,
) -> Result<(S, Held), AcquireError> {
    block(semaphore, n, None).expect("there is no deadline")
}

/// Blocking until the permits are there.
impl Semaphore {
    /// Waits for a permit, blocking the thread. Threads and async tasks stand in
    /// the same line.
    ///
    /// The thread is parked with [`std::thread::park`], as by all calls that block. An
    /// `unpark` that was meant for something else of that thread may be used up by that.
    ///
    /// # Errors
    ///
    /// [`Closed`](AcquireError::Closed) if the semaphore is closed, or is closed while it waits,
    /// [`TooManyWaiters`](AcquireError::TooManyWaiters) if it would have to wait and
    /// [may not](crate::Builder::max_waiting), and [`Overdue`](AcquireError::Overdue) if it has
    /// waited for [too long](crate::Builder::overdue).
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Fairness
    ///
    /// First in, first out, together with the async tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = semaphore.blocking_acquire()?;
    /// assert_eq!(semaphore.available_permits(), 0);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        acquire_at_last(self, 1).map(SemaphorePermit::new)
    }

    /// Waits for `n` permits, blocking the thread, and takes them all at once.
    /// Zero are had at once.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(5);
    /// let three = semaphore.blocking_acquire_many(3)?;
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let n = checked(n as usize);
        acquire_at_last(self, n).map(SemaphorePermit::new)
    }

    /// [`blocking_acquire`](Self::blocking_acquire), with a permit that keeps the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(1));
    /// let permit = semaphore.clone().blocking_acquire_owned()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        acquire_at_last(self, 1).map(OwnedSemaphorePermit::new)
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many), with permits that
    /// keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(5));
    /// let three = semaphore.clone().blocking_acquire_many_owned(3)?;
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let n = checked(n as usize);
        acquire_at_last(self, n).map(OwnedSemaphorePermit::new)
    }
}

/// Blocking until something is there.
impl Semaphore {
    /// [`acquire_up_to`](Self::acquire_up_to) that blocks the thread.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to) and
    /// [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let both = semaphore.blocking_acquire_up_to(8)?;
    /// assert_eq!(both.num_permits(), 2);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_up_to(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let n = assert_some(n);
        let mut permit = self.blocking_acquire()?;
        permit.extend_up_to(n as usize);
        Ok(permit)
    }
}

/// Blocking until the permits are there, or the time is over.
///
/// A permit that is available at once is taken even when the time is over
/// already.
impl Semaphore {
    /// [`blocking_acquire`](Self::blocking_acquire) that waits until `timeout` is over
    /// at the longest.
    ///
    /// # Errors
    ///
    /// [`Timeout`](AcquireTimeoutError::Timeout) if the time was over first, which
    /// then leaves no trace. Otherwise as for [`blocking_acquire`](Self::blocking_acquire).
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
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// let semaphore = Semaphore::new(0);
    /// let late = semaphore.blocking_acquire_timeout(Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        acquire(self, 1, after(timeout)).map(SemaphorePermit::new)
    }

    /// [`blocking_acquire`](Self::blocking_acquire) that waits until `deadline`
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// let semaphore = Semaphore::new(0);
    /// let late = semaphore.blocking_acquire_deadline(Instant::now());
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_deadline(
        &self,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        acquire(self, 1, Some(deadline)).map(SemaphorePermit::new)
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many) that waits until `timeout` is over
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// let semaphore = Semaphore::new(0);
    /// let late = semaphore.blocking_acquire_many_timeout(1, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_timeout(
        &self,
        n: u32,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        acquire(self, checked(n as usize), after(timeout)).map(SemaphorePermit::new)
    }

    /// [`blocking_acquire_many`](Self::blocking_acquire_many) that waits until `deadline`
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// let semaphore = Semaphore::new(0);
    /// let late = semaphore.blocking_acquire_many_deadline(1, Instant::now());
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_deadline(
        &self,
        n: u32,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        acquire(self, checked(n as usize), Some(deadline)).map(SemaphorePermit::new)
    }

    /// [`blocking_acquire_owned`](Self::blocking_acquire_owned) that waits until `timeout` is over
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
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
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// let late = semaphore.clone().blocking_acquire_owned_timeout(Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned_timeout(
        self: Arc<Self>,
        timeout: Duration,
    ) -> Result<OwnedSemaphorePermit, AcquireTimeoutError> {
        acquire(self, 1, after(timeout)).map(OwnedSemaphorePermit::new)
    }

    /// [`blocking_acquire_owned`](Self::blocking_acquire_owned) that waits until `deadline`
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// let late = semaphore.clone().blocking_acquire_owned_deadline(Instant::now());
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned_deadline(
        self: Arc<Self>,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, AcquireTimeoutError> {
        acquire(self, 1, Some(deadline)).map(OwnedSemaphorePermit::new)
    }

    /// [`blocking_acquire_many_owned`](Self::blocking_acquire_many_owned) that waits until `timeout` is over
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// let late = semaphore.clone().blocking_acquire_many_owned_timeout(1, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned_timeout(
        self: Arc<Self>,
        n: u32,
        timeout: Duration,
    ) -> Result<OwnedSemaphorePermit, AcquireTimeoutError> {
        acquire(self, checked(n as usize), after(timeout)).map(OwnedSemaphorePermit::new)
    }

    /// [`blocking_acquire_many_owned`](Self::blocking_acquire_many_owned) that waits until `deadline`
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// let late = semaphore.clone().blocking_acquire_many_owned_deadline(1, Instant::now());
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned_deadline(
        self: Arc<Self>,
        n: u32,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, AcquireTimeoutError> {
        acquire(self, checked(n as usize), Some(deadline)).map(OwnedSemaphorePermit::new)
    }
}
