//! What the caller gets: how rejections are told, and how long the permit is held.

use http::Response;
use http_body::Body;

use crate::{BoxError, PermitBody, Rejected};

/// Rejections are errors: a boxed [`Rejected`].
#[derive(Clone, Copy, Debug)]
pub enum Fail {}

/// Rejections are responses. See [`LimitLayer::respond`](crate::LimitLayer::respond).
#[derive(Clone, Copy, Debug)]
pub enum Respond {}

/// The permit is held until the inner service has responded.
#[derive(Clone, Copy, Debug)]
pub enum UntilResponse {}

/// The permit is held until the body of the response ends. See
/// [`LimitLayer::until_body_ends`](crate::LimitLayer::until_body_ends).
#[derive(Clone, Copy, Debug)]
pub enum UntilBodyEnds {}

mod sealed {
    pub trait Sealed {}
}

impl<T, H> sealed::Sealed for (T, H) {}

/// How a [`Limit`](crate::Limit) answers, where the inner service answers with `R` or `E`
/// and the permit is a `P`.
pub trait Answer<R, E, P>: sealed::Sealed {
    /// What is responded.
    type Response;
    /// What may go wrong.
    type Error;

    /// The inner service's answer, with the permit to drop or to keep in it.
    #[doc(hidden)]
    fn served(answer: Result<R, E>, permit: Option<P>) -> Result<Self::Response, Self::Error>;

    /// The inner service has not seen the request.
    #[doc(hidden)]
    fn rejected(rejected: Rejected) -> Result<Self::Response, Self::Error>;

    /// The inner service is not able to serve.
    #[doc(hidden)]
    fn failed(error: E) -> Self::Error;
}

impl<R, E: Into<BoxError>, P> Answer<R, E, P> for (Fail, UntilResponse) {
    type Response = R;
    type Error = BoxError;

    #[inline]
    fn served(answer: Result<R, E>, _: Option<P>) -> Result<R, BoxError> {
        answer.map_err(E::into)
    }

    fn rejected(rejected: Rejected) -> Result<R, BoxError> {
        Err(rejected.into())
    }

    fn failed(error: E) -> BoxError {
        error.into()
    }
}

impl<R: From<Rejected>, E, P> Answer<R, E, P> for (Respond, UntilResponse) {
    type Response = R;
    type Error = E;

    #[inline]
    fn served(answer: Result<R, E>, _: Option<P>) -> Result<R, E> {
        answer
    }

    fn rejected(rejected: Rejected) -> Result<R, E> {
        Ok(rejected.into())
    }

    fn failed(error: E) -> E {
        error
    }
}

impl<B: Body, E: Into<BoxError>, P> Answer<Response<B>, E, P> for (Fail, UntilBodyEnds) {
    type Response = Response<PermitBody<B, P>>;
    type Error = BoxError;

    #[inline]
    fn served(
        answer: Result<Response<B>, E>,
        permit: Option<P>,
    ) -> Result<Self::Response, BoxError> {
        let response = answer.map_err(E::into)?;
        Ok(response.map(|body| PermitBody::new(body, permit)))
    }

    fn rejected(rejected: Rejected) -> Result<Self::Response, BoxError> {
        Err(rejected.into())
    }

    fn failed(error: E) -> BoxError {
        error.into()
    }
}

impl<B: Body, E, P> Answer<Response<B>, E, P> for (Respond, UntilBodyEnds)
where
    Response<B>: From<Rejected>,
{
    type Response = Response<PermitBody<B, P>>;
    type Error = E;

    #[inline]
    fn served(answer: Result<Response<B>, E>, permit: Option<P>) -> Result<Self::Response, E> {
        Ok(answer?.map(|body| PermitBody::new(body, permit)))
    }

    fn rejected(rejected: Rejected) -> Result<Self::Response, E> {
        Ok(Response::from(rejected).map(|body| PermitBody::new(body, None)))
    }

    fn failed(error: E) -> E {
        error
    }
}
