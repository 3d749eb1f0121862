//! Why a permit was not had.

use std::{error::Error, fmt};

#[cfg(feature = "keyed")]
mod keyed;

#[cfg(feature = "keyed")]
pub use keyed::{KeyedAcquireError, KeyedAcquireTimeoutError, KeyedTryAcquireError, TooManyKeys};

/// The semaphore is closed: there are no permits to be had any more.
///
/// Returned by the calls that wait, such as
/// [`Semaphore::acquire`](crate::Semaphore::acquire).
///
/// # Examples
///
/// ```
/// let semaphore = dynaphore::Semaphore::new(1);
/// semaphore.close();
/// assert_eq!(
///     semaphore.blocking_acquire().unwrap_err().to_string(),
///     "semaphore closed",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcquireError {}

impl AcquireError {
    pub(crate) const CLOSED: Self = Self {};
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl Error for AcquireError {}

/// Why a call that does not wait has returned no permit.
///
/// Returned by [`Semaphore::try_acquire`](crate::Semaphore::try_acquire) and
/// its kin.
///
/// # Examples
///
/// ```
/// use dynaphore::{Semaphore, TryAcquireError};
///
/// let semaphore = Semaphore::new(0);
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
/// semaphore.close();
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is [closed](crate::Semaphore::close).
    Closed,
    /// Too few permits are available now, or others wait for them.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "semaphore closed",
            Self::NoPermits => "no permits available",
        })
    }
}

impl Error for TryAcquireError {}

/// Why a blocking call with a time bound has returned no permit.
///
/// Returned by
/// [`Semaphore::blocking_acquire_timeout`](crate::Semaphore::blocking_acquire_timeout)
/// and its kin.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore::{AcquireTimeoutError, Semaphore};
///
/// let semaphore = Semaphore::new(0);
/// let patience = Duration::from_millis(1);
/// assert_eq!(
///     semaphore.blocking_acquire_timeout(patience).unwrap_err(),
///     AcquireTimeoutError::Timeout,
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireTimeoutError {
    /// The time was over before the permits were there.
    Timeout,
    /// The semaphore is [closed](crate::Semaphore::close).
    Closed,
}

impl fmt::Display for AcquireTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timed out waiting for permits",
            Self::Closed => "semaphore closed",
        })
    }
}

impl Error for AcquireTimeoutError {}

impl From<AcquireError> for AcquireTimeoutError {
    fn from(_: AcquireError) -> Self {
        Self::Closed
    }
}
