//! What the facade `metrics` is told, by its own recorder for tests.

use std::{collections::HashMap, sync::Arc};

use dynaphore::Semaphore;
use dynaphore_metrics::{MetricsFacade, Registry};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio_test::{assert_pending, assert_ready, task::spawn};

/// By name and the last of the labels; of counters what has come since it was asked last.
fn values(snapshotter: &Snapshotter) -> HashMap<(String, String), DebugValue> {
    let snapshot = snapshotter.snapshot().into_vec().into_iter();
    snapshot
        .map(|(key, _, _, value)| {
            let key = key.key();
            let label = key.labels().last().unwrap().value().to_owned();
            ((key.name().to_owned(), label), value)
        })
        .collect()
}

#[test]
fn the_facade_is_told_sums_and_each_time_once() {
    let jobs = Arc::new(Semaphore::builder(2).stats(true).build());
    let registry = Arc::new(Registry::new());
    registry.add("jobs", jobs.clone()).unwrap();
    registry.add_rejections("jobs", || [("late", 3)]).unwrap();
    let mut facade = MetricsFacade::new(registry);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let mut emit = || {
        metrics::with_local_recorder(&recorder, || facade.emit());
        values(&snapshotter)
    };
    let get = |values: &HashMap<_, _>, name: &str, label: &str| match values
        .get(&(format!("dynaphore.permit.{name}"), label.to_owned()))
    {
        Some(DebugValue::Gauge(value)) => value.into_inner(),
        Some(DebugValue::Counter(value)) => *value as f64,
        Some(DebugValue::Histogram(times)) => times.len() as f64,
        None => 0.0,
    };

    let held = jobs.try_acquire_many(2).unwrap();
    let mut waiter = spawn(jobs.acquire());
    assert_pending!(waiter.poll());
    assert!(jobs.try_acquire().is_err());
    let first = emit();
    assert_eq!(get(&first, "count", "used"), 2.0);
    assert_eq!(get(&first, "max", "jobs"), 2.0);
    assert_eq!(get(&first, "pending_requests", "jobs"), 1.0);
    assert_eq!(get(&first, "requests", "acquired"), 1.0);
    assert_eq!(get(&first, "requests", "rejected"), 1.0);
    assert_eq!(get(&first, "rejections", "late"), 3.0);
    assert_eq!(get(&first, "wait_time", "jobs"), 0.0);
    assert_eq!(get(&first, "use_time", "jobs"), 0.0);

    drop(held);
    drop(assert_ready!(waiter.poll()));
    let second = emit();
    assert_eq!(get(&second, "count", "used"), 0.0);
    assert_eq!(get(&second, "requests", "acquired"), 1.0, "one more");
    assert_eq!(get(&second, "rejections", "late"), 0.0, "no more");
    assert_eq!(get(&second, "wait_time", "jobs"), 1.0, "it had to wait");
    assert_eq!(get(&second, "use_time", "jobs"), 2.0);
    assert_eq!(get(&emit(), "use_time", "jobs"), 0.0, "no more");
}

/// Ten are counted of one semaphore and five of another that has its name.
#[test]
fn another_source_by_the_same_name_is_counted_from_its_beginning() {
    let registry = Arc::new(Registry::new());
    let mut facade = MetricsFacade::new(registry.clone());
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    for (acquired, sum) in [(10, 10), (5, 5), (20, 20)] {
        let jobs = Arc::new(Semaphore::builder(1).stats(true).build());
        for _ in 0..acquired {
            drop(jobs.try_acquire().unwrap());
        }
        registry.add("jobs", jobs).unwrap();
        metrics::with_local_recorder(&recorder, || facade.emit());
        assert!(registry.remove("jobs"));
        let requests = (
            "dynaphore.permit.requests".to_owned(),
            "acquired".to_owned(),
        );
        let counted = values(&snapshotter).remove(&requests).unwrap();
        assert_eq!(counted, DebugValue::Counter(sum));
    }
}
