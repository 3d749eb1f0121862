//! The shards with their locks: letting in, letting out, and reading. The
//! numbered arguments that are cited here are in `keyed.rs`.

use std::{borrow::Borrow, mem, sync::TryLockError};

use crossbeam_utils::CachePadded;
use triomphe::Arc;

use super::{
    table::{Entry, Gone, Table},
    users::Left,
};
use crate::{
    error::{KeyedAcquireError, KeyedTryAcquireError, TooManyKeys},
    foreign::Deferred,
    semaphore::{Held, Policy, Rest, Semaphore, Take},
    sync::{AtomicUsize, Mutex, Relaxed},
};

mod change;
mod lock;

use change::for_each_entry;
use lock::{lock, lock_while};

/// What the builder has gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max: u32,
    /// A power of two.
    pub(super) shards: usize,
    pub(super) policy: Policy,
    pub(super) max_keys: usize,
    pub(super) max_waiters: u32,
}

/// Why a request was turned away.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Closed,
    TooManyKeys,
    /// There are no permits, and no place to wait for them.
    Busy,
}

impl From<Refusal> for KeyedAcquireError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::Closed,
            Refusal::TooManyKeys => Self::TooManyKeys,
            Refusal::Busy => Self::TooManyWaiters,
        }
    }
}

impl From<Refusal> for KeyedTryAcquireError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::Closed,
            Refusal::TooManyKeys => Self::TooManyKeys,
            Refusal::Busy => Self::NoPermits,
        }
    }
}

/// A request that was let in: it is counted.
#[must_use]
pub(super) enum Entered<K> {
    /// It has its permits.
    Holds(Arc<Entry<K>>),
    /// It may wait.
    Waits(Arc<Entry<K>>),
}

pub(super) struct Map<K> {
    shards: Box<[CachePadded<Mutex<Table<K>>>]>,
    /// By how much to shift a spread hash to get a shard, less one.
    shift: u32,
    settings: Settings,
    /// Counted only if there may not be any number of them.
    keys: CachePadded<AtomicUsize>,
    /// Held by whoever goes through all shards to change something. Comes
    /// before any shard's lock.
    sweeper: Mutex<()>,
}

/// The key, if it takes no memory to make one: that is cheaper than to lock
/// once more when it turns out to be needed.
#[inline]
fn cheap<K, Q: ToOwned<Owned = K> + ?Sized>(key: &Q) -> Option<K> {
    (!mem::needs_drop::<K>()).then(|| key.to_owned())
}

impl<K> Map<K> {
    pub(super) fn new(settings: Settings) -> Self {
        let shard = || CachePadded::new(Mutex::new(Table::new(settings.max)));
        Self {
            shards: (0..settings.shards).map(|_| shard()).collect(),
            shift: 63 - settings.shards.trailing_zeros(),
            settings,
            keys: CachePadded::new(AtomicUsize::new(0)),
            sweeper: Mutex::new(()),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Table<K>> {
        // Any part of a hash may be poor, and the table uses both ends of it:
        // multiplied by 2^64 over the golden ratio, all of it is in the top bits.
        let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(spread >> 1 >> self.shift) as usize]
    }
}

/// How many keys there are, where that matters.
impl<K> Map<K> {
    fn counts_keys(&self) -> bool {
        self.settings.max_keys != usize::MAX
    }

    /// Refuses a new key before memory is spent on it, if there are too many.
    pub(super) fn has_room(&self) -> Result<(), TooManyKeys> {
        if self.counts_keys() && self.keys.load(Relaxed) >= self.settings.max_keys {
            return Err(TooManyKeys::REFUSED);
        }
        Ok(())
    }

    /// Counts a new key, if there may be one more.
    #[inline]
    fn count_key(&self) -> Result<(), TooManyKeys> {
        if self.counts_keys() {
            let one_more = |keys| (keys < self.settings.max_keys).then_some(keys + 1);
            let counted = self.keys.fetch_update(Relaxed, Relaxed, one_more);
            counted.map_err(|_| TooManyKeys::REFUSED)?;
        }
        Ok(())
    }

