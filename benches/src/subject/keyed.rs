//! A semaphore for each key, dynaphore's and what one would write without it.
//!
//! All hash with std's `RandomState`, and all but [`Bare`] forget a key that is
//! not in use any more. The `Semaphore` of each is that of one key.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use dynaphore::{KeyedSemaphore, Semaphore};
use lockable::LockPool;
use tokio::sync;

use super::{Dynaphore, Subject};

const THERE: &str = "there are more permits than threads";
const OPEN: &str = "it is never closed";

/// Has a semaphore for each key.
pub trait Keyed: Subject {
    /// What is shared between those who acquire.
    type Keyed: Send + Sync + 'static;

    /// One with that many permits for each key, and 0 to `keys` for keys.
    fn keyed(max: usize, keys: u64) -> Self::Keyed;

    /// A permit that is there.
    fn try_acquire_key(keyed: &Self::Keyed, key: u64) -> impl Sized + Send;

    /// Waits for one permit of the key.
    fn acquire_key(keyed: &Self::Keyed, key: u64) -> impl Future<Output = impl Send> + Send;
}

impl Keyed for Dynaphore {
    type Keyed = KeyedSemaphore<u64>;

    fn keyed(max: usize, _: u64) -> KeyedSemaphore<u64> {
        KeyedSemaphore::new(max)
    }

    fn try_acquire_key(keyed: &KeyedSemaphore<u64>, key: u64) -> impl Sized + Send {
        keyed.try_acquire(&key).expect(THERE)
    }

    async fn acquire_key(keyed: &KeyedSemaphore<u64>, key: u64) -> impl Send {
        keyed.acquire(&key).await.expect(OPEN)
    }
}

/// What it is made of.
pub struct Map {
    entries: DashMap<u64, Arc<sync::Semaphore>>,
    max: usize,
}

/// Somebody who uses an entry. It has one `Arc` and the map another: who comes
/// adds one under the lock of the shard, so whoever finds one alone under that
/// lock can remove it. The permit is given back by hand: an owned one would need
/// one more `Arc`.
struct User<'a> {
    map: &'a Map,
    key: u64,
    semaphore: Option<Arc<sync::Semaphore>>,
    holds: bool,
}

impl Map {
    fn user(&self, key: u64) -> User<'_> {
        let entry = self.entries.entry(key);
        let semaphore = entry.or_insert_with(|| Arc::new(sync::Semaphore::new(self.max)));
        User {
            map: self,
            key,
            semaphore: Some(Arc::clone(&semaphore)),
            holds: false,
        }
    }
}

impl User<'_> {
    fn semaphore(&self) -> &sync::Semaphore {
        self.semaphore.as_ref().expect("until it is dropped")
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        if self.holds {
            self.semaphore().add_permits(1);
        }
        self.semaphore = None;
        let is_alone =
            |_: &u64, semaphore: &Arc<sync::Semaphore>| Arc::strong_count(semaphore) == 1;
        self.map.entries.remove_if(&self.key, is_alone);
    }
}

subject! {
    /// `DashMap<K, Arc<tokio::sync::Semaphore>>`, whose entries go when nobody uses
    /// them.
    DashmapTokio, "dashmap_tokio": sync::Semaphore;
    new(permits) sync::Semaphore::new(permits);
}

impl Keyed for DashmapTokio {
    type Keyed = Map;

    fn keyed(max: usize, _: u64) -> Map {
        let entries = DashMap::new();
        Map { entries, max }
    }

    fn try_acquire_key(keyed: &Map, key: u64) -> impl Sized + Send {
        let mut user = keyed.user(key);
        user.semaphore().try_acquire().expect(THERE).forget();
        user.holds = true;
        user
    }

    async fn acquire_key(keyed: &Map, key: u64) -> impl Send {
        let mut user = keyed.user(key);
        user.semaphore().acquire().await.expect(OPEN).forget();
        user.holds = true;
        user
    }
}

subject! {
    /// `lockable::LockPool`: a mutex for each key, so it takes part as a semaphore
    /// with one permit.
    Lockable, "lockable": sync::Mutex<()>;
    new(_permits) sync::Mutex::new(());
}

impl Keyed for Lockable {
    type Keyed = LockPool<u64>;

    fn keyed(_: usize, _: u64) -> LockPool<u64> {
        LockPool::new()
    }

    fn try_acquire_key(keyed: &LockPool<u64>, key: u64) -> impl Sized + Send {
        keyed.blocking_lock(key)
    }

    async fn acquire_key(keyed: &LockPool<u64>, key: u64) -> impl Send {
        keyed.async_lock(key).await
    }
}

subject! {
    /// A bare dynaphore semaphore, found by one hash and one look at a map that never
    /// changes: what a key costs that is always there.
    Bare, "bare": Semaphore;
    new(permits) Semaphore::new(permits);
}

impl Keyed for Bare {
    type Keyed = HashMap<u64, Semaphore>;

    fn keyed(max: usize, keys: u64) -> HashMap<u64, Semaphore> {
        (0..keys).map(|key| (key, Semaphore::new(max))).collect()
    }

    fn try_acquire_key(keyed: &HashMap<u64, Semaphore>, key: u64) -> impl Sized + Send {
        keyed[&key].try_acquire().expect(THERE)
    }

    async fn acquire_key(keyed: &HashMap<u64, Semaphore>, key: u64) -> impl Send {
        keyed[&key].acquire().await.expect(OPEN)
    }
}
