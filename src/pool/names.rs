//! Which entry belongs to which key.
//!
//! Keys are compared by foreign code, which must not run under the pool's lock.
//! So the table gives out candidates, one at a time, and takes their hashes'
//! word for it; the caller compares with the lock free, and comes back for the
//! next one or to act upon the one it has found. With a good hasher there is
//! one candidate at most that is not the right one in a lifetime.

use std::sync::Arc;

use hashbrown::{HashTable, hash_table};

use super::entry::Entry;

/// A table of at most this many buckets is not worth shrinking.
const KEEP: usize = 64;

pub(super) struct Names<K>(HashTable<Arc<Entry<K>>>);

/// Candidates that have turned out to be the wrong ones. Empty, it has no
/// memory.
pub(super) type Wrong<K> = Vec<Arc<Entry<K>>>;

impl<K> Names<K> {
    pub(super) const fn new() -> Self {
        Self(HashTable::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry<K>>> {
        self.0.iter()
    }

    /// An entry with this hash that is not one of the `wrong` ones.
    pub(super) fn candidate(&self, hash: u64, wrong: &Wrong<K>) -> Option<&Arc<Entry<K>>> {
        self.0.find(hash, |entry| {
            entry.hash == hash && !wrong.iter().any(|wrong| Arc::ptr_eq(wrong, entry))
        })
    }

    /// Adds an entry that is not in yet.
    pub(super) fn insert(&mut self, entry: Arc<Entry<K>>) {
        self.0.insert_unique(entry.hash, entry, |entry| entry.hash);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, entry: &Arc<Entry<K>>) -> Option<Arc<Entry<K>>> {
        let found = self
            .0
            .find_entry(entry.hash, |other| Arc::ptr_eq(entry, other));
        let (removed, _) = found.map(hash_table::OccupiedEntry::remove).ok()?;
        if self.0.capacity() > KEEP && self.0.len() < self.0.capacity() / 8 {
            let half_full = self.0.len() * 2;
            self.0.shrink_to(half_full, |entry| entry.hash);
        }
        Some(removed)
    }
}
