//! Changing the max of one key or of all, and closing them: under the lock what
//! changes a word, with the lock free what wakes anybody.

use std::{borrow::Borrow, mem};

use triomphe::Arc;

use super::{
    super::{
        table::{Entry, Table},
        users::{Left, Users},
    },
    Map, cheap, lock,
};
use crate::{
    error::TooManyKeys,
    semaphore::{Deferred, Semaphore},
};

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
                let (before, concerns) = entry.semaphore.resize_quietly(max);
                let concerned = concerns.then(|| Arc::clone(entry));
                drop(table);
                for_each(concerned, Semaphore::serve);
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
            let entry = table.insert(hash, key, Users::overridden(), (max, 0), policy);
            if table.closed {
                entry.semaphore.close_quietly();
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
        let (before, concerns) = entry.semaphore.resize_quietly(table.default_max);
        let left = entry.users.clear_override();
        drop(table);
        match left {
            Left::Needed => {
                for_each(concerns.then_some(entry), Semaphore::serve);
            }
            Left::Unneeded => self.remove_unneeded(entry),
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
        let concerns = |entry: &Entry<K>| {
            !entry.users.is_overridden() && entry.semaphore.resize_quietly(max).1
        };
        self.sweep(change, concerns, Semaphore::serve);
        before
    }

    pub(in crate::keyed) fn close(&self) {
        let change = |table: &mut Table<K>| table.closed = true;
        let concerns = |entry: &Entry<K>| {
            entry.semaphore.close_quietly();
            entry.users.waiters() > 0
        };
        self.sweep(change, concerns, Semaphore::tell_closed);
    }

    /// Changes each shard and each of its entries, and sees to those whom that
    /// `concerns`. Sweeps have one order, the same in all shards.
    fn sweep(
        &self,
        mut change: impl FnMut(&mut Table<K>),
        concerns: impl Fn(&Entry<K>) -> bool,
        see_to: impl Fn(&Semaphore),
    ) {
        let mut concerned = Vec::new();
        let sweeper = lock(&self.sweeper);
        for shard in &self.shards {
            let mut table = lock(shard);
            change(&mut table);
            concerned.extend(table.entries().filter(|entry| concerns(entry)).cloned());
        }
        drop(sweeper);
        for_each(concerned, see_to);
    }
}

/// Runs foreign code on semaphores with the lock free. A panic waits until all
/// have had their turn.
fn for_each<K>(entries: impl IntoIterator<Item = Arc<Entry<K>>>, see_to: impl Fn(&Semaphore)) {
    for_each_entry(entries, |entry| see_to(&entry.semaphore));
}

pub(super) fn for_each_entry<K>(
    entries: impl IntoIterator<Item = Arc<Entry<K>>>,
    mut see_to: impl FnMut(&Entry<K>),
) {
    let mut deferred = Deferred::default();
    for entry in entries {
        deferred.run(|| see_to(&entry));
        // Perhaps the last, and then its key goes.
        deferred.run(|| drop(entry));
    }
    deferred.resume();
}
