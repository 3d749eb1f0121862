//! Making a semaphore that is not the usual one.

use core::time::Duration;

use super::{
    core::{Semaphore, checked, try_checked},
    optional::Options,
    order::{Fairness, Order, Overdue, Policy},
};
use crate::error::SetMaxError;

/// How to make a [`Semaphore`]; see [`Semaphore::builder`].
///
/// # Examples
///
/// ```
/// use dynaphore::{Builder, Fairness};
///
/// const BARGING: Builder = dynaphore::Semaphore::builder(8).fairness(Fairness::Barging);
/// assert_eq!(BARGING.build().fairness(), Fairness::Barging);
/// ```
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    max: u32,
    policy: Policy,
    options: Options,
}

/// Making one that is not the usual one.
impl Semaphore {
    /// Starts to make a semaphore with `max` permits, 0 to
    /// [`MAX_PERMITS`](Self::MAX_PERMITS), that is otherwise like one from
    /// [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// When `max` is larger than `MAX_PERMITS`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{Fairness, Semaphore};
    ///
    /// static FILES: Semaphore = Semaphore::builder(8)
    ///     .fairness(Fairness::Eventual)
    ///     .bound(Duration::from_millis(2))
    ///     .build();
    /// assert_eq!(FILES.max(), 8);
    /// ```
    #[track_caller]
    pub const fn builder(max: usize) -> Builder {
        Builder::new(checked(max))
    }

    /// [`builder`](Self::builder), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when `max` is larger than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::Semaphore;
    ///
    /// let asked: usize = "8".parse()?;
    /// let semaphore = Semaphore::try_builder(asked)?.build();
    /// assert_eq!(semaphore.max(), 8);
    /// assert!(Semaphore::try_builder(usize::MAX).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn try_builder(max: usize) -> Result<Builder, SetMaxError> {
        match try_checked(max) {
            Ok(max) => Ok(Builder::new(max)),
            Err(error) => Err(error),
        }
    }
}

impl Builder {
    const fn new(max: u32) -> Self {
        Self {
            max,
            policy: Policy::FIFO,
            options: Options::NOTHING,
        }
    }

    /// Who gets a permit that comes back while others wait. [`Fairness::Fifo`]
    /// unless this is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Fairness, Semaphore};
    ///
    /// let semaphore = Semaphore::builder(8).fairness(Fairness::Barging).build();
    /// assert_eq!(semaphore.fairness(), Fairness::Barging);
    /// ```
    pub const fn fairness(mut self, fairness: Fairness) -> Self {
        self.policy.fairness = fairness;
        self
    }

    /// How long a waiter may be passed under [`Fairness::Eventual`]: 500 microseconds
    /// unless this is called. Taken as whole microseconds, up to 71 minutes; zero means
    /// that nobody passes once a waiter is known.
    ///
    /// Time alone does nothing: a waiter looks at the clock when it is woken, that is,
    /// when a permit has come back. The other ways do not use it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{Fairness, Semaphore};
    ///
    /// let semaphore = Semaphore::builder(8)
    ///     .fairness(Fairness::Eventual)
    ///     .bound(Duration::from_millis(5))
    ///     .build();
    /// ```
    pub const fn bound(mut self, bound: Duration) -> Self {
        self.policy = self.policy.with_bound(bound);
        self
    }

    /// In which order those are served who stand in line under [`Fairness::Fifo`]; the other
    /// ways do not use it. [`Order::Fifo`] unless this is called. Any other costs a waiter
    /// some looks under the lock; a permit that is there costs what it did.
    ///
    /// A request for more than max stands aside as ever. When max allows it, it goes back to
    /// the place of its arrival.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Order, Semaphore};
    ///
    /// static WORK: Semaphore = Semaphore::builder(8).order(Order::Lifo).build();
    /// ```
    pub const fn order(mut self, order: Order) -> Self {
        self.policy.order = order;
        self
    }

