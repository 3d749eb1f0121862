//! The layer, its options, and the service that it makes.

use std::{
    fmt,
    hash::RandomState,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use dynaphore::{KeyedSemaphore, Semaphore};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Answer, Fail, Keyed, Permits, PollSemaphore, Rejections, Reserve, Respond, ResponseFuture,
    UntilBodyEnds, UntilResponse,
    options::{Choices, Options},
    permits::{Found, Told},
};

/// Limits how many requests are served at once. See the [crate](crate) for when a permit
/// is held.
///
/// `P` says where the permits come from, and `M` how the service answers. All services that
/// one layer makes share the bounds.
///
/// # Fairness
///
/// As the semaphore's. A request arrives when its response future is polled for the first
/// time, or when `call` finds a permit.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_tower::LimitLayer;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower::BoxError> {
/// let layer = LimitLayer::new(Arc::new(Semaphore::new(8)));
/// let service = layer.layer(service_fn(async |n: u32| Ok::<_, tower::BoxError>(n + 1)));
/// assert_eq!(service.oneshot(1).await?, 2);
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it is put around a service"]
pub struct LimitLayer<Req, P = Arc<Semaphore>, M = (Fail, UntilResponse)> {
    permits: P,
    options: Options<Req>,
    answer: PhantomData<fn() -> M>,
}

impl<Req> LimitLayer<Req> {
    /// Each request takes a permit of `semaphore`. Whoever holds that changes its max, or
    /// closes it, while it serves.
    ///
    /// For a caller of `call_all` that waits for others of this limit before it polls again,
    /// as one does whose channel for the responses is full, build `semaphore` with
    /// [`Fairness::Barging`](dynaphore::Fairness::Barging), or ask for
    /// [`reserve`](Self::reserve). [The crate](crate#futures-that-nobody-polls) tells why.
    pub fn new(semaphore: Arc<Semaphore>) -> Self {
        Self::from_permits(semaphore)
    }

    /// Each request takes a permit of `semaphore`. Where nobody waits that costs little more than
    /// half of what it does by an `Arc`: there is no count of who uses it.
    ///
    /// An `Arc` that is needed for as long as the process lives becomes such a reference by
    /// `Box::leak(Box::new(semaphore.clone()))`.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::Semaphore;
    /// use dynaphore_tower::LimitLayer;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// static REQUESTS: Semaphore = Semaphore::new(8);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower::BoxError> {
    /// let layer = LimitLayer::from_static(&REQUESTS);
    /// let service = layer.layer(service_fn(async |n: u32| Ok::<_, tower::BoxError>(n + 1)));
    /// assert_eq!(service.oneshot(1).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_static(semaphore: &'static Semaphore) -> LimitLayer<Req, &'static Semaphore> {
        LimitLayer::from_permits(semaphore)
    }

    /// Each request takes a permit of its key, which `key` takes from the request.
    ///
    /// One that has to wait allocates once, to keep its key.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::KeyedSemaphore;
    /// use dynaphore_tower::LimitLayer;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower::BoxError> {
    /// let tenants = Arc::new(KeyedSemaphore::<String>::new(4));
    /// let layer = LimitLayer::keyed(tenants, |tenant: &String| tenant.clone());
    /// let service = layer.layer(service_fn(async |tenant: String| Ok::<_, tower::BoxError>(tenant)));
    /// assert_eq!(service.oneshot("a".to_owned()).await?, "a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn keyed<K, F, S>(
        keyed: Arc<KeyedSemaphore<K, S>>,
        key: F,
    ) -> LimitLayer<Req, Keyed<K, F, S>>
    where
        F: Fn(&Req) -> K + Clone,
    {
        LimitLayer::from_permits(Keyed::new(keyed, key))
    }
}

impl<Req, P> LimitLayer<Req, P> {
    pub(crate) fn from_permits(permits: P) -> Self {
        Self {
            permits,
            options: Options::NONE,
            answer: PhantomData,
        }
    }
}

