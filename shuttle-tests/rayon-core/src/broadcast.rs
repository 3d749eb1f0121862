//! Jobs for every worker.

use std::marker::PhantomData;

use crate::registry::Worker;

/// Of one worker of many.
pub struct BroadcastContext<'a> {
    index: usize,
    marker: PhantomData<&'a mut dyn Fn()>,
}

impl BroadcastContext<'_> {
    pub fn index(&self) -> usize {
        self.index
    }
}

pub fn spawn_broadcast(op: impl Fn(BroadcastContext<'_>) + Send + Sync + 'static) {
    Worker::expect().registry.broadcast(move |index| {
        op(BroadcastContext {
            index,
            marker: PhantomData,
        });
    });
}
