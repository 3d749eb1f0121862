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

/// Keeps its key in use.
type KeyWatch<'a, K, S> = Watch<Permits<&'a KeyedSemaphore<K, S>>>;

impl<K, S> KeyedSemaphore<K, S> {
    fn watch(&self, entry: Arc<Entry<K>>, goal: Goal) -> KeyWatch<'_, K, S> {
        Watch::new(Permits::taken(self, entry, 0), goal)
    }

    /// What has to be waited for, one after the other.
    fn watch_all(&self, goal: Goal) -> impl Iterator<Item = KeyWatch<'_, K, S>> {
        let each = self.shards.keep_each(goal);
        each.map(move |entry| self.watch(entry, goal))
    }
}

async fn reached<S: Deref<Target = Semaphore>>(watches: impl IntoIterator<Item = Watch<S>>) {
    for mut watch in watches {
        poll_fn(|cx| watch.poll(cx.waker())).await;
    }
}

fn block_until<S: Deref<Target = Semaphore>>(watches: impl IntoIterator<Item = Watch<S>>) {
    for mut watch in watches {
        park::wait(&mut watch, None);
    }
}

/// Waiting for a state of one key.
///
/// A key that is not in use is settled and idle. One that somebody waits for in this way
/// stays in use until that has ended.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    fn watch_key<Q: Hash + Equivalent<K> + ?Sized>(
        &self,
        key: &Q,
        goal: Goal,
    ) -> Option<KeyWatch<'_, K, S>> {
        let entry = self.shards.keep(self.hash(key), key, goal)?;
        Some(self.watch(entry, goal))
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
        reached(self.watch_key(key, Goal::Settled)).await;
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
        reached(self.watch_key(key, Goal::Idle)).await;
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
        block_until(self.watch_key(key, Goal::Settled));
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
        block_until(self.watch_key(key, Goal::Idle));
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
        reached(self.watch_all(Goal::Settled)).await;
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
        reached(self.watch_all(Goal::Idle)).await;
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
        self.assert_may_block();
        block_until(self.watch_all(Goal::Settled));
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
        self.assert_may_block();
        block_until(self.watch_all(Goal::Idle));
    }
}
