//! Where the permits come from: all that the rest of this module asks of a
//! semaphore. A borrowed one and a shared one are sources, so is a key of a keyed
//! one, and whatever else hands out permits in one line can be made one.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use crate::{
    Acquire, AcquireError, AcquireOwned, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    Snapshot, TryAcquireError,
};

/// Something that hands out permits; see [`Throttle`](super::Throttle) and
/// [`ThrottleExt::throttle_by`](super::ThrottleExt::throttle_by).
///
/// Implemented for `&Semaphore` and `Arc<Semaphore>`, and, with the feature
/// `keyed`, for a key of a keyed semaphore: `KeyedSource` and `OwnedKeyedSource`.
///
/// Sealed: nothing outside this crate implements it.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::{Semaphore, throttle::{Source, Throttle}};
///
/// /// Whether a job with no permits at all is taken.
/// fn is_open<S: Source + 'static>(throttle: &Throttle<S>) -> Result<(), S::Error> {
///     throttle.spawn_many(0, |_permit| {})
/// }
///
/// let semaphore = Arc::new(Semaphore::new(1));
/// let throttle = Throttle::new(Arc::clone(&semaphore));
/// assert_eq!(is_open(&throttle), Ok(()));
/// semaphore.close();
/// assert!(is_open(&throttle).is_err());
/// ```
pub trait Source: Sealed + Clone + Send + Sync + fmt::Debug {
    /// Why there are no permits to be had.
    type Error: Error + From<AcquireError> + Copy + PartialEq + Send + Sync + 'static;
    /// Gives back on drop.
    #[doc(hidden)]
    type Permit: Permit;
    /// A place in line.
    #[doc(hidden)]
    type Ask: Future<Output = Result<Self::Permit, Self::Error>> + Send;
    /// What a place in line keeps alive, if it does.
    #[doc(hidden)]
    type Handle;
    /// What is enough to find that again, while somebody else keeps it alive.
    #[doc(hidden)]
    type Weak: Send;

    /// Whose permits they are: [`Permit::id`] of those that are out.
    #[doc(hidden)]
    fn id(&self) -> Id;

    /// Takes `n` permits if nobody has to wait for that; `None` if others have them. They
    /// can be asked for in line then.
    #[doc(hidden)]
    #[track_caller]
    fn take(&self, n: u32) -> Result<Option<Self::Permit>, Self::Error>;

    /// Takes `n` permits ahead of those who wait, if so many are free, or `over` max.
    #[doc(hidden)]
    fn ahead(&self, n: u32, over: bool) -> Option<Self::Permit>;

    /// Asks for `n` permits in line.
    #[doc(hidden)]
    fn ask(&self, n: u32) -> Self::Ask;

    /// Gives up the place in line. Nobody has cancelled anything, so statistics, where there
    /// are any, do not count it.
    #[doc(hidden)]
    fn withdraw(_: Pin<&mut Self::Ask>) {}

    /// Has a place in line not keep alive what it is a place in, and returns that, for the
    /// caller to drop; `None` where it does not anyway.
    #[doc(hidden)]
    fn lets_go(_: Pin<&mut Self::Ask>) -> Option<(Self::Handle, Self::Weak)> {
        None
    }

    /// The opposite. False if it is gone.
    #[doc(hidden)]
    fn holds(_: Pin<&mut Self::Ask>, _: &Self::Weak) -> bool {
        true
    }

    /// Why somebody who asked for `n` permits would be turned away now.
    #[doc(hidden)]
    fn would_refuse(&self, n: u32) -> Option<Self::Error>;

    #[doc(hidden)]
    fn now(&self) -> Snapshot;

    /// How many could be taken now.
    #[doc(hidden)]
    fn available(&self) -> usize;

    /// Who is woken in line has its permits, or it was closed.
    #[doc(hidden)]
    fn hands_over(&self) -> bool;
}

/// What the module does with a permit but drop it.
#[doc(hidden)]
pub trait Permit: Send + Sized {
    fn id(&self) -> Id;
    fn permits(&self) -> u32;
    /// The one that counts it.
    fn semaphore(&self) -> &Semaphore;
}

