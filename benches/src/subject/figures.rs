//! Figures of a keyed semaphore, as text for a scraper.

use std::sync::Arc;

use dynaphore::KeyedSemaphore;
use dynaphore_metrics::Registry;

use super::{Dynaphore, Subject};

/// Tells of its keys.
pub trait Renders: Subject {
    /// Makes a text about so many keys that are in use, each a class of its own.
    fn figures(keys: u64) -> impl Fn() -> String + 'static;
}

impl Renders for Dynaphore {
    fn figures(keys: u64) -> impl Fn() -> String + 'static {
        let keyed = Arc::new(KeyedSemaphore::<u64>::new(2));
        let held: Vec<_> = (0..keys)
            .map(|key| Arc::clone(&keyed).try_acquire_owned(&key))
            .collect::<Result<_, _>>()
            .expect("there are permits for each key");
        let registry = Registry::new();
        registry
            .add_keyed("keys", keyed, |key| format!("class {key}"))
            .expect("nothing else has that name");
        move || {
            assert_eq!(held.len() as u64, keys, "all are in use");
            registry.render()
        }
    }
}
