//! Jobs of their own: spawned now, run when they have their permits.
//!
//! One that waits is not a thread, but a future in the semaphore's line. Whoever wakes it
//! spawns its next poll; a poll that finds its permits runs the job.
//!
//! The future and the job are in a cell, of which a poll takes them out. A wake-up that
//! finds the cell empty marks it, and the poll that is under way is made once more: so
//! none is lost, and no two polls are under way at once.
//!
//! The semaphore's line keeps the waker, and that the cell. So a future in the cell does not
//! keep the semaphore: when nobody else does, nobody can let the job in any more, and all of
//! them are dropped. Who wakes the job has the semaphore, so a poll has it as well.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    sync::{Arc, LazyLock, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use rayon::ThreadPool;

use super::{
    call::Grant,
    frames::locked,
    source::{Permit, Source},
};
use crate::{Semaphore, sync::Mutex};

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
/// use dynaphore::{Semaphore, throttle::Throttle};
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
#[derive(Clone, Debug)]
pub struct Throttle<S: Source = Arc<Semaphore>> {
    pub(super) source: S,
    pool: Home,
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
    /// use dynaphore::{Semaphore, throttle::Throttle};
    ///
    /// let throttle = Throttle::new(Arc::new(Semaphore::new(4)));
    /// # let _ = throttle;
    /// ```
    #[must_use]
    pub fn new(source: S) -> Self {
        Self {
            source,
            pool: Home::Global,
        }
    }

    /// Throttles by `source`; the jobs run in `pool`, from whatever thread they
    /// are spawned. Jobs that wait keep the pool alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, throttle::Throttle};
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
            pool: Home::Pool(pool),
        }
    }

    /// Spawns `job`, which runs with a permit as soon as there is one for it.
    ///
    /// The permit goes back when `job` ends or drops it, also by a panic; the
    /// panic is dealt with as for `rayon::spawn`. The turn of a job that waits comes after a
    /// pause of any length. Where nobody has a handle on the semaphore any more, nor a
    /// permit, nobody can let it in: it is dropped.
    ///
    /// # Errors
    ///
    /// [`AcquireError`](crate::AcquireError) if the semaphore is closed: `job` has
    /// been dropped. So are, one by one, the jobs that wait when it is closed
    /// later; nobody is told then but by what they drop.
    ///
    /// The same if it would have to wait and [may not](crate::Builder::max_waiting), or its
    /// key may not be in use. One that waits is not refused any more, but dropped where it is
    /// [overdue](crate::Builder::overdue).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, throttle::Throttle};
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
    /// together. Otherwise like [`spawn`](Self::spawn). One for more than max waits until
    /// max is raised: the [snapshot](Semaphore::snapshot) counts it among those that wait.
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
    /// use dynaphore::{Semaphore, throttle::Throttle};
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
        let (permit, job) = match self.source.take(n)? {
            Some(permit) => (permit, job),
            None => {
                let waiting = Arc::new(Waiting::<S, F> {
                    pool: self.pool.clone(),
                    cell: Mutex::new(Parcel::Out(false)),
                });
                match waiting.poll(Box::pin(self.source.ask(n)), job)? {
                    Some(ready) => ready,
                    None => return Ok(()),
                }
            }
        };
        self.pool.spawn(move || run(permit, job));
        Ok(())
    }
}

/// The permits that a throttled job runs under, given back when this is
/// dropped: when the job ends, or earlier if it drops them.
///
/// It stays with the thread that runs the job, so that a nested throttled call
/// knows what it can [share](crate::throttle#nesting).
///
/// # Memory ordering
///
/// As for [`SemaphorePermit`](crate::SemaphorePermit).
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, mpsc};
/// use dynaphore::{Semaphore, throttle::{Throttle, ThrottlePermit}};
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
    /// Called once, when the job does not need them any more.
    give_back: &'a dyn Fn(),
    permits: u32,
}

impl<'a> ThrottlePermit<'a> {
    pub(super) fn new(give_back: &'a dyn Fn(), permits: u32) -> Self {
        Self { give_back, permits }
    }