    #[inline]
    fn uncount_key(&self) {
        if self.counts_keys() {
            self.keys.fetch_sub(1, Relaxed);
        }
    }
}

/// Letting in and letting out.
impl<K> Map<K> {
    /// Takes `n` permits of `key`, or a place among those who wait for them, of
    /// whom there may be `max_waiters`.
    #[inline]
    pub(super) fn enter<Q>(
        &self,
        hash: u64,
        key: &Q,
        n: u32,
        max_waiters: u32,
    ) -> Result<Entered<K>, Refusal>
    where
        K: Borrow<Q>,
        Q: Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut owned = cheap(key);
        loop {
            let mut table = lock(self.shard(hash));
            if table.closed {
                return Err(Refusal::Closed);
            }
            if let Some(entry) = table.share(hash, key) {
                return match entry.semaphore.take(n) {
                    Take::Acquired if n > 0 => Ok(Entered::Holds(entry)),
                    found => self.enter_without(entry, found, max_waiters),
                };
            }
            let max = table.default_max;
            let fits = n <= max;
            if !fits && max_waiters == 0 {
                return Err(Refusal::Busy);
            }
            let Some(key) = owned.take() else {
                // To clone a key is foreign code.
                drop(table);
                self.has_room().map_err(|_| Refusal::TooManyKeys)?;
                owned = Some(key.to_owned());
                continue;
            };
            if self.count_key().is_err() {
                // So is to drop one.
                drop(table);
                return Err(Refusal::TooManyKeys);
            }
            let active = if fits { n } else { 0 };
            let entry = table.insert(hash, key, (max, active), self.settings.policy);
            return Ok(if active > 0 {
                Entered::Holds(entry)
            } else if fits {
                entry.users.join_empty();
                Entered::Holds(entry)
            } else {
                entry.users.join_waiting();
                Entered::Waits(entry)
            });
        }
    }

    /// For the lock's holder: lets one in that has no permits.
    #[inline(never)]
    fn enter_without(
        &self,
        entry: Arc<Entry<K>>,
        found: Take,
        max_waiters: u32,
    ) -> Result<Entered<K>, Refusal> {
        match found {
            Take::Closed => return Err(Refusal::Closed),
            Take::Acquired => {
                entry.users.assert_room();
                entry.users.join_empty();
                return Ok(Entered::Holds(entry));
            }
            _ => {}
        }
        if entry.users.waiters() >= max_waiters {
            return Err(Refusal::Busy);
        }
        entry.users.assert_room();
        entry.users.join_waiting();
        Ok(Entered::Waits(entry))
    }

    /// Permits come back, all that somebody has.
    #[inline]
    pub(super) fn leave(&self, entry: Arc<Entry<K>>, held: Held) {
        if held.n == 0 {
            return self.leave_empty(entry);
        }
        let entry = if entry.is_alone(held.n) {
            match self.leave_alone(entry, held.n) {
                Ok(()) => return,
                Err(entry) => entry,
            }
        } else {
            entry
        };
        match entry.semaphore.begin_release(held) {
            rest if rest.is_nothing() => Gone::Entry(entry).bury(),
            rest => self.finish_leave(entry, rest),
        }
    }

    /// Takes the entry away with the `n` permits that the caller has of it, if
    /// nobody else needs it. Otherwise nothing has changed.
    #[inline]
    fn leave_alone(&self, entry: Arc<Entry<K>>, n: u32) -> Result<(), Arc<Entry<K>>> {
        // Who holds the lock may come for this very entry.
        let Some(mut table) = lock_while(self.shard(entry.hash), || entry.is_alone(n)) else {
            return Err(entry);
        };
        // Argument 4: now it can only become true again, not false.
        if !entry.is_alone(n) {
            return Err(entry);
        }
        let removed = table.remove(entry);
        drop(table);
        self.bury(removed);
        Ok(())
    }

