//! The permit as a throttled job sees it.

use std::{cell::RefCell, fmt};

use super::{grant::Grant, source::Permit};

/// The permits that a throttled job runs under, given back when this is
/// dropped: when the job ends, or earlier if it drops them.
///
/// It stays with the thread that runs the job, so that a nested throttled call
/// knows what it can [share](super#nesting).
///
/// # Memory ordering
///
/// As for [`SemaphorePermit`](crate::SemaphorePermit).
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, mpsc};
/// use dynaphore::{Semaphore, rayon::{Throttle, ThrottlePermit}};
///
/// let semaphore = Arc::new(Semaphore::new(1));
/// let (sender, receiver) = mpsc::channel();
/// let job = move |permit: ThrottlePermit<'_>| {
///     // What needs the permit is done; what follows does not.
///     drop(permit);
///     sender.send("done").unwrap();
/// };
/// Throttle::new(semaphore).spawn(job)?;
/// assert_eq!(receiver.recv(), Ok("done"));
/// # Ok::<(), dynaphore::AcquireError>(())
/// ```
#[must_use = "dropping a permit at once gives it back at once"]
#[clippy::has_significant_drop]
pub struct ThrottlePermit<'a> {
    desk: &'a dyn Desk,
    permits: u32,
}

impl<'a> ThrottlePermit<'a> {
    pub(super) fn new(desk: &'a dyn Desk, permits: u32) -> Self {
        Self { desk, permits }
    }

    /// How many permits these are: 0 to
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, rayon::Throttle};
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let throttle = Throttle::new(Arc::new(Semaphore::new(3)));
    /// throttle.spawn_many(2, move |permit| sender.send(permit.num_permits()).unwrap())?;
    /// assert_eq!(receiver.recv(), Ok(2));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.permits as usize
    }
}

impl Drop for ThrottlePermit<'_> {
    fn drop(&mut self) {
        self.desk.give_back();
    }
}

impl fmt::Debug for ThrottlePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottlePermit")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}

/// Who runs the job, and has the permits meanwhile.
pub(super) trait Desk {
    /// The job does not need them any more. Called once.
    fn give_back(&self);
}

/// Gives back to the semaphore.
pub(super) struct Plain<P>(RefCell<Option<Grant<P>>>);

impl<P: Permit> Plain<P> {
    /// Runs `job` under `grant`.
    pub(super) fn run(grant: Grant<P>, job: impl FnOnce(ThrottlePermit<'_>)) {
        let permits = grant.permits();
        let desk = Self(RefCell::new(Some(grant)));
        job(ThrottlePermit::new(&desk, permits));
    }
}

impl<P> Desk for Plain<P> {
    fn give_back(&self) {
        let grant = self.0.take();
        drop(grant);
    }
}
