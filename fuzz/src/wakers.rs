//! Wakers that count how often they are woken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Wake, Waker},
};

use crate::event::WakerId;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// All wakers of a run.
#[derive(Default)]
pub(crate) struct Wakers(Vec<Arc<Counter>>);

impl Wakers {
    pub(crate) fn add(&mut self) -> WakerId {
        self.0.push(Arc::default());
        self.0.len() - 1
    }

    pub(crate) fn get(&self, id: WakerId) -> Waker {
        Waker::from(Arc::clone(&self.0[id]))
    }

    /// How often each has been woken.
    pub(crate) fn wakes(&self) -> Vec<usize> {
        self.0
            .iter()
            .map(|counter| counter.0.load(Relaxed))
            .collect()
    }

    /// How many clones of each somebody keeps.
    pub(crate) fn clones(&self) -> Vec<usize> {
        let held = |counter| Arc::strong_count(counter) - 1;
        self.0.iter().map(held).collect()
    }
}
