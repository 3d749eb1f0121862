//! A semaphore whose max is steered by a controller.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use dynaphore::{AcquireError, Semaphore, TryAcquireError};

use crate::{
    Acquire, Change, Controller, ControllerPanicked, Request,
    pace::{Pace, Settings},
    request::Arrival,
    steering::{Shared, Steering},
};

/// A semaphore whose max finds itself.
///
/// Requests go through [`acquire`](Self::acquire), and say at their end what came
/// of them. That is all: the request with which a window is complete asks the
/// controller and sets max, on whatever runtime or thread it is. Clones are the
/// same.
///
/// A window is complete after 250 ms and 100 requests, or ten for each permit of max if
/// these are fewer, and not before the mean time that requests took in the one before; but
/// after 5 s in any case, also where requests take longer ([`windows`](Self::windows)).
///
/// Max changes only at the end of a window in which a request found it in its way. Whoever
/// sets max to 0 pauses the semaphore, and it stays so, but for one who does it in the
/// nanoseconds in which a change is made: who must be sure looks at max once more.
///
/// Each request takes a lock for some nanoseconds, twice.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_adaptive::{Adaptive, Gradient, Outcome, Overload};
///
/// # async fn send(_: u32) -> Result<u16, ()> { Ok(200) }
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let adaptive = Adaptive::new(Arc::new(Semaphore::new(20)), Gradient::default()).bounds(4..=512);
///
/// let request = adaptive.acquire().await?;
/// match send(1).await {
///     Ok(429 | 503) => request.finish(Outcome::Overload(Overload::Rejected)),
///     Ok(_) => request.finish(Outcome::Served),
///     Err(()) => request.finish(Outcome::Overload(Overload::TimedOut)),
/// }
/// # Ok::<(), dynaphore::AcquireError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Adaptive {
    semaphore: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Adaptive {
    /// Steers this semaphore, from the max that it has.
    ///
    /// Max stays in 1 to 1024 unless [`bounds`](Self::bounds) says otherwise.
    #[must_use]
    pub fn new(semaphore: Arc<Semaphore>, controller: impl Controller + 'static) -> Self {
        let pace = Pace::new(Box::new(controller), Settings::default());
        Self {
            shared: Arc::new(Shared::new(Arc::clone(&semaphore), pace)),
            semaphore,
        }
    }

    fn with(self, set: impl FnOnce(&mut Steering)) -> Self {
        set(&mut self.shared.steering());
        self
    }

    /// Keeps max in bounds, both included. A controller that wants more or less
    /// gets the bound, and so does one that makes its answer of NaN, which is 0 as a
    /// `u32`. A max outside of them comes inside with the first change.
    ///
    /// # Panics
    ///
    /// When the bounds are empty (the wrong way round), begin with 0, which would be
    /// a pause without an end, or end above [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use dynaphore_adaptive::{Adaptive, Gradient};
    /// # let semaphore = Arc::new(dynaphore::Semaphore::new(8));
    /// let adaptive = Adaptive::new(semaphore, Gradient::default()).bounds(4..=512);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn bounds(self, bounds: RangeInclusive<u32>) -> Self {
        let settings = self.settings().bounds(bounds);
        self.with(|steering| steering.pace.settings = settings)
    }

    /// When a window is complete: after `shortest` and `samples` requests, or after
    /// `longest` in any case.
    ///
    /// Where requests take longer than `longest`, those that end in a window began before
    /// it, and at another max perhaps.
    ///
    /// # Panics
    ///
    /// When `shortest` is zero or above `longest`, or `samples` is 0.
    #[must_use]
    #[track_caller]
    pub fn windows(self, shortest: Duration, samples: u64, longest: Duration) -> Self {
        let settings = self.settings().windows(shortest, samples, longest);
        self.with(|steering| steering.pace.settings = settings)
    }

    fn settings(&self) -> Settings {
        self.shared.steering().pace.settings.clone()
    }

    /// Only tells what it would do, and never sets max.
    ///
    /// The controller learns from what happens with the max that there is, so it
    /// tells the next step from there, not where it would get to.
    #[must_use]
    pub fn shadow(self, shadow: bool) -> Self {
        self.with(|steering| steering.shadow = shadow)
    }

    /// Calls this with each change, after it was made: for a log or a metric.
    ///
    /// It runs where the request ends that completes a window, so it should be
    /// quick. It may call any method but those that configure, which would wait
    /// for it for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use dynaphore_adaptive::{Adaptive, Gradient};
    /// # let semaphore = Arc::new(dynaphore::Semaphore::new(8));
    /// let adaptive = Adaptive::new(semaphore, Gradient::default())
    ///     .shadow(true)
    ///     .on_change(|change| println!("max {} would be {}", change.from, change.to));
    /// ```
    #[must_use]
    pub fn on_change(self, hook: impl FnMut(&Change) + Send + 'static) -> Self {
        self.with(|steering| steering.hook = Some(Box::new(hook)))
    }

    /// The semaphore that is steered.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// Ends the window if it is complete, and sets max.
    ///
    /// Requests do that at their end, so nobody need call it, but where requests may
    /// hang: then a timer that calls it each second keeps windows from becoming
    /// longer. A time before that of the last call counts as that.
    ///
    /// # Errors
    ///
    /// When the controller panics, and from then on with each window.
    ///
    /// # Panics
    ///
    /// When the [hook](Self::on_change) does.
    pub fn step(&self, now: Instant) -> Result<Option<Change>, ControllerPanicked> {
        self.shared.step(now)
    }

    /// Why max is not steered any more, if the controller has panicked.
    #[must_use]
    pub fn panicked(&self) -> Option<ControllerPanicked> {
        self.shared.panicked()
    }

    /// Waits for a permit.
    ///
    /// The future's output is a [`Request`], or an
    /// [`AcquireError`] when the semaphore is or becomes closed.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the line, and counts as a request that gave
    /// up.
    ///
    /// # Fairness
    ///
    /// That of the semaphore.
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Waits for `n` permits, for a request that weighs as much. It counts as one
    /// request, and as `n` active.
    ///
    /// From then on no change makes max less than `n`, within the [bounds](Self::bounds),
    /// so put a bound on weights that others choose. A request that weighs more than max
    /// waits until the window ends, which lets max become its weight. Windows end with
    /// requests: where it may be the only one, a timer has to [`step`](Self::step). One that
    /// weighs more than the upper bound waits for ever.
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`Semaphore::MAX_PERMITS`].
    #[track_caller]
    pub fn acquire_many(&self, n: u32) -> Acquire {
        let acquire = Arc::clone(&self.semaphore).acquire_many_owned(n);
        Acquire::new(acquire, Arrival::new(Arc::clone(&self.shared), n))
    }

    /// [`acquire`](Self::acquire) for a thread, which it blocks.
    ///
    /// # Errors
    ///
    /// When the semaphore is or becomes closed.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the semaphore's builder was told to refuse that
    /// (`refuse_blocking_in_runtime`, with the feature `tokio`).
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<Request, AcquireError> {
        let mut arrival = self.arrives();
        // One request in the semaphore's statistics too.
        if let Ok(permit) = Arc::clone(&self.semaphore).acquire_owned().try_now() {
            return Ok(arrival.starts(permit));
        }
        arrival.waits();
        let permit = Arc::clone(&self.semaphore).blocking_acquire_owned()?;
        Ok(arrival.starts(permit))
    }

    /// Takes a permit if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// When there is none, or the semaphore is closed. It counts as a request that
    /// found max in its way.
    pub fn try_acquire(&self) -> Result<Request, TryAcquireError> {
        let mut arrival = self.arrives();
        let permit = Arc::clone(&self.semaphore).try_acquire_owned()?;
        Ok(arrival.starts(permit))
    }

    fn arrives(&self) -> Arrival {
        let mut arrival = Arrival::new(Arc::clone(&self.shared), 1);
        arrival.arrives();
        arrival
    }
}

impl fmt::Debug for Adaptive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive")
            .field("semaphore", &self.semaphore)
            .finish_non_exhaustive()
    }
}
