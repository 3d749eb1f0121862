//! A request on its way: it waits, is served, or is turned away.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use crate::{Answer, Permits, Rejected};

pin_project! {
    /// Completes at a moment, or never. It makes its timer when it is first polled: most
    /// requests need none.
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct Deadline {
        at: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Deadline {
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self { at, sleep: None }
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.sleep.is_none() {
            let Some(at) = *this.at else {
                return Poll::Pending;
            };
            this.sleep.set(Some(sleep_until(at)));
        }
        this.sleep.as_pin_mut().expect("just put there").poll(cx)
    }
}

/// A place among those who wait, of which a layer may have only so many.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<AtomicUsize>>);

impl Place {
    /// One of `max` places, of which as many are taken as `waiting` says.
    pub(crate) fn take(waiting: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        if max == usize::MAX {
            return Some(Self(None));
        }
        let one_more = |n| (n < max).then_some(n + 1);
        let taken = waiting.fetch_update(Relaxed, Relaxed, one_more);
        taken.is_ok().then(|| Self(Some(Arc::clone(waiting))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.fetch_sub(1, Relaxed);
        }
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, W, P, S, Req> {
        Waits {
            #[pin]
            wait: W,
            // Both are there until it has its permit.
            service: Option<S>,
            request: Option<Req>,
            place: Option<Place>,
            retry_after: Duration,
        },
        Served {
            #[pin]
            response: F,
            permit: Option<P>,
        },
        TurnedAway {
            rejected: Rejected,
        },
    }
}

pin_project! {
    /// The future of a [`Limit`](crate::Limit).
    ///
    /// Dropping it gives back its permit, or its place in line.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ResponseFuture<S, Req, P, M>
    where
        S: Service<Req>,
        P: Permits<Req>,
    {
        #[pin]
        state: State<S::Future, P::Wait, P::Permit, S, Req>,
        answer: std::marker::PhantomData<fn() -> M>,
    }
}

impl<S, Req, P, M> ResponseFuture<S, Req, P, M>
where
    S: Service<Req>,
    P: Permits<Req>,
{
    #[inline]
    fn new(state: State<S::Future, P::Wait, P::Permit, S, Req>) -> Self {
        Self {
            state,
            answer: std::marker::PhantomData,
        }
    }

    #[inline]
    pub(crate) fn served(response: S::Future, permit: Option<P::Permit>) -> Self {
        Self::new(State::Served { response, permit })
    }

    pub(crate) fn turned_away(rejected: Rejected) -> Self {
        Self::new(State::TurnedAway { rejected })
    }

    pub(crate) fn waits(
        wait: P::Wait,
        service: S,
        request: Req,
        place: Place,
        retry_after: Duration,
    ) -> Self {
        Self::new(State::Waits {
            wait,
            service: Some(service),
            request: Some(request),
            place: Some(place),
            retry_after,
        })
    }
}

impl<S, Req, P, M> Future for ResponseFuture<S, Req, P, M>
where
    S: Service<Req>,
    P: Permits<Req>,
    M: Answer<S::Response, S::Error, P::Permit>,
{
    type Output = Result<M::Response, M::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Waits {
                    wait,
                    service,
                    request,
                    place,
                    retry_after,
                } => {
                    let answer = ready!(wait.poll(cx));
                    *place = None;
                    let (service, request) = (service.take(), request.take());
                    let permit = match answer {
                        Ok(permit) => permit,
                        Err(reason) => {
                            let retry_after = *retry_after;
                            return Poll::Ready(M::rejected(Rejected {
                                reason,
                                retry_after,
                            }));
                        }
                    };
                    let mut service = service.expect("polled after completion");
                    let response = service.call(request.expect("there with the service"));
                    let permit = Some(permit);
                    state.set(State::Served { response, permit });
                }
                StateProj::Served { response, permit } => {
                    let answer = ready!(response.poll(cx));
                    return Poll::Ready(M::served(answer, mem::take(permit)));
                }
                StateProj::TurnedAway { rejected } => {
                    return Poll::Ready(M::rejected(*rejected));
                }
            }
        }
    }
}

impl<S, Req, P, M> fmt::Debug for ResponseFuture<S, Req, P, M>
where
    S: Service<Req>,
    P: Permits<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waits { .. } => "waits",
            State::Served { .. } => "is served",
            State::TurnedAway { .. } => "is turned away",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
