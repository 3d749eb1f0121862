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
    /// many requests as [wait](Self::waiting) and ask for no more than max, taken for one permit
    /// each, and `n`, times the mean hold of the last interval, divided by max. Holds that are
    /// longer than before, and requests for several, make it too short; that some give up makes
    /// it too long. In another order than first in, first out, it is what all wait on average.
    ///
    /// `None` if it need not wait for others, and while there is no such figure: without
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
        let now = self.word.load();
        let waiting = self.waiting().saturating_sub(self.queue.aside());
        let is_there = now.available(self.queue.reserved()) >= n;
        if waiting == 0 || is_there || n > now.max() {
            return None;
        }
        let permits = waiting as u128 + u128::from(n);
        let nanos = permits * u128::from(hold) / u128::from(now.max());
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
    /// [statistics](crate::Interval::would_time_out) count. Never if there is no estimate.
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
mod tests {
    //! The clock of the statistics moves when the test says so. Deadlines are seconds away, and
    //! estimates hours, or the other way round: the real clock decides nothing.

    use std::{
        future::Future,
        pin::Pin,
        sync::Arc,
        task::{Context, Waker},
        time::{Duration, Instant},
    };

    use crate::{AcquireTimeoutError, Builder, Semaphore, future::AcquireOwned};

    const HOUR: Duration = Duration::from_secs(3_600);

    /// So many permits, which were held for an hour each in the last interval.
    fn held_for_an_hour(builder: Builder) -> Arc<Semaphore> {
        let semaphore = Arc::new(builder.stats(true).build());
        hold(&semaphore, HOUR);
        let _ = semaphore.stats().blocking_take();
        semaphore
    }

    fn hold(semaphore: &Semaphore, time: Duration) {
        let permit = semaphore.try_acquire().unwrap();
        let counters = semaphore.optional.counters().unwrap();
        counters.advance(time.as_nanos() as u64);
        drop(permit);
    }

    fn waiting(semaphore: &Arc<Semaphore>, n: u32) -> Pin<Box<AcquireOwned>> {
        let mut waiting = Box::pin(semaphore.clone().acquire_many_owned(n));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        waiting
    }

    fn soon() -> Instant {
        Instant::now() + HOUR / 60
    }

    fn assert_about(wait: Option<Duration>, expected: Duration) {
        let off = wait.expect("an estimate").abs_diff(expected);
        assert!(off < Duration::from_secs(1), "{wait:?} is not {expected:?}");
    }

    #[test]
    fn a_wait_is_what_the_line_takes_at_the_usual_hold() {
        let semaphore = held_for_an_hour(Semaphore::builder(2));
        let _held = semaphore.try_acquire_many(2).unwrap();
        let _line: Vec<_> = (0..5).map(|_| waiting(&semaphore, 1)).collect();
        assert_about(semaphore.expected_wait(1), 3 * HOUR);
        assert_about(semaphore.expected_wait(2), 7 * HOUR / 2);
        semaphore.set_max(3);
        semaphore.set_max(2);
        assert_about(semaphore.expected_wait(2), 3 * HOUR);
    }

    #[test]
    fn who_cannot_make_it_is_refused_at_once() {
        let semaphore = held_for_an_hour(Semaphore::builder(1));
        let _held = semaphore.try_acquire().unwrap();
        let _line = waiting(&semaphore, 1);
        let would_time_out = Err(AcquireTimeoutError::WouldTimeOut);
        assert_eq!(semaphore.check_deadline(1, soon()), would_time_out);
        let refused = semaphore.acquire().by(soon());
        assert_eq!(refused.map(|_| ()), would_time_out);
        let refused = semaphore.clone().acquire_owned().by(soon());
        assert_eq!(refused.map(|_| ()), would_time_out);
        assert_eq!(semaphore.waiting(), 1);
        let interval = semaphore.stats().blocking_take();
        assert_eq!((interval.would_time_out, interval.cancelled), (3, 0));
    }

    #[test]
    fn who_can_make_it_waits() {
        let semaphore = held_for_an_hour(Semaphore::builder(1));
        let _held = semaphore.try_acquire().unwrap();
        let _line = waiting(&semaphore, 1);
        let deadline = Instant::now() + 3 * HOUR;
        assert_eq!(semaphore.check_deadline(1, deadline), Ok(()));
        assert!(semaphore.acquire().by(deadline).is_ok());
        assert_eq!(semaphore.stats().blocking_take().would_time_out, 0);
    }

    #[test]
    fn nobody_is_refused_where_nobody_waits() {
        let semaphore = held_for_an_hour(Semaphore::builder(1));
        let _held = semaphore.try_acquire().unwrap();
        assert_eq!(semaphore.expected_wait(1), None);
        assert!(semaphore.acquire().by(Instant::now()).is_ok());
    }

    #[test]
    fn nobody_is_refused_who_need_not_wait() {
        use crate::Fairness::{Barging, Fifo};
        for fairness in [Fifo, Barging] {
            let semaphore = held_for_an_hour(Semaphore::builder(2).fairness(fairness));
            let _aside = waiting(&semaphore, 3);
            assert_eq!(
                semaphore.check_deadline(1, soon()),
                Ok(()),
                "only one aside"
            );
            let held = semaphore.try_acquire_many(2).unwrap();
            assert_eq!(
                semaphore.check_deadline(1, soon()),
                Ok(()),
                "only one aside"
            );
            let _line = waiting(&semaphore, 1);
            assert_eq!(semaphore.check_deadline(0, soon()), Ok(()), "of nothing");
            assert!(semaphore.check_deadline(1, soon()).is_err());
            drop(held);
            assert_eq!(semaphore.check_deadline(1, soon()), Ok(()), "two are free");
        }
    }

    #[test]
    fn nobody_is_refused_without_a_figure() {
        let plain = Semaphore::builder(1);
        let generations = held_for_an_hour(plain.generations(true));
        let new = Arc::new(plain.stats(true).build());
        for semaphore in [Arc::new(plain.build()), new, generations] {
            let _held = semaphore.try_acquire().unwrap();
            let _line = waiting(&semaphore, 1);
            assert_eq!(semaphore.expected_wait(1), None);
            assert_eq!(semaphore.check_deadline(1, Instant::now()), Ok(()));
        }
    }

    #[test]
    fn nobody_is_refused_who_waits_for_max_to_rise() {
        let semaphore = held_for_an_hour(Semaphore::builder(1));
        let _held = semaphore.try_acquire().unwrap();
        let _line = waiting(&semaphore, 1);
        assert_eq!(semaphore.expected_wait(2), None);
        semaphore.set_max(0);
        assert_eq!(semaphore.check_deadline(1, soon()), Ok(()));
    }

    #[test]
    fn an_interval_in_which_no_permit_came_back_changes_nothing() {
        let semaphore = held_for_an_hour(Semaphore::builder(1));
        let _ = semaphore.stats().blocking_take();
        let held = semaphore.try_acquire().unwrap();
        let line = waiting(&semaphore, 1);
        assert_about(semaphore.expected_wait(1), 2 * HOUR);
        drop((line, held));
        let _ = semaphore.stats().blocking_take();
        hold(&semaphore, 2 * HOUR);
        let _ = semaphore.stats().blocking_take();
        let _held = semaphore.try_acquire().unwrap();
        let _line = waiting(&semaphore, 1);
        assert_about(semaphore.expected_wait(1), 4 * HOUR);
    }
}
