//! Reading and resetting as one while traffic goes on.

mod common;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI8, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
    thread,
};

use common::{Start, silently, watchdog};
use dynaphore::generation::{Swap, Take};

#[test]
fn every_write_is_in_one_interval_and_whole() {
    const EACH: u64 = 20_000;
    watchdog(|| {
        // What is written is equal in both, in each interval.
        let counters: Swap<[AtomicU64; 2]> = Swap::default();
        let start = Start::of(4);
        let done = AtomicU64::new(0);
        let mut total = 0;
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..EACH {
                        let pair = counters.write();
                        pair[0].fetch_add(1, Relaxed);
                        pair[1].fetch_add(1, Relaxed);
                    }
                    done.fetch_add(1, Relaxed);
                });
            }
            start.wait();
            while done.load(Relaxed) < 3 {
                let [one, other] = counters.blocking_take();
                assert_eq!(one, other);
                total += one;
            }
        });
        total += counters.blocking_take()[0];
        assert_eq!(total, 3 * EACH);
        assert_eq!(counters.blocking_take(), [0, 0]);
    });
}

#[test]
fn takers_on_many_threads_and_as_futures() {
    const EACH: u64 = 2_000;
    watchdog(|| {
        let counter: Swap<AtomicU64> = Swap::default();
        let taken = AtomicU64::new(0);
        thread::scope(|scope| {
            for taker in 0..3 {
                let (counter, taken) = (&counter, &taken);
                scope.spawn(move || {
                    for _ in 0..EACH {
                        counter.write().fetch_add(1, Relaxed);
                        let interval = if taker == 0 {
                            futures::executor::block_on(counter.take())
                        } else {
                            counter.blocking_take()
                        };
                        taken.fetch_add(interval, Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner() + counter.blocking_take(), 3 * EACH);
    });
}

#[test]
fn a_cancelled_take_has_drawn_the_line() {
    watchdog(|| {
        let counter: Swap<AtomicU64> = Swap::default();
        let writer = counter.write();
        writer.fetch_add(1, Relaxed);
        {
            let mut take = pin!(counter.take());
            let mut context = Context::from_waker(Waker::noop());
            assert!(take.as_mut().poll(&mut context).is_pending());
        }
        counter.write().fetch_add(10, Relaxed);
        // Still writes to the old one.
        writer.fetch_add(1, Relaxed);
        drop(writer);
        assert_eq!(counter.blocking_take(), 2);
        counter.write().fetch_add(100, Relaxed);
        assert_eq!(counter.blocking_take(), 110);
        assert_eq!(counter.blocking_take(), 0);
    });
}

#[test]
fn a_take_that_is_never_polled_does_nothing() {
    let counter: Swap<AtomicU64> = Swap::default();
    counter.write().fetch_add(1, Relaxed);
    drop(counter.take());
    counter.write().fetch_add(1, Relaxed);
    assert_eq!(counter.blocking_take(), 2);
}

#[test]
fn a_reader_that_panics_leaves_the_copy_to_the_next() {
    let counter: Swap<AtomicU64> = Swap::default();
    counter.write().fetch_add(1, Relaxed);
    let panicked = silently(|| {
        counter.blocking_take_with(|_| panic!("reader"));
    });
    assert!(panicked.is_err());
    counter.write().fetch_add(10, Relaxed);
    assert_eq!(counter.blocking_take(), 1);
    assert_eq!(counter.blocking_take(), 10);
}

#[test]
fn what_can_be_taken() {
    let all = (
        [AtomicI8::new(-1), AtomicI8::new(2)],
        vec![AtomicBool::new(true), AtomicBool::new(false)],
        Mutex::new("text".to_owned()),
        vec![AtomicU64::new(3)].into_boxed_slice(),
    );
    let expected = ([-1, 2], vec![true, false], "text".to_owned(), vec![3]);
    assert_eq!(all.take(), expected);
    let nothing = ([0, 0], vec![false, false], String::new(), vec![0]);
    assert_eq!(all.take(), nothing);
}

#[test]
fn a_static_one() {
    static HITS: Swap<AtomicU64> = Swap::new([const { AtomicU64::new(0) }; 2]);
    HITS.write().fetch_add(1, Relaxed);
    assert_eq!(HITS.blocking_take(), 1);
    assert_eq!(format!("{HITS:?}"), "Swap { takes: 1, .. }");
}

#[test]
fn a_take_that_would_wait_leaves_the_interval_to_the_next() {
    let counter = Swap::<AtomicU64>::default();
    let writer = counter.write();
    writer.fetch_add(1, Relaxed);
    assert_eq!(counter.try_take(), None);
    counter.write().fetch_add(10, Relaxed);
    assert_eq!(counter.try_take(), None, "it still waits for the first");
    drop(writer);
    assert_eq!(counter.try_take(), Some(1));
    assert_eq!(counter.try_take(), Some(10));
    assert_eq!(counter.try_take(), Some(0));
}
