//! What all handles, requests and leases of one pool share: the gate and the table.
//!
//! # Parts
//!
//! The *gate* is the crate's own semaphore: whoever wants a lease takes a permit
//! of it, and keeps that as long as the lease. All waiting, order, timing out
//! and giving up is the gate's. The *table*, behind a lock, knows the keys, and
//! in its *ring* those that have a place free, in the order in which they are served.
//! Between the gate and the table a request is *on its way*: it has a permit and
//! no lease, for an instant, or until a future that has been told is polled.
//!
//! A key's *share* is `max(target, active)`: the leases that are out, and its
//! *places*, those that may join them.
//!
//! | who | moves what |
//! |---|---|
//! | pick, by a request on its way | counts a lease of the key in front of the ring; the key goes to the end, or out if it is full |
//! | release, from a key not over its target | uncounts the lease, lets the key into the ring, gives the permit back |
//! | release, from a key over its target | uncounts the lease; the permit and a part of the gate's max go with it |
//! | set | changes the target, the gate's max by the same as the share, the key's being in the ring |
//! | stop | closes the gate, and by that the table to those on their way |
//!
//! Each of these is one critical section, in which the gate's word is written at
//! most once and no foreign code runs: no waker (those whom the write concerns
//! are served when the lock is free again), no `Hash` and no `Eq` ([`Index`]),
//! no `Drop` of a key (what is freed is carried out). What foreign code does, a
//! panic or a call of the pool, it does between two such sections.
//!
//! # Why there is never one too many, and nobody waits beside a place
//!
//! 1. *Never one too many.* Pick alone counts leases up, under the lock under
//!    which targets change, when it has seen `active < target` there. A permit of
//!    the gate entitles to a look and no more, so it does not matter what has
//!    become of the target since the permit was granted.
//! 2. *The books.* Whenever the lock is free, the gate's max is the sum of all
//!    shares and its active count is the leases that are out and the requests on
//!    their way. So the permits free at the gate are the places less those on
//!    their way; when targets were lowered, this may be less than nothing.
//! 3. *Nobody waits beside a place.* The gate lets nobody wait while a permit is
//!    free (`queue.rs`), and whoever makes one free changes the word first and
//!    looks at the line afterwards. So while places are left and somebody waits,
//!    at least as many are on their way as there are places. Each of those takes
//!    a place, or is dropped, which hands its permit to the next in line, or
//!    finds no place.
//! 4. *Those who find nothing.* Their permits are the ones by which the gate is
//!    over its max, by 2. They give them back, which lets nobody in, and stand in
//!    line again where they stood, in one step under the line's lock. Should a
//!    place have come up meanwhile, they are granted it in that step if they are
//!    first, and look again: each further look is somebody else's doing, so
//!    nobody spins.
//! 5. *The end.* Stop closes the gate under the lock, and pick looks at the gate
//!    under the lock. So after it no lease begins, not for those on their way either.
//!
//! # Origin
//!
//! Teleport's `workpool`, a Go package: leases of any key, targets that change at run
//! time. The protocol is written afresh; there, a key that is paused and resumed has
//! forgotten the leases that are out.
//!
//! # Order
//!
//! Requests are let through the gate first in, first out. One that is told of a
//! place which a `set` takes back before it comes keeps its rank. When several
//! have been told and there are fewer places left, those who come first have
//! them.
//!
//! Keys take turns. One that gets a place free stands at the end of the ring, so
//! before it is served again, each key that was there when it was last served is
//! served too, or has no place any more.
//!
//! # Why a lock
//!
//! A lease is of one key, a waiter waits for any. A release must therefore change
//! its key's count and the list of those with a place in one step; in safe code
//! this takes a lock. It is held for some tens of instructions: once to acquire
//! and once to release.

use std::{mem, sync::Arc};

use hashbrown::HashTable;

use super::{
    entry::{Counts, Entry},
    ring::Ring,
};
use crate::{
    error::SetMaxError,
    foreign::Deferred,
    semaphore::{Held, Semaphore},
    sync::{Mutex, MutexGuard},
};

