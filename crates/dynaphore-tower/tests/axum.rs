//! The layer in a router of axum, as the README has it.
#![cfg(feature = "axum")]

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, routing::get};
use dynaphore::Semaphore;
use dynaphore_tower::LimitLayer;
use http::StatusCode;
use tower::ServiceExt;

#[tokio::test]
async fn a_router_turns_requests_away_but_for_the_exempt() {
    let semaphore = Arc::new(Semaphore::new(1));
    let app = Router::new()
        .route("/", get(async || "work"))
        .route("/health", get(async || "ok"))
        .layer(
            LimitLayer::new(semaphore.clone())
                .max_waiting(0)
                .max_wait(Duration::from_millis(200))
                .exempt(|request: &Request| request.uri().path() == "/health")
                .until_body_ends()
                .respond(),
        );
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    let first = ask("/").await;
    assert_eq!((first.status(), semaphore.active()), (StatusCode::OK, 1));
    assert_eq!(ask("/").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask("/health").await.status(), StatusCode::OK);
    drop(first);
    assert_eq!(semaphore.active(), 0);
    semaphore.set_max(0);
    assert_eq!(ask("/").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}
