//! Who has to do with a key: what they count in, and what their end does.

use std::{mem, ops::Deref, sync};

use triomphe::Arc;

use super::{KeyedSemaphore, map::Map, table::Entry};
use crate::semaphore::{Held, Semaphore};

/// A way to reach a keyed semaphore: by reference, or by an `Arc` of its own.
pub(super) trait Reach {
    type Key;
    type Hasher;

    fn keyed(&self) -> &KeyedSemaphore<Self::Key, Self::Hasher>;
}

impl<K, S> Reach for &KeyedSemaphore<K, S> {
    type Key = K;
    type Hasher = S;

    #[inline]
    fn keyed(&self) -> &KeyedSemaphore<K, S> {
        self
    }
}

impl<K, S> Reach for sync::Arc<KeyedSemaphore<K, S>> {
    type Key = K;
    type Hasher = S;

    #[inline]
    fn keyed(&self) -> &KeyedSemaphore<K, S> {
        self
    }
}

/// One that waits, counted in already: the way by which an attempt to acquire
/// reaches the semaphore of its key. Dropping it counts it out.
pub(super) struct Waiter<R: Reach>(Option<(R, Arc<Entry<R::Key>>)>);

impl<R: Reach> Waiter<R> {
    pub(super) fn new(keyed: R, entry: Arc<Entry<R::Key>>) -> Self {
        Self(Some((keyed, entry)))
    }
}

impl<R: Reach> Deref for Waiter<R> {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        let (_, entry) = self.0.as_ref().expect("there until it is dropped");
        &entry.semaphore
    }
}

impl<R: Reach> Drop for Waiter<R> {
    fn drop(&mut self) {
        if let Some((keyed, entry)) = self.0.take() {
            keyed.keyed().map.leave_waiting(entry);
        }
    }
}

/// Permits of one key. The semaphore counts them, or `users` counts this one
/// if it has none.
pub(super) struct Permits<R: Reach> {
    keyed: R,
    /// Missing only on the way out.
    entry: Option<Arc<Entry<R::Key>>>,
    held: Held,
}

impl<R: Reach> Permits<R> {
    /// Of a request that did not have to wait.
    #[inline]
    pub(super) fn taken(keyed: R, entry: Arc<Entry<R::Key>>, n: u32) -> Self {
        Self {
            keyed,
            entry: Some(entry),
            held: Held::taken(n),
        }
    }

    /// Of one that has waited for what it now holds.
    pub(super) fn waited_for((mut waiter, held): (Waiter<R>, Held)) -> Self {
        let (keyed, entry) = waiter.0.take().expect("there until it is dropped");
        // It is not the last: it has permits, since for none nobody waits.
        let _ = entry.users.leave_waiting();
        Self {
            keyed,
            entry: Some(entry),
            held,
        }
    }

    #[inline]
    pub(super) fn entry(&self) -> &Arc<Entry<R::Key>> {
        self.entry.as_ref().expect("there until it is dropped")
    }

    fn map(&self) -> &Map<R::Key> {
        &self.keyed.keyed().map
    }

    pub(super) fn key(&self) -> &R::Key {
        self.entry().key()
    }

    pub(super) fn num_permits(&self) -> usize {
        self.held.n as usize
    }

    #[track_caller]
    pub(super) fn merge(&mut self, mut other: Self) {
        // While both are there, so is the entry: the same key, the same entry.
        assert!(
            Arc::ptr_eq(self.entry(), other.entry()),
            "merging permits of different keys"
        );
        if self.held.n > 0 && other.held.n > 0 {
            self.held.merge(other.held);
            other.entry = None;
        } else if self.held.n == 0 {
            // The one without permits goes.
            mem::swap(&mut self.held, &mut other.held);
        }
    }

    #[track_caller]
    pub(super) fn split(&mut self, n: usize) -> Option<Self>
    where
        R: Clone,
    {
        let all = self.num_permits();
        if n > all {
            return None;
        }
        let entry = Arc::clone(self.entry());
        if n == 0 || n == all {
            self.map().join_empty(&entry);
        }
        Some(Self {
            keyed: self.keyed.clone(),
            entry: Some(entry),
            held: self.held.split(n).expect("there are so many"),
        })
    }
}

impl<R: Reach> Drop for Permits<R> {
    #[inline]
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.map().leave(entry, self.held);
        }
    }
}
