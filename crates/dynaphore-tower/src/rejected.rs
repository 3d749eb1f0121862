//! What a request is told that is turned away.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dynaphore::{AcquireError, AcquireTimeoutError, error::KeyedAcquireTimeoutError};

/// Why a request was turned away.
///
/// # Examples
///
/// ```
/// assert_eq!(dynaphore_tower::Reason::Timeout.as_str(), "timeout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// As many requests wait as may.
    TooManyWaiting,
    /// It has waited for as long as it may.
    Timeout,
    /// The semaphore is closed.
    Closed,
    /// Its key is not in use, and as many keys are as may be.
    TooManyKeys,
    /// It has waited for longer than the semaphore's own line [lets](dynaphore::Builder::overdue).
    Overdue,
}

impl Reason {
    /// All of them, in the order of their discriminants.
    const ALL: [Self; 5] = [
        Self::TooManyWaiting,
        Self::Timeout,
        Self::Closed,
        Self::TooManyKeys,
        Self::Overdue,
    ];

    /// A short name, for figures: `too_many_waiting`, `timeout`, `closed`,
    /// `too_many_keys`, `overdue`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore_tower::Reason::Closed.as_str(), "closed");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooManyWaiting => "too_many_waiting",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::TooManyKeys => "too_many_keys",
            Self::Overdue => "overdue",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyWaiting => "too many requests are waiting",
            Self::Timeout => "timed out waiting for a permit",
            Self::Closed => "no more requests are served",
            Self::TooManyKeys => "too many keys are in use",
            Self::Overdue => "waited too long for a permit",
        })
    }
}

impl From<AcquireTimeoutError> for Reason {
    fn from(error: AcquireTimeoutError) -> Self {
        match error {
            AcquireTimeoutError::Timeout | AcquireTimeoutError::WouldTimeOut => Self::Timeout,
            AcquireTimeoutError::TooManyWaiters => Self::TooManyWaiting,
            AcquireTimeoutError::Overdue => Self::Overdue,
            _ => Self::Closed,
        }
    }
}

impl From<AcquireError> for Reason {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::TooManyWaiters => Self::TooManyWaiting,
            AcquireError::Overdue => Self::Overdue,
            _ => Self::Closed,
        }
    }
}

impl From<KeyedAcquireTimeoutError> for Reason {
    fn from(error: KeyedAcquireTimeoutError) -> Self {
        match error {
            KeyedAcquireTimeoutError::Timeout => Self::Timeout,
            KeyedAcquireTimeoutError::TooManyKeys => Self::TooManyKeys,
            KeyedAcquireTimeoutError::TooManyWaiters => Self::TooManyWaiting,
            KeyedAcquireTimeoutError::Overdue => Self::Overdue,
            _ => Self::Closed,
        }
    }
}

/// A request was turned away; the inner service has not seen it.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use dynaphore::Semaphore;
/// use dynaphore_tower::{LimitLayer, Reason, Rejected};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(LimitLayer::new(Arc::new(Semaphore::new(0))).max_waiting(0))
///     .service(service_fn(async |()| Ok::<_, tower::BoxError>(())));
/// let error = service.oneshot(()).await.unwrap_err();
/// let rejected = error.downcast_ref::<Rejected>().unwrap();
/// assert_eq!(rejected.reason, Reason::TooManyWaiting);
/// assert_eq!(rejected.retry_after, Duration::from_secs(1));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// When to try again: what [`retry_after`](crate::LimitLayer::retry_after) says.
    pub retry_after: Duration,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl Error for Rejected {}

/// How many requests were turned away, by reason, by the layers that
/// [count here](crate::LimitLayer::count_rejections). A clone tells the same counts.
///
/// A request is counted when its future says so, whatever its caller does with that.
///
/// # Examples
///
/// ```
/// use dynaphore_tower::Rejections;
///
/// let rejections = Rejections::new();
/// for (reason, count) in rejections.by_reason() {
///     assert_eq!(count, 0, "{}", reason.as_str());
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rejections(Arc<[AtomicU64; Reason::ALL.len()]>);

impl Rejections {
    /// Counts of none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many were turned away for that reason.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Relaxed)
    }

    /// The same for each reason there is.
    pub fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> + use<> {
        let count = |reason| (reason, self.count(reason));
        Reason::ALL.map(count).into_iter()
    }

    pub(crate) fn add(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Relaxed);
    }
}

#[cfg(feature = "axum")]
mod axum {
    use axum_core::{
        body::Body,
        response::{IntoResponse, Response},
    };
    use http::{StatusCode, header::RETRY_AFTER};

    use super::Rejected;

    /// 503 with `Retry-After` in seconds, rounded up.
    impl IntoResponse for Rejected {
        fn into_response(self) -> Response {
            let seconds = self.retry_after.as_nanos().div_ceil(1_000_000_000);
            let headers = [(RETRY_AFTER, seconds.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, headers, self.to_string()).into_response()
        }
    }

    impl From<Rejected> for http::Response<Body> {
        fn from(rejected: Rejected) -> Self {
            rejected.into_response()
        }
    }
}

#[cfg(feature = "tonic")]
mod tonic {
    use tonic::{Status, body::Body, metadata::MetadataValue};

    use super::Rejected;

    /// `RESOURCE_EXHAUSTED`, with `grpc-retry-pushback-ms`, rounded up, which gRPC clients know.
    impl From<Rejected> for Status {
        fn from(rejected: Rejected) -> Self {
            let mut status = Self::resource_exhausted(rejected.to_string());
            let millis = rejected.retry_after.as_nanos().div_ceil(1_000_000);
            let millis = i32::try_from(millis).unwrap_or(i32::MAX);
            let metadata = status.metadata_mut();
            metadata.insert("grpc-retry-pushback-ms", MetadataValue::from(millis));
            status
        }
    }

    impl From<Rejected> for http::Response<Body> {
        fn from(rejected: Rejected) -> Self {
            Status::from(rejected).into_http()
        }
    }
}
