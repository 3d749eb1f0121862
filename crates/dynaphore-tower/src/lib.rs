//! A tower layer that limits how many requests are served at once, by a
//! [`dynaphore::Semaphore`] whose max can be changed while it serves.
//!
//! | type | what it is |
//! |---|---|
//! | [`LimitLayer`], [`Limit`] | the layer with its options, and the service it makes |
//! | [`Keyed`], [`Reserve`] | permits of a key of the request, and permits taken ahead |
//! | [`Rejected`], [`Reason`] | what a request is told that is turned away |
//! | [`Rejections`] | how many were, by reason |
//! | [`PermitBody`] | a response body that holds its permit until it ends |
//! | [`PollSemaphore`] | a semaphore for code that polls |
//!
//! # Examples
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use dynaphore::Semaphore;
//! use dynaphore_tower::LimitLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower::BoxError> {
//! let semaphore = Arc::new(Semaphore::new(100));
//! let service = ServiceBuilder::new()
//!     .layer(
//!         LimitLayer::new(semaphore.clone())
//!             .max_waiting(50)
//!             .max_wait(Duration::from_millis(200)),
//!     )
//!     .service(service_fn(async |name: &'static str| Ok::<_, tower::BoxError>(name)));
//! assert_eq!(service.oneshot("ok").await?, "ok");
//! // Under load:
//! semaphore.set_max(10);
//! # Ok(())
//! # }
//! ```
//!
//! # When a permit is held
//!
//! From when the request is passed on to the inner service until its response is there, or
//! [until the response's body ends](LimitLayer::until_body_ends). A future that is dropped
//! gives its permit back, or its place in line.
//!
//! No permit is taken in `poll_ready`, so a clone of the service that is ready and idle
//! holds nothing, unless [`reserve`](LimitLayer::reserve) asks for that.
//!
//! # Futures that nobody polls
//!
//! A response future that waits in a first-in-first-out line is handed its permit, and keeps
//! it until it is polled or dropped. A task that does something else meanwhile, as one that
//! drives `call_all` does while its channel for the responses is full, keeps that permit from
//! others. Where it waits for them in turn, build the semaphore with
//! [`Fairness::Barging`](dynaphore::Fairness::Barging): then a permit is nobody's until it
//! is picked up. The layer cannot help: only whoever polls the future could give that permit
//! on, and a line that passes over whoever is not polled is not first in, first out. With
//! [`reserve`](LimitLayer::reserve) nobody is called who would have to wait.
//!
//! # Features
//!
//! - `adaptive`: `LimitLayer::adaptive`, for a max that finds itself by what the inner service
//!   answers (`dynaphore-adaptive`).
//! - `axum`: [`Rejected`] is a response, 503 with `Retry-After`.
//! - `tonic`: [`Rejected`] is a status, `RESOURCE_EXHAUSTED` with `grpc-retry-pushback-ms`.
//! - `browser-tests`: nothing but this package's own tests of the page of its example.

#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

#[cfg(feature = "adaptive")]
mod adaptive;
mod answer;
mod body;
mod future;
mod layer;
mod options;
mod permits;
mod poll;
mod rejected;

#[cfg(feature = "adaptive")]
pub use adaptive::{Steered, SteeredPermit};
pub use answer::{Answer, Fail, Respond, UntilBodyEnds, UntilResponse};
pub use body::PermitBody;
pub use future::ResponseFuture;
pub use layer::{Limit, LimitLayer};
pub use permits::{Keyed, Permits, Reserve, Told};
pub use poll::PollSemaphore;
pub use rejected::{Reason, Rejected, Rejections};

/// Any error, as tower has it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
