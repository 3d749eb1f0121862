//! To OpenTelemetry.

use std::{collections::HashMap, fmt, sync::Arc};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter},
};

use crate::{
    Registry,
    emit::{Attributes, Emitter, Instruments},
};

/// Tells a meter of [OpenTelemetry](opentelemetry) what a registry knows.
///
/// Whoever has it calls [`emit`](Self::emit) now and then, at least as often as the meter's
/// provider exports. There is to be one for a registry, or each time is recorded twice.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_metrics::{OpenTelemetry, Registry};
///
/// let registry = Arc::new(Registry::new());
/// registry.add("jobs", Arc::new(Semaphore::builder(8).stats(true).build()))?;
/// let meter = opentelemetry::global::meter("dynaphore");
/// let mut to = OpenTelemetry::new(registry, meter);
/// to.emit(); // every ten seconds
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
pub struct OpenTelemetry {
    emitter: Emitter,
    meter: Instrumented,
}

impl OpenTelemetry {
    /// One from `registry` to `meter`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore_metrics::{OpenTelemetry, Registry};
    ///
    /// let meter = opentelemetry::global::meter("dynaphore");
    /// let to = OpenTelemetry::new(Arc::new(Registry::new()), meter);
    /// # let _ = to;
    /// ```
    #[must_use]
    pub fn new(registry: Arc<Registry>, meter: Meter) -> Self {
        Self {
            emitter: Emitter::new(registry),
            meter: Instrumented {
                meter,
                gauges: HashMap::new(),
                counters: HashMap::new(),
                histograms: HashMap::new(),
            },
        }
    }

    /// Sets gauges, and adds to counters and histograms what has come since the last call. A
    /// time is told as the upper bound of its bucket, at most one part in 64 too large.
    ///
    /// OpenTelemetry takes each time by itself, some tens of nanoseconds for each. So
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
    /// use dynaphore_metrics::{OpenTelemetry, Registry};
    ///
    /// let meter = opentelemetry::global::meter("dynaphore");
    /// OpenTelemetry::new(Arc::new(Registry::new()), meter).emit();
    /// ```
    pub fn emit(&mut self) {
        self.emitter.emit(&mut self.meter);
    }
}

impl fmt::Debug for OpenTelemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTelemetry")
            .field("emitter", &self.emitter)
            .finish_non_exhaustive()
    }
}

/// A meter, and what it has made so far.
struct Instrumented {
    meter: Meter,
    gauges: HashMap<&'static str, Gauge<f64>>,
    counters: HashMap<&'static str, Counter<u64>>,
    histograms: HashMap<&'static str, Histogram<f64>>,
}

fn pairs(attributes: &Attributes) -> Vec<KeyValue> {
    let pair = |(name, value): &(&'static str, String)| KeyValue::new(*name, value.clone());
    attributes.iter().map(pair).collect()
}

/// The unit of a gauge or a counter, as `db.client.connection.*` has it.
fn unit(name: &str) -> &'static str {
    match name {
        "dynaphore.permit.count" | "dynaphore.permit.max" => "{permit}",
        "dynaphore.permit.longest_wait" => "s",
        "dynaphore.permit.keys" => "{key}",
        "dynaphore.permit.timeouts" => "{timeout}",
        _ => "{request}",
    }
}

impl Instruments for Instrumented {
    fn gauge(&mut self, name: &'static str, attributes: Attributes, value: f64) {
        let make = || self.meter.f64_gauge(name).with_unit(unit(name)).build();
        let gauge = self.gauges.entry(name).or_insert_with(make);
        gauge.record(value, &pairs(&attributes));
    }

    fn counter(&mut self, name: &'static str, attributes: Attributes, more: u64) {
        let make = || self.meter.u64_counter(name).with_unit(unit(name)).build();
        let counter = self.counters.entry(name).or_insert_with(make);
        counter.add(more, &pairs(&attributes));
    }

    fn times(&mut self, name: &'static str, attributes: &Attributes, seconds: f64, count: u64) {
        let make = || self.meter.f64_histogram(name).with_unit("s").build();
        let histogram = self.histograms.entry(name).or_insert_with(make);
        let pairs = pairs(attributes);
        (0..count).for_each(|_| histogram.record(seconds, &pairs));
    }
}
