//! Changing the max of one key or of all, and closing them: under the lock what
//! changes a word, with the lock free what wakes anybody.

use std::{borrow::Borrow, mem};

use triomphe::Arc;

use super::{
    super::{
        table::{Entry, Table},
        users::Left,
    },
    Map, cheap, lock,
};
use crate::{error::TooManyKeys, foreign::Deferred, semaphore::Rest};

/// Overrides.
impl<K> Map<K> {
    /// Gives `key` a max of its own. Returns the one that it replaces.
    pub(in crate::keyed) fn set_override<Q>(
        &self,
        hash: u64,
        key: &Q,
        max: u32,
    ) -> Result<u32, TooManyKeys>
    where
        K: Borrow<Q>,
        Q: Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut owned = cheap(key);
        loop {
            let mut table = lock(self.shard(hash));
            if let Some(entry) = table.find(hash, key) {
                entry.users.set_override();
                let (before, rest) = entry.semaphore.begin_set_max(max);
                let rest = left(entry, rest);
                drop(table);
                finish(rest);
                return Ok(before);
            }
            let Some(key) = owned.take() else {
                drop(table);
                self.has_room()?;
                owned = Some(key.to_owned());
                continue;
            };
            if let Err(refused) = self.count_key() {
                drop(table);
                return Err(refused);
            }
            let before = table.default_max;
            let policy = self.settings.policy;
            let entry = table.insert(hash, key, (max, 0), policy);
            entry.users.set_override();
            if table.closed {
                // Nobody waits yet.
                let _ = entry.semaphore.begin_close();
            }
            // Under the lock, so it is not the last.
            drop(entry);
            return Ok(before);
        }
    }

    /// Makes `key` follow the default again. Returns the max that it had, if
    /// that was its own.
    pub(in crate::keyed) fn clear_override<Q>(&self, hash: u64, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let table = lock(self.shard(hash));
        let found = table.find(hash, key);
        let entry = Arc::clone(found.filter(|entry| entry.users.is_overridden())?);
        let left = entry.users.clear_override();
        let (before, rest) = entry.semaphore.begin_set_max(table.default_max);
        drop(table);
        if left == Left::Nobody {
            // Nobody waits.
            self.left(entry, left);
        } else {
            finish(Some((entry, rest)));
        }
        Some(before)
    }
}

/// All keys.
impl<K> Map<K> {
    /// Replaces the default. Returns the one before.
    pub(in crate::keyed) fn set_default(&self, max: u32) -> u32 {
        let mut before = max;
        let change = |table: &mut Table<K>| before = mem::replace(&mut table.default_max, max);
        self.sweep(change, |entry| {
            if entry.users.is_overridden() {
                return None;
            }
            left(entry, entry.semaphore.begin_set_max(max).1)
        });
        before
    }

    pub(in crate::keyed) fn close(&self) {
        let change = |table: &mut Table<K>| table.closed = true;
        self.sweep(change, |entry| {
            let rest = entry.semaphore.begin_close();
            (entry.users.waiters() > 0).then(|| (Arc::clone(entry), rest))
        });
    }

    /// Changes each shard, and takes the first `step` of each of its entries.
    /// Sweeps have one order, the same in all shards.
    fn sweep(
        &self,
        mut change: impl FnMut(&mut Table<K>),
        step: impl Fn(&Arc<Entry<K>>) -> Option<(Arc<Entry<K>>, Rest)>,
    ) {
        let mut rests = Vec::new();
        let sweeper = lock(&self.sweeper);
        for shard in &self.shards {
            let mut table = lock(shard);
            change(&mut table);
            rests.extend(table.entries().filter_map(&step));
        }
        drop(sweeper);
        finish(rests);
    }
}

/// What is left of a call, if anything is.
fn left<K>(entry: &Arc<Entry<K>>, rest: Rest) -> Option<(Arc<Entry<K>>, Rest)> {
    (!matches!(rest, Rest::Nothing)).then(|| (Arc::clone(entry), rest))
}

/// The second steps, with the lock free.
fn finish<K>(rests: impl IntoIterator<Item = (Arc<Entry<K>>, Rest)>) {
    for_each_entry(rests, |entry, rest| entry.semaphore.finish(rest));
}

/// Runs foreign code on entries with the lock free. A panic waits until all have
/// had their turn.
pub(super) fn for_each_entry<K, T>(
    entries: impl IntoIterator<Item = (Arc<Entry<K>>, T)>,
    mut see_to: impl FnMut(&Entry<K>, T),
) {
    let mut deferred = Deferred::default();
    for (entry, with) in entries {
        deferred.run(|| see_to(&entry, with));
        // Perhaps the last, and then its key goes.
        deferred.run(|| drop(entry));
    }
    deferred.resume();
}
