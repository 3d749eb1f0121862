//! What a throttle costs where there is nothing to do and nobody to wait for.

use std::hint::black_box;
use std::time::Instant;

use dynaphore::Semaphore;
use dynaphore::throttle::ThrottleExt as _;
use rayon::prelude::*;
use rayon_iter_concurrent_limit::ConcurrentLimit as _;

use super::{Turn, cores, pool};

const ITEMS: usize = 1_000_000;
const MAX: usize = 64;

fn turn(part: u32, run: impl Fn(rayon::range::Iter<usize>) + Sync) -> Turn {
    let items = ITEMS / part as usize;
    let pool = pool(cores());
    pool.install(|| {
        let once = || run((0..items).into_par_iter());
        once();
        let start = Instant::now();
        once();
        Turn::of(start.elapsed().as_nanos() as f64 / items as f64)
    })
}

fn nothing(item: usize) {
    black_box(item);
}

pub fn throttled(part: u32) -> Turn {
    let semaphore = Semaphore::new(MAX);
    turn(part, |items| {
        items
            .throttle_for_each(&semaphore, nothing)
            .expect("it is open");
    })
}

pub fn blocking(part: u32) -> Turn {
    let semaphore = Semaphore::new(MAX);
    turn(part, |items| {
        items.for_each(|item| {
            let _permit = semaphore.blocking_acquire();
            nothing(item);
        });
    })
}

pub fn plain(part: u32) -> Turn {
    turn(part, |items| items.for_each(nothing))
}

pub fn limited(part: u32) -> Turn {
    turn(part, |items| items.concurrent_limit(MAX).for_each(nothing))
}
