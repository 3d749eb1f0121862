//! What throttled rayon jobs ask of a key beyond what everybody may.
//!
//! A thread that holds permits of a key must be told from one that holds those
//! of another, by a number that fits into a thread's own list. The address of an
//! entry will not do: as soon as its key is out of use it may be another key's.
//! So an entry has a number that no other ever has, given out when it is first
//! asked for: keys that no throttled job uses cost no write for it.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use super::{
    KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    handle::{Permits, Reach},
};
use crate::{
    Semaphore,
    error::KeyedAcquireError,
    sync::{AtomicU64, Relaxed},
};

/// The number of an entry: 0 as long as it has none.
#[derive(Debug)]
pub(super) struct Number(AtomicU64);

/// How many were given out.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Default for Number {
    #[inline]
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Number {
    /// It stands for nothing but itself, so that no order is needed.
    fn get(&self) -> u64 {
        match self.0.load(Relaxed) {
            0 => self.give(),
            number => number,
        }
    }

    #[cold]
    fn give(&self) -> u64 {
        let number = NUMBERS.fetch_add(1, Relaxed) + 1;
        let given = self.0.compare_exchange(0, number, Relaxed, Relaxed);
        given.map_or_else(|other| other, |_| number)
    }
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// The number of the entry of `key`, if it is in use.
    pub(crate) fn number<Q>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        self.map
            .read(hash, key, |_, entry| entry.map(|entry| entry.number.get()))
    }

    /// What a request for `n` permits of `key` would be told now, if it would
    /// be turned away.
    pub(crate) fn would_refuse<Q>(&self, key: &Q, n: u32) -> Option<KeyedAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let max_waiters = self.map.settings().max_waiters;
        self.map.read(self.hash(key), key, |table, entry| {
            if table.closed {
                return Some(KeyedAcquireError::Closed);
            }
            let (fits, waiters) = match entry {
                None => {
                    if let Err(error) = self.map.has_room() {
                        return Some(error.into());
                    }
                    (n <= table.default_max, 0)
                }
                Some(entry) => {
                    let available = entry.semaphore.available_permits();
                    (n as usize <= available, entry.users.waiters())
                }
            };
            let is_full = waiters >= max_waiters;
            (!fits && is_full).then_some(KeyedAcquireError::TooManyWaiters)
        })
    }

    /// Is it closed, for `key`?
    pub(crate) fn is_closed_for<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.read(self.hash(key), key, |table, _| table.closed)
    }
}

impl<R: Reach> Permits<R> {
    fn number(&self) -> u64 {
        self.entry().number.get()
    }

    fn semaphore(&self) -> &Semaphore {
        &self.entry().semaphore
    }
}

macro_rules! permit {
    ($permit:ty) => {
        impl<K, S> $permit {
            pub(crate) fn number(&self) -> u64 {
                self.0.number()
            }

            #[inline]
            pub(crate) fn semaphore(&self) -> &Semaphore {
                self.0.semaphore()
            }
        }
    };
}

permit!(KeyedPermit<'_, K, S>);
permit!(OwnedKeyedPermit<K, S>);
