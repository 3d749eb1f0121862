//! Keys that come out of use while others come for them.

mod max;
mod releases;
mod waiters;

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use dynaphore::{
    KeyedSemaphore, OwnedKeyedPermit, error::KeyedAcquireError, future::KeyedAcquireOwned,
};
use dynaphore_loom_tests::Count;

/// The same on every run.
type Hasher = BuildHasherDefault<DefaultHasher>;
type Keyed = Arc<KeyedSemaphore<u8, Hasher>>;

const KEY: &u8 = &1;

fn keyed(max: usize) -> Keyed {
    let builder = KeyedSemaphore::builder(max).hasher(Hasher::default());
    Arc::new(builder.shards(1).build())
}

fn take(keyed: &Keyed) -> OwnedKeyedPermit<u8, Hasher> {
    let taken = Arc::clone(keyed).try_acquire_owned(KEY);
    taken.expect("available")
}

type Future = Pin<Box<KeyedAcquireOwned<u8, &'static u8, Hasher>>>;

fn poll(
    future: &mut Future,
    woken: &Arc<Count>,
) -> Poll<Result<OwnedKeyedPermit<u8, Hasher>, KeyedAcquireError>> {
    let waker = Waker::from(Arc::clone(woken));
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Polled once, and in line or aside.
fn queued_for(keyed: &Keyed, permits: u32) -> (Future, Arc<Count>) {
    let mut future = Box::pin(Arc::clone(keyed).acquire_many_owned(KEY, permits));
    let woken = Arc::default();
    assert!(poll(&mut future, &woken).is_pending());
    (future, woken)
}

fn queued(keyed: &Keyed) -> (Future, Arc<Count>) {
    queued_for(keyed, 1)
}

/// No key is in use, and one may be again.
#[track_caller]
fn assert_at_rest(keyed: &Keyed, max: usize) {
    assert_eq!(keyed.len(), 0);
    let seen = keyed.snapshot(KEY);
    assert_eq!((seen.max, seen.active, seen.waiting), (max, 0, 0));
    let all = keyed.try_acquire_many(KEY, max as u32).unwrap();
    assert!(keyed.try_acquire(KEY).is_err());
    drop(all);
    assert_eq!(keyed.len(), 0);
}
