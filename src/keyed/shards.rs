//! The shards with their locks: letting in and out, reading, and changing max.
//!
//! # States
//!
//! A key is *in use* while it has an entry in the table of its shard, otherwise
//! it is *absent*. The entry holds the key and a [`Semaphore`], whose active count
//! says how many of the key's permits are out, and the word that counts those who
//! need the entry without having any (`entry.rs`): requests that wait, permits that
//! stand for none (what a split has left over), and the override. The entry is
//! *needed* while one of the two is not zero. Counting permits and waiting for
//! them is all the semaphore's; the rest of this module only decides which
//! semaphore a key has.
//!
//! | who | moves what |
//! |---|---|
//! | request | finds the entry, or makes it, and takes its permits, under the shard's lock |
//! | request that must wait | counts itself in as a waiter, under the lock; then waits as at any semaphore, without the lock |
//! | waiter that is granted its permits | counts itself out |
//! | waiter that gives up | leaves the line, gives back what it was granted meanwhile, then counts itself out |
//! | permit that is dropped | gives its permits back, or counts itself out if it stands for none |
//! | permit that is split with none left on one side, and who watches a key in use | counts one in, under the lock |
//! | whoever has made one of the two counts zero and finds the other at zero | takes the lock, and removes the entry if both still are |
//! | permit that finds itself alone | takes the lock, and removes the entry with itself in it if it is still alone |
//! | `set_max`, `clear_max` | change the override and the semaphore's max under the lock |
//! | `set_default_max`, `close` | the same for one shard after the other, under the lock of each; one sweep at a time |
//!
//! # Why all who use a key meet at one entry
//!
//! 1. *Up only under the lock.* Users are counted in under the lock of the shard,
//!    in which the entry was found in the table. So are permits taken, but for
//!    those that a waiter is granted, and it counts as a user until it has them.
//! 2. *Both are zero.* Entries are removed under the same lock, by somebody who
//!    reads first that there are no users (U), then that no permits are out (A).
//!    After U there can be no waiter, and by 1 nothing rises any more; whoever was
//!    one before had its permits before it counted itself out, so A sees them
//!    unless they are back. So nobody is ever counted into an entry that is not in
//!    the table, and none that is needed leaves it: holder, waiter and newcomer
//!    have the same max.
//! 3. *None is left over.* A release that leaves nobody with a permit is told so
//!    by its write to the semaphore's word (R), and looks at the users afterwards.
//!    The last user to go makes its word zero (Z), then looks at the semaphore's
//!    word by a write (W). If R comes before W, W finds no permits out. If W comes
//!    before R, R acquires what W released, and the look at the users sees Z. So
//!    one of the two finds both zero, and takes the lock (L). If nobody has come
//!    by then, it removes the entry. If somebody has, that one needs it, and all of
//!    this is ahead of it. Should several be on the way to the lock, the first
//!    removes the entry and the others, who hold on to its memory, find it gone:
//!    an entry is looked for by its address, which is not used again as long as
//!    somebody has it.
//! 4. *Alone.* A permit for n that finds no users and n permits out, in this order,
//!    is the only one, by the reason of 2, and stays so while it holds the lock:
//!    nobody can come, and nobody else is there to split or leave. So the
//!    semaphore has no other holder and no waiter, and can go without its permits.
//! 5. *What the last holder did.* Every release is a write to the semaphore's word,
//!    every way out for others one to the users, and whoever removes an entry has
//!    acquired all of them. The key's next entry is made under the same lock after
//!    that. So what was done under a permit is visible to whoever has one later,
//!    whether by the same entry or by the next.
//! 6. *Which max.* Each shard's table has its own copy of the default, and sweeps
//!    come through all shards in one order. A new entry takes the copy under the
//!    lock, and one that was there before the sweep came is changed by it. An
//!    override is set, changed and cleared under the lock too. So of two changes
//!    to one key's max the later is in force, at once and for good.
//!
//! Waiting itself is not touched by this: a line belongs to a semaphore, and that
//! no wake-up is lost there is argued in `semaphore/queue.rs`. A change of max is
//! split in two (`semaphore/internal.rs`): the word changes under the shard's lock,
//! and those whom that lets in are woken with the lock free.
//!
//! # Origin
//!
//! [keyed-semaphore](https://github.com/MonsieurTib/keyed-semaphore), a Go package:
//! a max for each key, in shards, and entries that go when nobody needs them. The
//! protocol is written afresh; there, a release by somebody who holds nothing
//! removes the entry from under those who wait.
//!
//! # The lock
//!
//! Safe code cannot change a table that others read without a lock, so here even
//! a call that does not wait takes one: to find or make the entry, and once more
//! to remove it, if nobody else has come. It is held for a few dozen instructions,
//! and for a rehash now and then. No foreign code runs under it but a key's `Eq`,
//! which no search can do without: keys are hashed before, cloned and dropped
//! with the lock free, and so are wakers. If an `Eq` panics, nothing has changed.

