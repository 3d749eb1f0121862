//! Taking permits without blocking: the calls that try and those that return a
//! future.

use std::sync::Arc;

use super::{
    Acquire, AcquireOwned, OwnedSemaphorePermit, Semaphore, SemaphorePermit, checked,
    ended::{End, Since},
    owed::Owed,
    word::Take,
};
use crate::error::TryAcquireError;

/// Taking permits if they are there.
impl Semaphore {
    /// Takes a permit if one is available and nobody waits for it.
    ///
    /// A line that has gone holds up nobody: who knows that no request is in line,
    /// because it has read so ([`waiting`](Self::waiting),
    /// [`snapshot`](Self::snapshot)), or because the calls and futures that were in
    /// line have returned or been dropped, gets a permit that is free. A request is
    /// in line from its first poll that does not succeed until it is granted or
    /// closed out, or the call that gives it up has returned. One for more than max
    /// may count as in line while a call that lowers max, gives permits back or
    /// leaves the line is under way.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) if there is none, or if others
    /// are in line; [`Closed`](TryAcquireError::Closed) if the semaphore is
    /// closed. Neither changes anything.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = semaphore.try_acquire()?;
    /// assert!(semaphore.try_acquire().is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        Ok(SemaphorePermit::owing(self, self.try_take(1)?))
    }

    /// Takes `n` permits if they are available and nobody waits for them. Zero
    /// are always available.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let two = semaphore.try_acquire_many(2)?;
    /// assert!(semaphore.try_acquire_many(2).is_err());
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let n = checked(n as usize);
        Ok(SemaphorePermit::owing(self, self.try_take(n)?))
    }

    /// [`try_acquire`](Self::try_acquire), with a permit that keeps the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let owed = self.try_take(1)?;
        Ok(OwnedSemaphorePermit::owing(self, owed))
    }

    /// [`try_acquire_many`](Self::try_acquire_many), with permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(3));
    /// let two = semaphore.clone().try_acquire_many_owned(2)?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let owed = self.try_take(checked(n as usize))?;
        Ok(OwnedSemaphorePermit::owing(self, owed))
    }

    // What is inlined into the caller is the permit that is there: this, and the
    // functions below it that say so too.
    #[inline(always)]
    fn try_take(&self, n: u32) -> Result<Owed, TryAcquireError> {
        let (found, owed) = self.take_owed(n);
        match found {
            Take::Acquired => {
                self.ended(End::Acquired, Since::NEVER);
                Ok(owed)
            }
            found => Err(self.refused(found)),
        }
    }

    #[inline(never)]
    fn refused(&self, found: Take) -> TryAcquireError {
        let (end, error) = match found {
            Take::Closed => (End::Closed, TryAcquireError::Closed),
            _ => (End::Rejected, TryAcquireError::NoPermits),
        };
        self.ended(end, Since::NEVER);
        error
    }
}

/// Waiting for permits as a future.
impl Semaphore {
    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// The future returns [`AcquireError`](crate::AcquireError) if the
    /// semaphore is closed, or is closed while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any moment loses no permit and leaves no trace:
    /// it gives up its place in line, or gives back what it has been granted.
    /// Asking again means a new place at the end. A future that has been
    /// granted its permit and is neither polled nor dropped keeps it.
    ///
    /// # Fairness
    ///
    /// First in, first out, by the time of the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = semaphore.acquire().await?;
    /// assert_eq!(semaphore.available_permits(), 0);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire::new(self, 1)
    }

    /// Waits for `n` permits, and takes them all at once. Zero are had at once.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the
    /// future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// First in, first out: lighter requests that arrive later do not pass.
    /// While `n` is more than max, the request waits beside the line and holds
    /// up nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let two = semaphore.acquire_many(2).await?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: u32) -> Acquire<'_> {
        Acquire::new(self, checked(n as usize))
    }

    /// [`acquire`](Self::acquire), with a future and a permit that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        AcquireOwned::new(self, 1)
    }

    /// [`acquire_many`](Self::acquire_many), with a future and permits that
    /// keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the
    /// future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(3));
    /// let two = semaphore.clone().acquire_many_owned(2).await?;
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, n: u32) -> AcquireOwned {
        AcquireOwned::new(self, checked(n as usize))
    }
}
