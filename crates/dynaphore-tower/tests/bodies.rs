//! Permits that are held until the body of the response ends.

use std::sync::Arc;

use bytes::Bytes;
use dynaphore::Semaphore;
use dynaphore_tower::LimitLayer;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use tokio::sync::mpsc;
use tokio_test::{assert_pending, assert_ready, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

type Piece = Result<Frame<Bytes>, &'static str>;

fn body(
    mut pieces: mpsc::Receiver<Piece>,
) -> impl Body<Data = Bytes, Error = &'static str> + Unpin {
    StreamBody::new(futures::stream::poll_fn(move |cx| pieces.poll_recv(cx)))
}

/// A response with a body in pieces, its sender, and the semaphore.
macro_rules! served {
    ($s:ident, $sender:ident, $response:ident) => {
        let $s = Arc::new(Semaphore::new(1));
        let ($sender, pieces) = mpsc::channel::<Piece>(4);
        let mut pieces = Some(pieces);
        let inner = service_fn(|()| {
            let pieces = pieces.take().unwrap();
            async { Ok::<_, BoxError>(Response::new(body(pieces))) }
        });
        let inner = Once(Some(inner));
        let mut service = LimitLayer::new($s.clone()).until_body_ends().layer(inner);
        let $response = assert_ready!(spawn(service.call(())).poll()).unwrap();
    };
}

/// Cloned only by requests that wait, of which there are none here.
struct Once<S>(Option<S>);

impl<S> Clone for Once<S> {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl<S: Service<()>> Service<()> for Once<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.as_mut().unwrap().poll_ready(cx)
    }

    fn call(&mut self, (): ()) -> S::Future {
        self.0.as_mut().unwrap().call(())
    }
}

fn piece() -> Piece {
    Ok(Frame::data(Bytes::from_static(b"piece")))
}

#[tokio::test]
async fn the_permit_goes_back_when_the_body_ends() {
    served!(s, sender, response);
    let mut body = response.into_body();
    assert_eq!(s.active(), 1);
    sender.try_send(piece()).unwrap();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert_eq!(s.active(), 1);
    assert_pending!(spawn(body.frame()).poll());
    drop(sender);
    assert!(body.frame().await.is_none());
    assert_eq!(s.active(), 0);
}

#[tokio::test]
async fn the_permit_goes_back_when_the_body_is_cut() {
    served!(s, sender, response);
    let mut body = response.into_body();
    sender.try_send(piece()).unwrap();
    assert!(body.frame().await.is_some());
    assert_eq!(s.active(), 1);
    drop(body);
    assert_eq!(s.active(), 0);
}

#[tokio::test]
async fn the_permit_goes_back_when_the_body_errs() {
    served!(s, sender, response);
    let mut body = response.into_body();
    sender.try_send(Err("broken")).unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(s.active(), 0);
}

#[tokio::test]
async fn a_response_that_is_dropped_unread_gives_its_permit_back() {
    served!(s, _sender, response);
    assert_eq!(s.active(), 1);
    drop(response);
    assert_eq!(s.active(), 0);
}

#[tokio::test]
async fn an_empty_body_has_ended_already() {
    let s = Arc::new(Semaphore::new(1));
    let inner = service_fn(async |()| Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())));
    let mut service = LimitLayer::new(s.clone()).until_body_ends().layer(inner);
    let response = service.call(()).await.unwrap();
    assert_eq!(s.active(), 0);
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn one_that_fails_has_no_body_to_wait_for() {
    let s = Arc::new(Semaphore::new(1));
    let inner = service_fn(async |()| Err::<Response<Empty<Bytes>>, BoxError>("broken".into()));
    let mut service = LimitLayer::new(s.clone()).until_body_ends().layer(inner);
    assert!(service.call(()).await.is_err());
    assert_eq!(s.active(), 0);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn rejections_are_responses_of_axum() {
    use axum_core::body::Body;
    use http::{StatusCode, header::RETRY_AFTER};
    use std::convert::Infallible;
    use std::time::Duration;

    let layer = LimitLayer::new(Arc::new(Semaphore::new(0)))
        .max_waiting(0)
        .retry_after(Duration::from_millis(1500))
        .until_body_ends()
        .respond();
    let inner = service_fn(async |()| Ok::<_, Infallible>(Response::new(Body::empty())));
    let response = layer.layer(inner).call(()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[RETRY_AFTER], "2");
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "too many requests are waiting");
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn rejections_are_statuses_of_tonic() {
    use std::convert::Infallible;
    use tonic::{Code, Status, body::Body};

    let layer = LimitLayer::new(Arc::new(Semaphore::new(0)));
    let layer = layer.max_waiting(0).respond();
    let inner = service_fn(async |()| Ok::<_, Infallible>(Response::new(Body::empty())));
    let response = layer.layer(inner).call(()).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(response.headers()["grpc-retry-pushback-ms"], "1000");
}
