//! Nobody waits: the price of an acquire and a release as such.
//!
//! The loops have no `black_box` inside. No compiler removes the atomic
//! operations, and what a `black_box` stores has to drain before the next of
//! them, which would add a quarter to the floor and hide differences.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use super::{Runner, threads};
use crate::subject::{AsyncAcquire, OwnedAcquire, TryAcquire};

const PERMITS: usize = 64;
const FREE: &str = "there are more permits than threads";

/// One thread: try, drop.
pub fn try_1t<S: TryAcquire>() -> Runner {
    let semaphore = S::semaphore(PERMITS);
    Box::new(move |ops| {
        let start = Instant::now();
        try_and_drop::<S>(&semaphore, ops);
        start.elapsed()
    })
}

/// Two threads: try, drop, on the same semaphore.
pub fn try_2t<S: TryAcquire>() -> Runner {
    let semaphore = S::semaphore(PERMITS);
    Box::new(move |ops| threads::run(2, ops, |ops| try_and_drop::<S>(&semaphore, ops)))
}

fn try_and_drop<S: TryAcquire>(semaphore: &S::Semaphore, ops: u64) {
    let semaphore = black_box(semaphore);
    for _ in 0..ops {
        drop(S::try_acquire(semaphore).expect(FREE));
    }
}

/// One thread: await, drop.
pub fn async_1t<S: AsyncAcquire>() -> Runner {
    let semaphore = S::semaphore(PERMITS);
    Box::new(move |ops| {
        pollster::block_on(async {
            let semaphore = black_box(&semaphore);
            let start = Instant::now();
            for _ in 0..ops {
                drop(S::acquire(semaphore).await);
            }
            start.elapsed()
        })
    })
}

/// One thread: await a permit that holds its semaphore by `Arc`, drop.
pub fn owned_1t<S: OwnedAcquire>() -> Runner {
    let semaphore = Arc::new(S::semaphore(PERMITS));
    Box::new(move |ops| {
        pollster::block_on(async {
            let semaphore = black_box(&semaphore);
            let start = Instant::now();
            for _ in 0..ops {
                drop(S::acquire_owned(semaphore).await);
            }
            start.elapsed()
        })
    })
}
