//! Blocking without blocking a worker.
//!
//! rayon has no way to wait for something outside of it, but one: a worker that
//! calls [`ThreadPool::install`] on *another* pool takes on other jobs of its
//! own pool until the call is through. So a broker is a pool of one thread that
//! does nothing but block for somebody else, one at a time. Each keeps its
//! thread, so that a wait costs two switches and not a new thread.

use std::sync::PoisonError;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::sync::{Mutex, MutexGuard, statics};

statics! {
    /// Brokers with nothing to do.
    static IDLE: Mutex<Vec<ThreadPool>> = Mutex::new(Vec::new());
}

/// How many idle ones are kept. More are made as they are needed.
const KEPT: usize = 16;

/// Runs `op`, which may block, on another thread than a worker's. A worker that
/// calls this does other jobs meanwhile, and comes back when `op` has returned
/// and those jobs are done.
///
/// # Panics
///
/// When there is no thread to be had.
pub(super) fn off_worker<R: Send>(op: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_none() {
        return op();
    }
    let idle = lock().pop();
    let broker = idle.unwrap_or_else(hire);
    let result = broker.install(op);
    let mut idle = lock();
    if idle.len() < KEPT {
        idle.push(broker);
    } else {
        drop(idle);
        // Ends its thread; nobody waits for that.
        drop(broker);
    }
    result
}

fn hire() -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "dynaphore-broker".to_owned())
        .build()
        .unwrap_or_else(|error| panic!("no thread to wait for permits: {error}"))
}

fn lock() -> MutexGuard<'static, Vec<ThreadPool>> {
    // A push or a pop leaves nothing half done.
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_worker_that_waits_does_other_jobs() {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (sender, receiver) = mpsc::channel();
        pool.scope(|scope| {
            // The only worker waits for what a job of its own pool sends.
            scope.spawn(move |_| sender.send(7).unwrap());
            assert_eq!(off_worker(move || receiver.recv().unwrap()), 7);
        });
    }

    #[test]
    fn waits_upon_waits_have_a_broker_each() {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (to_outer, outer) = mpsc::channel();
        let (to_inner, inner) = mpsc::channel();
        pool.scope(|scope| {
            scope.spawn(move |scope| {
                scope.spawn(move |_| to_inner.send(()).unwrap());
                off_worker(move || inner.recv().unwrap());
                to_outer.send(()).unwrap();
            });
            off_worker(move || outer.recv().unwrap());
        });
    }

    #[test]
    fn outside_of_a_pool_the_caller_itself_blocks() {
        let here = std::thread::current().id();
        assert_eq!(off_worker(|| std::thread::current().id()), here);
    }
}
