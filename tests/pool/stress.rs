//! Many threads at once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use dynaphore::{Lease, LeasePool};
use futures::executor::block_on;

use crate::{
    common::{Random, until, watchdog},
    counts, pool,
};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// Takes leases every way there is, until the pool is stopped.
fn work(pool: &LeasePool<&'static str>, seed: usize, took: impl Fn(&Lease<&'static str>)) {
    let mut random = Random::new(seed);
    let mut held = Vec::new();
    while !pool.is_stopped() {
        let lease = match random.below(6) {
            0 => pool.try_acquire().ok(),
            // Who holds a lease and waits for another may wait for itself.
            1 => {
                held.clear();
                pool.blocking_acquire().ok()
            }
            2 => pool
                .blocking_acquire_timeout(Duration::from_micros(50))
                .ok(),
            3 => {
                held.clear();
                block_on(pool.acquire()).ok()
            }
            4 => {
                // Polled, and dropped at whatever moment.
                let mut request = tokio_test::task::spawn(pool.acquire());
                let polled = request.poll();
                if random.below(2) == 0 {
                    thread::yield_now();
                }
                drop(request);
                match polled {
                    std::task::Poll::Ready(told) => told.ok(),
                    std::task::Poll::Pending => None,
                }
            }
            _ => {
                held.clear();
                None
            }
        };
        if let Some(lease) = lease {
            took(&lease);
            held.push(lease);
        }
        if held.len() > 2 {
            drop(held.swap_remove(random.below(3) as usize));
        }
        if random.below(8) == 0 {
            held.clear();
        }
        held = held.into_iter().filter_map(Lease::release_excess).collect();
    }
}

#[test]
fn never_more_leases_than_the_target_while_that_stands() {
    watchdog(|| {
        let pool = &pool([("a", 1), ("b", 2), ("c", 3)]);
        let out = &[(); 3].map(|()| AtomicUsize::new(0));
        let took = &AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    while let Ok(lease) = pool.blocking_acquire() {
                        let key = usize::from(lease.key().as_bytes()[0] - b'a');
                        let now = out[key].fetch_add(1, SeqCst) + 1;
                        assert!(now <= key + 1, "{now} of {}", lease.key());
                        thread::yield_now();
                        out[key].fetch_sub(1, SeqCst);
                        took.fetch_add(1, SeqCst);
                        drop(lease);
                    }
                });
            }
            until(|| took.load(SeqCst) >= 20_000);
            pool.stop();
        });
        assert_eq!(pool.active(), 0);
    });
}

// Scenario 38, by the thousand: while a key is paused its leases only get fewer.
#[test]
fn a_paused_key_gives_nothing_out() {
    watchdog(|| {
        let pool = &pool([("a", 4), ("b", 1)]);
        thread::scope(|scope| {
            for seed in 0..4 {
                scope.spawn(move || work(pool, seed, |_| ()));
            }
            for _ in 0..300 {
                pool.set("a", 4);
                until(|| pool.counts("a").active > 0);
                pool.set("a", 0);
                let mut least = pool.counts("a").active;
                while least > 0 {
                    let now = pool.counts("a").active;
                    assert!(now <= least, "{now} after {least}");
                    least = now;
                    thread::yield_now();
                }
            }
            pool.stop();
        });
        assert_eq!(pool.active(), 0);
    });
}

#[test]
fn everything_at_once_adds_up() {
    watchdog(|| {
        for round in 0..20 {
            let pool = &pool([("a", 2)]);
            let (ids, done) = (&Mutex::new(Vec::new()), &AtomicBool::new(false));
            thread::scope(|scope| {
                for seed in 0..3 {
                    scope.spawn(move || {
                        work(pool, round * 10 + seed, |lease| {
                            ids.lock().unwrap().push(lease.id());
                        });
                    });
                }
                for seed in 5..7 {
                    scope.spawn(move || {
                        let mut random = Random::new(round * 10 + seed);
                        while !done.load(SeqCst) {
                            let key = KEYS[random.below(4) as usize];
                            pool.set(key, random.below(4) as usize);
                            thread::yield_now();
                        }
                    });
                }
                until(|| ids.lock().unwrap().len() >= 500);
                done.store(true, SeqCst);
                pool.stop();
            });
            let mut ids = ids.lock().unwrap();
            ids.sort_unstable();
            assert!(
                ids.windows(2).all(|pair| pair[0] < pair[1]),
                "a number twice"
            );
            assert_eq!((pool.active(), pool.waiting()), (0, 0));
            for key in KEYS {
                let target = pool.set(key, 0);
                assert!(target < 4);
                assert_eq!(pool.counts(key), counts(0, 0));
            }
            assert!(pool.is_empty());
        }
    });
}

/// Targets that go up and down around those who come for the lease: whoever is
/// not served now is served in the end.
#[test]
fn nobody_is_left_waiting_when_the_targets_come_to_rest() {
    watchdog(|| {
        for round in 0..300 {
            let pool = &pool([("a", 1)]);
            thread::scope(|scope| {
                for who in 0..4 {
                    scope.spawn(move || {
                        let lease = match who % 2 {
                            0 => pool.blocking_acquire(),
                            _ => block_on(pool.acquire()),
                        };
                        drop(lease.unwrap());
                    });
                }
                let mut random = Random::new(round);
                for _ in 0..20 {
                    pool.set(KEYS[random.below(2) as usize], random.below(3) as usize);
                }
                pool.set("c", 1);
            });
            assert_eq!((pool.active(), pool.waiting()), (0, 0));
        }
    });
}

/// Counts are read without a lock, while a release is under way.
#[test]
fn who_sees_a_lease_gone_can_have_the_next() {
    const ROUNDS: usize = 20_000;
    watchdog(|| {
        let pool = &pool([("a", 2)]);
        let witness = &pool.try_acquire().unwrap();
        let slot = &Mutex::new(Some(pool.try_acquire().unwrap()));
        let (took, missed) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    until(|| took.load(SeqCst) == round);
                    drop(slot.lock().unwrap().take());
                }
            });
            for round in 0..ROUNDS {
                let mut spins = 0_u32;
                while witness.counts().active == 2 {
                    spins += 1;
                    if spins % 1024 == 0 {
                        thread::yield_now();
                    }
                }
                let lease = pool.try_acquire().unwrap_or_else(|_| {
                    missed.fetch_add(1, SeqCst);
                    pool.blocking_acquire().unwrap()
                });
                *slot.lock().unwrap() = Some(lease);
                took.store(round + 1, SeqCst);
            }
        });
        assert_eq!(missed.load(SeqCst), 0);
    });
}
