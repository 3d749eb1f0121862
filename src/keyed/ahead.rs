//! Taking permits of a key ahead of those who wait: see `semaphore/ahead.rs`.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use super::{
    KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    handle::{Permits, Reach},
};

/// Takes `n` permits of `key` if so many are free, or `over` max, and the key is in use.
fn take_ahead<R, Q>(keyed: R, key: &Q, n: u32, over: bool) -> Option<Permits<R>>
where
    R: Reach,
    R::Key: Borrow<Q>,
    R::Hasher: BuildHasher,
    Q: Hash + Eq + ?Sized,
{
    let KeyedSemaphore { map, .. } = keyed.keyed();
    let hash = keyed.keyed().hash(key);
    let entry = map.read(hash, key, |_, entry| {
        entry
            .filter(|entry| entry.semaphore.take_ahead(n, over))
            .cloned()
    })?;
    Some(Permits::taken(keyed, entry, n))
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// As [`take_ahead`].
    pub(crate) fn acquire_ahead<Q>(
        &self,
        key: &Q,
        n: u32,
        over: bool,
    ) -> Option<KeyedPermit<'_, K, S>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        take_ahead(self, key, n, over).map(KeyedPermit::new)
    }

    /// As [`take_ahead`].
    pub(crate) fn acquire_ahead_owned<Q>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
        over: bool,
    ) -> Option<OwnedKeyedPermit<K, S>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        take_ahead(self, key, n, over).map(OwnedKeyedPermit::new)
    }
}
