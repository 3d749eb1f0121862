//! What OpenTelemetry is told, by its own exporter for tests.

use std::{collections::BTreeMap, sync::Arc};

use dynaphore::{KeyedSemaphore, Semaphore};
use dynaphore_metrics::{OpenTelemetry, Registry};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};
use tokio_test::{assert_pending, assert_ready, task::spawn};

#[test]
fn a_meter_is_told_sums_and_each_time_once() {
    let jobs = Arc::new(Semaphore::builder(2).stats(true).build());
    let registry = Arc::new(Registry::new());
    registry.add("jobs", jobs.clone()).unwrap();
    registry.add_rejections("jobs", || [("late", 3)]).unwrap();
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let mut to = OpenTelemetry::new(registry, provider.meter("dynaphore"));

    let held = jobs.try_acquire_many(2).unwrap();
    let mut waiter = spawn(jobs.acquire());
    assert_pending!(waiter.poll());
    assert!(jobs.try_acquire().is_err());
    to.emit();
    drop(held);
    drop(assert_ready!(waiter.poll()));
    to.emit();
    to.emit();
    provider.force_flush().unwrap();

    // By name, unit and the attribute that is not the name; of histograms the count.
    let mut values = BTreeMap::new();
    for export in exporter.get_finished_metrics().unwrap() {
        for metric in export.scope_metrics().flat_map(|scope| scope.metrics()) {
            let name = format!("{} in {}", metric.name(), metric.unit());
            let mut add = |attributes: Vec<&opentelemetry::KeyValue>, value: f64| {
                let other = attributes.iter().find(|pair| pair.key.as_str() != "name");
                let other = other.map_or(String::new(), |pair| pair.value.to_string());
                values.insert((name.clone(), other), value);
            };
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
                    .data_points()
                    .for_each(|point| add(point.attributes().collect(), point.value())),
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .for_each(|point| add(point.attributes().collect(), point.value() as f64)),
                AggregatedMetrics::F64(MetricData::Histogram(times)) => times
                    .data_points()
                    .for_each(|point| add(point.attributes().collect(), point.count() as f64)),
                other => panic!("{other:?}"),
            }
        }
    }
    let get = |name: &str, other: &str| {
        let key = (format!("dynaphore.permit.{name}"), other.to_owned());
        values.get(&key).copied()
    };
    assert_eq!(get("count in {permit}", "used"), Some(0.0));
    assert_eq!(get("count in {permit}", "idle"), Some(2.0));
    assert_eq!(get("max in {permit}", ""), Some(2.0));
    assert_eq!(get("pending_requests in {request}", ""), Some(0.0));
    assert_eq!(get("requests in {request}", "acquired"), Some(2.0));
    assert_eq!(get("requests in {request}", "rejected"), Some(1.0));
    assert_eq!(get("rejections in {request}", "late"), Some(3.0));
    assert_eq!(get("timeouts in {timeout}", ""), Some(0.0));
    assert_eq!(get("wait_time in s", ""), Some(1.0), "who had to wait");
    assert_eq!(get("use_time in s", ""), Some(2.0));
}

/// A meter goes on telling the last value of a gauge.
#[test]
fn what_has_gone_is_zero() {
    let keyed = Arc::new(KeyedSemaphore::<u32>::new(2));
    let registry = Arc::new(Registry::new());
    registry.add_keyed("t", keyed.clone(), |_| "all").unwrap();
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let mut to = OpenTelemetry::new(registry, provider.meter("dynaphore"));
    let held = keyed.try_acquire(&1).unwrap();
    to.emit();
    drop(held);
    to.emit();
    provider.force_flush().unwrap();
    let mut told = 0;
    for export in exporter.get_finished_metrics().unwrap() {
        for metric in export.scope_metrics().flat_map(|scope| scope.metrics()) {
            let AggregatedMetrics::F64(MetricData::Gauge(gauge)) = metric.data() else {
                panic!("{:?}", metric.data());
            };
            for point in gauge.data_points() {
                assert_eq!(point.value(), 0.0, "{}: {:?}", metric.name(), point);
                told += 1;
            }
        }
    }
    assert_eq!(told, 5, "used, idle, max, pending and keys");
}
