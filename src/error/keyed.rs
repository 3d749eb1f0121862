//! Why a permit of a key was not had.

use core::{error::Error, fmt};

use super::{AcquireError, AcquireTimeoutError, TOO_MANY_PERMITS};

const CLOSED: &str = "keyed semaphore closed";
const NO_PERMITS: &str = "no permits available for this key";
const TOO_MANY_KEYS: &str = "too many keys in use";
const TOO_MANY_WAITERS: &str = "too many wait for this key";
const OVERDUE: &str = "waited too long for permits of a key";
const WOULD_TIME_OUT: &str = "would time out waiting for permits of a key";
const TIMEOUT: &str = "timed out waiting for permits of a key";

reasons! {
    /// Why a call that waits has returned no permit of a key.
    ///
    /// Returned by [`KeyedSemaphore::acquire`](crate::KeyedSemaphore::acquire) and
    /// its kin.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireError};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(2);
    /// hosts.close();
    /// assert_eq!(
    ///     hosts.blocking_acquire("a.example").unwrap_err(),
    ///     KeyedAcquireError::Closed,
    /// );
    /// ```
    pub enum KeyedAcquireError {
        /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
        Closed => CLOSED,
        /// The key is not in use, and as many keys are as
        /// [may be](crate::KeyedBuilder::max_keys).
        TooManyKeys => TOO_MANY_KEYS,
        /// As many wait for permits of this key as
        /// [may](crate::KeyedBuilder::max_waiters_per_key).
        TooManyWaiters => TOO_MANY_WAITERS,
        /// What [`AcquireError::Overdue`](crate::AcquireError::Overdue) becomes. Lines of keys have no
        /// target, so no call returns it.
        Overdue => OVERDUE,
        /// What [`AcquireError::TooManyPermits`](crate::AcquireError::TooManyPermits) becomes.
        TooManyPermits => TOO_MANY_PERMITS,
    }
}

reasons! {
    /// Why a call that does not wait has returned no permit of a key.
    ///
    /// Returned by [`KeyedSemaphore::try_acquire`](crate::KeyedSemaphore::try_acquire)
    /// and its kin.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, error::KeyedTryAcquireError};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(1);
    /// let _held = hosts.try_acquire("a.example").unwrap();
    /// assert_eq!(
    ///     hosts.try_acquire("a.example").unwrap_err(),
    ///     KeyedTryAcquireError::NoPermits,
    /// );
    /// ```
    pub enum KeyedTryAcquireError {
        /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
        Closed => CLOSED,
        /// Too few permits of the key are available now, or others wait for them.
        NoPermits => NO_PERMITS,
        /// The key is not in use, and as many keys are as
        /// [may be](crate::KeyedBuilder::max_keys).
        TooManyKeys => TOO_MANY_KEYS,
    }
}

reasons! {
    /// Why a call with a time bound has returned no permit of a key.
    ///
    /// Returned by
    /// [`KeyedSemaphore::blocking_acquire_timeout`](crate::KeyedSemaphore::blocking_acquire_timeout),
    /// [`KeyedAcquire::until`](crate::future::KeyedAcquire::until) and their kin.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(0);
    /// let patience = Duration::from_millis(1);
    /// assert_eq!(
    ///     hosts.blocking_acquire_timeout("a.example", patience).unwrap_err(),
    ///     KeyedAcquireTimeoutError::Timeout,
    /// );
    /// ```
    pub enum KeyedAcquireTimeoutError {
        /// The time was over before the permits were there.
        Timeout => TIMEOUT,
        /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
        Closed => CLOSED,
        /// The key is not in use, and as many keys are as
        /// [may be](crate::KeyedBuilder::max_keys).
        TooManyKeys => TOO_MANY_KEYS,
        /// As many wait for permits of this key as
        /// [may](crate::KeyedBuilder::max_waiters_per_key).
        TooManyWaiters => TOO_MANY_WAITERS,
        /// What [`AcquireTimeoutError::Overdue`](crate::AcquireTimeoutError::Overdue) becomes. Lines of keys have no
        /// target, so no call returns it.
        Overdue => OVERDUE,
        /// What [`AcquireTimeoutError::WouldTimeOut`](crate::AcquireTimeoutError::WouldTimeOut)
        /// becomes. No call returns it.
        WouldTimeOut => WOULD_TIME_OUT,
        /// What [`AcquireError::TooManyPermits`](crate::AcquireError::TooManyPermits) becomes.
        TooManyPermits => TOO_MANY_PERMITS,
    }
}

goes_on! { AcquireError => KeyedAcquireError: Closed, TooManyWaiters, Overdue, TooManyPermits }
goes_on! {
    AcquireTimeoutError => KeyedAcquireTimeoutError:
    Timeout, Closed, TooManyWaiters, Overdue, WouldTimeOut, TooManyPermits
}
goes_on! {
    KeyedAcquireError => KeyedAcquireTimeoutError:
    Closed, TooManyKeys, TooManyWaiters, Overdue, TooManyPermits
}
