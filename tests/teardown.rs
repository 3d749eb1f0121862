//! What waits or holds is torn down at some moment, together with what it runs on, while
//! others wait: a runtime, a thread with what is local to it, a pool of workers.

#[path = "common/mod.rs"]
mod common;

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use common::{FAIRNESSES, Random, until, watchdog};
use dynaphore::{
    Fairness, Order, OwnedSemaphorePermit, Semaphore, future::AcquireOwned, generation::Tracker,
    throttle::Throttle,
};

fn kinds() -> impl Iterator<Item = Arc<Semaphore>> {
    let builder = Semaphore::builder(2).bound(Duration::from_micros(50));
    let fair = FAIRNESSES.map(|fairness| builder.fairness(fairness));
    let others = [
        builder.order(Order::Lifo),
        builder.generations(true),
        builder.fairness(Fairness::Eventual).generations(true),
    ];
    fair.into_iter()
        .chain(others)
        .map(|builder| Arc::new(builder.build()))
}

/// Nobody holds or waits, and both permits are there.
#[track_caller]
fn assert_at_rest(semaphore: &Arc<Semaphore>) {
    semaphore.blocking_idle();
    assert_eq!(semaphore.waiting(), 0, "{semaphore:?}");
    drop(semaphore.try_acquire_many(2).expect("at rest"));
}

#[test]
fn a_runtime_that_is_dropped_gives_back_what_its_tasks_had() {
    watchdog(|| {
        let random = &mut Random::new(1);
        for round in 0..40 {
            for semaphore in kinds() {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1 + round % 2)
                    .build()
                    .unwrap();
                let begun = Arc::new(AtomicUsize::new(0));
                for task in 0..20 {
                    let (semaphore, begun) = (Arc::clone(&semaphore), Arc::clone(&begun));
                    runtime.spawn(async move {
                        begun.fetch_add(1, SeqCst);
                        loop {
                            let permit = semaphore.acquire_many(1 + task % 2).await.unwrap();
                            tokio::task::yield_now().await;
                            drop(permit);
                        }
                    });
                }
                let others = [0, 1].map(|_| {
                    let semaphore = Arc::clone(&semaphore);
                    thread::spawn(move || drop(semaphore.blocking_acquire().unwrap()))
                });
                let some = random.below(20) as usize;
                until(|| begun.load(SeqCst) >= some);
                drop(runtime);
                others.into_iter().for_each(|other| other.join().unwrap());
                assert_at_rest(&semaphore);
            }
        }
    });
}

/// What a thread has until it ends. Dropped in its order, by the thread's last act.
#[derive(Default)]
struct Local {
    waits: Option<Pin<Box<AcquireOwned>>>,
    held: Option<OwnedSemaphorePermit>,
    asks: Option<Arc<Semaphore>>,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.waits = None;
        self.held = None;
        if let Some(semaphore) = &self.asks {
            // Others hold and wait: this has to wait in a thread that ends.
            drop(semaphore.blocking_acquire().unwrap());
            let polled = semaphore.blocking_acquire_many_timeout(2, Duration::from_micros(20));
            drop(polled);
        }
    }
}

thread_local! {
    static EARLY: RefCell<Local> = RefCell::default();
    static LATE: RefCell<Local> = RefCell::default();
}

#[test]
fn what_is_local_to_a_thread_waits_and_holds_until_the_thread_has_ended() {
    watchdog(|| {
        for round in 0..100 {
            for semaphore in kinds() {
                let threads: Vec<_> = (0..4)
                    .map(|number| {
                        let semaphore = Arc::clone(&semaphore);
                        thread::spawn(move || {
                            // One of the two is made before this thread has ever waited.
                            LATE.with(|_| ());
                            let held = Arc::clone(&semaphore).blocking_acquire_owned().unwrap();
                            let mut waits = Box::pin(Arc::clone(&semaphore).acquire_owned());
                            let polled =
                                waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                            let local = Local {
                                waits: polled.is_pending().then_some(waits),
                                held: Some(held),
                                asks: Some(semaphore),
                            };
                            let place = if (number + round) % 2 == 0 {
                                &EARLY
                            } else {
                                &LATE
                            };
                            place.set(local);
                        })
                    })
                    .collect();
                threads.into_iter().for_each(|one| one.join().unwrap());
                assert_at_rest(&semaphore);
            }
        }
    });
}

