//! Without the standard library: core, alloc, and a lock that spins.
//!
//! Nobody is known here who could put a thread to sleep. The lock is held for a few dozen
//! instructions, and no foreign code runs meanwhile. So whoever finds it taken spins until
//! whoever has it has run on: that one must not be kept from running. It is where a higher
//! priority spins in its place: a handler that has interrupted it, or a task of a scheduler
//! that preempts. `lib.rs` says what such programs do.
//!
//! No panic can be caught. One that comes out of a waker would leave others without their
//! wake-up, and nobody could tell. So it aborts the program.

use alloc::collections::BTreeMap;
use core::{convert::Infallible, mem};

pub(crate) use spin::MutexGuard;
use spin::Once;

/// std's, as far as it is used here.
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
#[derive(Debug)]
pub(crate) struct PoisonError<G>(G, Infallible);

impl<G> PoisonError<G> {
    pub(crate) fn into_inner(self) -> G {
        match self.1 {}
    }
}

/// std's, as far as it is used here.
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

/// There is no source of random numbers for a map that hashes.
pub(crate) type Map<K, V> = BTreeMap<K, V>;

/// A tree that is empty has given its memory back.
pub(crate) fn give_memory_back(_: &mut Map<u64, u64>, _: usize) {}

/// What a panic carries: nobody has ever caught one.
pub(crate) struct Panic(Infallible);

/// Runs `foreign` code. If that panics, the program aborts.
#[inline]
pub(crate) fn catch_unwind<R>(foreign: impl FnOnce() -> R) -> Result<R, Panic> {
    struct Aborts;

    impl Drop for Aborts {
        fn drop(&mut self) {
            // The second panic at once.
            panic!("a waker has panicked, which only the feature `std` of dynaphore can catch");
        }
    }

    let aborts = Aborts;
    let answer = foreign();
    mem::forget(aborts);
    Ok(answer)
}

pub(crate) fn resume_unwind(panic: Panic) -> ! {
    match panic.0 {}
}

/// Nobody can tell, and nobody asks but for the sake of a panic that has been caught.
pub(crate) const fn panicking() -> bool {
    false
}
