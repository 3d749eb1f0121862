//! Threads that do everything at once. What they find must add up at any time and at the end,
//! and none may hang.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use common::{Random, watchdog_of};
use dynaphore::{Builder, Fairness, Order, Semaphore};
use dynaphore_classes::{ClassPermit, Classes};

const MAX: usize = 4;
const WORKERS: usize = 4;
const TURNS: usize = 1_500;

/// Gets permits in one of many ways, or gives up.
fn ask(classes: &Classes, class: &str, n: u32, random: &mut Random) -> Option<ClassPermit> {
    match random.below(4) {
        0 => classes.try_acquire_many_in(class, n).ok(),
        1 => {
            // Polled a few times, by hand, and dropped: granted or not.
            let mut future = pin!(classes.acquire_many_in(class, n));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..random.below(4) {
                if let Poll::Ready(permit) = future.as_mut().poll(&mut cx) {
                    return permit.ok();
                }
                thread::yield_now();
            }
            None
        }
        // A semaphore may have bounds on waits.
        _ => classes.blocking_acquire_many_in(class, n).ok(),
    }
}

fn run(builder: Builder) {
    let semaphore = Arc::new(builder.build());
    let classes = Classes::new(semaphore.clone(), &[("web", 8), ("batch", 1)]);
    let out = AtomicUsize::new(0);
    let at_work = AtomicUsize::new(WORKERS + 1);
    thread::scope(|scope| {
        for seed in 0..WORKERS {
            let (classes, out, at_work) = (&classes, &out, &at_work);
            scope.spawn(move || {
                let random = &mut Random::new(seed);
                let class = ["web", "batch"][seed % 2];
                for _ in 0..TURNS {
                    let n = 1 + random.below(MAX as u32);
                    if let Some(permit) = ask(classes, class, n, random) {
                        let n = permit.num_permits();
                        assert!(out.fetch_add(n, SeqCst) + n <= MAX);
                        thread::yield_now();
                        out.fetch_sub(n, SeqCst);
                        drop(permit);
                    }
                }
                at_work.fetch_sub(1, SeqCst);
            });
        }
        // One that uses the semaphore beside them.
        scope.spawn(|| {
            for _ in 0..TURNS / 4 {
                drop(semaphore.blocking_acquire());
                thread::yield_now();
            }
            at_work.fetch_sub(1, SeqCst);
        });
        let random = &mut Random::new(WORKERS);
        while at_work.load(SeqCst) > 0 {
            semaphore.set_max(random.below(MAX as u32 + 1) as usize);
            classes.set_share("batch", 1 + random.below(8));
            thread::yield_now();
            semaphore.set_max(MAX);
            thread::yield_now();
        }
    });
    for class in ["web", "batch"] {
        assert_eq!((classes.active(class), classes.waiting(class)), (0, 0));
    }
    let state = semaphore.snapshot();
    assert_eq!((state.active, state.waiting), (0, 0));
}

#[test]
fn nobody_hangs_whatever_the_order_of_the_semaphore() {
    let [target, interval] = [Duration::from_micros(200), Duration::from_millis(1)];
    let builder = || Semaphore::builder(MAX);
    for (what, builder) in [
        ("Fifo", builder()),
        ("Eventual", builder().fairness(Fairness::Eventual)),
        ("Barging", builder().fairness(Fairness::Barging)),
        ("Lifo", builder().order(Order::Lifo)),
        (
            "AdaptiveLifo",
            builder()
                .order(Order::AdaptiveLifo)
                .overdue(Duration::MAX, interval),
        ),
        ("overdue", builder().overdue(target, interval)),
        (
            "AdaptiveLifo and overdue",
            builder()
                .order(Order::AdaptiveLifo)
                .overdue(target, interval),
        ),
        ("grants to tasks", builder().grant_to_tasks(true)),
        ("at most two wait", builder().max_waiting(2)),
    ] {
        watchdog_of(what, move || run(builder));
    }
}
