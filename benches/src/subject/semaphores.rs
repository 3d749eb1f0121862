//! Semaphores that one can have: how each of them does what a workload asks for.

use std::sync::Arc;

use asyncband::blocking::FutureExt;
use dynaphore::{Fairness, Semaphore};
use dynaphore_fleet::{Fleet, Memory, Options};

pub(super) const OPEN: &str = "the semaphore is never closed";
const FREE: &str = "enough permits are free in the workload";

/// dynaphore in one of its ways.
macro_rules! dynaphore {
    ($(#[$doc:meta])* $subject:ident, $name:literal: |$builder:ident| $way:expr) => {
        subject! {
            $(#[$doc])* $subject, $name: Semaphore;
            new(permits) {
                let $builder = Semaphore::builder(permits);
                $way.build()
            },
            size(semaphore) semaphore.acquire();
            try_acquire(semaphore) semaphore.try_acquire().ok();
            acquire(semaphore) semaphore.acquire().await.expect(OPEN);
            acquire_owned(semaphore) Arc::clone(semaphore).acquire_owned().await.expect(OPEN);
            acquire_many(semaphore, n) semaphore.acquire_many(n).await.expect(OPEN);
            acquire_blocking(semaphore) semaphore.blocking_acquire().expect(OPEN);
            resize(semaphore, _from, to) _ = semaphore.set_max(to);
        }
    };
}

dynaphore! {
    /// `dynaphore::Semaphore` as it is by default.
    Dynaphore, "dynaphore": |builder| builder
}
dynaphore! {
    /// `dynaphore::Semaphore` with `Fairness::Eventual` and the usual bound.
    DynaphoreEventual, "dynaphore_eventual": |builder| builder.fairness(Fairness::Eventual)
}
dynaphore! {
    /// `dynaphore::Semaphore` with `Fairness::Barging`.
    DynaphoreBarging, "dynaphore_barging": |builder| builder.fairness(Fairness::Barging)
}
dynaphore! {
    /// `dynaphore::Semaphore` whose permits know their generation.
    DynaphoreGenerations, "dynaphore_generations": |builder| builder.generations(true)
}
dynaphore! {
    /// `dynaphore::Semaphore` that keeps statistics.
    DynaphoreStats, "dynaphore_stats": |builder| builder.stats(true)
}

subject! {
    /// The semaphore of the only member of a fleet, whose thread renews its lease meanwhile.
    DynaphoreFleet, "dynaphore_fleet": Fleet;
    new(permits) {
        let joined = Fleet::join(Memory::new(), "bench", Options::new(permits));
        let fleet = pollster::block_on(joined).expect("nobody else is there");
        assert_eq!(fleet.semaphore().max(), permits);
        fleet
    };
    acquire(fleet) fleet.semaphore().acquire().await.expect(OPEN);
}

subject! {
    /// `tokio::sync::Semaphore`, which dynaphore is a drop-in for.
    Tokio, "tokio": tokio::sync::Semaphore;
    new(permits) tokio::sync::Semaphore::new(permits),
    size(semaphore) semaphore.acquire();
    try_acquire(semaphore) semaphore.try_acquire().ok();
    acquire(semaphore) semaphore.acquire().await.expect(OPEN);
    acquire_owned(semaphore) Arc::clone(semaphore).acquire_owned().await.expect(OPEN);
    acquire_many(semaphore, n) semaphore.acquire_many(n).await.expect(OPEN);
    acquire_blocking(semaphore) semaphore.blocking_acquire().expect(OPEN);
    resize(semaphore, from, to) if to > from {
        semaphore.add_permits(to - from);
    } else {
        // Takes free permits only, and enough are free in the workload.
        let removed = semaphore.forget_permits(from - to);
        debug_assert_eq!(removed, from - to);
    };
}

subject! {
    /// `async_lock::Semaphore`: barging, one permit at a time, on event-listener.
    AsyncLock, "async_lock": async_lock::Semaphore;
    new(permits) async_lock::Semaphore::new(permits),
    size(semaphore) semaphore.acquire();
    try_acquire(semaphore) semaphore.try_acquire();
    acquire(semaphore) semaphore.acquire().await;
    acquire_owned(semaphore) semaphore.acquire_arc().await;
    acquire_blocking(semaphore) semaphore.acquire_blocking();
    resize(semaphore, from, to) if to > from {
        semaphore.add_permits(to - from);
    } else {
        // It cannot shrink; forgetting a permit comes to the same.
        (to..from).for_each(|_| semaphore.try_acquire().expect(FREE).forget());
    };
}

subject! {
    /// `asyncband::semaphore::Semaphore`, the maintained successor of mea: FIFO,
    /// weights, no closing.
    Asyncband, "asyncband": asyncband::semaphore::Semaphore;
    new(permits) asyncband::semaphore::Semaphore::new(permits),
    size(semaphore) semaphore.acquire(1);
    try_acquire(semaphore) semaphore.try_acquire(1);
    acquire(semaphore) semaphore.acquire(1).await;
    acquire_owned(semaphore) Arc::clone(semaphore).acquire_owned(1).await;
    acquire_many(semaphore, n) semaphore.acquire(n as usize).await;
    acquire_blocking(semaphore) semaphore.acquire(1).block_on();
    resize(semaphore, from, to) if to > from {
        semaphore.release(to - from);
    } else {
        semaphore.reduce_permits(from - to);
    };
}
