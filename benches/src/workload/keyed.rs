//! A semaphore for each key.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::task::yield_now;

use super::handoff::{TASKS, multi_thread, run_tasks};
use super::{Runner, threads};
use crate::subject::Keyed;

/// More than there are threads.
const PERMITS: usize = 64;
const KEYS: u64 = 1024;
const FEW_KEYS: u64 = 4;

/// One thread: take a permit of one of 1,024 keys after the other, drop.
pub fn keyed_1t<S: Keyed>() -> Runner {
    let keyed = S::keyed(PERMITS, KEYS);
    Box::new(move |ops| {
        let start = Instant::now();
        take_and_drop::<S>(&keyed, ops, 0);
        start.elapsed()
    })
}

/// The same with two threads, each at another place in the round.
pub fn keyed_2t<S: Keyed>() -> Runner {
    let keyed = S::keyed(PERMITS, KEYS);
    let places = AtomicU64::new(0);
    Box::new(move |ops| {
        threads::run(2, ops, |ops| {
            let place = places.fetch_add(KEYS / 2 - 1, Relaxed);
            take_and_drop::<S>(&keyed, ops, place);
        })
    })
}

fn take_and_drop<S: Keyed>(keyed: &S::Keyed, ops: u64, first: u64) {
    let keyed = black_box(keyed);
    for place in first..first + ops {
        drop(S::try_acquire_key(keyed, place % KEYS));
    }
}

/// Two threads: take a permit of the same key, drop.
pub fn keyed_hot_2t<S: Keyed>() -> Runner {
    let keyed = S::keyed(PERMITS, 1);
    Box::new(move |ops| {
        threads::run(2, ops, |ops| {
            let keyed = black_box(&keyed);
            for _ in 0..ops {
                drop(S::try_acquire_key(keyed, black_box(0)));
            }
        })
    })
}

/// 64 tasks on two workers, 16 for each of 4 keys with 1 permit, one yield while
/// holding.
pub fn keyed_blocked<S: Keyed>() -> Runner {
    blocked::<S>(|index, _| index)
}

/// The same where each task goes on to the next key every time, so that now and
/// then a key is left by all.
pub fn keyed_rotating<S: Keyed>() -> Runner {
    blocked::<S>(|index, round| index + round)
}

fn blocked<S: Keyed>(place: fn(u64, u64) -> u64) -> Runner {
    let runtime = multi_thread();
    let keyed = Arc::new(S::keyed(1, FEW_KEYS));
    Box::new(move |ops| {
        run_tasks(&runtime, TASKS, ops, |index, rounds| {
            let keyed = Arc::clone(&keyed);
            async move {
                for round in 0..rounds {
                    let key = place(index as u64, round) % FEW_KEYS;
                    let permit = S::acquire_key(&keyed, key).await;
                    yield_now().await;
                    drop(permit);
                }
            }
        })
    })
}
