//! Permits that know their generation, and resizes that tell when older ones
//! are gone.

use std::{sync::Arc, thread};

use dynaphore::{Fairness, OwnedSemaphorePermit, Semaphore};
use tokio_test::{assert_pending, assert_ready, task::spawn};

fn semaphore(max: usize) -> Semaphore {
    Semaphore::builder(max).generations(true).build()
}

#[test]
fn a_resize_is_drained_when_the_last_older_permit_is_back() {
    let semaphore = semaphore(4);
    let (one, two) = (semaphore.try_acquire(), semaphore.try_acquire());
    let resize = semaphore.resize(4);
    let mut drained = spawn(resize.drained());
    assert_pending!(drained.poll());
    drop(one);
    assert!(!resize.is_drained());
    drop(two);
    assert!(drained.is_woken());
    assert_ready!(drained.poll());
    assert!(resize.is_drained());
}

#[test]
fn newer_permits_do_not_hold_a_resize_up() {
    let semaphore = semaphore(4);
    let old = semaphore.try_acquire();
    let resize = semaphore.resize(4);
    let _new = semaphore.try_acquire();
    drop(old);
    resize.blocking_drained();
}

#[test]
fn a_resize_says_what_it_replaced_and_sets_max() {
    let semaphore = semaphore(2);
    let resize = semaphore.resize(7);
    assert_eq!((resize.previous, resize.generation), (2, 1));
    assert_eq!(
        (semaphore.max(), semaphore.generation()),
        (7, Some(resize.generation))
    );
}

#[test]
fn every_way_to_acquire_marks_the_permit() {
    futures::executor::block_on(async {
        let semaphore = Arc::new(semaphore(100));
        let _ = semaphore.resize(100);
        let s = &semaphore;
        let borrowed = [
            s.try_acquire().unwrap().generation(),
            s.try_acquire_many(2).unwrap().generation(),
            s.acquire().await.unwrap().generation(),
            s.acquire_many(2).await.unwrap().generation(),
            s.blocking_acquire().unwrap().generation(),
            s.blocking_acquire_many(2).unwrap().generation(),
            s.clone().try_acquire_owned().unwrap().generation(),
            s.clone().acquire_owned().await.unwrap().generation(),
            s.clone().blocking_acquire_owned().unwrap().generation(),
        ];
        assert_eq!(borrowed, [Some(1); 9]);
        assert!(semaphore.resize(1).is_drained());
    });
}

#[test]
fn a_waiter_belongs_to_the_generation_in_which_it_gets_its_permit() {
    for fairness in [Fairness::Fifo, Fairness::Eventual, Fairness::Barging] {
        let builder = Semaphore::builder(1).generations(true).fairness(fairness);
        let semaphore = builder.build();
        let old = semaphore.try_acquire();
        let mut waiter = spawn(semaphore.acquire());
        assert_pending!(waiter.poll());
        let resize = semaphore.resize(1);
        drop(old);
        let new = assert_ready!(waiter.poll()).unwrap();
        assert_eq!(new.generation(), Some(resize.generation));
        assert!(resize.is_drained());
    }
}

#[test]
fn split_permits_keep_the_generation_alive() {
    let semaphore = semaphore(4);
    let mut all = semaphore.try_acquire_many(4).unwrap();
    let resize = semaphore.resize(4);
    let part = all.split(1).unwrap();
    assert_eq!(part.generation(), Some(0));
    drop(all);
    assert!(!resize.is_drained());
    drop(part);
    assert!(resize.is_drained());
}

#[test]
fn merged_permits_are_as_old_as_the_oldest() {
    let semaphore = semaphore(4);
    for old_first in [true, false] {
        let old = semaphore.try_acquire().unwrap();
        let resize = semaphore.resize(4);
        let new = semaphore.try_acquire().unwrap();
        let (mut all, other) = if old_first { (old, new) } else { (new, old) };
        all.merge(other);
        assert_eq!(all.generation(), Some(resize.generation - 1));
        assert_eq!(all.num_permits(), 2);
        assert!(!resize.is_drained());
        drop(all);
        assert!(resize.is_drained());
        let next = semaphore.resize(4);
        assert!(next.is_drained(), "the newer token went back as well");
    }
}

#[test]
fn a_forgotten_permit_is_not_alive() {
    let semaphore = semaphore(4);
    let permit = semaphore.try_acquire().unwrap();
    let resize = semaphore.resize(4);
    permit.forget();
    assert!(resize.is_drained());
    assert_eq!((semaphore.max(), semaphore.active()), (3, 0));
}

#[test]
fn no_permits_keep_a_generation_alive_too() {
    let semaphore = semaphore(4);
    let none = semaphore.try_acquire_many(0).unwrap();
    let resize = semaphore.resize(4);
    assert!(!resize.is_drained());
    drop(none);
    assert!(resize.is_drained());
}