use std::{iter, mem, sync::TryLockError};

use equivalent::Equivalent;

#[cfg(not(dynaphore_loom))]
use crossbeam_utils::Backoff;
use crossbeam_utils::CachePadded;
use triomphe::Arc;

use super::{
    entry::{Entry, Left},
    key::ToKey,
    table::{Removed, Table, drop_with_key},
};
use crate::{
    error::{KeyedAcquireError, SetMaxError},
    foreign::Deferred,
    park::InRuntime,
    semaphore::{Goal, Held, Policy, Rest, Semaphore, Take},
    sync::{AtomicUsize, Mutex, MutexGuard, Relaxed},
};

/// What the builder has gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max: u32,
    /// A power of two.
    pub(super) shards: usize,
    pub(super) policy: Policy,
    pub(super) max_keys: usize,
    pub(super) max_waiters: u32,
    pub(super) in_runtime: InRuntime,
}

/// A request for `n` permits of a key.
pub(super) struct Want<'q, Q: ?Sized> {
    pub(super) hash: u64,
    pub(super) key: &'q Q,
    pub(super) n: u32,
    /// How many there may be who wait for them: none if this one is not to wait.
    pub(super) max_waiters: u32,
}

/// A request that was let in: it is counted.
#[must_use]
pub(super) enum Entered<K> {
    /// It has its permits.
    Holds(Arc<Entry<K>>),
    /// It may wait.
    Waits(Arc<Entry<K>>),
}

pub(super) type Answer<K> = Result<Entered<K>, KeyedAcquireError>;

pub(super) struct Shards<K> {
    shards: Box<[CachePadded<Mutex<Table<K>>>]>,
    /// By how much to shift a spread hash to get a shard, less one.
    shift: u32,
    pub(super) settings: Settings,
    /// Counted only if there may not be any number of them.
    keys: CachePadded<AtomicUsize>,
    /// Held by whoever goes through all shards to change something. Comes
    /// before any shard's lock.
    sweeper: Mutex<()>,
}

/// Does it take neither memory nor long to make a key? That is cheaper than to lock once
/// more when it turns out to be needed.
#[inline]
const fn is_cheap<K>() -> bool {
    !mem::needs_drop::<K>() && size_of::<K>() <= 64
}

impl<K> Shards<K> {
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

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Table<K>> {
        // Any part of a hash may be poor, and the table uses both ends of it:
        // multiplied by 2^64 over the golden ratio, all of it is in the top bits.
        let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(spread >> 1 >> self.shift) as usize]
    }
}

/// How many keys there are, where that matters.
impl<K> Shards<K> {
    fn counts_keys(&self) -> bool {
        self.settings.max_keys != usize::MAX
    }

    /// May there be one more? To be asked before memory is spent on it.
    pub(super) fn has_room(&self) -> bool {
        !self.counts_keys() || self.keys.load(Relaxed) < self.settings.max_keys
    }

