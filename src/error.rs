//! Why a permit or a lease was not had.
//!
//! | calls | of a semaphore | of a key | of a lease pool |
//! |---|---|---|---|
//! | that wait | [`AcquireError`] | `KeyedAcquireError` | `LeaseError` |
//! | that do not | [`TryAcquireError`] | `KeyedTryAcquireError` | `TryLeaseError` |
//! | that wait for a time | [`AcquireTimeoutError`] | `KeyedAcquireTimeoutError` | `LeaseTimeoutError` |
//! | that change max | [`SetMaxError`] | [`SetMaxError`] | [`SetMaxError`] |

use core::{error::Error, fmt};

/// A list of reasons, each with what `Display` says of it.
macro_rules! reasons {
    (
        $(#[$docs:meta])*
        pub enum $error:ident {
            $($(#[$case_docs:meta])* $case:ident => $message:expr,)+
        }
    ) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $error {
            $($(#[$case_docs])* $case,)+
        }

        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$case => $message,)+
                })
            }
        }

        impl Error for $error {}
    };
}

/// One error is the other, with the same cases.
macro_rules! goes_on {
    ($($from:ident => $to:ident: $($case:ident),+;)+) => {
        $(impl From<$from> for $to {
            fn from(error: $from) -> Self {
                match error {
                    $($from::$case => Self::$case,)+
                }
            }
        })+
    };
}

const TOO_MANY_PERMITS: &str = "more than 2147483647 permits";

reasons! {
    /// Why a call that waits has returned no permit.
    ///
    /// Returned by [`Semaphore::acquire`](crate::Semaphore::acquire) and its kin.
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
    pub enum AcquireError {
        /// The semaphore is [closed](crate::Semaphore::close).
        Closed => "semaphore closed",
        /// As many requests wait as [may](crate::Builder::max_waiting).
        TooManyWaiters => "too many wait for permits",
        /// It has waited [for too long](crate::Builder::overdue).
        Overdue => "waited too long for permits",
        /// More permits than there can ever be: a weight above
        /// [`MAX_PERMITS`](crate::Semaphore::MAX_PERMITS) in a call that takes weights from a
        /// closure. Calls that are given the number itself panic.
        TooManyPermits => TOO_MANY_PERMITS,
    }
}

reasons! {
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
    pub enum TryAcquireError {
        /// The semaphore is [closed](crate::Semaphore::close).
        Closed => "semaphore closed",
        /// Too few permits are available now, or others wait for them.
        NoPermits => "no permits available",
    }
}

reasons! {
    /// Why a call with a time bound has returned no permit.
    ///
    /// Returned by
    /// [`Semaphore::blocking_acquire_timeout`](crate::Semaphore::blocking_acquire_timeout),
    /// [`Semaphore::acquire_until`](crate::Semaphore::acquire_until) and their kin.
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
    pub enum AcquireTimeoutError {
        /// The time was over before the permits were there.
        Timeout => "timed out waiting for permits",
        /// The semaphore is [closed](crate::Semaphore::close).
        Closed => "semaphore closed",
        /// As many requests wait as [may](crate::Builder::max_waiting).
        TooManyWaiters => "too many wait for permits",
        /// It has waited [for too long](crate::Builder::overdue).
        Overdue => "waited too long for permits",
        /// The line is probably too long for the deadline: `Semaphore::check_deadline`, with
        /// the feature `stats`.
        WouldTimeOut => "would time out waiting for permits",
        /// More permits than there can ever be: a weight above
        /// [`MAX_PERMITS`](crate::Semaphore::MAX_PERMITS) in a call that takes weights from a
        /// closure. Calls that are given the number itself panic.
        TooManyPermits => TOO_MANY_PERMITS,
    }
}

goes_on! {
    AcquireError => AcquireTimeoutError: Closed, TooManyWaiters, Overdue, TooManyPermits;
}

reasons! {
    /// Why a max was not changed, or something not made with it.
    ///
    /// Returned by [`Semaphore::try_set_max`](crate::Semaphore::try_set_max) and all others
    /// that are given a number and do not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, SetMaxError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let refused = semaphore.try_set_max(Semaphore::MAX_PERMITS + 1).unwrap_err();
    /// assert_eq!(refused, SetMaxError::TooManyPermits);
    /// assert_eq!(refused.to_string(), "more than 2147483647 permits");
    /// ```
    pub enum SetMaxError {
        /// There would be more than
        /// [`MAX_PERMITS`](crate::Semaphore::MAX_PERMITS) permits, or leases of a pool.
        TooManyPermits => TOO_MANY_PERMITS,
        /// The key of a keyed semaphore is not in use, and as many keys are as may be.
        TooManyKeys => "too many keys in use",
    }
}

