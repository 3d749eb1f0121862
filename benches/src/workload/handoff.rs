//! Nearly everybody waits: the price of handing a permit to the next task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use super::{Runner, share};
use crate::subject::{AsyncAcquire, WeightedAcquire};

pub const TASKS: usize = 64;
const WORKERS: usize = 2;
const PERMITS: usize = 4;
const WEIGHTED_PERMITS: usize = 8;
const HEAVIEST: u32 = 4;

/// 64 tasks on two workers, 4 permits, one yield while holding.
pub fn handoff_mt<S: AsyncAcquire>() -> Runner {
    handoff::<S>(multi_thread(), TASKS)
}

/// The same on a current-thread runtime.
pub fn handoff_ct<S: AsyncAcquire>() -> Runner {
    handoff::<S>(current_thread(), TASKS)
}

/// The same on two workers with so many tasks for each of the 4 permits.
pub fn tasks_per_permit<S: AsyncAcquire, const TASKS: usize>() -> Runner {
    handoff::<S>(multi_thread(), TASKS * PERMITS)
}

fn handoff<S: AsyncAcquire>(runtime: Runtime, tasks: usize) -> Runner {
    let semaphore = Arc::new(S::semaphore(PERMITS));
    Box::new(move |ops| {
        run_tasks(&runtime, tasks, ops, |_, rounds| {
            let semaphore = Arc::clone(&semaphore);
            async move {
                for _ in 0..rounds {
                    let permit = S::acquire(&semaphore).await;
                    yield_now().await;
                    drop(permit);
                }
            }
        })
    })
}

/// 64 tasks on two workers with weights of 1 to 4 over 8 permits, one yield
/// while holding.
pub fn weighted_mt<S: WeightedAcquire>() -> Runner {
    let runtime = multi_thread();
    let semaphore = Arc::new(S::semaphore(WEIGHTED_PERMITS));
    Box::new(move |ops| {
        run_tasks(&runtime, TASKS, ops, |index, rounds| {
            let semaphore = Arc::clone(&semaphore);
            let weight = index as u32 % HEAVIEST + 1;
            async move {
                for _ in 0..rounds {
                    let permit = S::acquire_many(&semaphore, weight).await;
                    yield_now().await;
                    drop(permit);
                }
            }
        })
    })
}

pub fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()
        .expect("a runtime")
}

pub fn current_thread() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// Shares `ops` operations out among so many tasks that `task` makes, given
/// their number and their part.
pub fn run_tasks<F>(
    runtime: &Runtime,
    tasks: usize,
    ops: u64,
    task: impl Fn(usize, u64) -> F,
) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime.block_on(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..tasks)
            .map(|index| tokio::spawn(task(index, share(ops, tasks, index))))
            .collect();
        for task in tasks {
            task.await.expect("a task panicked");
        }
        start.elapsed()
    })
}
