//! Who comes too late to make its deadline, and may know at once.
//!
//! With `m` permits that are held for `h` on average, `m / h` come back in a second, while
//! somebody waits. So a line of `l` is gone after `l x h / m`: John Little's law (*A Proof for
//! the Queuing Formula L = λW*, Operations Research 9(3), 1961), where `L` are the permits and
//! `W` is the hold. The rate at which requests were served would not do: where little is
//! asked for, it says how little that is, not how much can be done.

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use super::{
    acquire::{Acquire, AcquireOwned, Attempt},
    core::Semaphore,
    outcome::{Outcome, Since},
};
use crate::error::AcquireTimeoutError;

/// How long one will wait, as an estimate.
impl Semaphore {
    /// How long a request for `n` permits will probably wait that comes now. An estimate: as
    /// many requests as [wait](Self::waiting), taken for one permit each, and `n`, times the
    /// mean hold of the last interval, divided by max. Holds that are longer than before, and
    /// requests for several, make it too short; that some give up makes it too long. In another
    /// order than first in, first out, it is what all wait on average.
    ///
    /// `None` if nobody waits, and while there is no such figure: without
    /// [statistics](crate::Builder::stats), before an [interval](crate::Stats::take) has been
    /// taken in which a permit came back, with [generations](crate::Builder::generations), whose
    /// permits are not timed, and if `n` is more than max.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
    /// assert_eq!(semaphore.expected_wait(1), None);
    /// ```
    #[must_use]
    pub fn expected_wait(&self, n: u32) -> Option<Duration> {
        let hold = self.optional.counters()?.mean_hold()?;
        let (waiting, max) = (self.waiting(), self.max());
        if waiting == 0 || n as usize > max {
            return None;
        }
        let permits = waiting as u128 + u128::from(n);
        let nanos = permits * u128::from(hold) / (max as u128).max(1);
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    /// Refuses a request for `n` permits at once that the line would keep beyond its
    /// `deadline`, as [`expected_wait`](Self::expected_wait) estimates that. For what can be
    /// done elsewhere, or not at all, while there is time: nothing is gained by waiting for a
    /// time-out. For calls that block; futures have [`Acquire::by`].
    ///
    /// # Errors
    ///
    /// [`WouldTimeOut`](AcquireTimeoutError::WouldTimeOut), which the
    /// [statistics](crate::Interval::would_time_out) count. Never if nobody waits, or there is
    /// no estimate.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// fn work(semaphore: &Semaphore) -> Result<(), AcquireTimeoutError> {
    ///     let deadline = Instant::now() + Duration::from_millis(100);
    ///     semaphore.check_deadline(1, deadline)?;
    ///     let _permit = semaphore.blocking_acquire_deadline(deadline)?;
    ///     Ok(())
    /// }
    /// # assert!(work(&Semaphore::builder(1).stats(true).build()).is_ok());
    /// ```
    pub fn check_deadline(&self, n: u32, deadline: Instant) -> Result<(), AcquireTimeoutError> {
        match self.expected_wait(n) {
            Some(wait) if wait > deadline.saturating_duration_since(Instant::now()) => {
                self.record(Outcome::WouldTimeOut, Since::NEVER);
                Err(AcquireTimeoutError::WouldTimeOut)
            }
            _ => Ok(()),
        }
    }
}

impl<S: Deref<Target = Semaphore>> Attempt<S> {
    fn check(&self, deadline: Instant) -> Result<(), AcquireTimeoutError> {
        match &self.semaphore {
            Some(semaphore) => semaphore.check_deadline(self.need, deadline),
            None => Ok(()),
        }
    }
}

impl Acquire<'_> {
    /// Refuses the request at once if the line would keep it beyond `deadline`, as
    /// [`Semaphore::expected_wait`] estimates that. One that is not refused may be late all the
    /// same: [`until`](Self::until) ends it.
    ///
    /// # Errors
    ///
    /// As for [`Semaphore::check_deadline`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    /// use tokio::time::sleep_until;
    ///
    /// async fn work(semaphore: &Semaphore) -> Result<(), AcquireTimeoutError> {
    ///     let deadline = Instant::now() + Duration::from_millis(100);
    ///     let late = sleep_until(deadline.into());
    ///     let _permit = semaphore.acquire().by(deadline)?.until(late).await?;
    ///     Ok(())
    /// }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # let semaphore = Semaphore::builder(1).stats(true).build();
    /// # assert!(runtime.unwrap().block_on(work(&semaphore)).is_ok());
    /// ```
    pub fn by(self, deadline: Instant) -> Result<Self, AcquireTimeoutError> {
        self.attempt.check(deadline).map(|()| self)
    }
}

impl AcquireOwned {
    /// As [`Acquire::by`].
    ///
    /// # Errors
    ///
    /// As for [`Semaphore::check_deadline`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::Arc, time::{Duration, Instant}};
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::builder(1).stats(true).build());
    /// let deadline = Instant::now() + Duration::from_millis(100);
    /// let permit = semaphore.acquire_owned().by(deadline)?.await?;
    /// # drop(permit);
    /// # Ok::<(), dynaphore::AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    pub fn by(self, deadline: Instant) -> Result<Self, AcquireTimeoutError> {
        self.attempt.check(deadline).map(|()| self)
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests;
