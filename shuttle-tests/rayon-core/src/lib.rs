//! rayon's thread pool on shuttle's threads: what `rayon-core` 1.13 does, as far
//! as its documentation and its callers can tell, with locks in place of its
//! lock-free parts. `Cargo.toml` puts it in the place of that crate, so that
//! rayon's iterators and `dynaphore`'s own code run on it as they are.
//!
//! What is kept, since it decides what comes to lie on top of what:
//!
//! - A worker takes the newest of its own jobs, then a broadcast, then the oldest
//!   job of another worker, then what came from outside of the pool.
//! - Whatever waits in a worker (a `join` for its second half, a scope for its
//!   jobs, an `install` for another pool) takes on other jobs until it has what it
//!   waits for, which it looks for before each of them. A `join` runs its second
//!   half itself if nobody has taken it.
//! - A job that is spawned by a worker of the pool goes to that worker, any other
//!   to the pool's queue.
//!
//! Left out: the global pool, and what `dynaphore` and its tests do not call.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

mod broadcast;
mod join;
mod registry;
mod scope;
mod stubs;
mod thread_pool;

pub use broadcast::{BroadcastContext, spawn_broadcast};
pub use join::{FnContext, join, join_context};
pub use scope::{Scope, in_place_scope, scope};
pub use stubs::*;
pub use thread_pool::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use registry::Worker;

/// How many workers the pool of this thread has.
pub fn current_num_threads() -> usize {
    // Elsewhere it would be those of the global pool, which is not there.
    Worker::current().map_or(1, |worker| worker.registry.workers())
}

/// This thread's place in its pool.
pub fn current_thread_index() -> Option<usize> {
    Worker::current().map(|worker| worker.index)
}

/// Spawns `job` in the pool of this thread.
pub fn spawn(job: impl FnOnce() + Send + 'static) {
    Worker::expect().registry.spawn(Box::new(job));
}

/// What has come of an offer to run something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    Executed,
    Idle,
}

/// Runs one of this worker's own jobs, or a broadcast.
pub fn yield_local() -> Option<Yield> {
    yielded(Worker::take_local)
}

/// Runs any job of the pool.
pub fn yield_now() -> Option<Yield> {
    yielded(Worker::take_any)
}

fn yielded(take: impl FnOnce(&Worker) -> Option<Job>) -> Option<Yield> {
    Worker::current().map(|worker| match take(&worker) {
        Some(job) => {
            job();
            Yield::Executed
        }
        None => Yield::Idle,
    })
}

type Panic = Box<dyn Any + Send>;

fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(f))
}

fn unwrapped<R>(result: Result<R, Panic>) -> R {
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

type Job = Box<dyn FnOnce() + Send>;

/// Forgets what `job` borrows.
///
/// # Safety
///
/// That must live until the job has been run or dropped.
unsafe fn forget_lifetime<'a>(job: Box<dyn FnOnce() + Send + 'a>) -> Job {
    // SAFETY: two boxes that differ by a lifetime only.
    unsafe { std::mem::transmute(job) }
}

/// What a job leaves for whoever waits for it.
struct Outcome<R>(Arc<std::sync::Mutex<Option<Result<R, Panic>>>>);

impl<R> Outcome<R> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn set(&self, result: Result<R, Panic>) {
        *self.0.lock().unwrap() = Some(result);
    }

    fn take(&self) -> Result<R, Panic> {
        self.0.lock().unwrap().take().expect("the job has run")
    }
}

impl<R> Clone for Outcome<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
