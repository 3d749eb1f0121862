//! Resizing as an event that can be waited for: a new generation of permits.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{Semaphore, blocking::assert_may_block};
use crate::generation::Pending;

impl Semaphore {
    /// Changes max, as [`set_max`](Self::set_max) does, and opens a new
    /// generation of permits. What it returns can be
    /// [awaited](Resize::drained): it tells when no permit is alive any more that
    /// was handed out before.
    ///
    /// That is what to do after a credential or the target of connections has
    /// been replaced: permits of the new generation were handed out after the
    /// replacement, which their holders therefore see. `max` may be the old one.
    ///
    /// A permit is handed out when the call that asked for it returns it. One
    /// that is split keeps its generation, and of those that are merged the
    /// oldest counts for all.
    ///
    /// # Panics
    ///
    /// When `max` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), or when the
    /// semaphore was built without [`generations`](crate::Builder::generations).
    /// Nothing has changed then.
    ///
    /// # Memory ordering
    ///
    /// What the caller did before is visible to whoever gets a permit of the new
    /// generation. What the holders of older ones did is visible when
    /// [`drained`](Resize::drained) resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// let old = semaphore.try_acquire().unwrap();
    ///
    /// let resize = semaphore.resize(8);
    /// assert_eq!(resize.previous, 2);
    /// let _new = semaphore.try_acquire().unwrap();
    /// assert!(!resize.is_drained());
    /// drop(old);
    /// resize.blocking_drained();
    /// ```
    #[must_use = "without waiting for it, this is `set_max`"]
    #[track_caller]
    pub fn resize(&self, max: usize) -> Resize<'_> {
        let tracker = self
            .extras
            .tracker()
            .expect("to resize with generations, build the semaphore with `generations(true)`");
        let previous = self.set_max(max);
        let pending = tracker.increment();
        Resize {
            previous,
            generation: pending.generation().wrapping_add(1),
            pending,
        }
    }

    /// The generation of the permits that are handed out now, 0 at first. `None`
    /// unless the semaphore keeps [generations](crate::Builder::generations).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
    /// let resize = semaphore.resize(2);
    /// assert_eq!(semaphore.generation(), Some(resize.generation));
    /// ```
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.extras.tracker().map(|tracker| tracker.generation())
    }
}
