//! Threads that do everything at once with a few keys. What they find must add
//! up at any time and at the end, and none may hang.

use std::{
    future::Future,
    panic::resume_unwind,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::common::{FAIRNESSES, Random, Start, silently, watchdog};
use dynaphore::{KeyedPermit, KeyedSemaphore, ToKey};
use futures::executor::block_on;

const KEYS: u32 = 5;
const THREADS: usize = 4;
const MAX: usize = 2;

fn key(random: &mut Random) -> String {
    format!("key {}", random.below(KEYS))
}

/// Gets permits in one of many ways, or gives up.
fn ask<'a>(
    keyed: &'a KeyedSemaphore<String>,
    key: &'a str,
    n: u32,
    random: &mut Random,
) -> Option<KeyedPermit<'a, String>> {
    match random.below(5) {
        0 => keyed.try_acquire_many(key, n).ok(),
        1 => keyed.blocking_acquire_many(key, n).ok(),
        2 => {
            let soon = Duration::from_micros(random.below(60).into());
            keyed.blocking_acquire_many_timeout(key, n, soon).ok()
        }
        3 => block_on(keyed.acquire_many(key, n)).ok(),
        _ => {
            // Polled a few times, by hand, and dropped: granted or not.
            let mut future = pin!(keyed.acquire_many(key, n));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..random.below(4) {
                if let Poll::Ready(permit) = future.as_mut().poll(&mut cx) {
                    return permit.ok();
                }
                thread::yield_now();
            }
            None
        }
    }
}

// Scenario 33.
#[test]
fn after_any_mix_no_key_is_in_use() {
    for fairness in FAIRNESSES {
        watchdog(move || {
            let keyed = KeyedSemaphore::<String>::builder(MAX)
                .fairness(fairness)
                .bound(Duration::from_micros(50))
                .shards(2)
                .max_keys(KEYS as usize)
                .build();
            let active: [AtomicUsize; KEYS as usize] = Default::default();
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (keyed, active) = (&keyed, &active);
                    scope.spawn(move || {
                        let random = &mut Random::new(thread);
                        for _ in 0..5_000 {
                            let key = key(random);
                            let n = 1 + random.below(MAX as u32);
                            let Some(mut permit) = ask(keyed, &key, n, random) else {
                                continue;
                            };
                            let active = &active[usize::from(key.as_bytes()[4] - b'0')];
                            let now = active.fetch_add(n as usize, SeqCst) + n as usize;
                            assert!(now <= MAX, "{now} permits of {key}");
                            if random.below(8) == 0 {
                                thread::yield_now();
                            }
                            active.fetch_sub(n as usize, SeqCst);
                            match random.below(8) {
                                0 => drop(permit.split(1)),
                                1 => {
                                    let panics = || {
                                        let _held = permit;
                                        resume_unwind(Box::new("the holder"));
                                    };
                                    let _: Result<(), _> = silently(panics);
                                }
                                _ => drop(permit),
                            }
                        }
                    });
                }
            });
            assert!(keyed.is_empty(), "{:?}", keyed.snapshots());
            // The count of keys has come back to nothing as well.
            let held: Vec<_> = (0..KEYS)
                .map(|n| keyed.try_acquire(&n.to_string()).unwrap())
                .collect();
            assert!(keyed.try_acquire("one more").is_err());
            drop(held);
        });
    }
}

#[test]
fn resizing_and_reading_at_any_time() {
    watchdog(|| {
        let keyed = KeyedSemaphore::<String>::builder(MAX).shards(2).build();
        let at_work = AtomicUsize::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (keyed, at_work) = (&keyed, &at_work);
                scope.spawn(move || {
                    let random = &mut Random::new(thread);
                    for _ in 0..5_000 {
                        let key = key(random);
                        // Three are too many for some, and wait until they are not.
                        let n = 1 + random.below(3);
                        let permit = ask(keyed, &key, n, random);
                        if random.below(16) == 0 {
                            let _ = keyed.set_max(&key, random.below(4) as usize);
                        }
                        if random.below(16) == 0 {
                            keyed.clear_max(&key);
                        }
                        drop(permit);
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            // Sees to it that nobody waits for ever: in the end all get three.
            let random = &mut Random::new(THREADS);
            while at_work.load(SeqCst) > 0 {
                keyed.set_default_max(random.below(4) as usize);
                let seen = keyed.snapshots();
                assert!(seen.len() <= KEYS as usize);
                for n in 0..KEYS {
                    keyed.clear_max(&format!("key {n}"));
                }
                keyed.set_default_max(3);
                thread::yield_now();
            }
        });
        for n in 0..KEYS {
            keyed.clear_max(&format!("key {n}"));
        }
        assert!(keyed.is_empty(), "{:?}", keyed.snapshots());
    });
}

#[test]
fn never_more_keys_or_waiters_than_may_be() {
    watchdog(|| {
        let keyed = KeyedSemaphore::<u32>::builder(1)
            .shards(4)
            .max_keys(3)
            .max_waiters_per_key(2)
            .build();
        thread::scope(|scope| {
            for thread in 0..6 {
                let keyed = &keyed;
                scope.spawn(move || {
                    let random = &mut Random::new(thread);
                    for _ in 0..3_000 {
                        let key = random.below(6);
                        let permit = keyed.blocking_acquire(&key);
                        assert!(keyed.snapshot(&key).waiting <= 2);
                        drop(permit);
                    }
                });
            }
            for _ in 0..2_000 {
                // Each key by itself: three at one moment, not three altogether.
                for (_, snapshot) in keyed.snapshots() {
                    assert!(snapshot.waiting <= 2 && snapshot.active <= 1);
                }
            }
        });
        assert!(keyed.is_empty());
    });
}

/// Several who use one key and no other.
fn use_alone<K: ToKey<K> + Send + Sync + 'static>(key: K) {
    watchdog(move || {
        let keyed = KeyedSemaphore::<K>::builder(2 * THREADS)
            .max_keys(1)
            .build();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        drop(keyed.try_acquire(&key).unwrap());
                        keyed.set_max(&key, 2 * THREADS).unwrap();
                        keyed.clear_max(&key);
                    }
                });
            }
        });
        assert!(keyed.is_empty());
    });
}

#[test]
fn one_key_alone_is_never_one_too_many() {
    use_alone(1);
    use_alone("a key that is not cheap".to_owned());
}

#[test]
fn the_last_owned_permit_may_outlive_all_else() {
    watchdog(|| {
        for _ in 0..300 {
            let keyed = Arc::new(KeyedSemaphore::<String>::new(4));
            let weak = Arc::downgrade(&keyed);
            let start = Arc::new(Start::of(3));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let permit = Arc::clone(&keyed).try_acquire_owned("a").unwrap();
                    let start = Arc::clone(&start);
                    thread::spawn(move || {
                        start.wait();
                        drop(permit);
                    })
                })
                .collect();
            start.wait();
            drop(keyed);
            threads.into_iter().for_each(|one| one.join().unwrap());
            assert!(weak.upgrade().is_none());
        }
    });
}
