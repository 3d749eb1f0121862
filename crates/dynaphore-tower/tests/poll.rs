//! `PollSemaphore`.

use std::sync::Arc;

use dynaphore::Semaphore;
use dynaphore_tower::PollSemaphore;
use futures::future::poll_fn;
use tokio_test::{assert_pending, assert_ready, task::spawn};

fn poll_semaphore(max: usize) -> (Arc<Semaphore>, PollSemaphore) {
    let semaphore = Arc::new(Semaphore::new(max));
    (semaphore.clone(), PollSemaphore::new(semaphore))
}

#[test]
fn it_waits_in_line_and_is_woken() {
    let (s, mut p) = poll_semaphore(1);
    let held = s.try_acquire().unwrap();
    for _ in 0..3 {
        let mut waits = spawn(poll_fn(|cx| p.poll_acquire(cx)));
        assert_pending!(waits.poll());
        assert_eq!(s.waiting(), 1);
    }
    let mut waits = spawn(poll_fn(|cx| p.poll_acquire(cx)));
    assert_pending!(waits.poll());
    drop(held);
    assert!(waits.is_woken());
    let permit = assert_ready!(waits.poll()).unwrap();
    assert_eq!((permit.num_permits(), s.active()), (1, 1));
}

#[test]
fn another_number_of_permits_is_another_place() {
    let (s, mut p) = poll_semaphore(3);
    let held = s.try_acquire_many(3).unwrap();
    assert_pending!(spawn(poll_fn(|cx| p.poll_acquire_many(cx, 3))).poll());
    assert_pending!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll());
    assert_eq!(s.waiting(), 1);
    drop(held);
    let permit = assert_ready!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll()).unwrap();
    assert_eq!(permit.num_permits(), 1);
}

#[test]
fn a_number_that_is_too_large_panics_and_the_place_is_kept() {
    let (s, mut p) = poll_semaphore(1);
    let _held = s.try_acquire().unwrap();
    assert_pending!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll());
    let too_many = Semaphore::MAX_PERMITS as u32 + 1;
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(spawn(poll_fn(|cx| p.poll_acquire_many(cx, too_many))).poll());
    }));
    assert!(polled.is_err());
    assert_eq!(s.waiting(), 1);
}

#[test]
fn dropping_it_gives_up_its_place_and_a_clone_has_none() {
    let (s, mut p) = poll_semaphore(0);
    assert_pending!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll());
    let clone = p.clone();
    assert_eq!(s.waiting(), 1);
    drop(p);
    assert_eq!(s.waiting(), 0);
    clone.add_permits(2);
    assert_eq!(clone.available_permits(), 2);
    assert!(Arc::ptr_eq(&clone.clone_inner(), &s));
}

#[test]
fn closing_is_told() {
    let (s, mut p) = poll_semaphore(0);
    assert_pending!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll());
    p.close();
    assert!(assert_ready!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll()).is_none());
    assert!(assert_ready!(spawn(poll_fn(|cx| p.poll_acquire(cx))).poll()).is_none());
    assert!(Arc::ptr_eq(&p.into_inner(), &s));
}
