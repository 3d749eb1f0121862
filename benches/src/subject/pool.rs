//! Leases of any of several keys, each key with its own number of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dynaphore::LeasePool;
use futures::future::select_all;
use tokio::sync::Semaphore;

use super::{Dynaphore, Subject, Tokio};

/// Can hand out the next lease of any key.
pub trait Leases: Subject {
    /// What is shared between those who want leases.
    type Pool: Send + Sync + 'static;

    /// A pool with so many keys and so many leases of each.
    fn pool(keys: usize, target: usize) -> Self::Pool;

    /// Waits for a lease: its key, and what is held until it is dropped, which borrows nothing.
    fn lease(pool: &Self::Pool) -> impl Future<Output = (usize, impl Send + 'static)> + Send;
}

impl Leases for Dynaphore {
    type Pool = LeasePool<usize>;

    fn pool(keys: usize, target: usize) -> LeasePool<usize> {
        let pool = LeasePool::new();
        for key in 0..keys {
            pool.set(key, target);
        }
        pool
    }

    async fn lease(pool: &LeasePool<usize>) -> (usize, impl Send + 'static) {
        let lease = pool.acquire().await.expect("the pool is never stopped");
        (*lease.key(), lease)
    }
}

/// What one would write with tokio: a semaphore for each key, and whichever has
/// a permit first.
pub struct Semaphores {
    keys: Vec<Arc<Semaphore>>,
    /// Where the next one begins to look, so that keys take turns.
    turn: AtomicUsize,
}

impl Leases for Tokio {
    type Pool = Semaphores;

    fn pool(keys: usize, target: usize) -> Semaphores {
        Semaphores {
            keys: (0..keys)
                .map(|_| Arc::new(Semaphore::new(target)))
                .collect(),
            turn: AtomicUsize::new(0),
        }
    }

    async fn lease(pool: &Semaphores) -> (usize, impl Send + 'static) {
        let Semaphores { keys, turn } = pool;
        // Asking all of them in vain costs little beside waiting for all.
        let first = turn.fetch_add(1, Relaxed);
        for at in 0..keys.len() {
            let key = (first + at) % keys.len();
            if let Ok(permit) = Arc::clone(&keys[key]).try_acquire_owned() {
                return (key, permit);
            }
        }
        let waits = keys
            .iter()
            .map(|semaphore| Box::pin(Arc::clone(semaphore).acquire_owned()));
        let (permit, key, _others) = select_all(waits).await;
        (key, permit.expect(super::semaphores::OPEN))
    }
}
