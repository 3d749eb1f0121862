//! Pools as their users see them.

use std::{error::Error, fmt, sync::Arc};

use crate::{Scope, registry::Registry, scope::in_place, unwrapped};

pub struct ThreadPool(Arc<Registry>);

#[derive(Default)]
pub struct ThreadPoolBuilder {
    workers: usize,
}

impl ThreadPoolBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn num_threads(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    pub fn thread_name(self, _: impl FnMut(usize) -> String + 'static) -> Self {
        self
    }

    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        assert!(self.workers > 0, "how many is to be said");
        Ok(ThreadPool(Registry::new(self.workers)))
    }
}

/// There is always a thread to be had.
#[derive(Debug)]
pub struct ThreadPoolBuildError(());

impl fmt::Display for ThreadPoolBuildError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Error for ThreadPoolBuildError {}

impl ThreadPool {
    pub fn install<R: Send>(&self, op: impl FnOnce() -> R + Send) -> R {
        unwrapped(self.0.install(op))
    }

    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn(Box::new(job));
    }

    pub fn scope<'scope, R: Send>(&self, op: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
        self.install(|| crate::scope(op))
    }

    pub fn in_place_scope<'scope, R>(&self, op: impl FnOnce(&Scope<'scope>) -> R) -> R {
        in_place(&self.0, op)
    }

    pub fn current_num_threads(&self) -> usize {
        self.0.workers()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool").finish_non_exhaustive()
    }
}
