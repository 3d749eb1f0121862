//! Tokens against increments, and those who wait against both.
//!
//! Each generation has [`Data`] of its own that holders of its tokens write, and
//! that is read by who has waited for it. Under loom the ring has two places, so
//! the third turn is counted where the first one was.

mod parked;
mod swap;
mod tokens;

use dynaphore::generation::{Pending, Tracker};
use dynaphore_loom_tests::Data;

/// One that tokens can borrow on any thread. It is never freed.
fn tracker(stripes: usize, exact: bool) -> &'static Tracker {
    Box::leak(Box::new(Tracker::modelled(stripes, exact)))
}

/// What tokens protect: of two holders, each in generations 0 to 3.
#[derive(Clone)]
struct Generations([[Data; 4]; 2]);

impl Generations {
    fn new() -> Self {
        Self([(); 2].map(|()| [(); 4].map(|()| Data::new())))
    }

    /// Works under a token.
    fn hold(&self, holder: usize, tracker: &Tracker) {
        let token = tracker.acquire();
        self.0[holder][token.generation() as usize].bump();
    }

    /// Reads what must be at rest, up to the generation of `pending`.
    fn settled(&self, pending: &Pending<'_>) -> usize {
        let old = 0..=pending.generation() as usize;
        let of = |holder: &[Data; 4]| holder[old.clone()].iter().map(Data::read).sum::<usize>();
        self.0.iter().map(of).sum()
    }
}
