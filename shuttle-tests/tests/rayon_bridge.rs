//! Throttled iterators whose items come one by one from a source that blocks, on a
//! thread pool whose threads are shuttle's (see `rayon.rs`).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use dynaphore::{Semaphore, throttle::ThrottleExt};
use dynaphore_shuttle_tests::{below, explore_fairly, join, spawn, yield_now};
use rayon::{
    ThreadPoolBuilder,
    iter::{
        ParallelIterator,
        plumbing::{Folder, UnindexedConsumer, UnindexedProducer, bridge_unindexed},
    },
};
use shuttle::sync::{Condvar, Mutex};

/// Has so many items, each as soon as all but `ahead` of those before are done.
struct Source {
    items: usize,
    ahead: usize,
    /// Held by who waits for the next one.
    turn: Mutex<usize>,
    done: Mutex<usize>,
    changed: Condvar,
}

impl Source {
    fn new(items: usize, ahead: usize) -> Self {
        Self {
            items,
            ahead,
            turn: Mutex::new(0),
            done: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    fn next(&self) -> Option<usize> {
        let mut turn = self.turn.lock().unwrap();
        let next = *turn;
        if next == self.items {
            return None;
        }
        *turn += 1;
        let mut done = self.done.lock().unwrap();
        while *done + self.ahead < next {
            done = self.changed.wait(done).unwrap();
        }
        Some(next)
    }

    fn done(&self) {
        *self.done.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

/// What rayon's `par_bridge` does, with shuttle's locks.
struct Bridge<'a>(&'a Source);

impl ParallelIterator for Bridge<'_> {
    type Item = usize;

    fn drive_unindexed<C: UnindexedConsumer<usize>>(self, consumer: C) -> C::Result {
        let workers = rayon::current_num_threads();
        let begun: Vec<_> = (0..workers).map(|_| AtomicBool::new(false)).collect();
        let leaves = Leaves {
            source: self.0,
            begun: &begun,
            splits: &AtomicUsize::new(workers),
        };
        bridge_unindexed(leaves, consumer)
    }
}

#[derive(Clone, Copy)]
struct Leaves<'a> {
    source: &'a Source,
    begun: &'a [AtomicBool],
    splits: &'a AtomicUsize,
}

impl UnindexedProducer for Leaves<'_> {
    type Item = usize;

    fn split(self) -> (Self, Option<Self>) {
        let left = self.splits.load(Relaxed);
        self.splits.store(left.saturating_sub(1), Relaxed);
        (self, (left > 0).then_some(self))
    }

    fn fold_with<F: Folder<usize>>(self, mut folder: F) -> F {
        let worker = rayon::current_thread_index().unwrap();
        if self.begun[worker].swap(true, Relaxed) {
            // It lies on top of another one.
            return folder;
        }
        while let Some(item) = self.source.next() {
            folder = folder.consume(item);
            if folder.full() {
                break;
            }
        }
        folder
    }
}

/// Runs `throttled` over a source in a pool, while others take permits.
fn with_others(
    max: usize,
    ahead: usize,
    throttled: impl Fn(Bridge<'_>, &Semaphore, &(dyn Fn() + Sync)) + Sync,
) {
    let semaphore = Arc::new(Semaphore::new(max));
    let source = Source::new(4, ahead);
    let others = (0..2).map(|_| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || {
            for _ in 0..8 {
                let held = semaphore.blocking_acquire();
                for _ in 0..4 {
                    yield_now();
                }
                drop(held);
            }
        })
    });
    let others: Vec<_> = others.collect();
    let done = AtomicUsize::new(0);
    let visit = || {
        done.fetch_add(1, Relaxed);
        source.done();
    };
    let pool = ThreadPoolBuilder::new().num_threads(2 + below(2));
    let pool = pool.build().unwrap();
    pool.install(|| throttled(Bridge(&source), &semaphore, &visit));
    join(others);
    assert_eq!(done.into_inner(), 4);
    let now = semaphore.snapshot();
    assert_eq!((now.active, now.waiting), (0, 0));
}

/// If all workers went to wait for the next item, there would be none.
#[test]
fn an_item_is_run_though_the_next_one_does_not_come() {
    explore_fairly(4_000, || {
        with_others(1 + below(2), below(2), |items, semaphore, visit| {
            items.throttle_for_each(semaphore, |_| visit()).unwrap();
        });
    });
}

#[test]
fn a_heavy_item_is_run_though_the_next_one_does_not_come() {
    explore_fairly(4_000, || {
        with_others(2, below(2), |items, semaphore, visit| {
            let weight = |n: &usize| 1 + *n as u32 % 2;
            items
                .throttle_weighted_for_each(semaphore, weight, |_| visit())
                .unwrap();
        });
    });
}

/// Within a job of the same semaphore, which has the only permit. (Here no item waits
/// for another one: its own worker may wait for the next one, and lends nothing then.)
#[test]
fn nested_items_share_the_permit() {
    explore_fairly(2_000, || {
        with_others(1, 4, |items, semaphore, visit| {
            let items = std::sync::Mutex::new(Some(items));
            rayon::iter::once(())
                .throttle_for_each(semaphore, |()| {
                    let items = items.lock().unwrap().take().unwrap();
                    items.throttle_for_each(semaphore, |_| visit()).unwrap();
                })
                .unwrap();
        });
    });
}
