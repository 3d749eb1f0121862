//! Figures to scrape of many keys.

use std::hint::black_box;
use std::time::Instant;

use super::Runner;
use crate::subject::Renders;

/// How many keys are in use, each a class of its own.
const KEYS: u64 = 10_000;

/// A text about all keys; an operation is what that says of one of them.
pub fn render_10k<S: Renders>() -> Runner {
    let render = S::figures(KEYS);
    Box::new(move |ops| {
        let texts = ops.div_ceil(KEYS);
        let start = Instant::now();
        for _ in 0..texts {
            black_box(render());
        }
        start.elapsed().mul_f64(ops as f64 / (texts * KEYS) as f64)
    })
}