impl<Req, M> LimitLayer<Req, Arc<Semaphore>, M> {
    /// Takes the permit in `poll_ready`, as tower's own `ConcurrencyLimit` does: who calls
    /// is held back while there is none, and a service that is ready holds a permit until it
    /// is called or dropped. For a caller that would otherwise take more than it can serve
    /// from where its requests come from.
    ///
    /// There is no request yet: each takes one permit, whatever its
    /// [`weight`](Self::weight), and the bounds on waiting do not apply.
    /// [Exempt](Self::exempt) ones give theirs back when they come.
    pub fn reserve(self) -> LimitLayer<Req, Reserve, M> {
        LimitLayer {
            permits: Reserve::new(PollSemaphore::new(self.permits)),
            options: self.options,
            answer: PhantomData,
        }
    }
}

impl<Req, P, M> LimitLayer<Req, P, M> {
    fn with(mut self, change: impl FnOnce(&mut Choices<Req>)) -> Self {
        self.options.change(change);
        self
    }

    fn answering<N>(self) -> LimitLayer<Req, P, N> {
        LimitLayer {
            permits: self.permits,
            options: self.options,
            answer: PhantomData,
        }
    }

    /// How many requests of this layer may wait; any number unless this is called. One more
    /// is turned away at once. With 0 nobody waits.
    ///
    /// A request waits until it has picked up its permit. For a bound that all users of
    /// a semaphore share there is [`max_waiting`](dynaphore::Builder::max_waiting) of its
    /// builder.
    pub fn max_waiting(self, n: usize) -> Self {
        self.with(|options| options.max_waiting = n)
    }

    /// How long a request may wait; as long as it takes unless this is called. The time is
    /// tokio's: a request that waits must be polled in a runtime with a timer.
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.with(|options| options.max_wait = Some(max_wait))
    }

    /// Until when a request may wait, read from the request; `None` is no bound. With
    /// [`max_wait`](Self::max_wait), what comes first counts.
    pub fn deadline<F>(self, deadline: F) -> Self
    where
        F: Fn(&Req) -> Option<std::time::Instant> + Send + Sync + 'static,
    {
        self.with(|options| options.deadline = Some(Arc::new(deadline)))
    }

    /// How many permits a request takes; one unless this is called. At most
    /// [`Semaphore::MAX_PERMITS`] count. A request for more than max waits until max allows
    /// it, beside the line.
    pub fn weight<F>(self, weight: F) -> Self
    where
        F: Fn(&Req) -> u32 + Send + Sync + 'static,
    {
        self.with(|options| options.weight = Some(Arc::new(weight)))
    }

    /// Which requests are served without a permit, such as health checks; none unless this
    /// is called.
    pub fn exempt<F>(self, exempt: F) -> Self
    where
        F: Fn(&Req) -> bool + Send + Sync + 'static,
    {
        self.with(|options| options.exempt = Some(Arc::new(exempt)))
    }

    /// Counts in `rejections` what clients are told that are turned away, whichever bound it was.
    ///
    /// The semaphore's own statistics know only of requests that came as far as its line, and
    /// are there for semaphores without keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    /// use dynaphore_tower::{LimitLayer, Reason, Rejections};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let rejections = Rejections::new();
    /// let layer = LimitLayer::new(Arc::new(Semaphore::new(0)))
    ///     .max_waiting(0)
    ///     .count_rejections(&rejections);
    /// let service = ServiceBuilder::new()
    ///     .layer(layer)
    ///     .service(service_fn(async |()| Ok::<_, tower::BoxError>(())));
    /// assert!(service.oneshot(()).await.is_err());
    /// assert_eq!(rejections.count(Reason::TooManyWaiting), 1);
    /// assert_eq!(rejections.count(Reason::Timeout), 0);
    /// # }
    /// ```
    pub fn count_rejections(self, rejections: &Rejections) -> Self {
        self.with(|options| options.rejections = Some(rejections.clone()))
    }

    /// When those that are turned away are told to try again: after one second unless this
    /// is called.
    pub fn retry_after(self, retry_after: Duration) -> Self {
        self.with(|options| options.retry_after = retry_after)
    }
}

