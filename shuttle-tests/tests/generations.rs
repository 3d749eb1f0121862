//! Tokens, increments, waits and takes by more threads than loom can explore.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use dynaphore::generation::{Pending, Swap, Tracker};
use dynaphore_shuttle_tests::{Kind, below, block_on, explore, join, spawn, yield_now};

/// How many tokens of each generation are alive, as their holders know it. Not
/// shuttle's atomics: they are no part of what is explored.
#[derive(Clone, Default)]
struct Alive(Arc<[AtomicUsize; 8]>);

impl Alive {
    /// Nobody who has waited for `generation` may find an older one alive.
    fn assert_gone(&self, generation: u64) {
        for old in 0..=generation as usize {
            assert_eq!(self.0[old].load(SeqCst), 0, "generation {old} is alive");
        }
    }
}

/// Waits in one of the ways there are.
fn wait(pending: &Pending<'_>) {
    match below(3) {
        0 => pending.wait(),
        1 => block_on(pending.clone().into_future()),
        _ => {
            while !pending.is_drained() {
                yield_now();
            }
        }
    }
}

/// Tokens dropped where they were taken and elsewhere, against several
/// incrementers, some of which wait at once and some later.
#[test]
fn after_a_wait_no_older_token_is_alive() {
    explore(4000, || {
        let tracker: &'static Tracker = Box::leak(Box::new(Tracker::new()));
        let alive = Alive::default();
        let holders = (0..5).map(|_| {
            let alive = alive.clone();
            spawn(move || {
                for _ in 0..2 {
                    let token = tracker.acquire();
                    alive.0[token.generation() as usize].fetch_add(1, SeqCst);
                    let alive = alive.clone();
                    let leave = move || {
                        alive.0[token.generation() as usize].fetch_sub(1, SeqCst);
                        drop(token);
                    };
                    if below(2) == 0 {
                        leave();
                    } else {
                        join([spawn(leave)]);
                    }
                }
            })
        });
        let holders: Vec<_> = holders.collect();
        let incrementers = (0..3).map(|_| {
            let alive = alive.clone();
            spawn(move || {
                let first = tracker.increment();
                if below(2) == 0 {
                    wait(&first);
                    alive.assert_gone(first.generation());
                }
                let second = tracker.increment();
                wait(&second);
                alive.assert_gone(second.generation());
                assert!(first.is_drained() && second.is_drained());
            })
        });
        join(incrementers.collect::<Vec<_>>());
        join(holders);
        assert_eq!(tracker.generation(), 6);
    });
}

/// Every write is in exactly one take, also when a take is dropped half-way.
#[test]
fn takes_lose_nothing_and_count_nothing_twice() {
    explore(4000, || {
        let swap: &'static Swap<AtomicUsize> = Box::leak(Box::default());
        let writers = (0..5).map(|_| {
            spawn(move || {
                for _ in 0..3 {
                    let copy = swap.write();
                    yield_now();
                    copy.fetch_add(1, SeqCst);
                }
                0
            })
        });
        let takers = (0..3).map(|_| {
            spawn(move || match below(3) {
                0 => swap.blocking_take(),
                1 => block_on(swap.take()),
                _ => {
                    let mut take = Box::pin(swap.take());
                    let waker = std::task::Waker::noop();
                    let polled = take
                        .as_mut()
                        .poll(&mut std::task::Context::from_waker(waker));
                    match polled {
                        std::task::Poll::Ready(taken) => taken,
                        std::task::Poll::Pending => 0,
                    }
                }
            })
        });
        let threads: Vec<_> = writers.chain(takers).collect();
        let taken: usize = join(threads).into_iter().sum();
        assert_eq!(taken + swap.blocking_take() + swap.blocking_take(), 15);
    });
}

/// Resizes with older permits out, waiters in line, and permits that are split.
#[test]
fn a_drained_resize_has_no_older_permit() {
    explore(4000, || {
        let fairness = Kind::any().semaphore(1).fairness();
        let builder = dynaphore::Semaphore::builder(2).fairness(fairness);
        let semaphore = Arc::new(builder.generations(true).build());
        let alive = Alive::default();
        let guests = (0..5).map(|_| {
            let (semaphore, alive) = (semaphore.clone(), alive.clone());
            spawn(move || {
                let mut permit = block_on(semaphore.acquire_many(1 + below(2) as u32)).unwrap();
                let generation = permit.generation().unwrap() as usize;
                alive.0[generation].fetch_add(1, SeqCst);
                let part = permit.split(1);
                yield_now();
                drop(permit);
                alive.0[generation].fetch_sub(1, SeqCst);
                drop(part);
            })
        });
        let guests: Vec<_> = guests.collect();
        let resizers = (0..2).map(|_| {
            let (semaphore, alive) = (semaphore.clone(), alive.clone());
            spawn(move || {
                let resize = semaphore.resize(2 + below(2));
                if below(2) == 0 {
                    resize.blocking_drained();
                } else {
                    block_on(resize.drained());
                }
                alive.assert_gone(resize.generation - 1);
            })
        });
        join(resizers.collect::<Vec<_>>());
        join(guests);
        assert_eq!(semaphore.active(), 0);
    });
}
