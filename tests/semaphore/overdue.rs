//! Who waits for too long is told so, by every call. With a target of nothing that is
//! everybody who waits, so no clock decides. `src/semaphore/order/tests.rs` has the clock.

use std::{future::pending, sync::Arc, thread, time::Duration};

use crate::common::watchdog;
use dynaphore::{AcquireError, AcquireTimeoutError, Fairness, Order, Semaphore};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};

const NOTHING: Duration = Duration::ZERO;

fn impatient() -> Semaphore {
    Semaphore::builder(1).overdue(NOTHING, NOTHING).build()
}

#[test]
fn every_call_says_overdue() {
    watchdog(|| {
        let semaphore = Arc::new(impatient());
        let held = semaphore.try_acquire().unwrap();
        let told = assert_ready_err!(spawn(semaphore.acquire()).poll());
        assert_eq!(told, AcquireError::Overdue);
        let told = assert_ready_err!(spawn(semaphore.clone().acquire_many_owned(1)).poll());
        assert_eq!(told, AcquireError::Overdue);
        let told = assert_ready_err!(spawn(semaphore.acquire_until(pending::<()>())).poll());
        assert_eq!(told, AcquireTimeoutError::Overdue);
        assert_eq!(
            semaphore.blocking_acquire().unwrap_err(),
            AcquireError::Overdue
        );
        let late = semaphore.blocking_acquire_timeout(Duration::MAX);
        assert_eq!(late.unwrap_err(), AcquireTimeoutError::Overdue);
        let late = semaphore.blocking_acquire_up_to(3).unwrap_err();
        assert_eq!(late.to_string(), "waited too long for permits");
        assert_eq!(semaphore.waiting(), 0);
        drop(held);
        assert!(semaphore.blocking_acquire().is_ok(), "it does not wait");
    });
}

#[test]
fn who_is_not_in_line_is_not_overdue() {
    for fairness in [Fairness::Eventual, Fairness::Barging] {
        let builder = Semaphore::builder(2).fairness(fairness);
        let semaphore = builder.order(Order::Lifo).overdue(NOTHING, NOTHING).build();
        let held = semaphore.try_acquire_many(2).unwrap();
        let mut light = spawn(semaphore.acquire());
        let mut heavy = [
            spawn(semaphore.acquire_many(2)),
            spawn(semaphore.acquire_many(2)),
        ];
        assert_pending!(light.poll());
        let [first, last] = &mut heavy;
        assert_pending!(first.poll());
        assert_pending!(last.poll());
        drop(light);
        drop(held);
        let _first = assert_ready_ok!(first.poll());
        assert_pending!(last.poll());
    }
}

/// Newest first, oldest told: threads and tasks at once, and nobody is left behind.
#[test]
fn in_any_order_all_are_served_or_told() {
    for (order, target) in [
        (Order::Lifo, Duration::MAX),
        (Order::AdaptiveLifo, Duration::MAX),
        (Order::AdaptiveLifo, Duration::from_micros(50)),
        (Order::Fifo, Duration::from_micros(50)),
    ] {
        watchdog(move || {
            let semaphore = Semaphore::builder(2)
                .order(order)
                .overdue(target, Duration::from_micros(100))
                .build();
            thread::scope(|scope| {
                for need in [1, 1, 2, 1, 2, 1] {
                    let semaphore = &semaphore;
                    scope.spawn(move || {
                        for _ in 0..300 {
                            match semaphore.blocking_acquire_many(need) {
                                Ok(permit) => assert_eq!(permit.num_permits(), need as usize),
                                Err(error) => assert_eq!(error, AcquireError::Overdue),
                            }
                        }
                    });
                }
            });
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            assert!(semaphore.try_acquire_many(2).is_ok());
        });
    }
}
