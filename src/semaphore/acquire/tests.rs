use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Wake,
    time::Duration,
};

use super::*;
use crate::Fairness;

#[cfg(all(feature = "stats", not(dynaphore_shuttle)))]
mod deadline;

fn eventual(max: usize, bound: Duration) -> Semaphore {
    Semaphore::builder(max)
        .fairness(Fairness::Eventual)
        .bound(bound)
        .build()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
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

/// More than one step of the lock's holder can wake.
#[test]
#[cfg(feature = "pool")]
fn who_is_put_back_and_fits_no_more_lets_the_others_pass() {
    let semaphore = Semaphore::new(12);
    let held = semaphore.try_acquire_many(12).unwrap();
    let mut first = waiting(&semaphore, 12);
    let mut others: Vec<_> = (0..11).map(|_| waiting(&semaphore, 1)).collect();
    let ticket = first.ticket();
    drop(held);
    let Poll::Ready(Ok((_, permits))) = first.poll(Waker::noop()) else {
        panic!("granted");
    };
    semaphore.set_max(11);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let back = first.put_back(&semaphore, permits, ticket, &waker);
    assert_eq!(back, Ok(()));
    let mut permits = vec![];
    for other in &mut others {
        let Poll::Ready(Ok((_, permit))) = other.poll(Waker::noop()) else {
            panic!("granted");
        };
        permits.push(permit);
    }
    assert_eq!((semaphore.active(), semaphore.waiting()), (11, 1));
    semaphore.set_max(12);
    for permit in permits {
        semaphore.release(permit);
    }
    assert_eq!(wakes.0.load(SeqCst), 1);
    assert!(first.poll(Waker::noop()).is_ready());
}

#[test]
#[cfg(feature = "pool")]
fn nobody_is_put_back_after_the_close() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut first = waiting(&semaphore, 1);
    let ticket = first.ticket();
    drop(held);
    let Poll::Ready(Ok((_, permit))) = first.poll(Waker::noop()) else {
        panic!("granted");
    };
    semaphore.close();
    let back = first.put_back(&semaphore, permit, ticket, Waker::noop());
    assert_eq!(back, Err(AcquireError::Closed));
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

/// Or each release would take the lock to find nobody.
#[test]
fn when_the_line_has_gone_and_nobody_competes_the_word_says_so() {
    let semaphore = eventual(2, Duration::MAX);
    let held = semaphore.try_acquire().unwrap();
    let heavy = waiting(&semaphore, 2);
    assert!(semaphore.word.load().is_queued());
    drop(held);
    assert!(!semaphore.word.load().is_queued());
    drop(heavy);
}

#[test]
fn where_nobody_waits_no_line_is_made() {
    let semaphore = Semaphore::new(3);
    drop(semaphore.try_acquire());
    semaphore.set_max(2);
    semaphore.add_permits(1);
    semaphore.forget_permits(1);
    semaphore.try_acquire().unwrap().forget();
    assert!(!semaphore.queue.is_used());
}
