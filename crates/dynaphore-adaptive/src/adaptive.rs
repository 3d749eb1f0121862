//! A semaphore whose max is steered by a controller.
//!
//! Two locks. The tally's is held for some nanoseconds, by each request as it
//! begins and as it ends. The steering's is held by whoever ends a window, while
//! the controller and the hook run; all others find it taken and go on. The
//! tally's lock is never held while another is taken, nor while foreign code runs.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use dynaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::{
    Controller, Outcome, Window,
    pace::{Decision, Pace},
    tally::Tally,
};

type Hook = Box<dyn FnMut(&Change) + Send>;

struct Steering {
    pace: Pace,
    shadow: bool,
    hook: Option<Hook>,
    panicked: Option<ControllerPanicked>,
}

struct Shared {
    semaphore: Arc<Semaphore>,
    began: Instant,
    tally: Mutex<Tally>,
    steering: Mutex<Steering>,
}

impl Shared {
    fn since_began(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// No foreign code runs under this lock, so it is whole even if it is poisoned.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max(&self) -> u32 {
        u32::try_from(self.semaphore.max()).expect("at most MAX_PERMITS")
    }

    fn step(&self, now: Instant) -> Result<Option<Change>, ControllerPanicked> {
        let now = self.since_began(now);
        let mut steering = match self.steering.try_lock() {
            Ok(steering) => steering,
            // A hook has panicked. What it left is whole: it runs last.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody is at it, perhaps the hook that calls us.
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let max = self.max();
        let window = {
            let mut tally = self.tally();
            if !steering.pace.is_due(&tally, now, max) {
                return Ok(None);
            }
            tally.take(now, max)
        };
        if let Some(panicked) = &steering.panicked {
            return Err(panicked.clone());
        }
        // Max 0 is somebody's pause. To end it is not up to a controller.
        if max == 0 {
            return Ok(None);
        }
        match steering.pace.decide(&window) {
            Decision::Keep => Ok(None),
            Decision::Panicked(message) => {
                let panicked = ControllerPanicked {
                    controller: steering.pace.name(),
                    message,
                };
                steering.panicked = Some(panicked.clone());
                Err(panicked)
            }
            Decision::Change(to) => {
                let change = Change {
                    from: max,
                    to,
                    shadow: steering.shadow,
                    window,
                };
                if !change.shadow {
                    self.semaphore.set_max(to as usize);
                }
                if let Some(hook) = &mut steering.hook {
                    hook(&change);
                }
                Ok(Some(change))
            }
        }
    }
}

/// A change of max, made or, in shadow mode, only proposed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// What max was.
    pub from: u32,
    /// What it is now, or would be.
    pub to: u32,
    /// Whether it is only proposed.
    pub shadow: bool,
    /// What led to it.
    pub window: Window,
}

/// The controller has panicked. Max is as it was before, and stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerPanicked {
    controller: &'static str,
    message: String,
}

impl fmt::Display for ControllerPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the controller `{}` has panicked, max stays as it was: {}",
            self.controller, self.message
        )
    }
}

impl std::error::Error for ControllerPanicked {}

/// A semaphore whose max finds itself.
///
/// Requests go through [`acquire`](Self::acquire), and say at their end what came
/// of them. That is all: the request with which a window is complete asks the
/// controller and sets max, on whatever runtime or thread it is. Clones are the
/// same.
///
/// A window is complete after 250 ms and 50 requests, or after 5 s
/// ([`windows`](Self::windows)), and never before a request takes its time. Max
/// changes only at the end of a window in which a request found it in its way.
/// Whoever sets max to 0 pauses the semaphore, and it stays so.
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
    shared: Arc<Shared>,
}