    /// There is more to a release: somebody waits, or nobody holds a permit now.
    #[inline(never)]
    fn finish_leave(&self, entry: Arc<Entry<K>>, rest: Rest) {
        let mut deferred = Deferred::default();
        deferred.run(|| entry.semaphore.finish(rest));
        // Argument 3: by now the word has been written.
        deferred.run(|| {
            if entry.is_unneeded() {
                self.remove_unneeded(entry);
            } else {
                Gone::Entry(entry).bury();
            }
        });
        deferred.resume();
    }

    /// A permit goes that stands for none.
    #[inline(never)]
    fn leave_empty(&self, entry: Arc<Entry<K>>) {
        let left = entry.users.leave_empty();
        self.left(entry, left);
    }

    /// A waiter goes that has given up.
    pub(super) fn leave_waiting(&self, entry: Arc<Entry<K>>) {
        let left = entry.users.leave_waiting();
        self.left(entry, left);
    }

    /// Somebody has gone who had no permits.
    fn left(&self, entry: Arc<Entry<K>>, left: Left) {
        // Argument 3: the semaphore is looked at by a write.
        if left == Left::Nobody && entry.semaphore.confirm_active() == 0 {
            self.remove_unneeded(entry);
        } else {
            Gone::Entry(entry).bury();
        }
    }

    fn remove_unneeded(&self, entry: Arc<Entry<K>>) {
        let mut table = lock(self.shard(entry.hash));
        let removed = if entry.is_unneeded() {
            table.remove(entry)
        } else {
            // Somebody has come since.
            Err(entry)
        };
        drop(table);
        self.bury(removed);
    }

    /// A permit splits, with none left in one of the parts.
    pub(super) fn join_empty(&self, entry: &Entry<K>) {
        let _table = lock(self.shard(entry.hash));
        entry.users.assert_room();
        entry.users.join_empty();
    }

    /// Drops what was removed, or was not there, with the lock free.
    #[inline]
    fn bury(&self, removed: Result<Gone<K>, Arc<Entry<K>>>) {
        match removed {
            Ok(gone) => {
                self.uncount_key();
                gone.bury();
            }
            Err(entry) => Gone::Entry(entry).bury(),
        }
    }
}

/// Reading.
impl<K> Map<K> {
    /// What `read` says about the shard of `hash` and the entry of `key`.
    pub(super) fn read<Q, T>(
        &self,
        hash: u64,
        key: &Q,
        read: impl FnOnce(&Table<K>, Option<&Arc<Entry<K>>>) -> T,
    ) -> T
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let table = lock(self.shard(hash));
        read(&table, table.find(hash, key))
    }

    /// What `read` says about a shard that every sweep comes to first.
    pub(super) fn read_any<T>(&self, read: impl FnOnce(&Table<K>) -> T) -> T {
        read(&lock(&self.shards[0]))
    }

    /// How many keys are in use.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// The same, unless some shard is locked now.
    pub(super) fn try_len(&self) -> Option<usize> {
        let len = |shard: &CachePadded<Mutex<Table<K>>>| match shard.try_lock() {
            Ok(table) => Some(table.len()),
            // As in `lock`.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner().len()),
            Err(TryLockError::WouldBlock) => None,
        };
        self.shards.iter().map(len).sum()
    }

    /// Shows each entry to `see`, with the lock free.
    pub(super) fn for_each_entry(&self, mut see: impl FnMut(&K, &Semaphore)) {
        for shard in &self.shards {
            let with_nothing = |entry| (Arc::clone(entry), ());
            let entries: Vec<_> = lock(shard).entries().map(with_nothing).collect();
            for_each_entry(entries, |entry, ()| see(entry.key(), &entry.semaphore));
        }
    }
}
