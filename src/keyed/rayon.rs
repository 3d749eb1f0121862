//! What throttled rayon jobs ask of a key beyond what everybody may.

use std::{
    future::Future,
    hash::{BuildHasher, Hash},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use equivalent::Equivalent;

use super::{
    acquire::Request,
    permit::{KeyedPermit, OwnedKeyedPermit, Permits, Reach},
    semaphore::KeyedSemaphore,
};
use crate::{Semaphore, error::KeyedAcquireError, semaphore::checked};

/// Takes `n` permits of `key` if so many are free, or `over` max, and the key is in use.
fn take_ahead<R, Q>(keyed: R, key: &Q, n: u32, over: bool) -> Option<Permits<R>>
where
    R: Reach,
    R::Hasher: BuildHasher,
    Q: Hash + Equivalent<R::Key> + ?Sized,
{
    let KeyedSemaphore { shards, .. } = keyed.keyed();
    let hash = keyed.keyed().hash(key);
    let entry = shards.read(hash, key, |_, entry| {
        entry
            .filter(|entry| entry.semaphore.take_ahead(n, over))
            .cloned()
    })?;
    Some(Permits::taken(keyed, entry, n))
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// As [`take_ahead`].
    pub(crate) fn acquire_ahead<Q: Hash + Equivalent<K> + ?Sized>(
        &self,
        key: &Q,
        n: u32,
        over: bool,
    ) -> Option<KeyedPermit<'_, K, S>> {
        take_ahead(self, key, n, over).map(KeyedPermit::new)
    }

    /// As [`take_ahead`].
    pub(crate) fn acquire_ahead_owned<Q: Hash + Equivalent<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
        over: bool,
    ) -> Option<OwnedKeyedPermit<K, S>> {
        take_ahead(self, key, n, over).map(OwnedKeyedPermit::new)
    }
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// The number of the entry of `key`, if it is in use.
    pub(crate) fn number<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<u64> {
        let hash = self.hash(key);
        self.shards
            .read(hash, key, |_, entry| entry.map(|entry| entry.number.get()))
    }

    /// What a request for `n` permits of `key` would be told now, if it would
    /// be turned away.
    pub(crate) fn would_refuse<Q: Hash + Equivalent<K> + ?Sized>(
        &self,
        key: &Q,
        n: u32,
    ) -> Option<KeyedAcquireError> {
        let max_waiters = self.shards.settings().max_waiters;
        self.shards.read(self.hash(key), key, |table, entry| {
            if table.closed {
                return Some(KeyedAcquireError::Closed);
            }
            let (fits, waiters) = match entry {
                None => {
                    if !self.shards.has_room() {
                        return Some(KeyedAcquireError::TooManyKeys);
                    }
                    (n <= table.default_max, 0)
                }
                Some(entry) => {
                    let available = entry.semaphore.available_permits();
                    (n as usize <= available, entry.users.waiters())
                }
            };
            let is_full = waiters >= max_waiters;
            (!fits && is_full).then_some(KeyedAcquireError::TooManyWaiters)
        })
    }

    /// Is it closed, for `key`?
    pub(crate) fn is_closed_for<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        self.shards
            .read(self.hash(key), key, |table, _| table.closed)
    }
}

impl<R: Reach> Permits<R> {
    fn number(&self) -> u64 {
        self.entry().number.get()
    }

    fn semaphore(&self) -> &Semaphore {
        &self.entry().semaphore
    }
}

macro_rules! permit {
    ($permit:ty) => {
        impl<K, S> $permit {
            pub(crate) fn number(&self) -> u64 {
                self.0.number()
            }

            #[inline]
            pub(crate) fn semaphore(&self) -> &Semaphore {
                self.0.semaphore()
            }
        }
    };
}

permit!(KeyedPermit<'_, K, S>);
permit!(OwnedKeyedPermit<K, S>);

/// As [`KeyedAcquireOwned`](super::KeyedAcquireOwned), but it owns its key as well.
pub struct KeyRequest<K, S>(Request<Arc<KeyedSemaphore<K, S>>, Arc<K>>);

impl<K, S> KeyRequest<K, S> {
    pub(crate) fn new(keyed: Arc<KeyedSemaphore<K, S>>, key: Arc<K>, n: u32) -> Self {
        let n = checked(n as usize);
        Self(Request::Asks { keyed, key, n })
    }
}

/// Nothing in it is pinned.
impl<K, S> Unpin for KeyRequest<K, S> {}

impl<K: Hash + Eq + Clone, S: BuildHasher> Future for KeyRequest<K, S> {
    type Output = Result<OwnedKeyedPermit<K, S>, KeyedAcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.get_mut().0.poll(cx.waker());
        polled.map_ok(OwnedKeyedPermit::new)
    }
}
