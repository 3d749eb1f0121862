//! The workloads, and which subjects each of them runs.
//!
//! A workload is a function generic over its subject. It sets up whatever is
//! to be reused (semaphore, runtime) and returns a [`Runner`]; only the call
//! of the runner goes through a pointer, the loop inside it is compiled for
//! the one subject.

pub use crate::measure::Runner;
use crate::measure::{Prepare, entries};
use crate::subject::{
    ArcSwapLoad, AsyncLock, Asyncband, Bare, CrossbeamEpoch, CrossbeamSharded, DashmapTokio,
    Dynaphore, DynaphoreBarging, DynaphoreEventual, DynaphoreFleet, DynaphoreGenerations,
    DynaphoreStatic, DynaphoreStats, Floor, Lockable, ParkingLotCondvar, ParkingLotRwLock,
    StdRwLock, Subject, Tokens, Tokio, Tracks,
};

mod blocking;
mod figures;
mod handoff;
mod keyed;
mod pool;
mod resize;
mod services;
mod threads;
mod tokens;
mod uncontended;
mod waiters;

pub use self::blocking::{blocking_8t, blocking_8t_waits, blocking_half};
pub use self::figures::render_10k;
pub use self::handoff::{handoff_ct, handoff_mt, tasks_per_permit, weighted_mt};
pub use self::keyed::{keyed_1t, keyed_2t, keyed_blocked, keyed_hot_2t, keyed_rotating};
pub use self::pool::{pool_1m_1t, pool_1t, pool_churn};
pub use self::resize::resize_storm_2t;
pub use self::services::{tower_1t, tower_mt};
pub use self::tokens::{increment_wait, token_1t, token_2t, token_while_increment_2t};
pub use self::uncontended::{async_1t, owned_1t, try_1t, try_2t};
pub use self::waiters::{waiters_1k, waiters_10, waiters_100k};

/// One row of the table.
pub struct Workload {
    /// The name in the output.
    pub name: &'static str,
    /// What is done, in short.
    pub what: &'static str,
    /// How many times the usual slice it takes until it runs as it would for
    /// ever.
    pub slices: u32,
    /// Those who can do it.
    pub entries: &'static [Prepare],
}

macro_rules! workloads {
    ($($workload:ident * $slices:literal: $what:literal [$($subject:ident),+];)+) => {
        &[$(Workload {
            name: stringify!($workload),
            what: $what,
            slices: $slices,
            entries: entries!($workload; $($subject),+),
        }),+]
    };
}

