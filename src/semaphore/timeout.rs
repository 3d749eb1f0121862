//! Blocking with a bound on the time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, blocking::acquire, checked};
use crate::{error::AcquireTimeoutError, park::after};

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
    /// then leaves no trace; [`Closed`](AcquireTimeoutError::Closed) if the
    /// semaphore is closed, or is closed while it waits.
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, 1, after(timeout))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, 1, Some(deadline))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, checked(n as usize), after(timeout))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, checked(n as usize), Some(deadline))
            .map(|(semaphore, held)| SemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, 1, after(timeout))
            .map(|(semaphore, held)| OwnedSemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, 1, Some(deadline))
            .map(|(semaphore, held)| OwnedSemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, checked(n as usize), after(timeout))
            .map(|(semaphore, held)| OwnedSemaphorePermit::new(semaphore, held))
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
    /// With the feature `tokio`, when it is called inside a tokio runtime.
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
        acquire(self, checked(n as usize), Some(deadline))
            .map(|(semaphore, held)| OwnedSemaphorePermit::new(semaphore, held))
    }
}
