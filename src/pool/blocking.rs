//! Leases, and the end, by blocking the thread.

use std::time::{Duration, Instant};

use super::{Lease, LeasePool, request::block};
use crate::{
    error::{LeaseError, LeaseTimeoutError},
    park::{after, assert_may_block},
};

/// Blocking.
///
/// A lease that is there at once is taken even when the time is over already.
impl<K, S> LeasePool<K, S> {
    /// Waits for the next lease, blocking the thread. Threads and async tasks
    /// stand in the same line.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] if the pool is stopped, or is stopped while it waits.
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Fairness
    ///
    /// First in, first out, together with the async tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// assert_eq!(*pool.blocking_acquire()?.key(), "a");
    /// # Ok::<(), dynaphore::LeaseError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<Lease<K>, LeaseError> {
        assert_may_block();
        // Without a deadline there is no other error.
        block(&self.shared, None).map_err(|_| LeaseError::STOPPED)
    }

    /// [`blocking_acquire`](Self::blocking_acquire) that waits until `timeout`
    /// is over at the longest.
    ///
    /// # Errors
    ///
    /// [`Timeout`](LeaseTimeoutError::Timeout) if the time was over first, which
    /// then leaves no trace; [`Stopped`](LeaseTimeoutError::Stopped) if the pool
    /// is stopped, or is stopped while it waits.
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{LeasePool, LeaseTimeoutError};
    ///
    /// let pool = LeasePool::<&str>::new();
    /// let late = pool.blocking_acquire_timeout(Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), LeaseTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Lease<K>, LeaseTimeoutError> {
        assert_may_block();
        block(&self.shared, after(timeout))
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
    /// use dynaphore::{LeasePool, LeaseTimeoutError};
    ///
    /// let pool = LeasePool::<&str>::new();
    /// let late = pool.blocking_acquire_deadline(Instant::now());
    /// assert_eq!(late.unwrap_err(), LeaseTimeoutError::Timeout);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Lease<K>, LeaseTimeoutError> {
        assert_may_block();
        block(&self.shared, Some(deadline))
    }

    /// [`stopped`](Self::stopped), blocking the thread.
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::<&str>::new();
    /// pool.stop();
    /// pool.blocking_stopped();
    /// ```
    #[track_caller]
    pub fn blocking_stopped(&self) {
        // There are no permits: what comes is the end.
        let _closed = self.shared.end.blocking_acquire();
    }

    /// [`idle`](Self::idle), blocking the thread.
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, when it is called inside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = dynaphore::LeasePool::new();
    /// pool.set("a", 1);
    /// let lease = pool.try_acquire().unwrap();
    /// std::thread::spawn(move || drop(lease));
    /// pool.blocking_idle();
    /// ```
    #[track_caller]
    pub fn blocking_idle(&self) {
        self.shared.gate.blocking_idle();
    }
}
