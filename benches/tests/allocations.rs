//! Allocations are counted for the whole process, so this has one to itself.

use std::hint::black_box;
use std::time::Duration;

use dynaphore_benches::measure::{self, Entry, Plan, Prepare};
use dynaphore_benches::workload::{self, Runner};
use dynaphore_benches::{alloc, keys};

/// Tests in one file run at the same time; hence a single one.
#[test]
fn counted() {
    exactly_what_is_allocated();
    set_up_does_not_count();
    nothing_where_nobody_waits();
    what_a_key_takes();
}

fn exactly_what_is_allocated() {
    assert_eq!(alloc::count(|| ()), 0);
    let boxes = || (0..10).for_each(|value| drop(black_box(Box::new(value))));
    assert_eq!(alloc::count(boxes), 10);

    let grown = || {
        let mut values = black_box(vec![0_u8; 100]);
        values.reserve_exact(10_000);
        black_box(&values);
    };
    assert_eq!(alloc::count(grown), 2);

    let elsewhere = || {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|value| drop(black_box(Box::new(value)))));
        })
    };
    assert!((1000..1100).contains(&alloc::count(elsewhere)));
}

fn set_up_does_not_count() {
    fn three_an_operation() -> Runner {
        Box::new(|ops| {
            (0..1000 + 3 * ops).for_each(|value| drop(black_box(Box::new(value))));
            Duration::from_nanos(ops)
        })
    }
    let entry: Prepare = Entry {
        subject: "three",
        run: three_an_operation,
    };
    assert_eq!(
        measure::compare(&[&entry], PLAN, None)[0].allocs_per_op,
        3.0
    );
}

fn nothing_where_nobody_waits() {
    for name in [
        "try_1t",
        "async_1t",
        "owned_1t",
        "try_2t",
        "resize_storm_2t",
    ] {
        let workload = workload::find(name).expect(name);
        let ours = &workload.entries[0];
        assert_eq!(ours.subject, "dynaphore");
        let outcome = measure::compare(&[ours], PLAN, None)[0];
        assert_eq!(outcome.allocs_per_op, 0.0, "{name}");
    }
}

fn what_a_key_takes() {
    let entries: Vec<_> = keys::ALL.iter().collect();
    for outcome in keys::measure(&entries, PLAN) {
        let name = outcome.subject;
        assert!(outcome.bytes_per_key() > 16.0, "{name}: {outcome:?}");
    }
}

const PLAN: Plan = Plan {
    rounds: 1,
    slice: Duration::from_micros(500),
    counts: 5,
    many: 3_000,
    trials: 1,
    ..Plan::QUICK
};