impl<Req, P, H> LimitLayer<Req, P, (Fail, H)> {
    /// Turns requests away with a response, made `From<Rejected>`, rather than an error. The
    /// feature `axum` has such responses (503), and so has `tonic`: without one of the two a
    /// router does not take the layer. A router of axum wants services that do not fail, so
    /// there the layer needs this.
    pub fn respond(self) -> LimitLayer<Req, P, (Respond, H)> {
        self.answering()
    }
}

impl<Req, P, T> LimitLayer<Req, P, (T, UntilResponse)> {
    /// Holds the permit until the body of the response ends, errs or is dropped. The inner
    /// service responds with an [`http::Response`], whose body becomes a
    /// [`PermitBody`](crate::PermitBody).
    pub fn until_body_ends(self) -> LimitLayer<Req, P, (T, UntilBodyEnds)> {
        self.answering()
    }
}

impl<Req, P: Clone, M> Clone for LimitLayer<Req, P, M> {
    fn clone(&self) -> Self {
        Self {
            permits: self.permits.clone(),
            options: self.options.clone(),
            answer: PhantomData,
        }
    }
}

impl<Req, P: fmt::Debug, M> fmt::Debug for LimitLayer<Req, P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLayer")
            .field("permits", &self.permits)
            .field("options", &self.options)
            .finish()
    }
}

impl<S, Req, P: Clone, M> Layer<S> for LimitLayer<Req, P, M> {
    type Service = Limit<S, Req, P, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit {
            inner,
            permits: self.permits.clone(),
            options: self.options.clone(),
            answer: PhantomData,
        }
    }
}

/// The service of a [`LimitLayer`].
///
/// The inner service is cloned when a request has to wait, so that the one that is ready
/// waits with it.
pub struct Limit<S, Req, P = Arc<Semaphore>, M = (Fail, UntilResponse)> {
    inner: S,
    permits: P,
    options: Options<Req>,
    answer: PhantomData<fn() -> M>,
}

impl<S, Req, P, M> Limit<S, Req, P, M> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req, P, M> Service<Req> for Limit<S, Req, P, M>
where
    S: Service<Req> + Clone,
    P: Permits<Req>,
    P::Permit: Told<S::Response, S::Error>,
    M: Answer<S::Response, S::Error, P::Permit>,
{
    type Response = M::Response;
    type Error = M::Error;
    type Future = ResponseFuture<S, Req, P, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        ready!(self.permits.poll_ready(cx));
        self.inner.poll_ready(cx).map_err(M::failed)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let Some(need) = self.options.need(&request) else {
            self.permits.give_up();
            return ResponseFuture::served(self.inner.call(request), None);
        };
        match self.permits.try_acquire(&request, need) {
            Found::Permit(permit) => ResponseFuture::served(self.inner.call(request), Some(permit)),
            Found::Nothing(acquire) => {
                // The one that is ready waits with the request.
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                let options = self.options.clone();
                ResponseFuture::arrives(service, request, acquire, options)
            }
            Found::Refused(reason) => ResponseFuture::turned_away(self.options.clone(), reason),
        }
    }
}

impl<S: Clone, Req, P: Clone, M> Clone for Limit<S, Req, P, M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            permits: self.permits.clone(),
            options: self.options.clone(),
            answer: PhantomData,
        }
    }
}

impl<S: fmt::Debug, Req, P: fmt::Debug, M> fmt::Debug for Limit<S, Req, P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("inner", &self.inner)
            .field("permits", &self.permits)
            .field("options", &self.options)
            .finish()
    }
}

const _: () = {
    const fn everywhere<T: Send + Sync>() {}

    everywhere::<LimitLayer<()>>();
    everywhere::<Limit<(), ()>>();
    everywhere::<Limit<(), (), &'static Semaphore>>();
    everywhere::<Limit<(), (), Reserve, (Respond, UntilBodyEnds)>>();
    everywhere::<Limit<(), (), Keyed<String, fn(&()) -> String, RandomState>>>();
};
