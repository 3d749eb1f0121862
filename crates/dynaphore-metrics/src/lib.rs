//! Figures of [`dynaphore`]'s semaphores to scrape.
//!
//! A [`Registry`] knows semaphores, keyed ones and pools by name. It
//! [renders](Registry::render) them as text in the format of
//! [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/), which Prometheus
//! reads, or [tells](Registry::figures) them as values.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use dynaphore::{KeyedSemaphore, Semaphore};
//! use dynaphore_metrics::Registry;
//!
//! let jobs = Arc::new(Semaphore::builder(8).stats(true).build());
//! let tenants = Arc::new(KeyedSemaphore::<String>::new(2));
//!
//! let registry = Registry::new();
//! registry.add("jobs", jobs.clone())?;
//! registry.add_keyed("tenants", tenants, |tenant| {
//!     if tenant.starts_with("free-") { "free" } else { "paying" }
//! })?;
//!
//! let permit = jobs.try_acquire().unwrap();
//! let text = registry.render(); // as the answer to `GET /metrics`
//! assert!(text.contains("dynaphore_permit_count{name=\"jobs\",state=\"used\"} 1\n"));
//! # drop(permit);
//! # Ok::<(), dynaphore_metrics::NameTaken>(())
//! ```
//!
//! # What it tells
//!
//! Names, units and meanings follow OpenTelemetry's `db.client.connection.*`, with
//! `dynaphore.permit` for `db.client.connection`. In OpenMetrics dots become underscores, and
//! units and `_total` are part of the name. The attribute `name` is the one that is given to
//! the registry, `class` is that of a key.
//!
//! | name | type | attributes | what it is |
//! |---|---|---|---|
//! | `dynaphore.permit.count` | gauge | `state` | permits that are out (`used`), and those that are not (`idle`) |
//! | `dynaphore.permit.max` | gauge | | how many may be out |
//! | `dynaphore.permit.pending_requests` | gauge | | requests that wait |
//! | `dynaphore.permit.longest_wait` | gauge, seconds | | how long the one has waited that waits for longest now; 0 if nobody does |
//! | `dynaphore.permit.keys` | gauge | `class` | keys in use |
//! | `dynaphore.permit.requests` | counter | `outcome` | how requests have ended |
//! | `dynaphore.permit.timeouts` | counter | | those that ended at a deadline |
//! | `dynaphore.permit.rejections` | counter | `reason` | what a layer before the semaphore has turned away, where [it was added](Registry::add_rejections) |
//! | `dynaphore.permit.wait_time` | histogram, seconds | | how long requests waited that were served; 0 for those served at once |
//! | `dynaphore.permit.use_time` | histogram, seconds | | how long permits were held that are back: of permits that follow each other in microseconds [some stand for several](dynaphore::Interval::holds) |
//!
//! The longest wait, the counters and the histograms are there for semaphores that keep
//! [statistics](dynaphore::Builder::stats), and count from when these were made. Outcomes are
//! `acquired`, `rejected` (a call that only tried), `timed_out`, `cancelled`,
//! `too_many_waiters`, `overdue`, `would_time_out` and `closed`.
//!
//! # Features
//!
//! - `metrics`: `MetricsFacade` tells the facade of that name.
//! - `opentelemetry`: `OpenTelemetry` tells a meter of OpenTelemetry.
//!
//! A dashboard for Grafana over what Prometheus has scraped is in `grafana.json`.

#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
mod emit;
#[cfg(feature = "metrics")]
mod facade;
mod figures;
mod openmetrics;
#[cfg(feature = "opentelemetry")]
mod otel;
mod registry;
mod source;

#[cfg(feature = "metrics")]
pub use facade::MetricsFacade;
#[cfg(feature = "opentelemetry")]
pub use otel::OpenTelemetry;

pub use figures::{Figures, Permits, Requests};
pub use registry::{NameTaken, Registry};

const _: () = {
    const fn everywhere<T: Send + Sync>() {}

    everywhere::<Registry>();
    everywhere::<Figures>();
    everywhere::<Requests>();
};
