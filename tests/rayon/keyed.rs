//! Jobs and iterators that are throttled by a key of a keyed semaphore.

mod forms;
mod handles;
mod nested;
mod refused;

use std::sync::Arc;

use dynaphore::{KeyedSemaphore, throttle::OwnedKeyedSource};

type Hosts = KeyedSemaphore<String>;

fn key(hosts: &Arc<Hosts>, key: &str) -> OwnedKeyedSource<String> {
    OwnedKeyedSource::new(Arc::clone(hosts), key.to_owned())
}
