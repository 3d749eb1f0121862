//! What all handles, requests and leases of one pool share: the gate, which
//! says how many may enter, and the table behind its lock, which says what they
//! find. The numbered arguments that are cited here are in `pool.rs`.

use std::sync::Arc;

use super::{
    MAX_LEASES,
    entry::{Counts, Entry, Tally},
    names::{Names, Wrong},
    ring::Ring,
};
use crate::{
    semaphore::{Held, Rest, Semaphore},
    sync::{Mutex, MutexGuard},
};

pub(super) struct Shared<K> {
    /// Who waits for a lease waits here for a permit.
    pub(super) gate: Semaphore,
    /// Never has a permit. Who waits for the end waits for it to be closed.
    pub(super) end: Semaphore,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    /// The entries that are wanted or held: those with other counts than zero
    /// and zero.
    names: Names<K>,
    /// Those that have a place free.
    ring: Ring<K>,
    /// The sum of all shares, which is the gate's max. At most [`MAX_LEASES`].
    sum: u32,
    next_id: u64,
    stopped: bool,
}

/// What the holder of a permit has found.
#[must_use]
pub(super) enum Pick<K> {
    /// The entry, which counts a new lease, and the lease's number.
    Place(Arc<Entry<K>>, u64),
    /// The place that was there has been taken back.
    Nothing,
    Stopped,
}

/// The targets together would have passed [`MAX_LEASES`].
pub(super) struct Overflow;

impl<K> Shared<K> {
    pub(super) fn new() -> Self {
        Self {
            gate: Semaphore::new(0),
            end: Semaphore::new(0),
            table: Mutex::new(Table {
                names: Names::new(),
                ring: Ring::new(),
                sum: 0,
                next_id: 0,
                stopped: false,
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
        self.lock().names.len()
    }

    /// All entries, and their counts at one moment.
    pub(super) fn snapshot(&self) -> Vec<(Arc<Entry<K>>, Counts)> {
        let table = self.lock();
        let mut all = Vec::with_capacity(table.names.len());
        all.extend(
            table
                .names
                .iter()
                .map(|entry| (Arc::clone(entry), entry.tally().counts())),
        );
        all
    }
}

/// Leases.
impl<K> Shared<K> {
    /// Lets out a lease of the key whose turn it is. The caller holds a permit
    /// of the gate.
    pub(super) fn pick(&self) -> Pick<K> {
        let mut table = self.lock();
        if table.stopped {
            return Pick::Stopped;
        }
        let Some(entry) = table.ring.front() else {
            return Pick::Nothing;
        };
        let tally = entry.tally().plus_lease();
        entry.set_tally(tally);
        let entry = if tally.has_place() {
            table.ring.rotate()
        } else {
            table.ring.remove_front()
        };
        let id = table.next_id;
        table.next_id += 1;
        Pick::Place(entry, id)
    }

    /// A lease of `entry` is back.
    pub(super) fn release(&self, entry: &Arc<Entry<K>>, held: Held) {
        let (rest, freed) = self.lock().release(&self.gate, entry, held);
        self.gate.finish(rest);
        drop(freed);
    }

    /// The same, if more leases of `entry` are out than there ought to be. Says
    /// whether that was so.
    pub(super) fn release_excess(&self, entry: &Arc<Entry<K>>, held: Held) -> bool {
        let mut table = self.lock();
        if !entry.tally().is_excessive() {
            return false;
        }
        let (rest, freed) = table.release(&self.gate, entry, held);
        drop(table);
        self.gate.finish(rest);
        drop(freed);
        true
    }

    /// Lets no more leases out, and tells all who wait.
    pub(super) fn stop(&self) {
        /// Also when a waker panics.
        struct Tell<'a>(&'a Semaphore);

        impl Drop for Tell<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }

        let rest = {
            let mut table = self.lock();
            table.stopped = true;
            self.gate.begin_close()
        };
        let _last = Tell(&self.end);
        self.gate.finish(rest);
    }
}

/// Keys. Hashes are made, and keys compared, with the lock free.
impl<K> Shared<K> {
    /// The entry whose key `is` the right one.
    pub(super) fn find(&self, hash: u64, is: impl Fn(&K) -> bool) -> Option<Arc<Entry<K>>> {
        self.find_besides(hash, is, &mut Vec::new())
    }

