//! Tokens against increments, and those who wait against both.
//!
//! Each generation has [`Data`] of its own that holders of its tokens write, and
//! that is read by who has waited for it. Under loom the ring has two places, so
//! the third turn is counted where the first one was.

mod parked;
mod swap;
mod tokens;

use std::cell::RefCell;

use dynaphore::generation::{Pending, Tracker};
use dynaphore_loom_tests::Data;

thread_local! {
    /// The trackers of one execution. loom runs all its threads on one real thread.
    static TRACKERS: RefCell<Vec<*mut Tracker>> = const { RefCell::new(Vec::new()) };
}

/// One that tokens can borrow on any thread, until the execution is over.
fn tracker(stripes: usize, exact: bool) -> &'static Tracker {
    let tracker = Box::into_raw(Box::new(Tracker::modelled(stripes, exact)));
    TRACKERS.with_borrow_mut(|trackers| trackers.push(tracker));
    // SAFETY: it is freed by `model` only, when nobody borrows it any more.
    unsafe { &*tracker }
}

/// Frees the trackers after each execution: loom takes what they hold for leaked.
#[track_caller]
fn model(bound: usize, f: impl Fn() + Send + Sync + 'static) {
    dynaphore_loom_tests::model(bound, move || {
        f();
        for tracker in TRACKERS.take() {
            // SAFETY: `f` has joined all its threads, and what borrows a tracker belongs
            // to them or to `f`.
            drop(unsafe { Box::from_raw(tracker) });
        }
    });
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
