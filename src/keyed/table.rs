//! The keys of one shard: a plain sequential structure, guarded by the shard's
//! lock. The only foreign code that runs in here is a key's `Eq`, in
//! [`find`](Table::find), where nothing has changed yet.
//!
//! # What makes a key cheap that comes and goes
//!
//! One key stands beside the hash table, which is used from the second on: where
//! fewer keys are in use than there are shards, most find their shard to
//! themselves. And a few entries that nobody needs are kept, without their keys,
//! for the next keys that come, so that those need no allocation. One of them may
//! have the queue of a key that was waited for: so keys that empty and fill again
//! do not make one every time. What is kept is bounded for each shard, whatever
//! keys there were.
//!
//! Measured on one thread with keys that come and go, as a ratio to a `DashMap` of
//! tokio's semaphores: with std's `Arc` 0.71; with triomphe's, which needs no
//! read-modify-write to find out that it is alone, 0.53; with hints to inline
//! 0.46; with the one key beside the table 0.33. (The last is 0.45 to 0.49 on another
//! machine, by `compare --only keyed_1t`.)

use std::{borrow::Borrow, mem};

use hashbrown::HashTable;
use triomphe::Arc;

use super::entry::{Entry, Users};
use crate::{
    foreign::Deferred,
    semaphore::{Policy, Semaphore},
};

/// How many entries are kept for keys to come.
const SPARES: usize = 4;

/// Hash tables of up to this size keep their memory.
const KEEP: usize = 64;

struct Row<K> {
    /// Here as well, to find and to rehash without a look at the entry.
    hash: u64,
    entry: Arc<Entry<K>>,
}

// In order: together with the lock in front of it, all but the hash table is one
// cache line.
#[repr(C)]
pub(super) struct Table<K> {
    /// One that is in no hash table.
    first: Option<Row<K>>,
    /// Of keys without an override. The same in all shards, unless
    /// `set_default_max` is on its way through them.
    pub(super) default_max: u32,
    pub(super) closed: bool,
    /// A spare with the queue of those who have waited for it. For the next key
    /// that comes: where one key has waiters, so has the next.
    queued_spare: Option<Arc<Entry<K>>>,
    /// That nobody has waited for.
    spares: Vec<Arc<Entry<K>>>,
    others: HashTable<Row<K>>,
}

impl<K> Table<K> {
    pub(super) fn new(default_max: u32) -> Self {
        Self {
            first: None,
            others: HashTable::new(),
            spares: Vec::new(),
            queued_spare: None,
            default_max,
            closed: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry<K>>> {
        self.first.iter().chain(&self.others).map(|row| &row.entry)
    }

    /// The entry of `key`. Runs the key's `Eq`.
    #[inline]
    pub(super) fn find<Q>(&self, hash: u64, key: &Q) -> Option<&Arc<Entry<K>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_it = |row: &Row<K>| row.hash == hash && row.entry.key().borrow() == key;
        if let Some(row) = self.first.as_ref().filter(|row| is_it(row)) {
            return Some(&row.entry);
        }
        if self.others.is_empty() {
            return None;
        }
        self.others.find(hash, is_it).map(|row| &row.entry)
    }

    /// The same, and shares it.
    #[inline]
    pub(super) fn share<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Entry<K>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        match &self.first {
            // Very likely it is the one. The other way round the entry's cache
            // line would come twice: to be read, then to be written.
            Some(row) if row.hash == hash => {
                let entry = Arc::clone(&row.entry);
                if entry.key().borrow() == key {
                    return Some(entry);
                }
            }
            _ => {}
        }
        self.find(hash, key).cloned()
    }

    /// Adds an entry for `key`, which has none, with `active` of `max` permits
    /// out; they fit.
    #[inline]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: K,
        (max, active): (u32, u32),
        policy: Policy,
    ) -> Arc<Entry<K>> {
        let entry = match self.queued_spare.take().or_else(|| self.spares.pop()) {
            None => Arc::new(Entry {
                key: Some(key),
                hash,
                users: Users::default(),
                semaphore: Semaphore::lent(max, active, policy),
                #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
                number: super::entry::Number::default(),
            }),
            Some(mut spare) => {
                // Field by field: a whole entry would be written twice.
                let place = Arc::get_mut(&mut spare).expect("nobody else has a spare");
                place.key = Some(key);
                place.hash = hash;
                place.users = Users::default();
                place.semaphore.lend(max, active);
                #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
                {
                    place.number = super::entry::Number::default();
                }
                spare
            }
        };
        let row = Row {
            hash,
            entry: Arc::clone(&entry),
        };
        if self.first.is_none() {
            self.first = Some(row);
        } else {
            self.others.insert_unique(hash, row, |row| row.hash);
        }
        entry
    }

    /// Takes an entry out. Gives it back if somebody else has done so before.
    #[inline]
    pub(super) fn remove(&mut self, entry: Arc<Entry<K>>) -> Result<Gone<K>, Arc<Entry<K>>> {
        // By identity: a key need not be equal to itself.
        let is_it = |row: &Row<K>| Arc::ptr_eq(&row.entry, &entry);
        let row = match self.first.take_if(|row| is_it(row)) {
            Some(row) => row,
            None => {
                let Ok(found) = self.others.find_entry(entry.hash, is_it) else {
                    return Err(entry);
                };
                let row = found.remove().0;
                self.give_memory_back();
                row
            }
        };
        // Not the last.
        drop(entry);
        Ok(self.retire(row.entry))
    }

    /// Keeps what can be used again of an entry, and hands out the rest.
    #[inline]
    fn retire(&mut self, mut entry: Arc<Entry<K>>) -> Gone<K> {
        // Somebody may still be on the way out.
        if let Some(alone) = Arc::get_mut(&mut entry) {
            let has_queue = alone.semaphore.has_queue();
            let has_room = if has_queue {
                self.queued_spare.is_none()
            } else {
                self.spares.len() < SPARES
            };
            if has_room && alone.semaphore.renew() {
                let key = alone.key.take();
                if has_queue {
                    self.queued_spare = Some(entry);
                } else {
                    self.spares.push(entry);
                }
                return Gone::Key(key);
            }
        }
        Gone::Entry(entry)
    }

    fn give_memory_back(&mut self) {
        let (len, size) = (self.others.len(), self.others.capacity());
        if size > KEEP && len < size / 8 {
            self.others.shrink_to(2 * len, |row| row.hash);
        }
    }
}

/// What is left of an entry, to be dropped with the lock free: dropping a key
/// is foreign code.
#[must_use]
pub(super) enum Gone<K> {
    Key(Option<K>),
    Entry(Arc<Entry<K>>),
}

impl<K> Gone<K> {
    /// Drops it. A key that panics does so here, but not while unwinding.
    #[inline]
    pub(super) fn bury(self) {
        if mem::needs_drop::<K>() {
            let mut deferred = Deferred::default();
            deferred.run(|| match self {
                Self::Key(key) => drop(key),
                Self::Entry(entry) => drop(entry),
            });
            deferred.resume();
        }
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests;