/// All targets together, and the leases beyond them.
pub(super) const MAX_LEASES: usize = Semaphore::MAX_PERMITS;

/// A hash table of at most this many buckets is not worth shrinking.
const KEEP: usize = 64;

pub(super) struct Shared<K> {
    /// Who waits for a lease waits here for a permit.
    pub(super) gate: Semaphore,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    /// The entries that are wanted or held: those with other counts than zero
    /// and zero.
    index: Index<K>,
    /// Those that have a place free.
    ring: Ring<K>,
    next_id: u64,
}

impl<K> Shared<K> {
    pub(super) fn new() -> Self {
        Self {
            gate: Semaphore::new(0),
            table: Mutex::new(Table {
                index: Index::new(),
                ring: Ring::new(),
                next_id: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table<K>> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.table
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn len(&self) -> usize {
        self.lock().index.rows.len()
    }

    /// All entries, and their counts at one moment.
    pub(super) fn snapshot(&self) -> Vec<(Arc<Entry<K>>, Counts)> {
        let table = self.lock();
        let rows = table.index.rows.iter();
        rows.map(|Row { entry, .. }| (Arc::clone(entry), entry.counts()))
            .collect()
    }
}

/// Leases.
impl<K> Shared<K> {
    /// Lets out a lease of the key whose turn it is: its entry, which counts the
    /// lease, and the lease's number. The caller holds a permit of the gate. `None`
    /// if the place that was there has been taken back, or the pool is stopped.
    pub(super) fn pick(&self) -> Option<(Arc<Entry<K>>, u64)> {
        let mut table = self.lock();
        // Argument 5.
        if self.gate.is_closed() {
            return None;
        }
        let entry = table.ring.pop_front()?;
        let mut counts = entry.counts();
        counts.active += 1;
        entry.set_counts(counts);
        if counts.missing() > 0 {
            table.ring.push(Arc::clone(&entry));
        }
        let id = table.next_id;
        table.next_id += 1;
        Some((entry, id))
    }

    /// A lease of `entry` is back.
    #[inline]
    pub(super) fn release(&self, entry: Arc<Entry<K>>, held: Held) {
        self.release_in(self.lock(), entry, held);
    }

    /// The same, if more leases of `entry` are out than there ought to be. Otherwise returns
    /// it.
    pub(super) fn release_excess(&self, entry: Arc<Entry<K>>, held: Held) -> Option<Arc<Entry<K>>> {
        let table = self.lock();
        if entry.counts().excess() == 0 {
            return Some(entry);
        }
        self.release_in(table, entry, held);
        None
    }

    #[inline]
    fn release_in(&self, mut table: MutexGuard<'_, Table<K>>, entry: Arc<Entry<K>>, held: Held) {
        let mut counts = entry.counts();
        let rest = if counts.excess() > 0 {
            // Its place goes with it.
            self.gate.begin_forget(held)
        } else {
            self.gate.begin_release(held)
        };
        counts.active -= 1;
        table.change(&entry, counts);
        drop(table);
        let mut deferred = Deferred::default();
        deferred.run(|| self.gate.finish(rest));
        // Perhaps the last, and then its key goes.
        deferred.run(|| drop(entry));
        deferred.resume();
    }

    /// Lets no more leases out, and tells all who wait.
    pub(super) fn stop(&self) {
        let rest = {
            let _table = self.lock();
            self.gate.begin_close()
        };
        self.gate.finish(rest);
    }
}

/// Keys. Hashes are made, and keys compared and dropped, with the lock free.
impl<K> Shared<K> {
    /// The entry whose key `is` the right one.
    pub(super) fn find(&self, hash: u64, is: impl Fn(&K) -> bool) -> Option<Arc<Entry<K>>> {
        let candidates = self.lock().index.newer(hash, &mut 0);
        candidates.into_iter().find(|entry| is(&entry.key))
    }

    /// Changes the target of `key`, and says what it was.
    pub(super) fn set(&self, hash: u64, key: K, target: usize) -> Result<usize, SetMaxError>
    where
        K: Eq,
    {
        let mut seen = 0;
        loop {
            let table = self.lock();
            let candidates = table.index.newer(hash, &mut seen);
            if candidates.is_empty() {
                // Compared with all that are there.
                let new = Arc::new(Entry::new(key, hash));
                return self.retarget(table, &new, target);
            }
            drop(table);
            if let Some(known) = candidates.into_iter().find(|entry| entry.key == key) {
                let table = self.lock();
                // Or it is not known any more.
                if !known.counts().is_nothing() {
                    return self.retarget(table, &known, target);
                }
            }
        }
    }

    /// Changes the target of an entry, and lets the lock go. Whoever shows the entry
    /// has it, so that nothing is dropped under the lock.
    fn retarget(
        &self,
        mut table: MutexGuard<'_, Table<K>>,
        entry: &Arc<Entry<K>>,
        target: usize,
    ) -> Result<usize, SetMaxError> {
        let before = entry.counts();
        let after = Counts { target, ..before };
        let others = self.gate.max() - before.share();
        if after.share() > MAX_LEASES - others {
            return Err(SetMaxError::TooManyPermits);
        }
        let (_, rest) = self.gate.begin_set_max((others + after.share()) as u32);
        table.change(entry, after);
        drop(table);
        self.gate.finish(rest);
        Ok(before.target)
    }
}

impl<K> Table<K> {
    /// The counts of `entry` become `after`. The gate's word has changed by then: who
    /// reads counts without the lock finds the gate no further behind.
    fn change(&mut self, entry: &Arc<Entry<K>>, after: Counts) {
        let before = entry.counts();
        match (before.missing() > 0, after.missing() > 0) {
            (false, true) => self.ring.push(Arc::clone(entry)),
            (true, false) => drop(self.ring.remove(entry)),
            _ => {}
        }
        entry.set_counts(after);
        match (before.is_nothing(), after.is_nothing()) {
            (true, false) => self.index.insert(Arc::clone(entry)),
            (false, true) => self.index.remove(entry),
            _ => {}
        }
    }
}

/// Which entry belongs to which key.
///
/// Keys are compared by foreign code, which must not run under the lock. So the index
/// goes by hashes alone: it gives out all candidates at once, and the caller compares
/// them with the lock free. Each row has a number that rises, so that a caller that comes
/// back gets only those that it has not compared.
struct Index<K> {
    rows: HashTable<Row<K>>,
    /// The number of the newest row.
    newest: u64,
}

struct Row<K> {
    number: u64,
    entry: Arc<Entry<K>>,
}

impl<K> Index<K> {
    const fn new() -> Self {
        Self {
            rows: HashTable::new(),
            newest: 0,
        }
    }

    /// The entries with this hash that came after `seen`, which is raised to the newest.
    fn newer(&self, hash: u64, seen: &mut u64) -> Vec<Arc<Entry<K>>> {
        let seen = mem::replace(seen, self.newest);
        let rows = self.rows.iter_hash(hash);
        rows.filter(|row| row.number > seen && row.entry.hash == hash)
            .map(|row| Arc::clone(&row.entry))
            .collect()
    }

    /// Adds an entry that is not in yet.
    fn insert(&mut self, entry: Arc<Entry<K>>) {
        self.newest += 1;
        let number = self.newest;
        let hash = entry.hash;
        self.rows
            .insert_unique(hash, Row { number, entry }, |row| row.entry.hash);
    }

    /// Takes an entry out, which is in.
    fn remove(&mut self, entry: &Arc<Entry<K>>) {
        let is_it = |row: &Row<K>| Arc::ptr_eq(entry, &row.entry);
        if let Ok(found) = self.rows.find_entry(entry.hash, is_it) {
            found.remove();
        }
        if self.rows.capacity() > KEEP && self.rows.len() < self.rows.capacity() / 8 {
            let half_full = self.rows.len() * 2;
            self.rows.shrink_to(half_full, |row| row.entry.hash);
        }
    }
}
