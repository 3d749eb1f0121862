//! Taking as many permits as there are, up to some number, and one at least.
//!
//! It is a request for one, in line like any other, and a look at what is available when
//! that has been granted. So neither the word nor the line knows of it, and whoever waits
//! behind is served before anybody takes more than one.

use core::future::Future;

use super::{
    core::{Semaphore, checked},
    permit::SemaphorePermit,
};
use crate::error::{AcquireError, TryAcquireError};
#[cfg(target_has_atomic = "ptr")]
use crate::{OwnedSemaphorePermit, sync::Arc};

#[track_caller]
fn assert_some(n: u32) -> u32 {
    assert!(n > 0, "up to 0 permits, and at least one");
    checked(n as usize)
}

/// Taking what is there.
impl Semaphore {
    /// Waits for a permit, and takes as many more as are available then, up to `n` in all.
    ///
    /// For work that goes in batches, and takes a small one rather than wait for a full one.
    /// For a bound on the time, take one permit by any other call, and
    /// [extend](SemaphorePermit::extend_up_to) it.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is 0, or larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire): what is dropped gives up its place in line, and no
    /// permit is lost.
    ///
    /// # Fairness
    ///
    /// In line it is a request for one. What comes free goes to those behind it first: it
    /// takes more than one of what nobody waits for.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(5);
    /// let three = semaphore.acquire_up_to(3).await?;
    /// let rest = semaphore.acquire_up_to(3).await?;
    /// assert_eq!((three.num_permits(), rest.num_permits()), (3, 2));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_up_to(
        &self,
        n: u32,
    ) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> + Send {
        let n = assert_some(n);
        let acquire = self.acquire();
        async move {
            let mut permit = acquire.await?;
            permit.extend_up_to(n as usize);
            Ok(permit)
        }
    }

    /// [`acquire_up_to`](Self::acquire_up_to), for permits that keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Arc::new(Semaphore::new(2));
    /// let both = semaphore.acquire_up_to_owned(8).await?;
    /// assert_eq!(both.num_permits(), 2);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[track_caller]
    pub fn acquire_up_to_owned(
        self: Arc<Self>,
        n: u32,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send {
        let n = assert_some(n);
        let acquire = self.acquire_owned();
        async move {
            let mut permit = acquire.await?;
            permit.extend_up_to(n as usize);
            Ok(permit)
        }
    }

    /// Takes up to `n` permits, as many as are available, without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire): not one is to be had.
    ///
    /// # Panics
    ///
    /// As for [`acquire_up_to`](Self::acquire_up_to).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let both = semaphore.try_acquire_up_to(8)?;
    /// assert_eq!(both.num_permits(), 2);
    /// assert!(semaphore.try_acquire_up_to(8).is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn try_acquire_up_to(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let n = assert_some(n);
        let mut permit = self.try_acquire()?;
        permit.extend_up_to(n as usize);
        Ok(permit)
    }

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
    #[cfg(feature = "std")]
    #[track_caller]
    pub fn blocking_acquire_up_to(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let n = assert_some(n);
        let mut permit = self.blocking_acquire()?;
        permit.extend_up_to(n as usize);
        Ok(permit)
    }
}