#[cfg(feature = "keyed")]
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
        Closed => "keyed semaphore closed",
        /// The key is not in use, and as many keys are as
        /// [may be](crate::KeyedBuilder::max_keys).
        TooManyKeys => "too many keys in use",
        /// As many wait for permits of this key as
        /// [may](crate::KeyedBuilder::max_waiters_per_key).
        TooManyWaiters => "too many wait for this key",
        /// What [`AcquireError::Overdue`] becomes. Lines of keys have no target, so no call
        /// returns it.
        Overdue => "waited too long for permits of a key",
        /// What [`AcquireError::TooManyPermits`] becomes.
        TooManyPermits => TOO_MANY_PERMITS,
    }
}

#[cfg(feature = "keyed")]
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
        Closed => "keyed semaphore closed",
        /// Too few permits of the key are available now, or others wait for them.
        NoPermits => "no permits available for this key",
        /// The key is not in use, and as many keys are as
        /// [may be](crate::KeyedBuilder::max_keys).
        TooManyKeys => "too many keys in use",
    }
}

#[cfg(feature = "keyed")]
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
        Timeout => "timed out waiting for permits of a key",
        /// The keyed semaphore is [closed](crate::KeyedSemaphore::close).
        Closed => "keyed semaphore closed",
        /// The key is not in use, and as many keys are as
        /// [may be](crate::KeyedBuilder::max_keys).
        TooManyKeys => "too many keys in use",
        /// As many wait for permits of this key as
        /// [may](crate::KeyedBuilder::max_waiters_per_key).
        TooManyWaiters => "too many wait for this key",
        /// What [`AcquireTimeoutError::Overdue`] becomes. Lines of keys have no target, so no call
        /// returns it.
        Overdue => "waited too long for permits of a key",
        /// What [`AcquireTimeoutError::WouldTimeOut`] becomes. No call returns it.
        WouldTimeOut => "would time out waiting for permits of a key",
        /// What [`AcquireError::TooManyPermits`] becomes.
        TooManyPermits => TOO_MANY_PERMITS,
    }
}

#[cfg(feature = "keyed")]
goes_on! {
    AcquireError => KeyedAcquireError: Closed, TooManyWaiters, Overdue, TooManyPermits;
    AcquireTimeoutError => KeyedAcquireTimeoutError:
        Timeout, Closed, TooManyWaiters, Overdue, WouldTimeOut, TooManyPermits;
    KeyedAcquireError => KeyedAcquireTimeoutError:
        Closed, TooManyKeys, TooManyWaiters, Overdue, TooManyPermits;
}

/// The pool is stopped: there are no leases to be had any more.
///
/// Returned by the calls that wait, such as
/// [`LeasePool::acquire`](crate::LeasePool::acquire).
///
/// # Examples
///
/// ```
/// let pool = dynaphore::LeasePool::<&str>::new();
/// pool.stop();
/// assert_eq!(pool.blocking_acquire().unwrap_err().to_string(), "lease pool stopped");
/// ```
#[cfg(feature = "pool")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseError {}

#[cfg(feature = "pool")]
impl LeaseError {
    pub(crate) const STOPPED: Self = Self {};
}

#[cfg(feature = "pool")]
impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TryLeaseError::Stopped.fmt(f)
    }
}

#[cfg(feature = "pool")]
impl Error for LeaseError {}

#[cfg(feature = "pool")]
reasons! {
    /// Why [`LeasePool::try_acquire`](crate::LeasePool::try_acquire) has returned
    /// no lease.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{LeasePool, error::TryLeaseError};
    ///
    /// let pool = LeasePool::<&str>::new();
    /// assert_eq!(pool.try_acquire().unwrap_err(), TryLeaseError::NoLease);
    /// pool.stop();
    /// assert_eq!(pool.try_acquire().unwrap_err(), TryLeaseError::Stopped);
    /// ```
    pub enum TryLeaseError {
        /// The pool is [stopped](crate::LeasePool::stop).
        Stopped => "lease pool stopped",
        /// Every key has as many leases out as its target says, or others wait for those that
        /// there are, or the lease is on its way to a request.
        NoLease => "no lease available",
    }
}

#[cfg(feature = "pool")]
reasons! {
    /// Why a blocking call with a time bound has returned no lease.
    ///
    /// Returned by
    /// [`LeasePool::blocking_acquire_timeout`](crate::LeasePool::blocking_acquire_timeout)
    /// and its kin.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{LeasePool, error::LeaseTimeoutError};
    ///
    /// let pool = LeasePool::<&str>::new();
    /// let late = pool.blocking_acquire_timeout(Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), LeaseTimeoutError::Timeout);
    /// ```
    pub enum LeaseTimeoutError {
        /// The time was over before there was a lease.
        Timeout => "timed out waiting for a lease",
        /// The pool is [stopped](crate::LeasePool::stop).
        Stopped => "lease pool stopped",
    }
}

#[cfg(feature = "pool")]
impl From<LeaseError> for LeaseTimeoutError {
    fn from(_: LeaseError) -> Self {
        Self::Stopped
    }
}
