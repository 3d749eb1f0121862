//! Waiting for a state of a key, or of all keys, rather than for permits.
//!
//! Who watches a key needs its entry: the last permit would otherwise take it away without
//! a word to the semaphore (`shards.rs`, argument 4). So it counts as a permit that stands
//! for none.

use std::{
    future::poll_fn,
    hash::{BuildHasher, Hash},
    ops::Deref,
};

use equivalent::Equivalent;

use triomphe::Arc;

use super::{entry::Entry, permit::Permits, semaphore::KeyedSemaphore};
use crate::{
    park::{self, Wait},
    semaphore::{Goal, Semaphore, Watch},
};

/// An entry that is in use by somebody who watches.
struct Kept<'a, K, S>(Permits<&'a KeyedSemaphore<K, S>>);

impl<K, S> Deref for Kept<'_, K, S> {
    type Target = Semaphore;

    fn deref(&self) -> &Semaphore {
        &self.0.entry().semaphore
    }
}

impl<K, S> KeyedSemaphore<K, S> {
    fn watch(&self, entry: Arc<Entry<K>>, goal: Goal) -> Watch<Kept<'_, K, S>> {
        Watch::new(Kept(Permits::taken(self, entry, 0)), goal)
    }

    async fn reached(&self, entry: Option<Arc<Entry<K>>>, goal: Goal) {
        if let Some(entry) = entry {
            let mut watch = self.watch(entry, goal);
            poll_fn(|cx| watch.poll(cx.waker())).await;
        }
    }

    async fn all_reached(&self, goal: Goal) {
        for shard in 0..self.shards.count() {
            while let Some(entry) = self.shards.keep_any(shard, goal) {
                self.reached(Some(entry), goal).await;
            }
        }
    }

    fn block_until(&self, entry: Option<Arc<Entry<K>>>, goal: Goal) {
        if let Some(entry) = entry {
            park::wait(&mut self.watch(entry, goal), None);
        }
    }

    #[track_caller]
    fn block_until_all(&self, goal: Goal) {
        self.assert_may_block();
        for shard in 0..self.shards.count() {
            while let Some(entry) = self.shards.keep_any(shard, goal) {
                self.block_until(Some(entry), goal);
            }
        }
    }
}

/// Waiting for a state of one key.
///
/// A key that is not in use is settled and idle. One that somebody waits for in this way
/// stays in use until that has ended.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    fn keep<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, goal: Goal) -> Option<Arc<Entry<K>>> {
        self.shards.keep(self.hash(key), key, goal)
    }

    /// Waits until no more permits of `key` are out than its max: until a shrink has taken
    /// full effect, as [`Semaphore::settled`](crate::Semaphore::settled) has it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// let held = hosts.try_acquire_many("a.example", 2).unwrap();
    /// hosts.set_max("a.example", 1)?;
    /// drop(held);
    /// hosts.settled("a.example").await;
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn settled<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.reached(self.keep(key, Goal::Settled), Goal::Settled)
            .await;
    }

    /// Waits until no permit of `key` is out, as
    /// [`Semaphore::idle`](crate::Semaphore::idle) has it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Memory ordering
    ///
    /// All that the holders did before giving their permits back is visible when it
    /// resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let hosts = dynaphore::KeyedSemaphore::<String>::new(2);
    /// drop(hosts.try_acquire("a.example"));
    /// hosts.set_max("a.example", 0)?;
    /// hosts.idle("a.example").await;
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn idle<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.reached(self.keep(key, Goal::Idle), Goal::Idle).await;
    }

    /// [`settled`](Self::settled), blocking the thread.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the builder was told to
    /// [refuse](crate::KeyedBuilder#method.refuse_blocking_in_runtime) that.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(2);
    /// users.blocking_settled(&17);
    /// ```
    #[track_caller]
    pub fn blocking_settled<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.assert_may_block();
        self.block_until(self.keep(key, Goal::Settled), Goal::Settled);
    }

    /// [`idle`](Self::idle), blocking the thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_settled`](Self::blocking_settled).
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(2);
    /// std::thread::scope(|scope| {
    ///     let permit = users.try_acquire(&17).unwrap();
    ///     scope.spawn(move || drop(permit));
    ///     users.blocking_idle(&17);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_idle<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.assert_may_block();
        self.block_until(self.keep(key, Goal::Idle), Goal::Idle);
    }
}

/// Waiting for a state of all keys.
///
/// Each key has been seen in that state at some moment since the call. One that is settled
/// stays so while no max is lowered, one that is idle after [`close`](Self::close), or while
/// its max is 0.
///
/// After each key that it has to wait for, it looks through the shard of that key again, under
/// the shard's lock.
impl<K, S> KeyedSemaphore<K, S> {
    /// [`settled`](Self::settled), for every key.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(2);
    /// let held = users.try_acquire_many(&17, 2).unwrap();
    /// users.set_default_max(1);
    /// drop(held);
    /// users.all_settled().await;
    /// # });
    /// ```
    pub async fn all_settled(&self) {
        self.all_reached(Goal::Settled).await;
    }

    /// [`idle`](Self::idle), for every key. To drain, [`close`](Self::close) it first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Memory ordering
    ///
    /// As for `idle`.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(2);
    /// drop(users.try_acquire(&17));
    /// users.close();
    /// users.all_idle().await;
    /// # });
    /// ```
    pub async fn all_idle(&self) {
        self.all_reached(Goal::Idle).await;
    }

    /// [`all_settled`](Self::all_settled), blocking the thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_settled`](Self::blocking_settled).
    ///
    /// # Examples
    ///
    /// ```
    /// dynaphore::KeyedSemaphore::<u64>::new(2).blocking_all_settled();
    /// ```
    #[track_caller]
    pub fn blocking_all_settled(&self) {
        self.block_until_all(Goal::Settled);
    }

    /// [`all_idle`](Self::all_idle), blocking the thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_settled`](Self::blocking_settled).
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(2);
    /// std::thread::scope(|scope| {
    ///     let permit = users.try_acquire(&17).unwrap();
    ///     scope.spawn(move || drop(permit));
    ///     users.close();
    ///     users.blocking_all_idle();
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_all_idle(&self) {
        self.block_until_all(Goal::Idle);
    }
}