    /// Counts a new key, if there may be one more. Says whether there may.
    #[inline]
    fn count_key(&self) -> bool {
        let one_more = |keys| (keys < self.settings.max_keys).then_some(keys + 1);
        !self.counts_keys() || self.keys.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    #[inline]
    fn uncount_key(&self) {
        if self.counts_keys() {
            self.keys.fetch_sub(1, Relaxed);
        }
    }
}

/// Letting in and letting out.
impl<K> Shards<K> {
    /// Takes permits, or a place among those who wait for them.
    #[inline]
    pub(super) fn enter<Q: ToKey<K> + ?Sized>(&self, want: &Want<'_, Q>) -> Answer<K> {
        if is_cheap::<K>() {
            return self.enter_cheap(want);
        }
        {
            let table = lock(self.shard(want.hash));
            if let Some(answer) = self.enter_known(&table, want) {
                return answer;
            }
            // While the key is known not to be in use, or it might be the one too many.
            if !self.has_room() {
                return Err(KeyedAcquireError::TooManyKeys);
            }
        }
        // To clone a key is foreign code.
        self.enter_cloned(want)
    }

    /// Clones the key, whether it is needed or not, and locks once.
    #[inline]
    fn enter_cheap<Q: ToKey<K> + ?Sized>(&self, want: &Want<'_, Q>) -> Answer<K> {
        let owned = want.key.to_key();
        let table = lock(self.shard(want.hash));
        match self.enter_known(&table, want) {
            Some(answer) if mem::needs_drop::<K>() => {
                drop(table);
                self.drop_spare(owned, answer, want.n)
            }
            Some(answer) => answer,
            None => self.enter_new(table, owned, want),
        }
    }

    /// Drops a key that was made in vain, with the lock free. If it panics, nobody is told
    /// the answer.
    fn drop_spare(&self, spare: K, answer: Answer<K>, n: u32) -> Answer<K> {
        let mut answer = Some(answer);
        let mut deferred = Deferred::default();
        deferred.run(|| drop(spare));
        if deferred.resumes() {
            deferred.run(|| match answer.take() {
                Some(Ok(Entered::Holds(entry))) => self.leave(entry, Held::taken(n)),
                Some(Ok(Entered::Waits(entry))) => self.leave_waiting(entry),
                _ => {}
            });
        }
        deferred.resume();
        answer.expect("no panic goes on")
    }

    /// By itself, so that nobody else needs stack for a key.
    #[inline(never)]
    fn enter_cloned<Q: ToKey<K> + ?Sized>(&self, want: &Want<'_, Q>) -> Answer<K> {
        self.enter_cheap(want)
    }

    /// The answer, unless it takes a new entry.
    #[inline]
    fn enter_known<Q: Equivalent<K> + ?Sized>(
        &self,
        table: &Table<K>,
        want: &Want<'_, Q>,
    ) -> Option<Answer<K>> {
        if table.closed {
            return Some(Err(KeyedAcquireError::Closed));
        }
        if let Some(entry) = table.share(want.hash, want.key) {
            return Some(match entry.semaphore.take(want.n) {
                Take::Acquired if want.n > 0 => Ok(Entered::Holds(entry)),
                found => enter_without(entry, found == Take::Acquired, want.max_waiters),
            });
        }
        (want.n > table.default_max && want.max_waiters == 0)
            .then_some(Err(KeyedAcquireError::TooManyWaiters))
    }

    /// Makes an entry for a key that has none.
    #[inline]
    fn enter_new<Q: ?Sized>(
        &self,
        mut table: MutexGuard<'_, Table<K>>,
        key: K,
        want: &Want<'_, Q>,
    ) -> Answer<K> {
        if !self.count_key() {
            // To drop a key is foreign code.
            drop(table);
            return Err(KeyedAcquireError::TooManyKeys);
        }
        let max = table.default_max;
        let fits = want.n <= max;
        let active = if fits { want.n } else { 0 };
        let entry = table.insert(want.hash, key, (max, active), self.settings.policy);
        if active > 0 {
            Ok(Entered::Holds(entry))
        } else {
            enter_without(entry, fits, want.max_waiters)
        }
    }

