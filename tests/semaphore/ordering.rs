//! First in, first out; and what a holder did is seen by the next.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    thread,
    time::Duration,
};

use crate::common::{Random, until, watchdog};
use dynaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use futures::{FutureExt, executor::block_on, future::join_all};
use tokio::runtime::Runtime;
use tokio_test::{
    assert_pending, assert_ready_ok,
    task::{Spawn, spawn},
};

#[test]
fn waiters_are_served_in_the_order_of_their_first_polls() {
    let semaphore = Semaphore::new(1);
    let mut held = Some(semaphore.try_acquire().unwrap());
    // Made in one order, polled in another, and polled again: the first counts.
    let mut waiters: Vec<_> = (0..5).map(|_| spawn(semaphore.acquire())).collect();
    let order = [3, 0, 4, 1, 2];
    for &at in &order {
        assert_pending!(waiters[at].poll());
    }
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    for at in order {
        drop(held.take());
        let woken: Vec<_> = (0..5).filter(|&at| waiters[at].is_woken()).collect();
        assert_eq!(woken, [at]);
        held = Some(assert_ready_ok!(waiters[at].poll()));
    }
}

#[test]
fn light_requests_do_not_pass_a_heavy_one() {
    let semaphore = Semaphore::new(4);
    let mut held = semaphore.try_acquire_many(4).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(3));
    let mut light = spawn(semaphore.acquire());
    assert_pending!(heavy.poll());
    assert_pending!(light.poll());
    for _ in 0..2 {
        drop(held.split(1));
        assert!(!heavy.is_woken() && !light.is_woken());
        assert!(semaphore.try_acquire().is_err());
        assert_pending!(spawn(semaphore.acquire()).poll());
    }
    drop(held.split(1));
    assert!(heavy.is_woken() && !light.is_woken());
    drop(held);
    assert!(light.is_woken());
}

#[test]
fn a_heavy_request_is_not_starved_by_a_stream_of_light_ones() {
    watchdog(|| {
        let semaphore = Semaphore::new(2);
        let (served, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        let _permit = semaphore.blocking_acquire().unwrap();
                        served.fetch_add(1, Relaxed);
                    }
                });
            }
            until(|| served.load(Relaxed) > 100);
            for _ in 0..100 {
                drop(semaphore.blocking_acquire_many(2).unwrap());
            }
            stop.store(true, Relaxed);
        });
    });
}

/// A waiter of the next test, and what it asked for.
type Request<'a> = (u32, Spawn<Pin<Box<dyn Future<Output = Granted<'a>> + 'a>>>);
type Granted<'a> = Result<SemaphorePermit<'a>, AcquireError>;