#[test]
fn a_refused_or_cancelled_request_leaves_nothing_behind() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire();
    assert!(semaphore.try_acquire().is_err());
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    let mut granted = spawn(semaphore.acquire());
    assert_pending!(granted.poll());
    drop(waiter);
    drop(held);
    drop(granted);
    assert!(semaphore.resize(1).is_drained());
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn a_waker_that_panics_does_not_keep_a_generation_alive() {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        task::{Context, Wake, Waker},
    };
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("boom");
        }
    }
    let semaphore = semaphore(1);
    let old = semaphore.try_acquire().unwrap();
    let mut waiter = std::pin::pin!(semaphore.acquire());
    let waker = Waker::from(Arc::new(Bomb));
    let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let resize = semaphore.resize(1);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(old))).is_err());
    assert!(resize.is_drained());
}

#[test]
fn many_resizes_while_one_permit_is_out_are_told_apart() {
    let semaphore = semaphore(4);
    let oldest = semaphore.try_acquire().unwrap();
    for generation in 1..=1_000 {
        let resize = semaphore.resize(4);
        assert_eq!(resize.generation, generation);
        let permit = semaphore.try_acquire().unwrap();
        assert_eq!(permit.generation(), Some(generation));
        assert_eq!(oldest.generation(), Some(0));
        assert!(!resize.is_drained());
    }
    drop(oldest);
    assert!(semaphore.resize(4).is_drained());
}

#[test]
fn without_generations_permits_have_none() {
    let semaphore = Semaphore::new(1);
    assert_eq!(semaphore.generation(), None);
    assert_eq!(semaphore.try_acquire().unwrap().generation(), None);
}

#[test]
#[should_panic = "`resize` needs a semaphore that was built with `generations(true)`"]
fn without_generations_resize_panics() {
    let _ = Semaphore::new(1).resize(2);
}

#[test]
fn a_resize_with_a_bad_max_changes_nothing() {
    let semaphore = semaphore(3);
    let bad = std::panic::catch_unwind(|| drop(semaphore.resize(Semaphore::MAX_PERMITS + 1)));
    assert!(bad.is_err());
    assert_eq!((semaphore.max(), semaphore.generation()), (3, Some(0)));
}

/// Holders on several threads, each of which must have seen the value that was
/// current when its permit was handed out; permits given back elsewhere.
#[test]
fn no_older_permit_is_alive_after_drained() {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    const ROUNDS: u64 = 300;
    let semaphore = Arc::new(semaphore(3));
    // Permits of each generation that are alive.
    let alive: Arc<Vec<AtomicU64>> = Arc::new((0..=ROUNDS).map(|_| AtomicU64::new(0)).collect());
    let (sender, receiver) = std::sync::mpsc::channel::<OwnedSemaphorePermit>();
    let giver = {
        let alive = alive.clone();
        thread::spawn(move || {
            for permit in receiver {
                alive[permit.generation().unwrap() as usize].fetch_sub(1, Relaxed);
                drop(permit);
            }
        })
    };
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (semaphore, alive, sender) = (semaphore.clone(), alive.clone(), sender.clone());
            thread::spawn(move || {
                while let Ok(permit) = semaphore.clone().blocking_acquire_owned() {
                    alive[permit.generation().unwrap() as usize].fetch_add(1, Relaxed);
                    sender.send(permit).unwrap();
                }
            })
        })
        .collect();
    for round in 0..ROUNDS {
        let resize = semaphore.resize(1 + round as usize % 3);
        resize.blocking_drained();
        let of_old = &alive[..resize.generation as usize];
        assert!(of_old.iter().all(|alive| alive.load(Relaxed) == 0));
    }
    semaphore.close();
    drop(sender);
    for worker in workers {
        worker.join().unwrap();
    }
    giver.join().unwrap();
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn a_permit_that_looks_younger_than_it_is_still_counts_as_the_older_when_merged() {
    let semaphore = Semaphore::builder(2).generations(true).build();
    let mut old = semaphore.try_acquire().unwrap();
    let first = semaphore.resize(2);
    // As many as a permit can tell apart.
    for _ in 1..1 << 20 {
        let _ = semaphore.resize(2);
    }
    let mut new = semaphore.try_acquire().unwrap();
    assert!(!first.is_drained());
    for _ in 0..5 {
        let _ = semaphore.resize(2);
    }
    // `old` looks five generations old, which is what `new` is.
    new.merge(old.split(1).unwrap());
    drop(old);
    assert!(!first.is_drained());
    drop(new);
    assert!(first.is_drained());
}

#[test]
fn a_generation_that_has_drained_stays_so_for_its_future() {
    let tracker = dynaphore::generation::Tracker::new();
    let token = tracker.acquire();
    let mut drained = std::pin::pin!(std::future::IntoFuture::into_future(tracker.increment()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(drained.as_mut(), &mut cx).is_pending());
    drop(token);
    let _newer = tracker.acquire();
    for _ in 0..3 {
        let _ = tracker.increment();
        assert!(std::future::Future::poll(drained.as_mut(), &mut cx).is_ready());
    }
}
