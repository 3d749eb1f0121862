//! Closing it.

use super::core::Semaphore;

/// Closing.
impl Semaphore {
    /// Refuses all further requests. Those that wait are told so; holders keep
    /// their permits and give them back as ever. Resizing still works, and does
    /// not open it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.queue.close(&self.word);
    }

    /// Whether it is [closed](Self::close).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!dynaphore::Semaphore::new(1).is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.word.load().is_closed()
    }
}
