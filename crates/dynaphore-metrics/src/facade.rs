//! To whatever the program records with, by the facade `metrics`.

use std::sync::Arc;

use crate::{
    Registry,
    emit::{Attributes, Emitter, Instruments},
};

/// Tells the facade [`metrics`] what a registry knows.
///
/// Whoever has it calls [`emit`](Self::emit) now and then, such as every ten seconds. There is
/// to be one for a registry, or each time is recorded twice.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_metrics::{MetricsFacade, Registry};
///
/// let registry = Arc::new(Registry::new());
/// registry.add("jobs", Arc::new(Semaphore::builder(8).stats(true).build()))?;
/// let mut facade = MetricsFacade::new(registry);
/// facade.emit(); // every ten seconds
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
#[derive(Debug)]
pub struct MetricsFacade(Emitter);

impl MetricsFacade {
    /// One for `registry`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore_metrics::{MetricsFacade, Registry};
    ///
    /// let facade = MetricsFacade::new(Arc::new(Registry::new()));
    /// # let _ = facade;
    /// ```
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self(Emitter::new(registry))
    }

    /// Sets gauges and counters, and records the times that have come since the last call, by
    /// the recorder that the program has installed. A time is told as the upper bound of its
    /// bucket, at most one part in 64 too large.
    ///
    /// Recorders take each time by itself, and many keep it until they are asked. So
    /// `wait_time` is of those only that had to wait, unlike in the text format.
    ///
    /// # Panics
    ///
    /// As [`Registry::figures`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore_metrics::{MetricsFacade, Registry};
    ///
    /// MetricsFacade::new(Arc::new(Registry::new())).emit();
    /// ```
    pub fn emit(&mut self) {
        self.0.emit(&mut Facade);
    }
}

struct Facade;

impl Instruments for Facade {
    fn gauge(&mut self, name: &'static str, attributes: Attributes, value: f64) {
        metrics::gauge!(name, &attributes).set(value);
    }

    fn counter(&mut self, name: &'static str, attributes: Attributes, more: u64) {
        metrics::counter!(name, &attributes).increment(more);
    }

    fn times(&mut self, name: &'static str, attributes: &Attributes, seconds: f64, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        metrics::histogram!(name, attributes).record_many(seconds, count);
    }
}
