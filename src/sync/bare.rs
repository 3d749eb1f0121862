//! Without the standard library: core, alloc, and a lock that spins. Names and signatures are
//! std's, as far as they are used here.
//!
//! Nobody is known here who could put a thread to sleep. The lock is held for a few dozen
//! instructions, in which no foreign code runs. Whoever finds it taken spins until its holder
//! has run on, so that one must not be kept from running. It would be by who interrupts it,
//! or has a higher priority, and spins: `lib.rs` says what programs do that have such.

use alloc::collections::BTreeMap;
use core::{
    convert::Infallible,
    ops::{Deref, DerefMut},
};

pub(crate) use spin::MutexGuard;
use spin::Once;

#[derive(Default)]
pub(crate) struct Mutex<T>(spin::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, T>, PoisonError<MutexGuard<'_, T>>> {
        Ok(self.0.lock())
    }
}

/// There is none.
pub(crate) struct PoisonError<G>(G, Infallible);

impl<G> PoisonError<G> {
    pub(crate) fn into_inner(self) -> G {
        match self.1 {}
    }
}

pub(crate) struct OnceLock<T>(Once<T>);

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self(Once::new())
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get()
    }

    #[inline]
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        self.0.call_once(make)
    }
}

/// A tree: there are no random numbers to hash with. It needs no memory while it is empty.
pub(crate) struct HashMap<K, V>(BTreeMap<K, V>);

impl<K, V> HashMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) const fn capacity(&self) -> usize {
        0
    }
}

impl<K, V> Default for HashMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Deref for HashMap<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K, V> DerefMut for HashMap<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