/// Every workload with its subjects, in the order of the output.
pub const ALL: &[Workload] = workloads! {
    try_1t * 1: "one thread: try, drop; `dynaphore_stats` counts, and times the holds; aim for it: 1.5 times `dynaphore`"
        [Dynaphore, DynaphoreGenerations, DynaphoreStats, Tokio, AsyncLock, Asyncband, Floor];
    async_1t * 1: "one thread: await, drop; `dynaphore_fleet` is a member's share of a fleet's max; aim for it: 1.02 times `dynaphore`"
        [Dynaphore, DynaphoreFleet, Tokio, AsyncLock, Asyncband, Floor];
    owned_1t * 1: "one thread: await a permit that holds its semaphore by `Arc`, drop"
        [Dynaphore, Tokio, AsyncLock, Asyncband, Floor];
    try_2t * 1: "two threads: try, drop, on the same semaphore"
        [Dynaphore, Tokio, AsyncLock, Asyncband, Floor];
    handoff_mt * 1: "64 tasks on two workers, 4 permits, one yield while holding"
        [Dynaphore, DynaphoreEventual, DynaphoreBarging, Tokio, AsyncLock, Asyncband];
    handoff_ct * 1: "the same on a current-thread runtime"
        [Dynaphore, DynaphoreEventual, DynaphoreBarging, Tokio, AsyncLock, Asyncband];
    weighted_mt * 1: "64 tasks on two workers with weights of 1 to 4 over 8 permits, one yield while holding"
        [Dynaphore, Tokio, Asyncband];
    // Only those with a queue: with barging hardly anybody would wait.
    waiters_10 * 1: "10 tasks on 4 permits and a current-thread runtime, each acquires and drops without end"
        [Dynaphore, Tokio, Asyncband];
    waiters_1k * 1: "the same with 1,000 tasks"
        [Dynaphore, Tokio, Asyncband];
    waiters_100k * 1: "the same with 100,000 tasks"
        [Dynaphore, Tokio, Asyncband];
    // Threads get by each other until one is preempted while it holds a permit.
    // Only from then on does a queue form, and with FIFO it stays.
    blocking_8t * 10: "8 threads, 2 permits: hold for one microsecond, pause for one"
        [Dynaphore, DynaphoreEventual, DynaphoreBarging, Tokio, AsyncLock, Asyncband,
        ParkingLotCondvar];
    resize_storm_2t * 1: "one thread awaits and drops while another resizes, down and up, without pause, so often as `beside/1k` says"
        [Dynaphore, Tokio, AsyncLock, Asyncband, Floor];
    token_1t * 1: "one thread: take a token (pin, read-lock, load), drop"
        [Tokens, CrossbeamEpoch, StdRwLock, ParkingLotRwLock, CrossbeamSharded, ArcSwapLoad];
    token_2t * 1: "two threads: the same, on the same tracker"
        [Tokens, CrossbeamEpoch, StdRwLock, ParkingLotRwLock, CrossbeamSharded, ArcSwapLoad];
    token_while_increment_2t * 1: "one thread takes and drops tokens while another increments and waits (write-locks, stores) without pause, so often as `beside/1k` says"
        [Tokens, StdRwLock, ParkingLotRwLock, CrossbeamSharded, ArcSwapLoad];
    increment_wait * 1: "one thread increments and waits (write-locks, stores), with nobody there"
        [Tokens, StdRwLock, ParkingLotRwLock, CrossbeamSharded, ArcSwapLoad];
    keyed_1t * 1: "one thread: take a permit of one of 1,024 keys after the other, drop, forget the key"
        [Dynaphore, DashmapTokio, Lockable, Bare];
    keyed_2t * 1: "the same with two threads on the same keys"
        [Dynaphore, DashmapTokio, Lockable, Bare];
    keyed_hot_2t * 1: "two threads: take a permit of the one key, drop, forget the key if nobody has it"
        [Dynaphore, DashmapTokio, Bare];
    keyed_blocked * 1: "64 tasks on two workers, 16 for each of 4 keys with 1 permit, one yield while holding"
        [Dynaphore, DashmapTokio, Lockable, Bare];
    keyed_rotating * 1: "the same where each task goes on to the next of the keys every time"
        [Dynaphore, DashmapTokio, Lockable, Bare];
    pool_churn * 1: "64 tasks on two workers, 16 keys with one lease each, one yield while holding; tokio: a semaphore for each key, since the targets of keys change one by one, and `select_all`"
        [Dynaphore, Tokio];
    pool_1t * 1: "one thread: await a lease of one of 16 keys, drop"
        [Dynaphore, Tokio];
    pool_1m_1t * 1: "the same with 1,000,000 keys"
        [Dynaphore];
    tower_1t * 1: "one caller of a service that answers at once: what the layer adds; tokio: tower's `ConcurrencyLimit`; aim: 0.5, which `floor`, the bare atomics and an `Arc`, has not"
        [Dynaphore, DynaphoreStatic, Tokio, Floor];
    tower_mt * 1: "64 callers on two workers, max 4, of a service that yields once: what the layer adds; tokio: the same; aim: 0.75"
        [Dynaphore, DynaphoreStatic, Tokio];
    render_10k * 8: "`dynaphore-metrics` renders 10,000 keys in use, each a class of its own: nanoseconds for each key; aim: 500, which are 5 ms for all"
        [Dynaphore];
};

/// The workload of that name.
pub fn find(name: &str) -> Option<&'static Workload> {
    ALL.iter().find(|workload| workload.name == name)
}

/// What worker number `index` of `workers` does of `ops` operations, so that
/// together they do all of them.
fn share(ops: u64, workers: usize, index: usize) -> u64 {
    let (workers, index) = (workers as u64, index as u64);
    ops / workers + u64::from(index < ops % workers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn shares_add_up() {
        for ops in [0, 1, 63, 64, 65, 1000] {
            let shares: Vec<u64> = (0..64).map(|index| share(ops, 64, index)).collect();
            assert_eq!(shares.iter().sum::<u64>(), ops);
            assert!(shares[0] - shares[63] <= 1, "{shares:?}");
        }
    }

    #[test]
    fn every_workload_runs_on_every_subject() {
        for workload in ALL {
            for entry in workload.entries {
                let mut runner = (entry.run)();
                // Twice: the second run starts from what the first left.
                for ops in [1, 200] {
                    let wall = runner(ops);
                    let what = format!("{} on {}", workload.name, entry.subject);
                    assert!(wall > Duration::ZERO, "{what} took no time");
                    assert!(wall < Duration::from_secs(10), "{what} took {wall:?}");
                }
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (index, workload) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name != workload.name));
            assert_eq!(
                find(workload.name).map(|found| found.name),
                Some(workload.name)
            );
            for (index, entry) in workload.entries.iter().enumerate() {
                let earlier = &workload.entries[..index];
                assert!(earlier.iter().all(|other| other.subject != entry.subject));
            }
        }
        assert!(find("no such workload").is_none());
    }
}
