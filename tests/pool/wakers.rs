//! Wakers that call back into the pool, or panic.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use dynaphore::{Lease, LeasePool, future::AcquireLease};

use crate::{
    common::{silently, watchdog},
    pool,
};

/// Runs something when it is woken, once.
struct Hooked(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Hooked {
    fn wake(self: Arc<Self>) {
        let hook = self.0.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

fn hooked(hook: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Hooked(Mutex::new(Some(Box::new(hook))))))
}

type Request = std::pin::Pin<Box<AcquireLease<&'static str>>>;

fn poll(request: &mut Request, waker: &Waker) -> Poll<Lease<&'static str>> {
    let polled = request.as_mut().poll(&mut Context::from_waker(waker));
    polled.map(|told| told.expect("not stopped"))
}

/// A request that waits, and runs `hook` when it is woken.
fn waiting(
    pool: &LeasePool<&'static str>,
    hook: impl FnOnce(&LeasePool<&'static str>) + Send + 'static,
) -> Request {
    let mut request = Box::pin(pool.acquire());
    let inner = pool.clone();
    assert!(poll(&mut request, &hooked(move || hook(&inner))).is_pending());
    request
}

// Scenario 26.
#[test]
fn a_waker_may_do_anything_with_the_pool() {
    watchdog(|| {
        let pool = pool([("a", 1), ("b", 1)]);
        let held = [(); 2].map(|()| pool.try_acquire().unwrap());
        let spare = Mutex::new(Some(held));
        let mut request = waiting(&pool, move |pool| {
            // A lease that is dropped in a waker, and all the rest.
            drop(spare.lock().unwrap().take());
            assert_eq!(pool.set("a", 0), 1);
            assert_eq!(pool.set("b", 0), 1);
            assert_eq!(pool.set("d", 1), 0);
            assert!(pool.try_acquire().is_ok());
            assert_eq!(pool.snapshot().len(), 2);
            assert!(format!("{pool:?}").contains("LeasePool"));
        });
        pool.set("c", 1);
        let lease = poll(&mut request, Waker::noop());
        assert!(lease.is_ready());
        drop(lease);
        assert_eq!((pool.active(), pool.len()), (0, 2));
    });
}

#[test]
fn a_waker_may_take_back_the_lease_it_tells_of() {
    watchdog(|| {
        let pool = pool([("a", 0)]);
        let mut request = waiting(&pool, |pool| {
            pool.set("a", 0);
        });
        pool.set("a", 1);
        assert!(poll(&mut request, Waker::noop()).is_pending());
        assert_eq!((pool.active(), pool.waiting()), (0, 1));
        pool.set("a", 1);
        assert!(poll(&mut request, Waker::noop()).is_ready());
    });
}

#[test]
fn a_waker_may_stop_the_pool() {
    watchdog(|| {
        let pool = pool([("a", 1)]);
        let held = pool.try_acquire().unwrap();
        let mut request = waiting(&pool, LeasePool::stop);
        drop(held);
        let told = request
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(told, Poll::Ready(Err(_))));
        assert_eq!(pool.active(), 0);
    });
}

// Scenario 27, with leases.
#[test]
fn a_waker_that_panics_keeps_nobody_else_from_a_lease() {
    for wake in [
        |pool: &LeasePool<_>, _: Vec<Lease<_>>| {
            pool.set("b", 20);
        },
        |_: &LeasePool<_>, held| drop(held),
        |pool: &LeasePool<_>, _: Vec<Lease<_>>| pool.stop(),
    ] {
        let pool = pool([("a", 20)]);
        let held: Vec<_> = (0..20).map(|_| pool.try_acquire().unwrap()).collect();
        let woken = Arc::new(AtomicUsize::new(0));
        let requests: Vec<_> = (0..20)
            .map(|at| {
                let woken = Arc::clone(&woken);
                waiting(&pool, move |_| {
                    woken.fetch_add(1, SeqCst);
                    assert!(at != 3 && at != 11, "waker {at}");
                })
            })
            .collect();
        let mut stopped = Box::pin(pool.stopped());
        let ended = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&ended);
        let waker = hooked(move || {
            told.fetch_add(1, SeqCst);
        });
        assert!(
            stopped
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert!(silently(|| wake(&pool, held)).is_err());
        assert_eq!(woken.load(SeqCst), 20);
        assert_eq!(ended.load(SeqCst), usize::from(pool.is_stopped()));
        drop(requests);
        drop(stopped);
        assert_eq!((pool.active(), pool.waiting()), (0, 0));
    }
}