    /// Permits come back, all that somebody has.
    #[inline]
    pub(super) fn leave(&self, entry: Arc<Entry<K>>, held: Held) {
        if held.n == 0 {
            return self.leave_empty(entry);
        }
        let entry = if entry.is_alone(held.n) {
            match self.remove_if_alone(entry, held.n) {
                Ok(()) => return,
                Err(entry) => entry,
            }
        } else {
            entry
        };
        match entry.semaphore.begin_release(held) {
            rest if rest.is_nothing() => drop_with_key::<K, _>(entry),
            rest => self.finish_leave(entry, rest),
        }
    }

    /// Takes the entry away with the `n` permits that the caller has of it, if
    /// nobody else needs it. Otherwise nothing has changed.
    #[inline]
    fn remove_if_alone(&self, entry: Arc<Entry<K>>, n: u32) -> Result<(), Arc<Entry<K>>> {
        // Who holds the lock may come for this very entry.
        let Some(table) = lock_while(self.shard(entry.hash), || entry.is_alone(n)) else {
            return Err(entry);
        };
        // Argument 4: now it can only become true again, not false.
        if !entry.is_alone(n) {
            return Err(entry);
        }
        self.take_out(table, entry);
        Ok(())
    }

    /// The same for a caller that has none.
    fn remove_if_unneeded(&self, entry: Arc<Entry<K>>) {
        if let Err(entry) = self.remove_if_alone(entry, 0) {
            // Somebody has come since.
            drop_with_key::<K, _>(entry);
        }
    }

    /// There is more to a release: somebody waits, or nobody holds a permit now.
    #[inline(never)]
    fn finish_leave(&self, entry: Arc<Entry<K>>, rest: Rest) {
        let mut deferred = Deferred::default();
        deferred.run(|| entry.semaphore.finish(rest));
        // Argument 3: by now the word has been written.
        deferred.run(|| {
            if entry.is_alone(0) {
                self.remove_if_unneeded(entry);
            } else {
                drop_with_key::<K, _>(entry);
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
            self.remove_if_unneeded(entry);
        } else {
            drop_with_key::<K, _>(entry);
        }
    }

    /// A permit splits, with none left in one of the parts.
    pub(super) fn join_empty(&self, entry: &Entry<K>) {
        let _table = lock(self.shard(entry.hash));
        entry.users.join_empty();
    }

    /// Removes an entry that nobody needs, unless another has, and lets the lock go.
    #[inline]
    fn take_out(&self, mut table: MutexGuard<'_, Table<K>>, entry: Arc<Entry<K>>) {
        let removed = table.remove(entry);
        // Under the lock: a key that is not in use is not counted either.
        if !matches!(removed, Removed::ByAnother(_)) {
            self.uncount_key();
        }
        drop(table);
        match removed {
            Removed::Recycled(key) => drop_with_key::<K, _>(key),
            Removed::Whole(entry) | Removed::ByAnother(entry) => drop_with_key::<K, _>(entry),
        }
    }
}

/// Watching.
impl<K> Shards<K> {
    /// The entry of `key`, in use by the caller too, as by a permit that stands for none.
    /// `None` if it meets `goal`: one that is not in use does.
    pub(super) fn keep<Q: Equivalent<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
        goal: Goal,
    ) -> Option<Arc<Entry<K>>> {
        let table = lock(self.shard(hash));
        let found = table.find(hash, key);
        found.filter(|entry| !entry.semaphore.meets(goal)).map(keep)
    }

    /// The same for all keys. The next is looked for when the caller is done with the last.
    pub(super) fn keep_each(&self, goal: Goal) -> impl Iterator<Item = Arc<Entry<K>>> {
        let next = move |table: &Table<K>| {
            let mut entries = table.entries();
            entries.find(|entry| !entry.semaphore.meets(goal)).map(keep)
        };
        let shards = self.shards.iter();
        shards.flat_map(move |shard| iter::from_fn(move || next(&lock(shard))))
    }
}

/// For the lock's holder.
fn keep<K>(entry: &Arc<Entry<K>>) -> Arc<Entry<K>> {
    entry.users.join_empty();
    Arc::clone(entry)
}

/// Overrides.
impl<K> Shards<K> {
    /// Gives `key` a max of its own. Returns the one that it replaces.
    pub(super) fn set_override<Q: ToKey<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
        max: u32,
    ) -> Result<u32, SetMaxError> {
        {
            let table = lock(self.shard(hash));
            if let Some(entry) = table.share(hash, key) {
                return Ok(override_known(table, entry, max));
            }
            // As in `enter`.
            if !self.has_room() {
                return Err(SetMaxError::TooManyKeys);
            }
        }
        self.override_new(hash, key, max)
    }

