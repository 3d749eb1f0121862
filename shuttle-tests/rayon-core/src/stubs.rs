//! What rayon names and nobody calls here.

use crate::{BroadcastContext, Scope};

pub struct ThreadBuilder(());

pub struct ScopeFifo<'scope>(#[allow(dead_code)] Scope<'scope>);

pub fn max_num_threads() -> usize {
    unimplemented!()
}

pub fn spawn_fifo(_: impl FnOnce() + Send + 'static) {
    unimplemented!()
}

pub fn broadcast<R: Send>(_: impl Fn(BroadcastContext<'_>) -> R + Sync) -> Vec<R> {
    unimplemented!()
}

pub fn scope_fifo<'scope, R>(_: impl FnOnce(&ScopeFifo<'scope>) -> R + Send) -> R {
    unimplemented!()
}

pub fn in_place_scope_fifo<'scope, R>(_: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
    unimplemented!()
}
