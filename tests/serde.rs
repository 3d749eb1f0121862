//! What is told about a semaphore, as text and as JSON.
#![cfg(feature = "serde")]

use dynaphore::{Fairness, Semaphore, Snapshot};

#[test]
fn a_snapshot_goes_there_and_back() {
    let semaphore = Semaphore::new(3);
    let _held = semaphore.try_acquire().unwrap();
    let text = serde_json::to_string(&semaphore.snapshot()).unwrap();
    assert_eq!(text, r#"{"max":3,"active":1,"waiting":0,"closed":false}"#);
    let back: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(back, semaphore.snapshot());
}

#[test]
fn a_fairness_is_read_by_its_name() {
    let fairness: Fairness = serde_json::from_str(r#""Eventual""#).unwrap();
    assert_eq!(fairness, Fairness::Eventual);
}

#[cfg(feature = "pool")]
#[test]
fn counts_go_there_and_back() {
    let pool = dynaphore::LeasePool::new();
    pool.set("a", 2);
    let text = serde_json::to_string(&pool.counts("a")).unwrap();
    assert_eq!(text, r#"{"target":2,"active":0}"#);
    let back: dynaphore::Counts = serde_json::from_str(&text).unwrap();
    assert_eq!(back, pool.counts("a"));
}

#[cfg(feature = "stats")]
#[test]
fn an_interval_says_what_was_counted() {
    let semaphore = Semaphore::builder(1).stats(true).build();
    let _held = semaphore.try_acquire();
    assert!(semaphore.try_acquire().is_err());
    let interval = semaphore.stats().blocking_take();
    assert_eq!(
        interval.to_string(),
        "1 acquired, 1 rejected, 0 timed out, 0 cancelled, 0 closed"
    );
    let json = serde_json::to_value(&interval).unwrap();
    assert_eq!(
        (&json["acquired"], &json["rejected"]),
        (&1.into(), &1.into())
    );
    assert_eq!(json["overdue"], 0);
    assert!(json["p99_wait_nanos"].is_null());
}