/// How many of the waiting `requests` first-in-first-out serves, max being
/// `max`: all from the front that fit, past those that ask for more than max.
fn fitting(requests: &VecDeque<Request<'_>>, max: u32, mut active: u32) -> Vec<usize> {
    let possible = |&(_, (n, _)): &(usize, &Request<'_>)| *n <= max;
    let fits = |&(_, (n, _)): &(usize, &Request<'_>)| {
        active += n;
        active <= max
    };
    let served = requests
        .iter()
        .enumerate()
        .filter(possible)
        .take_while(fits);
    served.map(|(at, _)| at).collect()
}

#[test]
fn mixed_weights_cancels_and_resizes_keep_the_order() {
    let semaphore = Semaphore::new(5);
    let mut random = Random::new(1);
    let mut requests: VecDeque<Request<'_>> = VecDeque::new();
    let mut held: Vec<SemaphorePermit<'_>> = Vec::new();
    for step in 0..20_000 {
        match random.below(8) {
            0..=2 if requests.len() < 40 => {
                let n = 1 + random.below(6);
                let mut request = spawn(semaphore.acquire_many(n).boxed_local());
                // It waits, or there was nobody to pass and enough left.
                if let Poll::Ready(permit) = request.poll() {
                    assert!(requests.iter().all(|(n, _)| *n as usize > semaphore.max()));
                    held.push(permit.unwrap());
                } else {
                    requests.push_back((n, request));
                }
                continue;
            }
            3 => semaphore.set_max(random.below(8) as usize),
            4 if !requests.is_empty() => {
                let at = random.below(requests.len() as u32) as usize;
                drop(requests.remove(at));
                0
            }
            _ if !held.is_empty() => {
                let at = random.below(held.len() as u32) as usize;
                drop(held.swap_remove(at));
                0
            }
            _ => 0,
        };
        let woken: Vec<_> = (0..requests.len())
            .filter(|&at| requests[at].1.is_woken())
            .collect();
        let active = held.iter().map(|permit| permit.num_permits() as u32).sum();
        let expected = fitting(&requests, semaphore.max() as u32, active);
        assert_eq!(woken, expected, "step {step}");
        for at in woken.into_iter().rev() {
            let (_, mut request) = requests.remove(at).unwrap();
            held.push(assert_ready_ok!(request.poll()));
        }
        let active: usize = held.iter().map(|permit| permit.num_permits()).sum();
        assert_eq!(
            (semaphore.active(), semaphore.waiting()),
            (active, requests.len())
        );
    }
}

#[test]
fn zero_permits_are_had_at_once_whoever_waits() {
    let semaphore = Arc::new(Semaphore::new(1));
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    assert_eq!(semaphore.try_acquire_many(0).unwrap().num_permits(), 0);
    assert_eq!(
        assert_ready_ok!(spawn(semaphore.acquire_many(0)).poll()).num_permits(),
        0
    );
    drop(semaphore.blocking_acquire_many(0).unwrap());
    drop(semaphore.clone().try_acquire_many_owned(0).unwrap());
    semaphore.set_max(0);
    drop(semaphore.try_acquire_many(0).unwrap());
    assert_eq!((semaphore.active(), semaphore.waiting()), (1, 1));
    drop(held);
}

#[test]
fn blocking_threads_and_tasks_stand_in_one_line() {
    watchdog(|| {
        let semaphore = &Arc::new(Semaphore::new(1));
        let served = &Mutex::new(Vec::new());
        let held = semaphore.try_acquire().unwrap();
        let serve = |who: usize, permit: Result<OwnedSemaphorePermit, AcquireError>| {
            let _permit = permit.unwrap();
            served.lock().unwrap().push(who);
        };
        thread::scope(|scope| {
            for who in 0..12 {
                scope.spawn(move || {
                    let semaphore = Arc::clone(semaphore);
                    serve(
                        who,
                        match who % 3 {
                            0 => semaphore.blocking_acquire_owned(),
                            1 => block_on(semaphore.acquire_owned()),
                            _ => semaphore
                                .blocking_acquire_owned_timeout(Duration::MAX)
                                .map_err(|_| unreachable!("neither closed nor late")),
                        },
                    );
                });
                until(|| semaphore.waiting() == who + 1);
            }
            drop(held);
        });
        assert_eq!(*served.lock().unwrap(), (0..12).collect::<Vec<_>>());
    });
}

#[test]
fn tasks_of_a_runtime_are_served_in_the_order_of_arrival() {
    watchdog(|| {
        Runtime::new().unwrap().block_on(async {
            let semaphore = Arc::new(Semaphore::new(1));
            let held = semaphore.try_acquire().unwrap();
            let served = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for who in 0..50 {
                let (semaphore, served) = (semaphore.clone(), served.clone());
                let waiting = semaphore.clone();
                tasks.push(tokio::spawn(async move {
                    let _permit = semaphore.acquire().await.unwrap();
                    served.lock().unwrap().push(who);
                }));
                while waiting.waiting() <= who {
                    tokio::task::yield_now().await;
                }
            }
            drop(held);
            join_all(tasks).await;
            assert_eq!(*served.lock().unwrap(), (0..50).collect::<Vec<_>>());
        })
    });
}

#[test]
fn what_a_holder_did_is_seen_by_the_next() {
    const ROUNDS: u64 = 5_000;
    watchdog(|| {
        let semaphore = &Semaphore::new(1);
        let done = &AtomicU64::new(0);
        // Not atomic as a whole: an addition is lost unless each holder sees
        // what the one before it did.
        let add = || done.store(done.load(Relaxed) + 1, Relaxed);
        thread::scope(|scope| {
            for way in 0..4 {
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let _permit = match way {
                            0 => semaphore.blocking_acquire().unwrap(),
                            1 => block_on(semaphore.acquire()).unwrap(),
                            _ => std::iter::repeat_with(|| semaphore.try_acquire().ok())
                                .inspect(|got| {
                                    if got.is_none() {
                                        thread::yield_now()
                                    }
                                })
                                .find_map(|got| got)
                                .unwrap(),
                        };
                        add();
                    }
                });
            }
        });
        assert_eq!(done.load(Relaxed), 4 * ROUNDS);
    });
}

// With a max of C the k-th release happens before the (k+C)-th acquire returns.
#[test]
fn a_permit_comes_with_all_that_was_done_before_its_release() {
    const MAX: u64 = 3;
    watchdog(|| {
        let semaphore = &Semaphore::new(MAX as usize);
        let (acquired, released) = (&AtomicU64::new(0), &AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        let _permit = semaphore.blocking_acquire().unwrap();
                        let earlier = acquired.fetch_add(1, Relaxed);
                        assert!(released.load(Relaxed) + MAX > earlier);
                        released.fetch_add(1, Relaxed);
                    }
                });
            }
        });
    });
}
