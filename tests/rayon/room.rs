//! What the tests of throttled rayon jobs share.
#![allow(dead_code)] // Each file uses its part of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::common::until;

pub fn pool(workers: usize) -> Arc<ThreadPool> {
    let builder = ThreadPoolBuilder::new().num_threads(workers);
    Arc::new(builder.build().unwrap())
}

/// Counts how many are inside at once.
#[derive(Default)]
pub struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
    visits: AtomicUsize,
}

impl Room {
    pub fn visit<T>(&self, stay: impl FnOnce() -> T) -> T {
        let _inside = self.enter(1);
        stay()
    }

    /// Counts as `weight` until what is returned is dropped.
    pub fn enter(&self, weight: usize) -> impl Drop + '_ {
        struct Inside<'a>(&'a Room, usize);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.inside.fetch_sub(self.1, SeqCst);
            }
        }
        let inside = self.inside.fetch_add(weight, SeqCst) + weight;
        self.most.fetch_max(inside, SeqCst);
        self.visits.fetch_add(1, SeqCst);
        Inside(self, weight)
    }

    pub fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }

    pub fn most(&self) -> usize {
        self.most.load(SeqCst)
    }

    pub fn visits(&self) -> usize {
        self.visits.load(SeqCst)
    }
}

/// Gives others the processor.
pub fn moment() {
    thread::yield_now();
}

/// Runs both, the second on another thread for certain, beside the first.
pub fn beside(first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    let stolen = AtomicBool::new(false);
    let first = || {
        until(|| stolen.load(SeqCst));
        first();
    };
    let second = || {
        stolen.store(true, SeqCst);
        second();
    };
    rayon::join(first, second);
}

/// Runs `op` on another thread for certain, and waits for it as a worker does.
pub fn on_another(op: impl FnOnce() + Send) {
    beside(|| {}, op);
}

/// What a panic said.
pub fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or("")
            .to_owned(),
    }
}