    /// By itself, as [`enter_cloned`](Self::enter_cloned).
    #[inline(never)]
    fn override_new<Q: ToKey<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
        max: u32,
    ) -> Result<u32, SetMaxError> {
        let owned = key.to_key();
        let mut table = lock(self.shard(hash));
        if let Some(entry) = table.share(hash, key) {
            return Ok(override_known(table, entry, max));
        }
        // The key is dropped after the lock.
        if !self.count_key() {
            return Err(SetMaxError::TooManyKeys);
        }
        let before = table.default_max;
        let entry = table.insert(hash, owned, (max, 0), self.settings.policy);
        entry.users.set_override();
        if table.closed {
            // Nobody waits yet.
            let _ = entry.semaphore.begin_close();
        }
        // Under the lock, so it is not the last.
        drop(entry);
        Ok(before)
    }

    /// Makes `key` follow the default again. Returns the max that it had, if
    /// that was its own.
    pub(super) fn clear_override<Q: Equivalent<K> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
    ) -> Option<u32> {
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
            finish([(entry, rest)]);
        }
        Some(before)
    }
}

/// All keys.
impl<K> Shards<K> {
    /// Replaces the default. Returns the one before.
    pub(super) fn set_default(&self, max: u32) -> u32 {
        let mut before = max;
        let change = |table: &mut Table<K>| before = mem::replace(&mut table.default_max, max);
        self.sweep(change, |entry| {
            if entry.users.is_overridden() {
                return Rest::Nothing;
            }
            entry.semaphore.begin_set_max(max).1
        });
        before
    }

    pub(super) fn close(&self) {
        let change = |table: &mut Table<K>| table.closed = true;
        self.sweep(change, |entry| {
            let rest = entry.semaphore.begin_close();
            if entry.users.waiters() > 0 {
                rest
            } else {
                Rest::Nothing
            }
        });
    }

    /// Changes each shard, and takes the first `step` of each of its entries.
    /// Sweeps have one order, the same in all shards.
    fn sweep(&self, mut change: impl FnMut(&mut Table<K>), step: impl Fn(&Entry<K>) -> Rest) {
        let mut rests = Vec::new();
        let sweeper = lock(&self.sweeper);
        for shard in &self.shards {
            let mut table = lock(shard);
            change(&mut table);
            for entry in table.entries() {
                let rest = step(entry);
                if !rest.is_nothing() {
                    rests.push((Arc::clone(entry), rest));
                }
            }
        }
        drop(sweeper);
        finish(rests);
    }
}

/// Reading.
impl<K> Shards<K> {
    /// What `read` says about the shard of `hash` and the entry of `key`.
    pub(super) fn read<Q, T>(
        &self,
        hash: u64,
        key: &Q,
        read: impl FnOnce(&Table<K>, Option<&Arc<Entry<K>>>) -> T,
    ) -> T
    where
        Q: Equivalent<K> + ?Sized,
    {
        let table = lock(self.shard(hash));
        read(&table, table.find(hash, key))
    }

    /// What `read` says about a shard that every sweep comes to first.
    pub(super) fn read_any<T>(&self, read: impl FnOnce(&Table<K>) -> T) -> T {
        read(&lock(&self.shards[0]))
    }

