//! Locking a shard.
//!
//! The sections of a shard are a few dozen instructions, less than it takes to go
//! to sleep: who has to wait for one stays awake for a moment.
//!
//! It does not ask again at once, and then less and less often: each question takes
//! the cache line away from the one who is in there, and to let that one go on
//! with its next calls costs less than to take turns. And it asks only while the
//! lock is of use to it. Two threads at one key, ns for a permit: 75 to 120 with a
//! first wait of one pause, 45 to 55 with 15 pauses, 87 to 99 with those but
//! without a look whether the lock is still wanted.

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
    (0..3).for_each(|_| backoff.spin());
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
