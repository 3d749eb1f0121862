//! Jobs of their own: spawned now, run when they have their permits.

use std::{fmt, sync::Arc};

use rayon::ThreadPool;

use super::{
    home::Home,
    permit::ThrottlePermit,
    places::Places,
    source::{NotNow, Source},
    waiting::{self, Waiting},
};
use crate::Semaphore;

/// Spawns jobs in a rayon pool that run when they have their permits.
///
/// A job that waits is a closure in the semaphore's own line, between async
/// tasks and blocked threads: it costs no thread, and no worker looks after it.
/// Cloning a throttle gives another handle on the same semaphore and pool.
///
/// # Fairness
///
/// That of the semaphore. A job that has its permits is spawned like any other
/// and competes with what else there is for the pool to do; on the worker that
/// gave the permits back it is next.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, mpsc};
/// use dynaphore::{Semaphore, rayon::Throttle};
///
/// let disk = Arc::new(Semaphore::new(2));
/// let throttle = Throttle::new(Arc::clone(&disk));
/// let (sender, receiver) = mpsc::channel();
/// for n in 0..100 {
///     let sender = sender.clone();
///     throttle.spawn(move |permit| {
///         let read = n; // two at once get here
///         drop(permit);
///         sender.send(read * read).unwrap(); // and any number here
///     })?;
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<u64>(), 328_350);
/// # Ok::<(), dynaphore::AcquireError>(())
/// ```
#[derive(Clone)]
pub struct Throttle<S: Source = Arc<Semaphore>> {
    pub(super) source: S,
    home: Home,
    pub(super) places: Arc<Places>,
}

impl<S: Source + 'static> Throttle<S> {
    /// Throttles by `source`; the jobs run in rayon's global pool, from
    /// whatever thread they are spawned.
    ///
    /// rayon has no handle on the pool that a worker belongs to: for the jobs
    /// of another pool there is [`in_pool`](Self::in_pool).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{Semaphore, rayon::Throttle};
    ///
    /// let throttle = Throttle::new(Arc::new(Semaphore::new(4)));
    /// # let _ = throttle;
    /// ```
    #[must_use]
    pub fn new(source: S) -> Self {
        Self {
            source,
            home: Home::Global,
            places: Arc::default(),
        }
    }

    /// Throttles by `source`; the jobs run in `pool`, from whatever thread they
    /// are spawned. Jobs that wait keep the pool alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, rayon::Throttle};
    ///
    /// let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
    /// let throttle = Throttle::in_pool(Arc::new(Semaphore::new(4)), pool);
    /// let (sender, receiver) = mpsc::channel();
    /// throttle.spawn(move |_permit| sender.send(rayon::current_num_threads()).unwrap())?;
    /// assert_eq!(receiver.recv(), Ok(1));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[must_use]
    pub fn in_pool(source: S, pool: Arc<ThreadPool>) -> Self {
        Self {
            source,
            home: Home::Pool(pool),
            places: Arc::default(),
        }
    }

    /// Spawns `job`, which runs with a permit as soon as there is one for it.
    ///
    /// The permit goes back when `job` ends or drops it, also by a panic; the
    /// panic is dealt with as for `rayon::spawn`. A job that waits keeps the
    /// semaphore alive, and its turn comes after a pause of any length.
    ///
    /// # Errors
    ///
    /// [`AcquireError`](crate::AcquireError) if the semaphore is closed: `job` has
    /// been dropped. So are, one by one, the jobs that wait when it is closed
    /// later; nobody is told then but by what they drop.
    ///
    /// A key may also be refused because there are too many keys or waiters:
    /// `job` has been dropped. One that waits is not refused any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, rayon::Throttle};
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let throttle = Throttle::new(Arc::clone(&semaphore));
    /// let (sender, receiver) = mpsc::channel();
    /// throttle.spawn(move |_permit| sender.send("done").unwrap())?;
    /// assert_eq!(receiver.recv(), Ok("done"));
    ///
    /// semaphore.close();
    /// assert!(throttle.spawn(|_| unreachable!()).is_err());
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    pub fn spawn<F>(&self, job: F) -> Result<(), S::Error>
    where
        F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
    {
        self.spawn_many(1, job)
    }

    /// Spawns `job`, which runs with `n` permits as soon as it can have them
    /// together. Otherwise like [`spawn`](Self::spawn).
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, rayon::Throttle};
    ///
    /// const MIB: u32 = 1 << 20;
    /// let memory = Arc::new(Semaphore::new(256 * MIB as usize));
    /// let (sender, receiver) = mpsc::channel();
    /// Throttle::new(memory).spawn_many(64 * MIB, move |_permit| sender.send(()).unwrap())?;
    /// assert!(receiver.recv().is_ok());
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn spawn_many<F>(&self, n: u32, job: F) -> Result<(), S::Error>
    where
        F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
    {
        match self.source.take(n) {
            Ok(permit) => waiting::spawn(&self.home, permit, job),
            Err(NotNow::NoPermits) => {
                Waiting::start(&self.source, &self.home, n, job)?;
            }
            Err(NotNow::Refused(error)) => return Err(error),
        }
        Ok(())
    }
}

impl<S: Source> fmt::Debug for Throttle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("source", &self.source)
            .field("pool", &self.home)
            .finish()
    }
}
