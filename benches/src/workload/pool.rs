//! Leases of several keys, by tasks that take whichever is next.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::yield_now;

use super::Runner;
use super::handoff::{TASKS, multi_thread, run_tasks};
use crate::subject::Leases;

const KEYS: usize = 16;

/// 64 tasks on two workers, 16 keys with one lease each, one yield while
/// holding.
pub fn pool_churn<S: Leases>() -> Runner {
    let runtime = multi_thread();
    let pool = Arc::new(S::pool(KEYS, 1));
    Box::new(move |ops| {
        run_tasks(&runtime, TASKS, ops, |_, rounds| {
            let pool = Arc::clone(&pool);
            async move {
                for _ in 0..rounds {
                    let (key, lease) = S::lease(&pool).await;
                    black_box(key);
                    yield_now().await;
                    drop(lease);
                }
            }
        })
    })
}

/// One thread: await a lease, drop it; 16 keys.
pub fn pool_1t<S: Leases>() -> Runner {
    alone::<S>(KEYS)
}

/// The same with 1,000,000 keys.
pub fn pool_1m_1t<S: Leases>() -> Runner {
    alone::<S>(1_000_000)
}

fn alone<S: Leases>(keys: usize) -> Runner {
    let pool = S::pool(keys, 1);
    Box::new(move |ops| {
        pollster::block_on(async {
            let pool = black_box(&pool);
            let start = Instant::now();
            for _ in 0..ops {
                drop(S::lease(pool).await);
            }
            start.elapsed()
        })
    })
}
