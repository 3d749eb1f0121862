//! Two things that may be done at once.

use std::marker::PhantomData;

use crate::{
    Outcome, caught, forget_lifetime,
    registry::{Latch, Worker},
    unwrapped,
};

/// What a half of a [`join_context`] is told.
pub struct FnContext {
    migrated: bool,
    not_send: PhantomData<*mut ()>,
}

impl FnContext {
    fn new(migrated: bool) -> Self {
        Self {
            migrated,
            not_send: PhantomData,
        }
    }

    /// Does it run on another thread than the call?
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_context(|_| a(), |_| b())
}

pub fn join_context<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    let worker = Worker::expect();
    let (latch, outcome) = (Latch::default(), Outcome::new());
    let job = {
        let (worker, latch, outcome) = (worker.clone(), latch.clone(), outcome.clone());
        move || {
            let here = Worker::expect().index;
            let result = caught(|| b(FnContext::new(here != worker.index)));
            outcome.set(result);
            worker.registry.set(&latch);
        }
    };
    // SAFETY: this call does not return before the job has run.
    let number = worker.push(unsafe { forget_lifetime(Box::new(job)) });
    let first = caught(|| a(FnContext::new(false)));
    if let Some(job) = worker.wait(&latch, Some(number)) {
        job();
    }
    let second = outcome.take();
    (unwrapped(first), unwrapped(second))
}
