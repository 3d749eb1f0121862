//! Saying that somebody is there, and finding out that nobody is.

use std::hint::black_box;
use std::time::Instant;

use super::{Runner, threads};
use crate::subject::{Replaces, Tracks};

/// One thread: take, drop.
pub fn token_1t<S: Tracks>() -> Runner {
    let shared = S::shared();
    Box::new(move |ops| {
        let start = Instant::now();
        take_and_drop::<S>(&shared, ops);
        start.elapsed()
    })
}

/// Two threads: take, drop.
pub fn token_2t<S: Tracks>() -> Runner {
    let shared = S::shared();
    Box::new(move |ops| threads::run(2, ops, |ops| take_and_drop::<S>(&shared, ops)))
}

/// One thread takes and drops while another replaces without pause. Only the
/// former's operations count.
pub fn token_while_increment_2t<S: Replaces>() -> Runner {
    let shared = S::shared();
    Box::new(move |ops| {
        threads::beside(|| S::replace(&shared), || take_and_drop::<S>(&shared, ops))
    })
}

/// One thread replaces, with nobody there.
pub fn increment_wait<S: Replaces>() -> Runner {
    let shared = S::shared();
    // Whoever allocates for the first holder has done so.
    drop(S::hold(&shared));
    Box::new(move |ops| {
        let shared = black_box(&shared);
        let start = Instant::now();
        for _ in 0..ops {
            S::replace(shared);
        }
        start.elapsed()
    })
}

fn take_and_drop<S: Tracks>(shared: &S::Shared, ops: u64) {
    let shared = black_box(shared);
    for _ in 0..ops {
        drop(S::hold(shared));
    }
}
