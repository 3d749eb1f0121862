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

/// dynaphore's layer over a semaphore that lives for ever.
pub struct DynaphoreStatic;

impl Subject for DynaphoreStatic {
    const NAME: &'static str = "dynaphore_static";
    type Semaphore = dynaphore::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        dynaphore::Semaphore::new(permits)
    }
}

impl Limits for DynaphoreStatic {
    fn limit<S>(max: usize, inner: S) -> impl Service<u64, Future: Send> + Clone + Send + 'static
    where
        S: Service<u64, Future: Send, Error = Infallible> + Clone + Send + 'static,
    {
        LimitLayer::from_static(Box::leak(Box::new(Self::semaphore(max)))).layer(inner)
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
