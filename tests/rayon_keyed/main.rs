//! Jobs and iterators that are throttled by a key of a keyed semaphore.
#![cfg(feature = "rayon")]
#![cfg(feature = "keyed")]

#[path = "../rayon/child.rs"]
mod child;
#[path = "../common/mod.rs"]
mod common;
mod forms;
mod nested;
mod refused;
#[path = "../rayon/room.rs"]
mod room;

use std::sync::Arc;

use dynaphore::{KeyedSemaphore, throttle::OwnedKeyedSource};

type Hosts = KeyedSemaphore<String>;

fn key(hosts: &Arc<Hosts>, key: &str) -> OwnedKeyedSource<String> {
    OwnedKeyedSource::new(Arc::clone(hosts), key.to_owned())
}
