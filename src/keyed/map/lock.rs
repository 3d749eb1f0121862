//! Locking a shard.
//!
//! The sections of a shard are a few dozen instructions, less than it takes to go
//! to sleep: who has to wait for one stays awake for a moment.
//!
//! The first wait is long, 127 pauses: each question takes the cache line away from
//! the one who is in there, and to let that one go on with its next calls costs
//! less than to take turns. And it asks only while the lock is of use to it. Two
//! threads at one key, as a ratio to a bare semaphore, on a machine that has two
//! ways of running two threads, near to each other and far:
//!
//! | first wait, in pauses | near | far |
//! |---|---|---|
//! | 1 | 2.2 to 2.6 | 3.4 to 4.2 |
//! | 15 | 1.3 to 1.7 | 2.8 to 4.6 |
//! | 31 | 1.1 to 1.4 | 2.4 to 2.8 |
//! | 127 | 1.1 to 1.6 | 2.0 to 2.3 |
//! | 15, without a look whether the lock is still wanted | 2.8 to 3.4 | |
//!
//! Where two threads meet now and then (`keyed_2t`) 127 pauses cost up to a tenth
//! more than 15.

#[cfg(not(loom))]
use std::sync::TryLockError;

#[cfg(not(loom))]
use crossbeam_utils::Backoff;

use crate::sync::{Mutex, MutexGuard};

#[inline]
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    lock_while(mutex, || true).expect("wanted to the end")
}

/// The lock, unless it is not `wanted` any more while somebody else is in there.
#[inline]
pub(super) fn lock_while<T>(
    mutex: &Mutex<T>,
    wanted: impl Fn() -> bool,
) -> Option<MutexGuard<'_, T>> {
    #[cfg(not(loom))]
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        // A key's `Eq` has panicked, or the count of waiters is full: nothing had
        // changed yet.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => linger(mutex, wanted),
    }
    #[cfg(loom)]
    wanted().then(|| mutex.lock().expect("no model panics"))
}

#[cfg(not(loom))]
#[inline(never)]
fn linger<T>(mutex: &Mutex<T>, wanted: impl Fn() -> bool) -> Option<MutexGuard<'_, T>> {
    let backoff = Backoff::new();
    (0..6).for_each(|_| backoff.spin());
    loop {
        backoff.snooze();
        if !wanted() {
            return None;
        }
        let answer = if backoff.is_completed() {
            mutex.lock().map_err(TryLockError::Poisoned)
        } else {
            mutex.try_lock()
        };
        match answer {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }
}