/// Tells those apart that hand out permits, as long as they have permits out:
/// two permits may stand for each other exactly if theirs are the same.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(u64);

impl Id {
    /// By the address, which is even.
    fn of(semaphore: &Semaphore) -> Self {
        Self(std::ptr::from_ref(semaphore) as usize as u64)
    }
}

/// For what has no address of its own for long.
#[cfg(feature = "keyed")]
impl Id {
    /// Of whoever is given out no permits.
    pub(crate) const NOBODY: Self = Self(1);

    /// By a number from 1: odd.
    pub(crate) fn of_number(number: u64) -> Self {
        Self(2 * number + 1)
    }
}

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// [`Permit`], by the methods that permits of all kinds have.
macro_rules! permit {
    ([$($params:tt)*] $permit:ty, |$this:ident| $id:expr, $semaphore:expr) => {
        impl<$($params)*> Permit for $permit {
            #[inline]
            fn id(&self) -> Id {
                let $this = self;
                $id
            }

            fn permits(&self) -> u32 {
                // At most `MAX_PERMITS`.
                self.num_permits() as u32
            }

            #[inline]
            fn semaphore(&self) -> &Semaphore {
                let $this = self;
                $semaphore
            }
        }
    };
}
#[cfg(feature = "keyed")]
pub(crate) use permit;

permit!([] SemaphorePermit<'_>, |permit| Id::of(permit.semaphore()), permit.semaphore());
permit!([] OwnedSemaphorePermit, |permit| Id::of(permit.semaphore()), permit.semaphore());

/// All of [`Source`] that does not depend on how the semaphore is held.
macro_rules! plain {
    () => {
        type Error = AcquireError;
        type Handle = Arc<Semaphore>;
        type Weak = Weak<Semaphore>;

        #[inline]
        fn id(&self) -> Id {
            Id::of(self)
        }

        #[inline]
        fn take(&self, n: u32) -> Result<Option<Self::Permit>, AcquireError> {
            match Self::Permit::taken(Clone::clone(self), n) {
                Ok(permit) => Ok(Some(permit)),
                Err(TryAcquireError::NoPermits) => Ok(None),
                Err(TryAcquireError::Closed) => Err(AcquireError::Closed),
            }
        }

        fn ahead(&self, n: u32, over: bool) -> Option<Self::Permit> {
            Self::Permit::taken_ahead(Clone::clone(self), n, over)
        }

        fn withdraw(ask: Pin<&mut Self::Ask>) {
            ask.project().attempt.withdraw();
        }

        fn would_refuse(&self, n: u32) -> Option<AcquireError> {
            if Semaphore::is_closed(self) {
                return Some(AcquireError::Closed);
            }
            let fits = n as usize <= self.available_permits();
            (!fits && self.is_full()).then_some(AcquireError::TooManyWaiters)
        }

        fn now(&self) -> Snapshot {
            self.snapshot()
        }

        fn available(&self) -> usize {
            self.available_permits()
        }

        fn hands_over(&self) -> bool {
            Semaphore::hands_over(self)
        }
    };
}

impl Sealed for Arc<Semaphore> {}

impl Source for Arc<Semaphore> {
    type Permit = OwnedSemaphorePermit;
    type Ask = AcquireOwned;

    plain!();

    fn ask(&self, n: u32) -> Self::Ask {
        Arc::clone(self).acquire_many_owned(n)
    }

    fn lets_go(ask: Pin<&mut Self::Ask>) -> Option<(Self::Handle, Self::Weak)> {
        let semaphore = ask.project().attempt.lets_go()?;
        let weak = Self::downgrade(&semaphore);
        Some((semaphore, weak))
    }

    fn holds(ask: Pin<&mut Self::Ask>, weak: &Self::Weak) -> bool {
        let attempt = ask.project().attempt;
        weak.upgrade()
            .map(|semaphore| attempt.holds(semaphore))
            .is_some()
    }
}

impl Sealed for &Semaphore {}

impl<'a> Source for &'a Semaphore {
    type Permit = SemaphorePermit<'a>;
    type Ask = Acquire<'a>;

    plain!();

    fn ask(&self, n: u32) -> Self::Ask {
        self.acquire_many(n)
    }
}
