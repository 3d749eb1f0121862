//! Where the permits come from: all that the rest of this module asks of a
//! semaphore. A borrowed one and a shared one are sources, and whatever else
//! hands out permits in one line can be made one.

use std::{fmt, future::Future, sync::Arc};

use crate::{
    Acquire, AcquireError, AcquireOwned, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    TryAcquireError,
};

/// Something that hands out permits; see [`Throttle`](super::Throttle).
///
/// Sealed: nothing outside this crate implements it.
pub trait Source: sealed::Sealed + Clone + Send + Sync + fmt::Debug {
    /// Gives back on drop.
    #[doc(hidden)]
    type Permit: Permit;
    /// A place in line.
    #[doc(hidden)]
    type Ask: Future<Output = Result<Self::Permit, AcquireError>> + Send;

    /// Tells semaphores apart, as long as a permit of them is out.
    #[doc(hidden)]
    fn id(&self) -> usize;

    /// Takes `n` permits if nobody has to wait for that.
    #[doc(hidden)]
    fn take(&self, n: u32) -> Result<Self::Permit, TryAcquireError>;

    /// Asks for `n` permits in line.
    #[doc(hidden)]
    fn ask(&self, n: u32) -> Self::Ask;

    /// See [`Semaphore::is_pressed`].
    #[doc(hidden)]
    fn is_pressed(&self, own: usize) -> bool;

    #[doc(hidden)]
    fn is_closed(&self) -> bool;

    #[doc(hidden)]
    fn max(&self) -> usize;
}

/// What the module does with a permit but drop it.
#[doc(hidden)]
pub trait Permit: Send + Sized {
    fn permits(&self) -> u32;
    fn add(&mut self, other: Self);
    /// Splits off what there is beyond `n`.
    fn beyond(&mut self, n: u32) -> Option<Self>;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

macro_rules! permit {
    ($permit:ty) => {
        impl Permit for $permit {
            fn permits(&self) -> u32 {
                // At most `MAX_PERMITS`.
                self.num_permits() as u32
            }

            fn add(&mut self, other: Self) {
                self.merge(other);
            }

            fn beyond(&mut self, n: u32) -> Option<Self> {
                let beyond = self.num_permits().checked_sub(n as usize)?;
                self.split(beyond)
            }
        }
    };
}

permit!(SemaphorePermit<'_>);
permit!(OwnedSemaphorePermit);

impl sealed::Sealed for Arc<Semaphore> {}

impl Source for Arc<Semaphore> {
    type Permit = OwnedSemaphorePermit;
    type Ask = AcquireOwned;

    fn id(&self) -> usize {
        Arc::as_ptr(self) as usize
    }

    fn take(&self, n: u32) -> Result<Self::Permit, TryAcquireError> {
        Arc::clone(self).try_acquire_many_owned(n)
    }

    fn ask(&self, n: u32) -> Self::Ask {
        Arc::clone(self).acquire_many_owned(n)
    }

    fn is_pressed(&self, own: usize) -> bool {
        Semaphore::is_pressed(self, own)
    }

    fn is_closed(&self) -> bool {
        Semaphore::is_closed(self)
    }

    fn max(&self) -> usize {
        Semaphore::max(self)
    }
}

impl sealed::Sealed for &Semaphore {}

impl<'a> Source for &'a Semaphore {
    type Permit = SemaphorePermit<'a>;
    type Ask = Acquire<'a>;

    fn id(&self) -> usize {
        std::ptr::from_ref::<Semaphore>(self) as usize
    }

    #[inline]
    fn take(&self, n: u32) -> Result<Self::Permit, TryAcquireError> {
        self.try_acquire_many(n)
    }

    fn ask(&self, n: u32) -> Self::Ask {
        self.acquire_many(n)
    }

    #[inline]
    fn is_pressed(&self, own: usize) -> bool {
        Semaphore::is_pressed(self, own)
    }

    fn is_closed(&self) -> bool {
        Semaphore::is_closed(self)
    }

    fn max(&self) -> usize {
        Semaphore::max(self)
    }
}
