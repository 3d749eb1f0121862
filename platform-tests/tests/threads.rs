//! The crate without std on real threads, which it knows nothing of: its lock spins.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use common::watchdog;
use dynaphore::{Fairness, Semaphore, generation::Tracker};
use pollster::block_on;

/// Threads that take and give back, while max goes up and down.
fn take_turns(fairness: Fairness, weights: [u32; 4]) {
    const ROUNDS: usize = 2_000;
    const MAX: usize = 3;

    let semaphore = Semaphore::builder(MAX).fairness(fairness).build();
    let inside = AtomicUsize::new(0);
    let begin = Barrier::new(weights.len() + 1);
    thread::scope(|scope| {
        for need in weights {
            scope.spawn({
                let (semaphore, inside, begin) = (&semaphore, &inside, &begin);
                move || {
                    begin.wait();
                    for _ in 0..ROUNDS {
                        let permit = block_on(semaphore.acquire_many(need)).unwrap();
                        let need = need as usize;
                        assert!(inside.fetch_add(need, SeqCst) + need <= MAX);
                        thread::yield_now();
                        inside.fetch_sub(need, SeqCst);
                        drop(permit);
                    }
                }
            });
        }
        begin.wait();
        for round in 0..ROUNDS {
            semaphore.set_max(round % (MAX + 1));
            block_on(semaphore.settled());
        }
        semaphore.set_max(MAX);
    });
    assert_eq!(semaphore.snapshot().to_string(), "0 of 3 out, 0 waiting");
}

#[test]
fn in_line() {
    watchdog(|| take_turns(Fairness::Fifo, [1; 4]));
}

#[test]
fn in_line_with_weights() {
    watchdog(|| take_turns(Fairness::Fifo, [1, 2, 3, 1]));
}

#[test]
fn competing() {
    watchdog(|| take_turns(Fairness::Barging, [1; 4]));
}

#[test]
fn competing_for_a_time() {
    watchdog(|| take_turns(Fairness::Eventual, [1; 4]));
}

#[test]
fn competing_beside_a_line() {
    watchdog(|| take_turns(Fairness::Eventual, [1, 2, 1, 1]));
}

/// Whoever replaces a number waits until nobody uses the old one.
#[test]
fn generations() {
    watchdog(|| {
        const ROUNDS: usize = 2_000;

        let tracker = Tracker::new();
        // Odd while it must not be used.
        let numbers = [AtomicUsize::new(0), AtomicUsize::new(1)];
        let current = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while done.load(SeqCst) == 0 {
                        let _token = tracker.acquire();
                        let number = &numbers[current.load(SeqCst)];
                        assert!(number.load(SeqCst) % 2 == 0);
                        thread::yield_now();
                        assert!(number.load(SeqCst) % 2 == 0);
                    }
                });
            }
            for _ in 0..ROUNDS {
                let old = current.load(SeqCst);
                numbers[1 - old].fetch_add(1, SeqCst);
                current.store(1 - old, SeqCst);
                block_on(tracker.increment().into_future());
                numbers[old].fetch_add(1, SeqCst);
            }
            done.store(1, SeqCst);
        });
    });
}
