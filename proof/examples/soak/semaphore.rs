//! A semaphore of each kind.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use dynaphore::{
    AcquireError, AcquireTimeoutError, Builder, Fairness, Order, OwnedSemaphorePermit, Semaphore,
    TryAcquireError,
};

use crate::{
    Epoch, Faults, LARGEST, WORKERS,
    faults::{Draw, End, Inside, Moment, Tally, run},
};

const TARGET: Duration = Duration::from_micros(200);
const INTERVAL: Duration = Duration::from_millis(2);

pub const KINDS: [(&str, Epoch); 9] = [
    ("fifo", |d, t| epoch(plain(), d, t)),
    ("eventual", |d, t| {
        epoch(plain().fairness(Fairness::Eventual), d, t)
    }),
    ("barging", |d, t| {
        epoch(plain().fairness(Fairness::Barging), d, t)
    }),
    ("lifo", |d, t| epoch(plain().order(Order::Lifo), d, t)),
    ("lifo, overdue", |d, t| epoch(impatient(Order::Lifo), d, t)),
    ("fifo, overdue", |d, t| epoch(impatient(Order::Fifo), d, t)),
    ("adaptive, overdue", |d, t| {
        epoch(impatient(Order::AdaptiveLifo), d, t)
    }),
    ("generations", |d, t| epoch(plain().generations(true), d, t)),
    ("eventual, 3 may wait", |d, t| {
        epoch(plain().fairness(Fairness::Eventual).max_waiting(3), d, t)
    }),
];

fn plain() -> Builder {
    Semaphore::builder(LARGEST).bound(Duration::from_micros(100))
}

fn impatient(order: Order) -> Builder {
    plain().order(order).overdue(TARGET, INTERVAL)
}

pub fn end(error: AcquireTimeoutError) -> End {
    match error {
        AcquireTimeoutError::Timeout => End::TimedOut,
        AcquireTimeoutError::Closed => End::Closed,
        AcquireTimeoutError::TooManyWaiters => End::Refused,
        AcquireTimeoutError::Overdue => End::Overdue,
        other => panic!("{other}"),
    }
}

fn end_without_deadline(error: AcquireError) -> End {
    end(error.into())
}

/// Asks in one of many ways for `n` permits.
pub fn ask(
    semaphore: &Arc<Semaphore>,
    n: u32,
    draw: &mut Draw,
) -> Result<OwnedSemaphorePermit, End> {
    let asked = Arc::clone(semaphore);
    match draw.below(6) {
        0 => asked
            .try_acquire_many_owned(n)
            .map_err(|error| match error {
                TryAcquireError::Closed => End::Closed,
                _ => End::Refused,
            }),
        1 => {
            let timeout = Duration::from_micros(draw.below(500));
            asked
                .blocking_acquire_many_owned_timeout(n, timeout)
                .map_err(end)
        }
        2 => asked
            .blocking_acquire_many_owned(n)
            .map_err(end_without_deadline),
        3 => {
            let request = asked.acquire_many_owned_until(n, Moment::soon(draw));
            run(request, draw).map_or(Err(End::Cancelled), |told| told.map_err(end))
        }
        _ => {
            let told = run(asked.acquire_many_owned(n), draw);
            told.map_or(Err(End::Cancelled), |told| {
                told.map_err(end_without_deadline)
            })
        }
    }
}

/// One request, and what it is for.
pub fn come_and_go(semaphore: &Arc<Semaphore>, inside: &Inside, draw: &mut Draw, tally: &Tally) {
    let since = Instant::now();
    let n = 1 + draw.below(3) as u32;
    match ask(semaphore, n, draw) {
        Ok(mut permit) => {
            tally.ended(End::Granted, since);
            // A part goes back before the rest.
            let part = (n > 1 && draw.once_in(4)).then(|| permit.split(1));
            let all = permit.num_permits();
            drop(part);
            inside.hold(permit, all, LARGEST, draw);
        }
        Err(how) => tally.ended(how, since),
    }
}

/// Waits for states of it, with and without a bound.
fn watch(semaphore: &Semaphore, draw: &mut Draw) {
    let soon = Duration::from_micros(draw.below(300));
    match draw.below(4) {
        0 => _ = semaphore.blocking_settled_timeout(soon),
        1 => _ = semaphore.blocking_idle_timeout(soon),
        2 => _ = run(semaphore.idle(), draw),
        _ if semaphore.generation().is_some() => {
            let max = draw.below(LARGEST as u64 + 1) as usize;
            let _ = semaphore.resize(max).blocking_drained_timeout(soon);
        }
        _ => _ = run(semaphore.settled(), draw),
    }
}

fn epoch(builder: Builder, draw: &mut Draw, tally: &Tally) {
    let semaphore = Arc::new(builder.build());
    let (inside, faults) = (Inside::default(), Faults::new());
    let closes = draw.once_in(2);
    thread::scope(|scope| {
        let (semaphore, inside, faults) = (&semaphore, &inside, &faults);
        for _ in 0..WORKERS {
            let mut draw = draw.fork();
            scope.spawn(move || {
                while !faults.are_over() {
                    tally.survive(|| come_and_go(semaphore, inside, &mut draw, tally));
                }
            });
        }
        let mut watching = draw.fork();
        let watcher = scope.spawn(move || {
            while !faults.are_over() {
                tally.survive(|| watch(semaphore, &mut watching));
            }
        });
        let change = |draw: &mut Draw| {
            semaphore.set_max(draw.below(LARGEST as u64 + 1) as usize);
        };
        faults.go_on(draw, tally, change, || {
            if closes {
                semaphore.close();
            }
        });
        // The watcher may have made max small, and does so no more.
        watcher.join().expect("no panic but those planned");
        tally.survive(|| semaphore.set_max(LARGEST));
    });
    semaphore.blocking_idle();
    let now = semaphore.snapshot();
    assert_eq!((now.active, now.waiting), (0, 0), "{semaphore:?}");
    assert_eq!(now.closed, closes);
    if !closes {
        let all = semaphore.try_acquire_many(LARGEST as u32);
        assert!(all.is_ok(), "{semaphore:?}");
    }
}
