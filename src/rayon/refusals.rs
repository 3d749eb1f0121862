//! Refusals that have not come through yet. The panic of one call gives back the
//! permits of the jobs around it, and others that waited with it go on: so no other one
//! is refused for what was found out before.

use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard, statics};

statics! {
    static STATE: Mutex<State> = Mutex::new(State { pending: 0, count: 0 });
}

struct State {
    /// How many have been decided on whose panic has not begun.
    pending: usize,
    /// How many there have been.
    count: u64,
}

/// One that is decided on, until this is dropped: when its panic begins.
#[derive(Debug)]
pub(super) struct Refusal(());

impl Refusal {
    pub(super) fn new() -> Self {
        lock().add()
    }

    /// None if there has been another one since `so_many` were [counted](count).
    pub(super) fn after(so_many: u64) -> Option<Self> {
        let mut state = lock();
        (state.count == so_many).then(|| state.add())
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        lock().pending -= 1;
    }
}

impl State {
    fn add(&mut self) -> Refusal {
        self.pending += 1;
        self.count += 1;
        Refusal(())
    }
}

/// How many there have been; `None` while one has not come through.
pub(super) fn count() -> Option<u64> {
    let state = lock();
    (state.pending == 0).then_some(state.count)
}

fn lock() -> MutexGuard<'static, State> {
    // Two numbers, each of which is changed at once.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