#[test]
fn a_token_that_is_local_to_a_thread_is_given_back_when_the_thread_has_ended() {
    static TRACKER: Tracker = Tracker::new();
    struct Takes;
    impl Drop for Takes {
        fn drop(&mut self) {
            drop(TRACKER.acquire());
        }
    }
    thread_local! {
        static TOKEN: RefCell<Option<(dynaphore::generation::Token<'static>, Takes)>> =
            const { RefCell::new(None) };
    }
    watchdog(|| {
        for _ in 0..200 {
            let threads =
                [0, 1].map(|_| thread::spawn(|| TOKEN.set(Some((TRACKER.acquire(), Takes)))));
            TRACKER.increment().wait();
            threads.into_iter().for_each(|one| one.join().unwrap());
        }
        TRACKER.increment().wait();
    });
}

/// The jobs keep their pool, and each a place in line.
#[test]
fn pools_whose_handles_are_gone_run_what_waits() {
    watchdog(|| {
        for semaphore in kinds().flat_map(|kind| vec![kind; 10]) {
            let ran = Arc::new(AtomicUsize::new(0));
            let held = Arc::clone(&semaphore)
                .blocking_acquire_many_owned(2)
                .unwrap();
            for _ in 0..4 {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(2)
                    .build()
                    .unwrap();
                let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::new(pool));
                for job in 0..10 {
                    let ran = Arc::clone(&ran);
                    throttle
                        .spawn_many(1 + job % 2, move |permit| {
                            ran.fetch_add(1, SeqCst);
                            drop(permit);
                        })
                        .unwrap();
                }
            }
            drop(held);
            until(|| ran.load(SeqCst) == 40);
            assert_at_rest(&semaphore);
        }
    });
}

/// Threads end it while others wait, cancel and are served.
#[test]
fn a_long_line_is_cleared_from_all_sides() {
    const LENGTH: usize = 20_000;
    watchdog(|| {
        for (round, semaphore) in kinds().enumerate() {
            let held = semaphore.try_acquire_many(2).unwrap();
            let mut line: Vec<_> = (0..LENGTH)
                .map(|_| Box::pin(Arc::clone(&semaphore).acquire_owned()))
                .collect();
            let cx = &mut Context::from_waker(Waker::noop());
            for request in &mut line {
                assert!(request.as_mut().poll(cx).is_pending());
            }
            let mut parts = Vec::new();
            while !line.is_empty() {
                parts.push(line.split_off(line.len().saturating_sub(LENGTH / 4)));
            }
            let left = AtomicUsize::new(LENGTH);
            thread::scope(|scope| {
                for (number, mut part) in parts.into_iter().enumerate() {
                    let left = &left;
                    scope.spawn(move || {
                        let mut random = Random::new(number * 10 + round);
                        while !part.is_empty() {
                            let at = random.below(part.len() as u32) as usize;
                            let cx = &mut Context::from_waker(Waker::noop());
                            let polled = part[at].as_mut().poll(cx);
                            if polled.is_ready() || random.below(2) == 0 {
                                drop(part.swap_remove(at));
                                left.fetch_sub(1, SeqCst);
                            }
                            drop(polled);
                        }
                    });
                }
                until(|| left.load(SeqCst) < LENGTH * 9 / 10);
                drop(held);
            });
            assert_at_rest(&semaphore);
        }
    });
}

/// Whoever is woken first drops all that the others wait with.
#[test]
fn a_waker_that_drops_the_other_waiters_loses_no_permit() {
    struct Drops(std::sync::Mutex<Vec<Pin<Box<AcquireOwned>>>>);
    impl std::task::Wake for Drops {
        fn wake(self: Arc<Self>) {
            let others = std::mem::take(&mut *self.0.lock().unwrap());
            drop(others);
        }
    }
    watchdog(|| {
        for semaphore in kinds() {
            let held = semaphore.try_acquire_many(2).unwrap();
            let drops = Arc::new(Drops(std::sync::Mutex::default()));
            let waker = Waker::from(Arc::clone(&drops));
            let mut line: Vec<_> = (0..20)
                .map(|_| Box::pin(Arc::clone(&semaphore).acquire_owned()))
                .collect();
            for request in &mut line {
                let polled = request.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(matches!(polled, Poll::Pending));
            }
            *drops.0.lock().unwrap() = line;
            drop(held);
            assert_at_rest(&semaphore);
        }
    });
}
