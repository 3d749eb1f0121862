//! The keys of one shard: a plain sequential structure, guarded by the shard's
//! lock. The only foreign code that runs in here is a key's `Eq`, in
//! [`find`](Table::find), where nothing has changed yet.
//!
//! # What makes a key cheap that comes and goes
//!
//! One key stands beside the hash table, which is used from the second on: where
//! fewer keys are in use than there are shards, most find their shard to
//! themselves. And a few entries that nobody needs stay, without their keys, for the
//! next keys that come: with their queues, if anybody has waited for them. Their number
//! is bounded for each shard, whatever keys there were.
//!
//! Measured on one thread with keys that come and go, as a ratio to a `DashMap` of
//! tokio's semaphores: with std's `Arc` 0.71; with triomphe's, which needs no
//! read-modify-write to find out that it is alone, 0.53; with hints to inline
//! 0.46; with the one key beside the table 0.33. (The last is 0.45 to 0.49 on another
//! machine, by `compare --only keyed_1t`.) Without the queues `keyed_rotating` takes 1.05
//! of it, with them 0.92.

use std::mem;

use equivalent::Equivalent;

use hashbrown::HashTable;
use triomphe::Arc;

use super::entry::{Entry, Users};
use crate::{
    foreign::Deferred,
    semaphore::{Policy, Semaphore},
};

/// How many entries stay for keys to come.
const FREE: usize = 2;

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
    /// Entries without keys, for keys to come.
    free_list: Vec<Arc<Entry<K>>>,
    others: HashTable<Row<K>>,
}

impl<K> Table<K> {
    pub(super) fn new(default_max: u32) -> Self {
        Self {
            first: None,
            others: HashTable::new(),
            free_list: Vec::new(),
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
    pub(super) fn find<Q: Equivalent<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
    ) -> Option<&Arc<Entry<K>>> {
        self.find_by(hash, |entry| key.equivalent(entry.key()))
    }

    /// The entry with this hash that `is` the one.
    #[inline]
    pub(super) fn find_by(
        &self,
        hash: u64,
        is: impl Fn(&Entry<K>) -> bool,
    ) -> Option<&Arc<Entry<K>>> {
        let is_it = |row: &Row<K>| row.hash == hash && is(&row.entry);
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
    pub(super) fn share<Q: Equivalent<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
    ) -> Option<Arc<Entry<K>>> {
        match &self.first {
            // Very likely it is the one. The other way round the entry's cache
            // line would come twice: to be read, then to be written.
            Some(row) if row.hash == hash => {
                let entry = Arc::clone(&row.entry);
                if key.equivalent(entry.key()) {
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
        let entry = match self.free_list.pop() {
            None => Arc::new(Entry {
                key: Some(key),
                hash,
                users: Users::default(),
                semaphore: Semaphore::with_active(max, active, policy),
                #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
                number: Default::default(),
            }),
            Some(mut free) => {
                // Field by field: a whole entry would be written twice.
                let entry = Arc::get_mut(&mut free).expect("nobody else has it");
                entry.key = Some(key);
                entry.hash = hash;
                entry.users = Users::default();
                entry.semaphore.set_counts(max, active);
                #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
                {
                    entry.number = Default::default();
                }
                free
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

    /// Takes an entry out, and puts it on the free list if there is room.
    #[inline]
    pub(super) fn remove(&mut self, entry: Arc<Entry<K>>) -> Removed<K> {
        // By identity: a key need not be equal to itself.
        let is_it = |row: &Row<K>| Arc::ptr_eq(&row.entry, &entry);
        let row = match self.first.take_if(|row| is_it(row)) {
            Some(row) => row,
            None => {
                let Ok(found) = self.others.find_entry(entry.hash, is_it) else {
                    return Removed::ByAnother(entry);
                };
                let row = found.remove().0;
                self.give_memory_back();
                row
            }
        };
        // Not the last.
        drop(entry);
        let mut entry = row.entry;
        // Somebody may still be on the way out.
        if let Some(alone) = Arc::get_mut(&mut entry) {
            if self.free_list.len() < FREE && alone.semaphore.recycle() {
                let key = alone.key.take();
                self.free_list.push(entry);
                return Removed::Recycled(key);
            }
        }
        Removed::Whole(entry)
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
pub(super) enum Removed<K> {
    /// The key of an entry that has been put on the free list.
    Recycled(Option<K>),
    Whole(Arc<Entry<K>>),
    /// It was not in the table any more.
    ByAnother(Arc<Entry<K>>),
}

/// Drops what may be the last to have a key, with the lock free. A key that panics does so
/// here, but not while unwinding.
#[inline]
pub(super) fn drop_with_key<K, T>(last: T) {
    if mem::needs_drop::<K>() {
        let mut deferred = Deferred::default();
        deferred.run(|| drop(last));
        deferred.resume();
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests;
