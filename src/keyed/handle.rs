//! One user of an entry: what it counts in, and what its end does.

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

/// One user of an entry, counted in already; dropping it counts it out.
pub(super) struct Handle<R: Reach> {
    keyed: R,
    /// Missing only on the way out.
    entry: Option<Arc<Entry<R::Key>>>,
}

impl<R: Reach> Handle<R> {
    #[inline]
    pub(super) fn new(keyed: R, entry: Arc<Entry<R::Key>>) -> Self {
        let entry = Some(entry);
        Self { keyed, entry }
    }

    #[inline]
    fn entry(&self) -> &Arc<Entry<R::Key>> {
        self.entry.as_ref().expect("there until it is dropped")
    }

    fn map(&self) -> &Map<R::Key> {
        &self.keyed.keyed().map
    }
}

impl<R: Reach> Drop for Handle<R> {
    #[inline]
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.map().leave(entry);
        }
    }
}

/// One user that waits: the way by which an attempt to acquire reaches the
/// semaphore of its key.
pub(super) struct Waiter<R: Reach>(Option<Handle<R>>);

impl<R: Reach> Waiter<R> {
    pub(super) fn new(keyed: R, entry: Arc<Entry<R::Key>>) -> Self {
        Self(Some(Handle::new(keyed, entry)))
    }

    fn end(&mut self) -> Option<Handle<R>> {
        let handle = self.0.take()?;
        handle.entry().users.waited();
        Some(handle)
    }
}

impl<R: Reach> Deref for Waiter<R> {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        let handle = self.0.as_ref().expect("there until it is dropped");
        &handle.entry().semaphore
    }
}

impl<R: Reach> Drop for Waiter<R> {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Permits of one key: one user, however many they are.
pub(super) struct Permits<R: Reach> {
    handle: Handle<R>,
    held: Held,
}

impl<R: Reach> Permits<R> {
    /// Of a request that did not have to wait.
    #[inline]
    pub(super) fn taken(keyed: R, entry: Arc<Entry<R::Key>>, n: u32) -> Self {
        Self {
            handle: Handle::new(keyed, entry),
            held: Held::taken(n),
        }
    }

    /// Of one that has waited for what it now holds.
    pub(super) fn waited_for((mut waiter, held): (Waiter<R>, Held)) -> Self {
        Self {
            handle: waiter.end().expect("there until it is dropped"),
            held,
        }
    }

    pub(super) fn entry(&self) -> &Entry<R::Key> {
        self.handle.entry()
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
            Arc::ptr_eq(self.handle.entry(), other.handle.entry()),
            "merging permits of different keys"
        );
        self.held.merge(other.held.take());
    }

    #[track_caller]
    pub(super) fn split(&mut self, n: usize) -> Option<Self>
    where
        R: Clone,
    {
        let entry = self.handle.entry();
        entry.users.assert_room();
        let held = self.held.split(n)?;
        entry.users.join();
        Some(Self {
            handle: Handle::new(self.handle.keyed.clone(), Arc::clone(entry)),
            held,
        })
    }
}

impl<R: Reach> Drop for Permits<R> {
    #[inline]
    fn drop(&mut self) {
        let Handle { keyed, entry } = &mut self.handle;
        if keyed.keyed().map.leave_alone(entry) {
            return;
        }
        // Wakers run in here: if one panics, the handle is dropped all the same.
        let held = mem::replace(&mut self.held, Held::taken(0));
        self.handle.entry().semaphore.release(held);
    }
}
