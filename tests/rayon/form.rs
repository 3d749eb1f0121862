//! A call by an iterator, or by jobs in a scope.

use std::sync::Arc;

use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::prelude::*;

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Iterator,
    Scope,
}

pub const FORMS: [Form; 2] = [Form::Iterator, Form::Scope];

/// Runs `n` jobs of so many permits each.
pub fn call(
    form: Form,
    semaphore: &Arc<Semaphore>,
    n: usize,
    need: u32,
    job: impl Fn() + Sync + Send,
) {
    match form {
        Form::Iterator => (0..n)
            .into_par_iter()
            .throttle_weighted_for_each(semaphore, |_| need, |_| job())
            .unwrap(),
        Form::Scope => rayon::scope(|scope| {
            let jobs = Throttle::new(Arc::clone(semaphore)).scoped();
            for _ in 0..n {
                jobs.spawn_many(scope, need, |_, _permit| job()).unwrap();
            }
        }),
    }
}