impl Adaptive {
    /// Steers this semaphore, from the max that it has.
    ///
    /// Max stays in 1 to 1024 unless [`bounds`](Self::bounds) says otherwise.
    #[must_use]
    pub fn new(semaphore: Arc<Semaphore>, controller: impl Controller + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                semaphore,
                began: Instant::now(),
                tally: Mutex::default(),
                steering: Mutex::new(Steering {
                    pace: Pace::new(Box::new(controller)),
                    shadow: false,
                    hook: None,
                    panicked: None,
                }),
            }),
        }
    }

    fn with(self, set: impl FnOnce(&mut Steering)) -> Self {
        set(&mut self
            .shared
            .steering
            .lock()
            .unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// Keeps max in bounds, both included. A controller that wants more or less
    /// gets the bound. A max outside of them comes inside with the first change.
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
        assert!(
            !bounds.is_empty(),
            "the bounds {bounds:?} are the wrong way round"
        );
        assert!(
            *bounds.start() > 0,
            "the lower bound must be at least 1: max 0 is a pause"
        );
        assert!(
            *bounds.end() as usize <= Semaphore::MAX_PERMITS,
            "the upper bound must be at most MAX_PERMITS ({})",
            Semaphore::MAX_PERMITS
        );
        self.with(|steering| steering.pace.bounds = bounds)
    }

    /// When a window is complete: after `shortest` and `samples` requests, or after
    /// `longest` in any case.
    ///
    /// # Panics
    ///
    /// When `shortest` is zero or above `longest`, or `samples` is 0.
    #[must_use]
    #[track_caller]
    pub fn windows(self, shortest: Duration, samples: u64, longest: Duration) -> Self {
        assert!(!shortest.is_zero(), "a window must have a length");
        assert!(
            shortest <= longest,
            "the shortest window is above the longest"
        );
        assert!(samples > 0, "a window must have a sample");
        self.with(|steering| {
            steering.pace.shortest = shortest;
            steering.pace.samples = samples;
            steering.pace.longest = longest;
        })
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
        &self.shared.semaphore
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
    ///
    /// It waits for a hook that is running.
    #[must_use]
    pub fn panicked(&self) -> Option<ControllerPanicked> {
        let steering = self.shared.steering.lock();
        steering
            .unwrap_or_else(PoisonError::into_inner)
            .panicked
            .clone()
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// When the semaphore is or becomes closed.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the line, and counts as a request that gave
    /// up.
    ///
    /// # Fairness
    ///
    /// That of the semaphore.
    pub async fn acquire(&self) -> Result<Request, AcquireError> {
        let mut arrival = Arrival::new(&self.shared);
        if let Ok(permit) = self.semaphore().clone().try_acquire_owned() {
            return Ok(arrival.starts(permit));
        }
        arrival.waits();
        let permit = self.semaphore().clone().acquire_owned().await?;
        Ok(arrival.starts(permit))
    }

    /// [`acquire`](Self::acquire) for a thread, which it blocks.
    ///
    /// # Errors
    ///
    /// When the semaphore is or becomes closed.
    ///
    /// # Panics
    ///
    /// With the semaphore's feature `tokio`, when it is called inside a tokio
    /// runtime.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<Request, AcquireError> {
        let mut arrival = Arrival::new(&self.shared);
        if let Ok(permit) = self.semaphore().clone().try_acquire_owned() {
            return Ok(arrival.starts(permit));
        }
        arrival.waits();
        let permit = self.semaphore().clone().blocking_acquire_owned()?;
        Ok(arrival.starts(permit))
    }

    /// Takes a permit if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// When there is none, or the semaphore is closed. It counts as a request that
    /// found max in its way.
    pub fn try_acquire(&self) -> Result<Request, TryAcquireError> {
        let arrival = Arrival::new(&self.shared);
        let permit = self.semaphore().clone().try_acquire_owned()?;
        Ok(arrival.starts(permit))
    }
}

impl fmt::Debug for Adaptive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive")
            .field("semaphore", &self.shared.semaphore)
            .finish_non_exhaustive()
    }
}

/// A request on its way to a permit. Dropped before, it has given up.
struct Arrival<'a> {
    shared: &'a Arc<Shared>,
    waits_since: Option<Instant>,
    served: bool,
}

impl<'a> Arrival<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        shared.tally().arrives();
        Self {
            shared,
            waits_since: None,
            served: false,
        }
    }

    fn waits(&mut self) {
        self.waits_since = Some(Instant::now());
        self.shared.tally().waits();
    }

    fn starts(mut self, permit: OwnedSemaphorePermit) -> Request {
        self.served = true;
        let now = Instant::now();
        let waited = self
            .waits_since
            .map(|since| now.saturating_duration_since(since));
        self.shared
            .tally()
            .starts(self.shared.since_began(now), waited);
        Request {
            shared: self.shared.clone(),
            permit: Some(permit),
            began: now,
            delay: None,
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if !self.served {
            self.shared.tally().gives_up(self.waits_since.is_some());
        }
    }
}

/// A request that holds a permit.
///
/// Dropped, it gives the permit back and says nothing about load, as one that was
/// cancelled ([`Outcome::Ignored`]).
#[must_use = "it gives its permit back when it is dropped"]
pub struct Request {
    shared: Arc<Shared>,
    /// `None` once it has ended.
    permit: Option<OwnedSemaphorePermit>,
    began: Instant,
    delay: Option<Duration>,
}

impl Request {
    /// Says that the work begins now: the time since the permit was had is the
    /// delay that [`QueueDelay`](crate::QueueDelay) steers. The first call counts.
    pub fn begins(&mut self) {
        let delay = self.began.elapsed();
        self.delay.get_or_insert(delay);
    }

    /// Says how long the request waited in the server's own queue, if the server
    /// tells.
    pub fn delayed(&mut self, delay: Duration) {
        self.delay = Some(delay);
    }

    /// Gives the permit back, says what came of the request, and ends the window if
    /// it is complete.
    ///
    /// # Panics
    ///
    /// When the [hook](Adaptive::on_change) does. A controller's panic shows in
    /// [`Adaptive::step`] and [`Adaptive::panicked`].
    pub fn finish(mut self, outcome: Outcome) {
        let now = Instant::now();
        self.end(now, outcome);
        // It is kept, and told to whoever asks.
        let _ = self.shared.step(now);
    }

    fn end(&mut self, now: Instant, outcome: Outcome) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let hold = now.saturating_duration_since(self.began);
        self.shared
            .tally()
            .ends(self.shared.since_began(now), hold, self.delay, outcome);
        drop(permit);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.end(Instant::now(), Outcome::Ignored);
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}
