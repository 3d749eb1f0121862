use std::time::Duration;

use super::*;
use crate::Fairness;

fn eventual(max: usize, bound: Duration) -> Semaphore {
    Semaphore::builder(max)
        .fairness(Fairness::Eventual)
        .bound(bound)
        .build()
}

fn waiting(semaphore: &Semaphore, need: u32) -> Attempt<&Semaphore> {
    let mut attempt = Attempt::new(semaphore, need);
    assert!(attempt.poll(Waker::noop()).is_pending());
    attempt
}

/// Or a blocked thread would poll without end beside a permit kept for another.
#[test]
fn a_free_permit_is_no_news_behind_an_overdue_waiter() {
    let semaphore = eventual(2, Duration::ZERO);
    let _held = semaphore.try_acquire().unwrap();
    let _heavy = waiting(&semaphore, 2);
    let light = waiting(&semaphore, 1);
    assert!(!light.may_be_ready());
}

#[test]
fn a_free_permit_is_news_where_waiters_compete() {
    let semaphore = eventual(2, Duration::MAX);
    let mut held = semaphore.try_acquire_many(2).unwrap();
    let light = waiting(&semaphore, 1);
    assert!(!light.may_be_ready());
    drop(held.split(1));
    assert!(light.may_be_ready());
}

#[test]
fn a_free_permit_is_news_for_one_that_is_not_woken_too() {
    let semaphore = eventual(1, Duration::MAX);
    let held = semaphore.try_acquire().unwrap();
    let (woken, other) = (waiting(&semaphore, 1), waiting(&semaphore, 1));
    drop(held);
    assert!(woken.may_be_ready() && other.may_be_ready());
    let _held = semaphore.try_acquire().unwrap();
    assert!(woken.may_be_ready(), "it has to come, and to wait again");
    assert!(!other.may_be_ready());
}