    /// The entry with this number.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    pub(super) fn find_number(&self, hash: u64, number: u64) -> Option<Arc<Entry<K>>> {
        let table = lock(self.shard(hash));
        let found = table.find_by(hash, |entry| entry.number() == number);
        found.cloned()
    }

    /// How many keys are in use.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// The same, unless some shard is locked now.
    pub(super) fn try_len(&self) -> Option<usize> {
        let tables = self.shards.iter().map(|shard| shard.try_lock());
        tables.map(|tried| Some(unless_locked(tried)?.len())).sum()
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

/// For the lock's holder: lets one in that has no permits, because it wants none or because
/// they do not fit.
#[inline(never)]
fn enter_without<K>(entry: Arc<Entry<K>>, fits: bool, max_waiters: u32) -> Answer<K> {
    if !fits && entry.users.waiters() >= max_waiters {
        return Err(KeyedAcquireError::TooManyWaiters);
    }
    if fits {
        entry.users.join_empty();
        Ok(Entered::Holds(entry))
    } else {
        entry.users.join_waiting();
        Ok(Entered::Waits(entry))
    }
}

/// Gives a key that is in use a max of its own, and lets the lock go. Returns the one before.
fn override_known<K>(table: MutexGuard<'_, Table<K>>, entry: Arc<Entry<K>>, max: u32) -> u32 {
    entry.users.set_override();
    let (before, rest) = entry.semaphore.begin_set_max(max);
    drop(table);
    finish([(entry, rest)]);
    before
}

/// The second steps, with the lock free.
fn finish<K>(rests: impl IntoIterator<Item = (Arc<Entry<K>>, Rest)>) {
    for_each_entry(rests, |entry, rest| entry.semaphore.finish(rest));
}

/// Runs foreign code on entries with the lock free. A panic waits until all have
/// had their turn.
fn for_each_entry<K, T>(
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

/// The sections of a shard are a few dozen instructions, less than it takes to go
/// to sleep: who has to wait for one stays awake for a moment.
///
/// The first wait is long, 127 pauses: each question takes the cache line away from
/// the one who is in there, and to let that one go on with its next calls costs
/// less than to take turns. And it asks only while the lock is of use to it. Two
/// threads at one key, as a ratio to a bare semaphore, on a machine that has two
/// ways of running two threads, near to each other and far:
///
/// | first wait, in pauses | near | far |
/// |---|---|---|
/// | 1 | 2.2 to 2.6 | 3.4 to 4.2 |
/// | 15 | 1.3 to 1.7 | 2.8 to 4.6 |
/// | 31 | 1.1 to 1.4 | 2.4 to 2.8 |
/// | 127 | 1.1 to 1.6 | 2.0 to 2.3 |
/// | 15, without a look whether the lock is still wanted | 2.8 to 3.4 | |
///
/// Where two threads meet now and then (`keyed_2t`) 127 pauses cost up to a tenth
/// more than 15.
#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    lock_while(mutex, || true).expect("wanted to the end")
}

/// The lock, unless it is not `wanted` any more while somebody else is in there.
#[inline]
fn lock_while<T>(mutex: &Mutex<T>, wanted: impl Fn() -> bool) -> Option<MutexGuard<'_, T>> {
    #[cfg(not(dynaphore_loom))]
    match unless_locked(mutex.try_lock()) {
        None => linger(mutex, wanted),
        locked => locked,
    }
    #[cfg(dynaphore_loom)]
    wanted().then(|| mutex.lock().expect("no model panics"))
}

#[cfg(not(dynaphore_loom))]
#[inline(never)]
fn linger<T>(mutex: &Mutex<T>, wanted: impl Fn() -> bool) -> Option<MutexGuard<'_, T>> {
    let backoff = Backoff::new();
    (0..6).for_each(|_| backoff.spin());
    loop {
        backoff.snooze();
        if !wanted() {
            return None;
        }
        let tried = if backoff.is_completed() {
            mutex.lock().map_err(TryLockError::Poisoned)
        } else {
            mutex.try_lock()
        };
        if let Some(guard) = unless_locked(tried) {
            return Some(guard);
        }
    }
}

/// The guard, also if a key's `Eq` has panicked under the lock, or the count of waiters
/// was full: nothing had changed yet.
#[inline]
fn unless_locked<G>(tried: Result<G, TryLockError<G>>) -> Option<G> {
    match tried {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
