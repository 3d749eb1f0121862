//! The shards with their locks: letting in, letting out, and reading. The numbered arguments that are cited here are in `keyed.rs`.

use std::{borrow::Borrow, mem};

use crossbeam_utils::CachePadded;
use triomphe::Arc;

use super::{
    table::{Entry, Gone, Table},
    users::{Left, Users},
};
use crate::{
    error::{KeyedAcquireError, KeyedTryAcquireError, TooManyKeys},
    semaphore::{Policy, Semaphore, Take},
    sync::{AtomicUsize, Mutex, MutexGuard, Relaxed},
};

mod change;

use change::for_each_entry;

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

/// A request that was let in: its user is counted.
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

/// The sections of a shard are a few dozen instructions, less than it takes to go
/// to sleep: who has to wait for one stays awake for a moment, and asks less and
/// less often, so that the others get on with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(not(loom))]
    {
        use std::sync::TryLockError;

        let backoff = crossbeam_utils::Backoff::new();
        while !backoff.is_completed() {
            match mutex.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => backoff.snooze(),
            }
        }
    }
    // Only a key's `Eq` can have panicked, when nothing had changed yet.
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
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
            if let Some(entry) = table.find(hash, key) {
                entry.users.assert_room();
                return match entry.semaphore.take(n) {
                    Take::Acquired => {
                        entry.users.join();
                        Ok(Entered::Holds(Arc::clone(entry)))
                    }
                    Take::Closed => Err(Refusal::Closed),
                    _ if entry.users.waiters() >= max_waiters => Err(Refusal::Busy),
                    _ => {
                        entry.users.join_waiting();
                        Ok(Entered::Waits(Arc::clone(entry)))
                    }
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
            let policy = self.settings.policy;
            return Ok(if fits {
                Entered::Holds(table.insert(hash, key, Users::one(), (max, n), policy))
            } else {
                Entered::Waits(table.insert(hash, key, Users::one_waiter(), (max, 0), policy))
            });
        }
    }

    /// For the holder of a permit: takes the entry away, permit and all, if
    /// nobody else needs it. Otherwise nothing has changed.
    #[inline]
    pub(super) fn leave_alone(&self, place: &mut Option<Arc<Entry<K>>>) -> bool {
        let Some(entry) = place.take_if(|entry| entry.users.is_alone()) else {
            return false;
        };
        let mut table = lock(self.shard(entry.hash));
        // Argument 3: now it can only become true again, not false.
        if !entry.users.is_alone() {
            *place = Some(entry);
            return false;
        }
        let removed = table.remove(entry);
        drop(table);
        self.bury(removed);
        true
    }

    /// One user of the entry less.
    pub(super) fn leave(&self, entry: Arc<Entry<K>>) {
        match entry.users.leave() {
            Left::Needed => Gone::Entry(entry).bury(),
            Left::Unneeded => self.remove_unneeded(entry),
        }
    }

    fn remove_unneeded(&self, entry: Arc<Entry<K>>) {
        let mut table = lock(self.shard(entry.hash));
        let removed = if entry.users.is_unneeded() {
            table.remove(entry)
        } else {
            // Somebody has come since.
            Err(entry)
        };
        drop(table);
        self.bury(removed);
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
        read: impl FnOnce(&Table<K>, Option<&Entry<K>>) -> T,
    ) -> T
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let table = lock(self.shard(hash));
        read(&table, table.find(hash, key).map(|entry| &**entry))
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
        let len = |shard: &CachePadded<Mutex<Table<K>>>| Some(shard.try_lock().ok()?.len());
        self.shards.iter().map(len).sum()
    }

    /// Shows each entry to `see`, with the lock free.
    pub(super) fn for_each_entry(&self, mut see: impl FnMut(&K, &Semaphore)) {
        for shard in &self.shards {
            let entries: Vec<_> = lock(shard).entries().cloned().collect();
            for_each_entry(entries, |entry| see(entry.key(), &entry.semaphore));
        }
    }
}
