//! A request on its way: it waits, is served, or is turned away.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Answer, Permits, Reason, Rejected,
    options::{Options, Place},
    permits::Told,
};

pin_project! {
    // Most requests find a permit. What the others need is out of line, and dropped there:
    // whatever stands beside the plain path makes all of the future go through memory.
    #[project = StateProj]
    enum State<F, P, Q> {
        Served {
            #[pin]
            response: F,
            permit: Option<P>,
        },
        NotServed {
            #[pin]
            queued: Q,
        },
    }
}

/// A request that has found no permit, with the service that is ready for it.
struct Arrival<S, Req> {
    service: S,
    request: Req,
    options: Options<Req>,
}

pin_project! {
    /// A request that is not served, or not yet.
    #[project = QueuedProj]
    enum Queued<S, Req, A, W> {
        // It waits from its first poll on.
        Arrives {
            arrival: Option<Arrival<S, Req>>,
            acquire: Option<A>,
        },
        Waits {
            #[pin]
            wait: W,
            arrival: Option<Arrival<S, Req>>,
            place: Option<Place>,
        },
        TurnedAway {
            options: Options<Req>,
            reason: Reason,
        },
    }
}

type Granted<S, Req, P> = (Arrival<S, Req>, <P as Permits<Req>>::Permit);

type QueuedOf<S, Req, P> = Queued<S, Req, <P as Permits<Req>>::Acquire, <P as Permits<Req>>::Wait>;

type StateOf<S, Req, P> =
    State<<S as Service<Req>>::Future, <P as Permits<Req>>::Permit, QueuedOf<S, Req, P>>;

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
    pub(crate) fn turned_away(options: Options<Req>, reason: Reason) -> Self {
        let queued = Queued::TurnedAway { options, reason };
        Self::new(State::NotServed { queued })
    }

    #[inline(always)]
    pub(crate) fn arrives(
        service: S,
        request: Req,
        acquire: P::Acquire,
        options: Options<Req>,
    ) -> Self {
        let arrival = Arrival {
            service,
            request,
            options,
        };
        let queued = Queued::Arrives {
            arrival: Some(arrival),
            acquire: Some(acquire),
        };
        Self::new(State::NotServed { queued })
    }
}

impl<S, Req, A, W> Queued<S, Req, A, W> {
    /// The request, when there is a permit for it.
    fn poll<P>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Granted<S, Req, P>, Rejected>>
    where
        P: Permits<Req, Acquire = A, Wait = W>,
        W: Future<Output = Result<P::Permit, Reason>>,
    {
        loop {
            match self.as_mut().project() {
                QueuedProj::Arrives { arrival, acquire } => {
                    let arrival = arrival.take().expect("it arrives once");
                    let options = &arrival.options;
                    let Some(place) = options.take_place() else {
                        let rejected = options.reject(Reason::TooManyWaiting);
                        return Poll::Ready(Err(rejected));
                    };
                    let acquire = acquire.take().expect("there with the arrival");
                    let wait = P::wait(acquire, options.deadline(&arrival.request));
                    self.set(Self::Waits {
                        wait,
                        arrival: Some(arrival),
                        place: Some(place),
                    });
                }
                QueuedProj::Waits {
                    wait,
                    arrival,
                    place,
                } => {
                    let answer = ready!(wait.poll(cx));
                    *place = None;
                    let arrival = arrival.take().expect("polled after completion");
                    return Poll::Ready(match answer {
                        Ok(permit) => Ok((arrival, permit)),
                        Err(reason) => Err(arrival.options.reject(reason)),
                    });
                }
                QueuedProj::TurnedAway { options, reason } => {
                    return Poll::Ready(Err(options.reject(*reason)));
                }
            }
        }
    }
}

/// Serves the request when there is a permit for it.
#[inline(never)]
fn poll_queued<S, Req, P>(
    mut state: Pin<&mut StateOf<S, Req, P>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Rejected>>
where
    S: Service<Req>,
    P: Permits<Req>,
{
    if let StateProj::NotServed { queued } = state.as_mut().project() {
        let (mut arrival, permit) = ready!(queued.poll::<P>(cx))?;
        let response = arrival.service.call(arrival.request);
        let permit = Some(permit);
        state.set(State::Served { response, permit });
    }
    Poll::Ready(Ok(()))
}

impl<S, Req, P, M> Future for ResponseFuture<S, Req, P, M>
where
    S: Service<Req>,
    P: Permits<Req>,
    P::Permit: Told<S::Response, S::Error>,
    M: Answer<S::Response, S::Error, P::Permit>,
{
    type Output = Result<M::Response, M::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            if let StateProj::Served { response, permit } = state.as_mut().project() {
                let answer = ready!(response.poll(cx));
                if let Some(permit) = permit {
                    permit.tell(&answer);
                }
                return Poll::Ready(M::served(answer, permit.take()));
            }
            if let Err(rejected) = ready!(poll_queued::<S, Req, P>(state.as_mut(), cx)) {
                return Poll::Ready(M::rejected(rejected));
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
            State::Served { .. } => "is served",
            State::NotServed { queued } => match queued {
                Queued::Arrives { .. } => "arrives",
                Queued::Waits { .. } => "waits",
                Queued::TurnedAway { .. } => "is turned away",
            },
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
