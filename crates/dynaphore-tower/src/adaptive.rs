//! Permits of a semaphore whose max finds itself, and what it is told of each request.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use dynaphore::future::AcquireOwnedUntil;
use dynaphore_adaptive::{Acquire, Adaptive, Outcome, Request};
use pin_project_lite::pin_project;

use crate::{
    LimitLayer, Permits, Reason,
    options::Deadline,
    permits::{Found, Told, refuses, sealed},
};

/// Permits of an [`Adaptive`]. See [`LimitLayer::adaptive`].
#[derive(Clone)]
pub struct Steered<F> {
    adaptive: Adaptive,
    outcome: F,
}

impl<F> fmt::Debug for Steered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Steered").field(&self.adaptive).finish()
    }
}

/// A permit of an [`Adaptive`], which is told what became of the request. See
/// [`LimitLayer::adaptive`].
pub struct SteeredPermit<F> {
    /// `None` once it has been finished.
    request: Option<Request>,
    outcome: F,
    told: Outcome,
}

impl<F> SteeredPermit<F> {
    fn new(request: Request, outcome: F) -> Self {
        Self {
            request: Some(request),
            outcome,
            told: Outcome::Ignored,
        }
    }
}

impl<F, R, E> Told<R, E> for SteeredPermit<F>
where
    F: Fn(&Result<R, E>) -> Outcome,
{
    fn tell(&mut self, answer: &Result<R, E>) {
        self.told = (self.outcome)(answer);
    }
}

impl<F> Drop for SteeredPermit<F> {
    fn drop(&mut self) {
        // While a panic passes, the request says nothing, and no hook runs.
        if let Some(request) = self.request.take().filter(|_| !std::thread::panicking()) {
            request.finish(self.told);
        }
    }
}

impl<F> fmt::Debug for SteeredPermit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteeredPermit")
            .field("request", &self.request)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

impl<Req> LimitLayer<Req> {
    /// Each request takes a permit of `adaptive`'s semaphore and tells it, by `outcome`,
    /// what the answer of the inner service says about load. So max finds itself.
    ///
    /// A request that is dropped before it is answered says nothing. With
    /// [`until_body_ends`](Self::until_body_ends) a request lasts until its body ends,
    /// but its outcome is that of the response's head. With [`weight`](Self::weight) max
    /// does not fall below what a request weighs; see
    /// [`acquire_many`](dynaphore_adaptive::Adaptive::acquire_many).
    ///
    /// # Panics
    ///
    /// The services' futures, and with [`until_body_ends`](Self::until_body_ends) the bodies,
    /// do where `adaptive`'s [hook](dynaphore_adaptive::Adaptive::on_change) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{convert::Infallible, sync::Arc};
    /// use dynaphore::Semaphore;
    /// use dynaphore_adaptive::{Adaptive, Gradient, Outcome, Overload};
    /// use dynaphore_tower::LimitLayer;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower::BoxError> {
    /// let adaptive = Adaptive::new(Arc::new(Semaphore::new(8)), Gradient::default());
    /// let layer = LimitLayer::adaptive(adaptive, |answer: &Result<u16, Infallible>| match answer {
    ///     Ok(429 | 503) => Outcome::Overload(Overload::Rejected),
    ///     _ => Outcome::Served,
    /// });
    /// let service = layer.layer(service_fn(async |status: u16| Ok::<_, Infallible>(status)));
    /// assert_eq!(service.oneshot(200).await?, 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn adaptive<F, R, E>(adaptive: Adaptive, outcome: F) -> LimitLayer<Req, Steered<F>>
    where
        F: Fn(&Result<R, E>) -> Outcome + Clone,
    {
        LimitLayer::from_permits(Steered { adaptive, outcome })
    }
}

impl<F> sealed::Sealed for Steered<F> {}

impl<Req, F: Clone> Permits<Req> for Steered<F> {
    type Permit = SteeredPermit<F>;
    type Acquire = (Acquire, F);
    type Wait = Wait<F>;

    fn try_acquire(&mut self, _: &Req, n: u32) -> Found<Self::Permit, Self::Acquire> {
        let outcome = self.outcome.clone();
        match self.adaptive.acquire_many(n).try_now() {
            Ok(request) => Found::Permit(SteeredPermit::new(request, outcome)),
            Err(_) if refuses(self.adaptive.semaphore(), n) => Found::Refused(Reason::Closed),
            Err(acquire) => Found::Nothing((acquire, outcome)),
        }
    }

    fn wait((acquire, outcome): Self::Acquire, until: Deadline) -> Self::Wait {
        Wait {
            acquire: acquire.until(until),
            outcome: Some(outcome),
        }
    }
}

pin_project! {
    /// Waits for such a permit.
    #[doc(hidden)]
    pub struct Wait<F> {
        #[pin]
        acquire: Acquire<AcquireOwnedUntil<Deadline>>,
        outcome: Option<F>,
    }
}

impl<F> Future for Wait<F> {
    type Output = Result<SteeredPermit<F>, Reason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.acquire.poll(cx).map(|answer| {
            let request = answer.map_err(Reason::from)?;
            let outcome = this.outcome.take().expect("polled after completion");
            Ok(SteeredPermit::new(request, outcome))
        })
    }
}