    /// When one that stands in line under [`Fairness::Fifo`] has waited for too long, and is
    /// told so ([`Overdue`]). The other ways do not use it. Nobody is told unless this is
    /// called.
    ///
    /// A burst is no overload: it is over before long. So one may wait for `interval`, as
    /// long as the line has been empty within the last `interval`. If it has not, more is
    /// asked for than can be done, and one may wait for `target` only. This is CoDel
    /// (Kathleen Nichols and Van Jacobson, *Controlling Queue Delay*, ACM Queue 10(5), 2012)
    /// as Facebook uses it (*Fail at Scale*), with a target of 5 ms and an interval of
    /// 100 ms. Both are taken as whole microseconds; 71 minutes and more are for ever. An
    /// interval shorter than the target counts as that, unless the target is for ever: then
    /// the interval is for [`Order::AdaptiveLifo`] alone, and nobody is told.
    ///
    /// Time alone does nothing. Who is overdue is told when a permit comes back, when max
    /// changes and when another request comes that has to wait, before anybody is served:
    /// nobody gets a permit for which it has waited for too long, nor is one refused for the
    /// sake of [those](Self::max_waiting) who have. (Should none of that happen for 71
    /// minutes, waits look that much shorter.) One for more than max is not told
    /// while it stands aside, nor after that; nor is one that was served in time, and is back
    /// since another one of [its task](Self::grant_to_tasks) has its permits.
    ///
    /// It costs nothing where a permit is there. To tell one takes the same few steps however
    /// many there are, and two bits are kept of each until it has heard. (In time, a million
    /// take some three times as long each as a thousand: what they lie in is not in the caches.)
    ///
    /// [`Overdue`]: crate::AcquireError::Overdue
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireError, Order, Semaphore};
    ///
    /// static WORK: Semaphore = Semaphore::builder(8)
    ///     .order(Order::AdaptiveLifo)
    ///     .overdue(Duration::from_millis(5), Duration::from_millis(100))
    ///     .build();
    ///
    /// async fn work() -> Result<(), AcquireError> {
    ///     // `Overdue`: too busy, and the client may know at once.
    ///     let _permit = WORK.acquire().await?;
    ///     Ok(())
    /// }
    /// # assert!(futures::executor::block_on(work()).is_ok());
    /// ```
    pub const fn overdue(mut self, target: Duration, interval: Duration) -> Self {
        self.policy.overdue = Overdue::new(target, interval);
        self
    }

    /// Whether permits are granted to tasks rather than to futures. They are granted to futures
    /// unless this is called.
    ///
    /// A task may keep a future that is in line, not poll it, and wait for the same semaphore
    /// in another one: `select!` with a future by reference does that, and a pinned future
    /// beside a loop. The first one is granted permits that it does not take, and the task
    /// waits for itself. This is known as a [futurelock]. With `true` a future that is polled
    /// and would wait takes what another one of its task has been granted, and the other is in
    /// line again where it was. To other tasks nothing changes, and the order between tasks is
    /// as exact as ever.
    ///
    /// Two futures are of one task if their wakers [say so](std::task::Waker::will_wake).
    /// `select!`, `join!` and `join_all` of few hand the task's waker on. `FuturesUnordered`,
    /// and with it `join_all` of more than 30, makes one for each future, so nothing can be
    /// seen there: [`unclaimed`](Semaphore::unclaimed) shows that a grant is not taken.
    ///
    /// The other one must have been granted at least as many permits as are asked for: one,
    /// that is, not several together.
    ///
    /// A permit that is there costs what it did. One that waits takes the lock some more times,
    /// so a permit that is handed over costs two to three times as much.
    ///
    /// [futurelock]: https://rfd.shared.oxide.computer/rfd/0609
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use dynaphore::Semaphore;
    /// use futures::poll;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Semaphore::builder(1).grant_to_tasks(true).build();
    /// let held = semaphore.try_acquire().unwrap();
    /// let mut kept = pin!(semaphore.acquire());
    /// assert!(poll!(&mut kept).is_pending());
    /// drop(held); // `kept` has the permit, and is not polled
    /// assert!(semaphore.acquire().await.is_ok());
    /// # });
    /// ```
    pub const fn grant_to_tasks(mut self, to_tasks: bool) -> Self {
        self.policy.by_task = to_tasks;
        self
    }

    /// Whether permits know in which [generation](crate::generation) they were
    /// handed out, and [`Semaphore::resize`] opens a new one. They do not unless
    /// this is called. A permit that is there then costs nearly twice as much, and
    /// the first one allocates some counters for each core.
    ///
    /// A permit tells its generation from the 2^20 (a million) up to the current
    /// one. If it outlives more resizes than that, it looks so much younger. What
    /// [`drained`](crate::Resize::drained) waits for does not depend on that.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(8).generations(true).build();
    /// assert_eq!(semaphore.try_acquire().unwrap().generation(), Some(0));
    /// ```
    pub const fn generations(mut self, generations: bool) -> Self {
        self.options.generations = generations;
        self
    }

    /// How many requests may wait; any number unless this is called. One that would have
    /// to wait beside so many is told so at once ([`TooManyWaiters`]), and nothing has
    /// changed. Whatever their number of permits, all that [wait](Semaphore::waiting)
    /// count, those for more than max too. With 0 nobody ever waits.
    ///
    /// It costs nothing where a permit is there. Where waiters compete
    /// ([`Eventual`](Fairness::Eventual), [`Barging`](Fairness::Barging)) one that begins
    /// to wait takes a lock for it.
    ///
    /// [`TooManyWaiters`]: crate::AcquireError::TooManyWaiters
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{AcquireError, Semaphore};
    ///
    /// let semaphore = Semaphore::builder(1).max_waiting(0).build();
    /// let permit = semaphore.blocking_acquire()?;
    /// assert_eq!(semaphore.blocking_acquire().unwrap_err(), AcquireError::TooManyWaiters);
    /// drop(permit);
    /// assert!(semaphore.blocking_acquire().is_ok());
    /// # Ok::<(), AcquireError>(())
    /// ```
    pub const fn max_waiting(mut self, n: usize) -> Self {
        self.options.max_waiting = if n < u32::MAX as usize {
            n as u32
        } else {
            u32::MAX
        };
        self
    }

    /// Whether it keeps [statistics](Semaphore::stats). It does not unless this
    /// is called. They take about 80 KiB and 1 KiB more for each core, allocated on
    /// first use, and a request that is served at once takes a tenth to a half
    /// longer. Permits do not grow.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::builder(8).stats(true).build();
    /// drop(semaphore.try_acquire());
    /// assert_eq!(semaphore.stats().blocking_take().acquired, 1);
    /// ```
    #[cfg(feature = "stats")]
    pub const fn stats(mut self, stats: bool) -> Self {
        self.options.stats = stats;
        self
    }

    /// Whether its blocking calls panic inside a tokio runtime, as tokio's own do, rather
    /// than block the worker that calls them. They block unless this is called. It also
    /// concerns what [`Semaphore::resize`] returns.
    ///
    /// A thread that has used tokio, and makes its first such call while it drops its locals,
    /// may find tokio's gone. The call panics then too, which ends the program there.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::Semaphore;
    ///
    /// static FILES: Semaphore = Semaphore::builder(8).refuse_blocking_in_runtime(true).build();
    /// assert!(FILES.blocking_acquire().is_ok(), "there is none here");
    /// ```
    #[cfg(feature = "tokio")]
    pub const fn refuse_blocking_in_runtime(mut self, refuse: bool) -> Self {
        self.options.refuse_in_runtime = refuse;
        self
    }

    crate::sync::const_fn! {
        /// Makes it.
        ///
        /// # Examples
        ///
        /// ```
        /// let semaphore = dynaphore::Semaphore::builder(8).build();
        /// assert_eq!(semaphore.max(), 8);
        /// ```
        #[must_use]
        pub fn build(self) -> Semaphore {
            Semaphore::with(self.max, self.policy.complete(), self.options)
        }
    }
}
