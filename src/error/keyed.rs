//! Why a permit of a key was not had.

use std::{error::Error, fmt};

use super::{AcquireError, AcquireTimeoutError, SetMaxError, TOO_MANY_PERMITS};

const CLOSED: &str = "keyed semaphore closed";
const NO_PERMITS: &str = "no permits available for this key";
const TOO_MANY_KEYS: &str = "too many keys in use";
const TOO_MANY_WAITERS: &str = "too many wait for this key";
const OVERDUE: &str = "waited too long for permits of a key";
const WOULD_TIME_OUT: &str = "would time out waiting for permits of a key";
const TIMEOUT: &str = "timed out waiting for permits of a key";

/// There are as many keys in use as there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooManyKeys {}

impl TooManyKeys {
    pub(crate) const REFUSED: Self = Self {};
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyedAcquireError {
    /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
    Closed,
    /// The key is not in use, and as many keys are as
    /// [may be](crate::KeyedBuilder::max_keys).
    TooManyKeys,
    /// As many wait for permits of this key as
    /// [may](crate::KeyedBuilder::max_waiters_per_key).
    TooManyWaiters,
    /// What [`AcquireError::Overdue`](crate::AcquireError::Overdue) becomes. Lines of keys have no
    /// target, so no call returns it.
    Overdue,
    /// What [`AcquireError::TooManyPermits`](crate::AcquireError::TooManyPermits) becomes.
    TooManyPermits,
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyedTryAcquireError {
    /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
    Closed,
    /// Too few permits of the key are available now, or others wait for them.
    NoPermits,
    /// The key is not in use, and as many keys are as
    /// [may be](crate::KeyedBuilder::max_keys).
    TooManyKeys,
}

/// Why a blocking call with a time bound has returned no permit of a key.
///
/// Returned by
/// [`KeyedSemaphore::blocking_acquire_timeout`](crate::KeyedSemaphore::blocking_acquire_timeout)
/// and its kin.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyedAcquireTimeoutError {
    /// The time was over before the permits were there.
    Timeout,
    /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
    Closed,
    /// The key is not in use, and as many keys are as
    /// [may be](crate::KeyedBuilder::max_keys).
    TooManyKeys,
    /// As many wait for permits of this key as
    /// [may](crate::KeyedBuilder::max_waiters_per_key).
    TooManyWaiters,
    /// What [`AcquireTimeoutError::Overdue`](crate::AcquireTimeoutError::Overdue) becomes. Lines of keys have no
    /// target, so no call returns it.
    Overdue,
    /// What [`AcquireTimeoutError::WouldTimeOut`](crate::AcquireTimeoutError::WouldTimeOut)
    /// becomes. No call returns it.
    WouldTimeOut,
    /// What [`AcquireError::TooManyPermits`](crate::AcquireError::TooManyPermits) becomes.
    TooManyPermits,
}

messages! { TooManyKeys: _ => TOO_MANY_KEYS, }

messages! {
    KeyedAcquireError:
    Self::Closed => CLOSED,
    Self::TooManyKeys => TOO_MANY_KEYS,
    Self::TooManyWaiters => TOO_MANY_WAITERS,
    Self::Overdue => OVERDUE,
    Self::TooManyPermits => TOO_MANY_PERMITS,
}

messages! {
    KeyedTryAcquireError:
    Self::Closed => CLOSED,
    Self::NoPermits => NO_PERMITS,
    Self::TooManyKeys => TOO_MANY_KEYS,
}

messages! {
    KeyedAcquireTimeoutError:
    Self::Timeout => TIMEOUT,
    Self::Closed => CLOSED,
    Self::TooManyKeys => TOO_MANY_KEYS,
    Self::TooManyWaiters => TOO_MANY_WAITERS,
    Self::Overdue => OVERDUE,
    Self::WouldTimeOut => WOULD_TIME_OUT,
    Self::TooManyPermits => TOO_MANY_PERMITS,
}

macro_rules! too_many_keys {
    ($($error:ident),+) => {
        $(impl From<TooManyKeys> for $error {
            fn from(_: TooManyKeys) -> Self {
                Self::TooManyKeys
            }
        })+
    };
}

too_many_keys!(
    SetMaxError,
    KeyedAcquireError,
    KeyedTryAcquireError,
    KeyedAcquireTimeoutError
);

goes_on! { AcquireError => KeyedAcquireError: Closed, TooManyWaiters, Overdue, TooManyPermits }
goes_on! {
    AcquireTimeoutError => KeyedAcquireTimeoutError:
    Timeout, Closed, TooManyWaiters, Overdue, WouldTimeOut, TooManyPermits
}
goes_on! {
    KeyedAcquireError => KeyedAcquireTimeoutError:
    Closed, TooManyKeys, TooManyWaiters, Overdue, TooManyPermits
}
