//! Threads that do everything at once, under each fairness. What they find at
//! the end must add up, and none may hang.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    task::{Context, Waker},
    thread,
    time::Duration,
};

use crate::common::{FAIRNESSES, Random, watchdog};
use dynaphore::{Fairness, Semaphore, SemaphorePermit};

const THREADS: usize = 6;

fn semaphore(max: usize, fairness: Fairness) -> Semaphore {
    Semaphore::builder(max)
        .fairness(fairness)
        .bound(Duration::from_micros(50))
        .build()
}

/// Gets permits in one of many ways, or gives up.
fn ask<'a>(semaphore: &'a Semaphore, n: u32, random: &mut Random) -> Option<SemaphorePermit<'a>> {
    match random.below(5) {
        0 => semaphore.try_acquire_many(n).ok(),
        1 => semaphore.blocking_acquire_many(n).ok(),
        2 => semaphore
            .blocking_acquire_many_timeout(n, Duration::from_micros(random.below(60).into()))
            .ok(),
        3 => futures::executor::block_on(semaphore.acquire_many(n)).ok(),
        _ => {
            // Polled a few times, by hand, and dropped: granted or not.
            let mut future = pin!(semaphore.acquire_many(n));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..random.below(4) {
                if let std::task::Poll::Ready(permit) = future.as_mut().poll(&mut cx) {
                    return permit.ok();
                }
                thread::yield_now();
            }
            None
        }
    }
}

#[test]
fn never_more_than_max_are_inside() {
    watchdog(|| {
        for fairness in FAIRNESSES {
            let (max, rounds) = (3, 3_000);
            let semaphore = semaphore(max, fairness);
            let inside = AtomicUsize::new(0);
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (semaphore, inside) = (&semaphore, &inside);
                    scope.spawn(move || {
                        let mut random = Random::new(0x9E37_79B9 + thread);
                        for _ in 0..rounds {
                            let n = 1 + random.below(max as u32) as usize;
                            let Some(permit) = ask(semaphore, n as u32, &mut random) else {
                                continue;
                            };
                            assert!(inside.fetch_add(n, SeqCst) + n <= max, "{fairness:?}");
                            inside.fetch_sub(n, SeqCst);
                            drop(permit);
                        }
                    });
                }
            });
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            assert_eq!(semaphore.available_permits(), max);
        }
    });
}

#[test]
fn nobody_is_left_behind_while_max_goes_up_and_down() {
    watchdog(|| {
        for fairness in FAIRNESSES {
            let semaphore = semaphore(2, fairness);
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                let workers: Vec<_> = (0..THREADS)
                    .map(|thread| {
                        let semaphore = &semaphore;
                        scope.spawn(move || {
                            let mut random = Random::new(0xB529_7A4D + thread);
                            for _ in 0..2_000 {
                                // Up to more than max, often.
                                let n = 1 + random.below(5);
                                drop(ask(semaphore, n, &mut random));
                            }
                        })
                    })
                    .collect();
                let (semaphore, over) = (&semaphore, &over);
                scope.spawn(move || {
                    let mut random = Random::new(0x68E3_1DA4);
                    while !over.load(SeqCst) {
                        semaphore.set_max(random.below(6) as usize);
                        if random.below(4) == 0 {
                            semaphore.forget_permits(1);
                            semaphore.add_permits(1);
                        }
                        thread::yield_now();
                    }
                    // Every request is possible in the end.
                    semaphore.set_max(5);
                });
                scope.spawn(move || {
                    while !over.load(SeqCst) {
                        semaphore.blocking_settled();
                        thread::yield_now();
                    }
                });
                // A worker may wait for the last growth.
                while workers
                    .iter()
                    .filter(|worker| !worker.is_finished())
                    .count()
                    > 1
                {
                    thread::yield_now();
                }
                over.store(true, SeqCst);
            });
            semaphore.blocking_idle();
            assert_eq!(semaphore.snapshot().waiting, 0);
            assert_eq!(semaphore.available_permits(), 5);
        }
    });
}

#[test]
fn a_close_reaches_everybody() {
    watchdog(|| {
        for fairness in FAIRNESSES {
            for round in 0..60 {
                let semaphore = semaphore(1, fairness);
                thread::scope(|scope| {
                    for thread in 0..THREADS {
                        let semaphore = &semaphore;
                        scope.spawn(move || {
                            let mut random = Random::new(round * THREADS + thread);
                            while !semaphore.is_closed() {
                                // More than max, too: those wait for the end.
                                let n = 1 + random.below(2);
                                drop(ask(semaphore, n, &mut random));
                            }
                        });
                    }
                    while semaphore.waiting() == 0 {
                        thread::yield_now();
                    }
                    semaphore.close();
                });
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        }
    });
}
