//! A request: on its way to a permit, with one, and at its end.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use dynaphore::{
    OwnedSemaphorePermit,
    future::{AcquireOwned, AcquireOwnedUntil},
};
use pin_project_lite::pin_project;

use crate::{Outcome, steering::Shared};

/// A request on its way to a permit. Dropped before, it has given up.
pub(crate) struct Arrival {
    counts: Counts,
    /// How many permits it asks for.
    n: u32,
    state: State,
}

/// Where a request counts.
enum Counts {
    At(Arc<Shared>),
    /// Nowhere yet: its key is not remembered, and is not to be if the request is refused.
    /// This remembers it.
    Later(Box<Remember>),
}

type Remember = dyn Fn() -> Arc<Shared> + Send + Sync;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// It has not asked yet, and counts for nothing.
    New,
    Arrived,
    Waits(Instant),
    Started,
}

impl Arrival {
    pub(crate) fn new(shared: Arc<Shared>, n: u32) -> Self {
        Self {
            counts: Counts::At(shared),
            n,
            state: State::New,
        }
    }

    /// One whose key is not remembered before it has a permit or a place in line.
    pub(crate) fn of_new_key(remember: Box<Remember>) -> Self {
        Self {
            counts: Counts::Later(remember),
            n: 1,
            state: State::New,
        }
    }

    pub(crate) fn arrives(&mut self) {
        if self.state == State::New {
            self.state = State::Arrived;
            if let Counts::At(shared) = &self.counts {
                shared.tally().arrives(self.n);
            }
        }
    }

    pub(crate) fn waits(&mut self) {
        if self.state == State::Arrived {
            self.state = State::Waits(Instant::now());
            if let Counts::At(shared) = &self.counts {
                shared.tally().waits();
            }
        }
    }

    /// It has a place in line or a permit: what it has done so far counts.
    fn counts(&mut self) -> Arc<Shared> {
        let shared = match &self.counts {
            Counts::At(shared) => return Arc::clone(shared),
            Counts::Later(remember) => remember(),
        };
        {
            let mut tally = shared.tally();
            tally.arrives(self.n);
            if let State::Waits(_) = self.state {
                tally.waits();
            }
        }
        self.counts = Counts::At(Arc::clone(&shared));
        shared
    }

    /// It has its permits.
    pub(crate) fn starts<P>(&mut self, permit: P) -> Request<P> {
        let shared = self.counts();
        let now = Instant::now();
        let waited = match self.state {
            State::Waits(since) => Some(now.saturating_duration_since(since)),
            _ => None,
        };
        self.state = State::Started;
        let since_began = shared.since_began(now);
        shared.tally().starts(since_began, waited, self.n);
        Request {
            shared,
            permit: Some(permit),
            n: self.n,
            began: now,
            delay: None,
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let Counts::At(shared) = &self.counts else {
            return;
        };
        match self.state {
            State::New | State::Started => {}
            State::Arrived => shared.tally().gives_up(false),
            State::Waits(_) => shared.tally().gives_up(true),
        }
    }
}

pin_project! {
    /// Waits for a permit. Made by [`Adaptive::acquire`](crate::Adaptive::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropped after its first poll, it leaves the line, and counts as a request that
    /// gave up; dropped before, it counts for nothing.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Acquire<A = AcquireOwned> {
        #[pin]
        acquire: A,
        arrival: Arrival,
    }
}

impl<A> Acquire<A> {
    pub(crate) fn new(acquire: A, arrival: Arrival) -> Self {
        Self { acquire, arrival }
    }
}

impl Acquire {
    /// Takes the permit if it is there, without a place in line.
    ///
    /// # Errors
    ///
    /// With the future itself, which is still to be polled, or to be dropped as a
    /// request that gave up.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use dynaphore_adaptive::{Adaptive, Gradient};
    ///
    /// let adaptive = Adaptive::new(Arc::new(dynaphore::Semaphore::new(1)), Gradient::default());
    /// let request = adaptive.acquire().try_now().expect("there is one");
    /// assert!(adaptive.acquire().try_now().is_err());
    /// # drop(request);
    /// ```
    pub fn try_now(mut self) -> Result<Request, Self> {
        self.arrival.arrives();
        match self.acquire.try_now() {
            Ok(permit) => Ok(self.arrival.starts(permit)),
            Err(acquire) => Err(Self { acquire, ..self }),
        }
    }

    /// Waits no longer than until `event` ends, with any timer: the semaphore's
    /// [`until`](dynaphore::future::AcquireOwned::until).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use dynaphore_adaptive::{Adaptive, Gradient};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let adaptive = Adaptive::new(Arc::new(dynaphore::Semaphore::new(0)), Gradient::default());
    /// let timer = tokio::time::sleep(std::time::Duration::from_millis(1));
    /// assert!(adaptive.acquire().until(timer).await.is_err());
    /// # });
    /// ```
    pub fn until<U: Future>(self, event: U) -> Acquire<AcquireOwnedUntil<U>> {
        Acquire {
            acquire: self.acquire.until(event),
            arrival: self.arrival,
        }
    }
}

impl<A, P, E> Future for Acquire<A>
where
    A: Future<Output = Result<P, E>>,
{
    type Output = Result<Request<P>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.arrival.arrives();
        let Poll::Ready(answer) = this.acquire.poll(cx) else {
            this.arrival.waits();
            this.arrival.counts();
            return Poll::Pending;
        };
        Poll::Ready(answer.map(|permit| this.arrival.starts(permit)))
    }
}

impl<A: fmt::Debug> fmt::Debug for Acquire<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("acquire", &self.acquire)
            .field("state", &self.arrival.state)
            .finish()
    }
}

/// A request that holds a permit.
///
/// Dropped, it gives the permit back and says nothing about load, as one that was
/// cancelled ([`Outcome::Ignored`]).
#[must_use = "it gives its permit back when it is dropped"]
pub struct Request<P = OwnedSemaphorePermit> {
    shared: Arc<Shared>,
    /// `None` once it has ended.
    permit: Option<P>,
    n: u32,
    began: Instant,
    delay: Option<Duration>,
}

impl<P> Request<P> {
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
    /// When the [hook](crate::Adaptive::on_change) does. A controller's panic shows in
    /// [`Adaptive::step`](crate::Adaptive::step) and
    /// [`Adaptive::panicked`](crate::Adaptive::panicked).
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
        let now = self.shared.since_began(now);
        self.shared
            .tally()
            .ends(now, hold, self.delay, outcome, self.n);
        drop(permit);
    }
}

impl<P> Drop for Request<P> {
    fn drop(&mut self) {
        self.end(Instant::now(), Outcome::Ignored);
    }
}

impl<P> fmt::Debug for Request<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}
