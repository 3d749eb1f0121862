//! The lease pool: releases, targets, and those who wait, all at once.

mod end;
mod leases;
mod put_back;
mod targets;

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use dynaphore::{Lease, error::LeaseError, future::AcquireLease};
use dynaphore_loom_tests::{Count, block_on};

/// Hashed the same in every execution.
type LeasePool = dynaphore::LeasePool<u8, BuildHasherDefault<DefaultHasher>>;

const A: u8 = 0;
const B: u8 = 1;

/// A pool with these targets of `A` and `B`.
fn pool(a: usize, b: usize) -> LeasePool {
    let pool = LeasePool::default();
    pool.set(A, a);
    pool.set(B, b);
    pool
}

/// A request that is polled by hand.
struct Waiter {
    future: Pin<Box<AcquireLease<u8>>>,
    woken: Arc<Count>,
}

impl Waiter {
    fn queued(pool: &LeasePool) -> Self {
        let mut waiter = Self {
            future: Box::pin(pool.acquire()),
            woken: Arc::default(),
        };
        assert!(waiter.poll().is_pending());
        waiter
    }

    fn poll(&mut self) -> Poll<Result<Lease<u8>, LeaseError>> {
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn served(&mut self) -> Lease<u8> {
        match self.poll() {
            Poll::Ready(lease) => lease.expect("not stopped"),
            Poll::Pending => panic!("not served"),
        }
    }

    fn wait(self) -> Result<Lease<u8>, LeaseError> {
        block_on(self.future)
    }
}

/// Nobody holds or waits, and exactly as many leases can be had as the targets
/// say: the gate and the table agree.
#[track_caller]
fn assert_at_rest(pool: &LeasePool, a: usize, b: usize) {
    let counts = |key| (pool.counts(&key).target, pool.counts(&key).active);
    assert_eq!((counts(A), counts(B)), ((a, 0), (b, 0)));
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
    assert_eq!(pool.len(), usize::from(a > 0) + usize::from(b > 0));
    let all: Vec<_> = (0..a + b).map(|_| pool.try_acquire().unwrap()).collect();
    assert!(pool.try_acquire().is_err());
    drop(all);
    assert_eq!(pool.active(), 0);
}
