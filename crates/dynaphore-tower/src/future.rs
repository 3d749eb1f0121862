//! A request on its way: it waits, is served, or is turned away.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Answer, Permits, Reason, Rejected,
    options::{Options, Place},
};

/// A request that has found no permit, with the service that is ready for it.
struct Arrival<S, Req, A> {
    service: S,
    request: Req,
    acquire: A,
    options: Arc<Options<Req>>,
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, A, W, P, F> {
        // It waits from its first poll on.
        Arrives {
            arrival: Option<Arrival<S, Req, A>>,
        },
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

type StateOf<S, Req, P> = State<
    S,
    Req,
    <P as Permits<Req>>::Acquire,
    <P as Permits<Req>>::Wait,
    <P as Permits<Req>>::Permit,
    <S as Service<Req>>::Future,
>;

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
        state: StateOf<S, Req, P>,
        answer: PhantomData<fn() -> M>,
    }
}

// Whoever calls a service moves its future. What is made by plain writes in functions that
// are inlined is made where it is moved to.
impl<S, Req, P, M> ResponseFuture<S, Req, P, M>
where
    S: Service<Req>,
    P: Permits<Req>,
{
    #[inline(always)]
    fn new(state: StateOf<S, Req, P>) -> Self {
        Self {
            state,
            answer: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn served(response: S::Future, permit: Option<P::Permit>) -> Self {
        Self::new(State::Served { response, permit })
    }

    #[inline(always)]
    pub(crate) fn turned_away(rejected: Rejected) -> Self {
        Self::new(State::TurnedAway { rejected })
    }

    #[inline(always)]
    pub(crate) fn arrives(
        service: S,
        request: Req,
        acquire: P::Acquire,
        options: Arc<Options<Req>>,
    ) -> Self {
        Self::new(State::Arrives {
            arrival: Some(Arrival {
                service,
                request,
                acquire,
                options,
            }),
        })
    }
}

impl<S, Req, A> Arrival<S, Req, A> {
    /// Takes its place among those who wait, if there is one.
    fn wait<P, F>(self) -> State<S, Req, A, P::Wait, P::Permit, F>
    where
        P: Permits<Req, Acquire = A>,
    {
        let options = self.options;
        let Some(place) = Place::take(&options.waiting, options.max_waiting) else {
            return State::TurnedAway {
                rejected: options.rejected(Reason::TooManyWaiting),
            };
        };
        State::Waits {
            wait: P::wait(self.acquire, options.deadline(&self.request)),
            service: Some(self.service),
            request: Some(self.request),
            place: Some(place),
            retry_after: options.retry_after,
        }
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
                StateProj::Served { response, permit } => {
                    let answer = ready!(response.poll(cx));
                    return Poll::Ready(M::served(answer, permit.take()));
                }
                StateProj::Arrives { arrival } => {
                    let arrival = arrival.take().expect("it arrives once");
                    state.set(arrival.wait::<P, _>());
                }
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
            State::Arrives { .. } => "arrives",
            State::Waits { .. } => "waits",
            State::Served { .. } => "is served",
            State::TurnedAway { .. } => "is turned away",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
