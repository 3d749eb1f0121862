//! A response body that holds a permit until it ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body that gives its permit back when it ends, errs or is dropped. See
    /// [`LimitLayer::until_body_ends`](crate::LimitLayer::until_body_ends).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    /// use dynaphore_tower::PermitBody;
    /// use http_body_util::{BodyExt, Full};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// let body = PermitBody::new(Full::new(&b"hello"[..]), Some(permit));
    /// assert_eq!(semaphore.active(), 1);
    /// body.collect().await.unwrap();
    /// assert_eq!(semaphore.active(), 0);
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct PermitBody<B, P> {
        #[pin]
        body: B,
        permit: Option<P>,
    }
}

impl<B: Body, P> PermitBody<B, P> {
    /// A `body` that holds `permit`, if there is one. If the body has ended already, the
    /// permit goes back at once: nobody need poll such a body.
    pub fn new(body: B, permit: Option<P>) -> Self {
        let permit = permit.filter(|_| !body.is_end_stream());
        Self { body, permit }
    }
}

impl<B: Body, P> Body for PermitBody<B, P> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            *this.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