    fn find_besides(
        &self,
        hash: u64,
        is: impl Fn(&K) -> bool,
        wrong: &mut Wrong<K>,
    ) -> Option<Arc<Entry<K>>> {
        loop {
            let candidate = self.lock().names.candidate(hash, wrong).cloned()?;
            if is(&candidate.key) {
                return Some(candidate);
            }
            wrong.push(candidate);
        }
    }

    /// Changes the target of `key`, and says what it was.
    pub(super) fn set(&self, hash: u64, key: K, target: u32) -> Result<u32, Overflow>
    where
        K: Eq,
    {
        let mut wrong = Vec::new();
        let found = self.find_besides(hash, |known| *known == key, &mut wrong);
        if let Some(known) = found {
            if let Some(outcome) = self.retarget(&known, target) {
                return outcome;
            }
        }
        if target == 0 {
            return Ok(0);
        }
        // Outlives the lock: it may not be needed after all.
        let new = Arc::new(Entry::new(key, hash));
        loop {
            let mut table = self.lock();
            let Some(other) = table.names.candidate(hash, &wrong) else {
                // Compared with all that are there.
                let rest = table.set(&self.gate, &new, target)?.0;
                table.names.insert(Arc::clone(&new));
                drop(table);
                self.gate.finish(rest);
                return Ok(0);
            };
            let other = Arc::clone(other);
            drop(table);
            if other.key != new.key {
                wrong.push(other);
            } else if let Some(outcome) = self.retarget(&other, target) {
                return outcome;
            }
        }
    }

    /// Changes the target of a known key. `None`: it is not known any more.
    fn retarget(&self, entry: &Arc<Entry<K>>, target: u32) -> Option<Result<u32, Overflow>> {
        let mut table = self.lock();
        let before = entry.tally();
        if before.is_nothing() {
            return None;
        }
        let (rest, freed) = match table.set(&self.gate, entry, target) {
            Ok(changed) => changed,
            Err(overflow) => return Some(Err(overflow)),
        };
        drop(table);
        self.gate.finish(rest);
        drop(freed);
        Some(Ok(before.counts().target as u32))
    }
}

/// What is over when the lock is free again: the second step at the gate, and
/// an entry that nobody wants or holds any more, whose key may run foreign code
/// as it is dropped.
type Left<K> = (Rest, Option<Arc<Entry<K>>>);

/// The transitions. Each changes the gate's word first, then the counts: who
/// reads those without the lock finds the gate no further behind.
impl<K> Table<K> {
    fn set(
        &mut self,
        gate: &Semaphore,
        entry: &Arc<Entry<K>>,
        target: u32,
    ) -> Result<Left<K>, Overflow> {
        let (before, after) = (entry.tally(), entry.tally().with_target(target));
        let others = self.sum - before.share();
        if after.share() > MAX_LEASES - others {
            return Err(Overflow);
        }
        let rest = if after.share() == before.share() {
            Rest::Nothing
        } else {
            gate.begin_set_max(others + after.share()).1
        };
        Ok((rest, self.change(entry, before, after)))
    }

    fn release(&mut self, gate: &Semaphore, entry: &Arc<Entry<K>>, held: Held) -> Left<K> {
        let before = entry.tally();
        let rest = if before.is_excessive() {
            // Its place goes with it.
            gate.begin_forget(held)
        } else {
            gate.begin_release(held)
        };
        (rest, self.change(entry, before, before.minus_lease()))
    }

    fn change(
        &mut self,
        entry: &Arc<Entry<K>>,
        before: Tally,
        after: Tally,
    ) -> Option<Arc<Entry<K>>> {
        self.sum = self.sum - before.share() + after.share();
        match (before.has_place(), after.has_place()) {
            (false, true) => self.ring.push(Arc::clone(entry)),
            (true, false) => drop(self.ring.remove(entry)),
            _ => {}
        }
        entry.set_tally(after);
        if after.is_nothing() {
            self.names.remove(entry)
        } else {
            None
        }
    }
}
