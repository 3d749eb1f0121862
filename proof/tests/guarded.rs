//! What the sections *Memory ordering* of the docs promise, with memory that nothing guards
//! but the crate. Under ThreadSanitizer (`.ci/run` says how) a promise that is broken is a
//! data race, on whatever processor it runs. Without it, a sum that is wrong.

use std::{
    array,
    cell::UnsafeCell,
    future::Future,
    hint,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use dynaphore::{
    Fairness, KeyedSemaphore, LeasePool, Order, Semaphore, SemaphorePermit, TryAcquireError,
    generation::Tracker,
};

const THREADS: u64 = 4;
const ROUNDS: u64 = 2_000;

/// A number that nothing guards.
#[derive(Default)]
struct Plain(UnsafeCell<u64>);

// SAFETY: none by itself. That those who share one exclude each other is what is tested.
unsafe impl Sync for Plain {}

impl Plain {
    fn add(&self) {
        // SAFETY: as above.
        unsafe { *self.0.get() += 1 }
    }

    fn get(&self) -> u64 {
        // SAFETY: as above.
        unsafe { *self.0.get() }
    }
}

struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// All of an open semaphore's permits, `n`, in the `way`th of the ways there are.
fn all(semaphore: &Semaphore, n: u32, way: u64) -> SemaphorePermit<'_> {
    match way % 4 {
        0 => semaphore.blocking_acquire_many(n).expect("open"),
        1 => block_on(semaphore.acquire_many(n)).expect("open"),
        2 => loop {
            let soon = Duration::from_micros(50);
            if let Ok(permit) = semaphore.blocking_acquire_many_timeout(n, soon) {
                return permit;
            }
        },
        _ => loop {
            if let Ok(permit) = semaphore.try_acquire_many(n) {
                return permit;
            }
            thread::yield_now();
        },
    }
}

/// `THREADS` threads, told their numbers.
fn threads(work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for number in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

#[test]
fn whoever_gets_a_permit_sees_what_its_last_holder_did() {
    let plain = || Semaphore::builder(1).bound(Duration::from_micros(20));
    for semaphore in [
        plain(),
        plain().fairness(Fairness::Eventual),
        plain().fairness(Fairness::Barging),
        plain().order(Order::Lifo),
        plain().generations(true),
    ] {
        let (semaphore, sum) = (semaphore.build(), Plain::default());
        threads(|number| {
            for round in 0..ROUNDS {
                let _permit = all(&semaphore, 1, round + number);
                sum.add();
            }
        });
        assert_eq!(sum.get(), THREADS * ROUNDS);
    }
}

/// One that has all permits excludes those that have one.
#[test]
fn whoever_gets_all_permits_sees_what_all_holders_did() {
    for fairness in [Fairness::Fifo, Fairness::Eventual, Fairness::Barging] {
        let semaphore = Semaphore::builder(THREADS as usize).fairness(fairness);
        let semaphore = semaphore.bound(Duration::from_micros(20)).build();
        let own: [Plain; THREADS as usize] = array::from_fn(|_| Plain::default());
        threads(|number| {
            for round in 0..ROUNDS {
                if (round + number) % 4 == 0 {
                    let _all = all(&semaphore, THREADS as u32, round);
                    own.iter().for_each(Plain::add);
                } else {
                    let _one = semaphore.blocking_acquire().expect("open");
                    own[number as usize].add();
                }
            }
        });
        let by_all = THREADS * ROUNDS / 4;
        assert!(own.iter().all(|own| own.get() == by_all + ROUNDS * 3 / 4));
    }
}

#[test]
fn whoever_finds_it_idle_sees_what_the_holders_did() {
    for round in 0..ROUNDS / 4 {
        let (semaphore, sum) = (Semaphore::new(1), Plain::default());
        let permit = semaphore.try_acquire().expect("free");
        thread::scope(|scope| {
            scope.spawn(|| {
                sum.add();
                drop(permit);
            });
            match round % 3 {
                0 => semaphore.blocking_idle(),
                1 => block_on(semaphore.idle()),
                _ => {
                    while semaphore.active() > 0 {
                        hint::spin_loop();
                    }
                }
            }
            assert_eq!(sum.get(), 1);
        });
    }
}

#[test]
fn whoever_is_let_in_by_a_growth_sees_what_was_done_before_it() {
    for round in 0..ROUNDS / 4 {
        let (semaphore, sum) = (Semaphore::new(0), Plain::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                let _permit = all(&semaphore, 1, round);
                assert_eq!(sum.get(), 1);
            });
            sum.add();
            semaphore.set_max(1);
        });
    }
}

#[test]
fn whoever_is_refused_sees_what_was_done_before_the_close() {
    for round in 0..ROUNDS / 4 {
        let (semaphore, sum) = (Semaphore::new(0), Plain::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                match round % 3 {
                    0 => drop(semaphore.blocking_acquire().unwrap_err()),
                    1 => drop(block_on(semaphore.acquire()).unwrap_err()),
                    _ => {
                        while !matches!(semaphore.try_acquire(), Err(TryAcquireError::Closed)) {
                            hint::spin_loop();
                        }
                    }
                }
                assert_eq!(sum.get(), 1);
            });
            sum.add();
            semaphore.close();
        });
    }
}

/// The key is out of use in between.
#[test]
fn whoever_gets_a_permit_of_a_key_sees_what_its_last_holder_did() {
    let (keyed, sum) = (KeyedSemaphore::<u8>::new(1), Plain::default());
    threads(|number| {
        for round in 0..ROUNDS {
            let _permit = if (round + number) % 2 == 0 {
                keyed.blocking_acquire(&7).expect("open")
            } else {
                block_on(keyed.acquire(&7)).expect("open")
            };
            sum.add();
        }
    });
    assert_eq!(sum.get(), THREADS * ROUNDS);
}

#[test]
fn whoever_gets_a_lease_sees_what_its_last_holder_did() {
    let (pool, sum) = (LeasePool::new(), Plain::default());
    pool.set("the only one", 1);
    threads(|number| {
        for round in 0..ROUNDS {
            let _lease = if (round + number) % 2 == 0 {
                pool.blocking_acquire().expect("not stopped")
            } else {
                block_on(pool.acquire()).expect("not stopped")
            };
            sum.add();
        }
    });
    assert_eq!(sum.get(), THREADS * ROUNDS);
}

/// Both ways: a generation's tokens see what was done before it began, and who waits for
/// the end of one sees what its holders did.
#[test]
fn a_generation_that_is_drained_excludes_the_next() {
    let (tracker, turns) = (Tracker::new(), <[Plain; 2]>::default());
    let turn = |generation: u64| &turns[generation as usize % 2];
    thread::scope(|scope| {
        scope.spawn(|| {
            while tracker.generation() < ROUNDS {
                let token = tracker.acquire();
                turn(token.generation()).add();
            }
        });
        for generation in 0..ROUNDS {
            tracker.increment().wait();
            // Until the next one ends nobody writes here but this.
            turn(generation).add();
        }
    });
}
