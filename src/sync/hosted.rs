//! With the standard library.

use std::any::Any;

pub(crate) use std::{
    collections::HashMap as Map,
    panic::{catch_unwind, resume_unwind},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, panicking},
};

/// What a panic carries.
pub(crate) type Panic = Box<dyn Any + Send>;

/// Lets go of the memory of a map that is empty, if it is more than `keep` entries need.
pub(crate) fn give_memory_back(map: &mut Map<u64, u64>, keep: usize) {
    if map.capacity() > keep {
        *map = Map::new();
    }
}
