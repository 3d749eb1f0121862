//! Layers that limit how many requests a service has at once.

use std::convert::Infallible;
use std::sync::Arc;

use dynaphore_tower::LimitLayer;
use tower::{Layer as _, Service, limit::ConcurrencyLimitLayer};

use super::{Dynaphore, Subject, Tokio};

/// Has a tower layer.
pub trait Limits: Subject {
    /// `inner`, with at most `max` requests in it.
    fn limit<S>(max: usize, inner: S) -> impl Service<u64, Future: Send> + Clone + Send + 'static
    where
        S: Service<u64, Future: Send, Error = Infallible> + Clone + Send + 'static;
}

impl Limits for Dynaphore {
    fn limit<S>(max: usize, inner: S) -> impl Service<u64, Future: Send> + Clone + Send + 'static
    where
        S: Service<u64, Future: Send, Error = Infallible> + Clone + Send + 'static,
    {
        LimitLayer::new(Arc::new(Self::semaphore(max))).layer(inner)
    }
}

impl Limits for Tokio {
    fn limit<S>(max: usize, inner: S) -> impl Service<u64, Future: Send> + Clone + Send + 'static
    where
        S: Service<u64, Future: Send, Error = Infallible> + Clone + Send + 'static,
    {
        ConcurrencyLimitLayer::new(max).layer(inner)
    }
}