    /// How many permits these are: 0 to
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use dynaphore::{Semaphore, throttle::Throttle};
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
        (self.give_back)();
    }
}

impl fmt::Debug for ThrottlePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottlePermit")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}

/// A job that waits for its permits.
struct Waiting<S: Source, F> {
    pool: Home,
    cell: Mutex<Parcel<S, F>>,
}

enum Parcel<S: Source, F> {
    /// Out for a poll; `true` if there is news since it began.
    Out(bool),
    /// With what it does not keep alive meanwhile, or nobody could let go of that.
    Parked(Pin<Box<S::Ask>>, Option<S::Weak>, F),
}

impl<S, F> Waiting<S, F>
where
    S: Source + 'static,
    F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
{
    /// Polls until it is parked, or has the permits. Refused, the job is dropped.
    fn poll(
        self: &Arc<Self>,
        mut ask: Pin<Box<S::Ask>>,
        job: F,
    ) -> Result<Option<(S::Permit, F)>, S::Error> {
        let waker = Waker::from(Arc::clone(self));
        loop {
            if let Poll::Ready(answer) = ask.as_mut().poll(&mut Context::from_waker(&waker)) {
                return answer.map(|permit| Some((permit, job)));
            }
            // Declared first: it may be the last one, and is not to be dropped under a lock.
            let _handle;
            let mut cell = locked(&self.cell);
            if !matches!(*cell, Parcel::Out(true)) {
                let weak;
                (_handle, weak) = S::lets_go(ask.as_mut()).unzip();
                *cell = Parcel::Parked(ask, weak, job);
                return Ok(None);
            }
            *cell = Parcel::Out(false);
        }
    }
}

impl<S, F> Wake for Waiting<S, F>
where
    S: Source + 'static,
    F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        let parcel = {
            let mut cell = locked(&self.cell);
            let news = matches!(*cell, Parcel::Out(_));
            std::mem::replace(&mut *cell, Parcel::Out(news))
        };
        if let Parcel::Parked(mut ask, weak, job) = parcel {
            if weak.is_some_and(|weak| !S::holds(ask.as_mut(), &weak)) {
                return;
            }
            let pool = self.pool.clone();
            pool.spawn(move || {
                if let Ok(Some((permit, job))) = self.poll(ask, job) {
                    run(permit, job);
                }
            });
        }
    }
}

/// Runs `job` here and now.
fn run<P: Permit>(permit: P, job: impl FnOnce(ThrottlePermit<'_>)) {
    let grant = Grant::new(permit);
    let permits = grant.permits();
    let grant = Cell::new(Some(grant));
    job(ThrottlePermit::new(&|| drop(grant.take()), permits));
}

/// The pool that the jobs of a throttle run in.
#[derive(Clone, Debug)]
enum Home {
    /// rayon's own.
    Global,
    Pool(Arc<ThreadPool>),
}

thread_local! {
    /// This thread is known to be a worker of the global pool.
    static IN_GLOBAL: Cell<bool> = const { Cell::new(false) };
}

/// A thread in no pool. `rayon::spawn` takes the pool that the caller is a worker of, and
/// rayon has no handle on the global one: from what may be another pool a job gets there by
/// way of this thread.
static PORTER: LazyLock<mpsc::Sender<Box<dyn FnOnce() + Send>>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel();
    let porter = thread::Builder::new().name("dynaphore-porter".to_owned());
    let carry = move || jobs.into_iter().for_each(rayon::spawn);
    porter
        .spawn(carry)
        .expect("a thread that carries jobs to the global pool");
    sender
});

impl Home {
    /// Spawns `job`. From one of the pool's own workers it goes to the top of
    /// that worker's stack of jobs, from elsewhere to the end of the pool's
    /// queue.
    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        let pool = match self {
            Self::Pool(pool) => return pool.spawn(job),
            Self::Global => rayon::current_thread_index(),
        };
        let job = || {
            IN_GLOBAL.set(true);
            job();
        };
        if pool.is_none() || IN_GLOBAL.get() {
            rayon::spawn(job);
        } else {
            // The porter never ends.
            let _ = PORTER.send(Box::new(job));
        }
    }
}
