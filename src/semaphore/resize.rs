//! Changing how many permits there are.

use std::convert::Infallible;

use super::{Semaphore, checked};

/// Resizing it.
impl Semaphore {
    /// Changes max, and returns the one that this replaces.
    ///
    /// When it returns, the shrink or growth is in force: permits beyond the
    /// new max that nobody holds are gone, or the waiters that now fit have
    /// theirs. Holders keep what they have; [`settled`](Self::settled) waits
    /// for them. Any thread may call it at any time, and calls that race take
    /// effect one after the other.
    ///
    /// # Panics
    ///
    /// When `max` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS); nothing
    /// has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(10);
    /// assert_eq!(semaphore.set_max(0), 10);
    /// assert!(semaphore.try_acquire().is_err(), "paused");
    /// assert_eq!(semaphore.set_max(20), 0);
    /// assert!(semaphore.try_acquire().is_ok());
    /// ```
    #[track_caller]
    pub fn set_max(&self, max: usize) -> usize {
        let max = checked(max);
        let before = self.queue.resize(&self.word, |aside| {
            Ok::<_, Infallible>(self.word.set_max(max, aside))
        });
        let Ok(before) = before;
        before.max() as usize
    }

    /// Raises max by `n`.
    ///
    /// # Panics
    ///
    /// When max would become larger than [`MAX_PERMITS`](Self::MAX_PERMITS);
    /// nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// semaphore.add_permits(2);
    /// assert_eq!((semaphore.max(), semaphore.available_permits()), (3, 3));
    /// ```
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        let permits = checked(n);
        let raised = self
            .queue
            .resize(&self.word, |aside| self.word.raise_max(permits, aside));
        if raised.is_err() {
            panic!(
                "adding {n} permits would give the semaphore more than MAX_PERMITS permits \
                 (2147483647)"
            );
        }
    }

    /// Lowers max by `n`, or by the number of
    /// [available](Self::available_permits) permits if that is less. Returns by
    /// how much. Permits that are held, or kept for a waiter, are not touched:
    /// to shrink below those there is [`set_max`](Self::set_max).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let _held = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.forget_permits(9), 2);
    /// assert_eq!(semaphore.max(), 1);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let gone = self.word.forget_available(n, self.queue.may_barge());
        // Where waiters compete there may be permits to forget beside a line,
        // whose first may need more than max now, and is in nobody's way.
        if gone > 0 && self.word.load().is_queued() {
            self.queue.hand_over(&self.word, 0);
        }
        gone as usize
    }
}
