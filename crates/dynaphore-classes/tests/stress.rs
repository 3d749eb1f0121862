//! Threads that do everything at once. What they find must add up at any time and at the end,
//! and none may hang.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use dynaphore::{Builder, Fairness, Order, Semaphore};
use dynaphore_classes::{ClassPermit, Classes};

const MAX: usize = 4;
const WORKERS: u64 = 4;
const TURNS: usize = 1_500;

/// How long a test may hang before that is a failure. No outcome depends on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `test`, and fails if it has not ended within [`PATIENCE`].
fn watchdog(what: &str, test: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(catch_unwind(AssertUnwindSafe(test))));
    match end.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{what} hangs"),
    }
}

/// Small random numbers that are the same on every run.
struct Random(u64);

impl Random {
    /// 0 to `n - 1`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

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
    let at_work = AtomicUsize::new(WORKERS as usize + 1);
    thread::scope(|scope| {
        for seed in 0..WORKERS {
            let (classes, out, at_work) = (&classes, &out, &at_work);
            scope.spawn(move || {
                let random = &mut Random(seed);
                let class = ["web", "batch"][seed as usize % 2];
                for _ in 0..TURNS {
                    let n = 1 + random.below(MAX as u64);
                    if let Some(permit) = ask(classes, class, n as u32, random) {
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
        let random = &mut Random(WORKERS);
        while at_work.load(SeqCst) > 0 {
            semaphore.set_max(random.below(MAX as u64 + 1) as usize);
            classes.set_share("batch", 1 + random.below(8) as u32);
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
        watchdog(what, move || run(builder));
    }
}
