//! Taking as many permits as there are, up to some number, and one at least.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    acquire::{Acquire, AcquireOwned},
    blocking,
    core::Semaphore,
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    word::Need,
};
use crate::{
    error::{AcquireError, AcquireTimeoutError, TryAcquireError},
    park::after,
};

#[track_caller]
fn up_to(n: u32) -> Need {
    assert!(n > 0, "up to 0 permits, and at least one");
    Need::up_to(n)
}

/// Taking as many permits as there are, up to some number: for who can do with fewer, such as
/// a batch that is sent with whatever room there is.
impl Semaphore {
    /// Waits for a permit, and takes as many as there are then, up to `n`, 1 or more. `n`
    /// may be more than max, and [`u32::MAX`] is all that there are.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is zero, before the future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// In line like any other request, where it takes one permit to be served. When its turn
    /// comes, it takes what has come back by then, before those behind it, and does not wait
    /// for more. Under [`Eventual`](crate::Fairness::Eventual) and
    /// [`Barging`](crate::Fairness::Barging) it is a request for several.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(5);
    /// let three = semaphore.acquire_many(3).await?;
    /// let room = semaphore.acquire_up_to(4).await?;
    /// assert_eq!(room.num_permits(), 2);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_up_to(&self, n: u32) -> Acquire<'_> {
        Acquire::with(self, up_to(n))
    }

    /// [`acquire_up_to`](Self::acquire_up_to), with a future and permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is zero, before the future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(5));
    /// let all = semaphore.acquire_up_to_owned(u32::MAX).await?;
    /// assert_eq!(all.num_permits(), 5);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_up_to_owned(self: Arc<Self>, n: u32) -> AcquireOwned {
        AcquireOwned::with(self, up_to(n))
    }

    /// Takes as many permits as are available, up to `n`, if there is one and nobody waits
    /// for it.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let all = semaphore.try_acquire_up_to(8)?;
    /// assert_eq!(all.num_permits(), 3);
    /// assert!(semaphore.try_acquire_up_to(8).is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn try_acquire_up_to(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let held = self.try_take_some(up_to(n))?;
        Ok(SemaphorePermit::new(self, held))
    }

    /// [`try_acquire_up_to`](Self::try_acquire_up_to), with permits that keep the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(3));
    /// let two = semaphore.clone().try_acquire_up_to_owned(2)?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn try_acquire_up_to_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let held = self.try_take_some(up_to(n))?;
        Ok(OwnedSemaphorePermit::new(self, held))
    }

    /// [`acquire_up_to`](Self::acquire_up_to), blocking the thread.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Fairness
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(5);
    /// let all = semaphore.blocking_acquire_up_to(8)?;
    /// assert_eq!(all.num_permits(), 5);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_up_to(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking::acquire_at_last(self, up_to(n))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
    }

    /// [`blocking_acquire_up_to`](Self::blocking_acquire_up_to), with permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Fairness
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(5));
    /// let two = semaphore.clone().blocking_acquire_up_to_owned(2)?;
    /// assert_eq!(semaphore.available_permits(), 3);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_up_to_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking::acquire_at_last(self, up_to(n))
            .map(|(semaphore, held)| OwnedSemaphorePermit::new(semaphore, held))
    }

    /// [`blocking_acquire_up_to`](Self::blocking_acquire_up_to) that waits until `timeout` is
    /// over at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is zero.
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
    /// let late = semaphore.blocking_acquire_up_to_timeout(2, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_up_to_timeout(
        &self,
        n: u32,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        blocking::acquire_some(self, up_to(n), after(timeout))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
    }

    /// [`blocking_acquire_up_to`](Self::blocking_acquire_up_to) that waits until `deadline`
    /// at the longest.
    ///
    /// # Errors
    ///
    /// As for [`blocking_acquire_timeout`](Self::blocking_acquire_timeout).
    ///
    /// # Panics
    ///
    /// When `n` is zero.
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::Builder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// let all = semaphore.blocking_acquire_up_to_deadline(8, Instant::now())?;
    /// assert_eq!(all.num_permits(), 3, "they are there");
    /// # Ok::<(), dynaphore::AcquireTimeoutError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_up_to_deadline(
        &self,
        n: u32,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        blocking::acquire_some(self, up_to(n), Some(deadline))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
    }
}
