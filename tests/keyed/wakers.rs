//! Wakers that panic or call back: they hurt nobody but themselves.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, Wake, Waker},
};

use crate::common::{Panics, panic_of, silently, watchdog};
use crate::poll;
use dynaphore::{KeyedSemaphore, error::KeyedAcquireError};

/// Calls everything when it is woken and when it is dropped.
struct Hooked(Mutex<Weak<KeyedSemaphore<String>>>);

impl Hooked {
    fn call(&self) {
        let Some(keyed) = self.0.lock().unwrap().upgrade() else {
            return;
        };
        for key in ["a", "b"] {
            drop(keyed.try_acquire(key));
            let _ = keyed.snapshot(key);
            keyed.set_max(key, 1).unwrap();
            keyed.clear_max(key);
        }
        keyed.set_default_max(keyed.default_max());
        let _ = keyed.snapshots();
    }
}

impl Wake for Hooked {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        self.call();
    }
}

#[test]
fn wakers_may_call_back() {
    watchdog(|| {
        let keyed = Arc::new(KeyedSemaphore::<String>::builder(1).shards(1).build());
        let hooked = || Waker::from(Arc::new(Hooked(Mutex::new(Arc::downgrade(&keyed)))));
        let polled = |future: &mut Pin<Box<_>>| {
            let future: &mut Pin<Box<dynaphore::future::KeyedAcquire<'_, '_, String, str>>> =
                future;
            future.as_mut().poll(&mut Context::from_waker(&hooked()))
        };
        let ends: [fn(&KeyedSemaphore<String>); 3] = [
            |keyed| assert_eq!(keyed.set_max("a", 3), Ok(1)),
            |keyed| assert_eq!(keyed.set_default_max(3), 1),
            KeyedSemaphore::close,
        ];
        for end in ends {
            keyed.set_default_max(1);
            let held = keyed.try_acquire("a").unwrap();
            let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(keyed.acquire("a"))).collect();
            assert!(waiters.iter_mut().all(|waiter| polled(waiter).is_pending()));
            // Once more, so that the first wakers are dropped.
            assert!(waiters.iter_mut().all(|waiter| polled(waiter).is_pending()));
            drop(waiters.pop());
            end(&keyed);
            drop(held);
            drop(waiters);
            keyed.clear_max("a");
            assert!(keyed.is_empty());
        }
    });
}

#[test]
fn a_waker_that_panics_keeps_no_other_key_waiting() {
    watchdog(|| {
        let ends: [fn(&KeyedSemaphore<u32>); 2] = [
            |keyed| assert_eq!(keyed.set_default_max(2), 1),
            KeyedSemaphore::close,
        ];
        for end in ends {
            let keyed = KeyedSemaphore::<u32>::new(1);
            let held: Vec<_> = (0..20).map(|id| keyed.try_acquire(&id).unwrap()).collect();
            let ids: Vec<u32> = (0..20).collect();
            let mut waiters: Vec<_> = ids.iter().map(|id| Box::pin(keyed.acquire(id))).collect();
            for waiter in &mut waiters {
                let waker = Panics::waker("a waker");
                assert!(
                    waiter
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
            assert_eq!(panic_of(|| end(&keyed)), "a waker");
            for waiter in &mut waiters {
                match poll(waiter) {
                    Poll::Ready(Ok(permit)) => drop(permit),
                    Poll::Ready(Err(error)) => assert_eq!(error, KeyedAcquireError::Closed),
                    Poll::Pending => panic!("it was forgotten"),
                }
            }
            drop((held, waiters));
            assert!(keyed.is_empty());
        }
    });
}

#[test]
fn a_waker_that_panics_in_a_release_does_not_keep_the_entry() {
    watchdog(|| {
        let keyed = KeyedSemaphore::<u32>::new(1);
        let held = keyed.try_acquire(&1).unwrap();
        let mut waiter = Box::pin(keyed.acquire(&1));
        let waker = Panics::waker("a waker");
        assert!(
            waiter
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let released = silently(|| drop(held));
        assert!(released.is_err());
        assert_eq!(keyed.snapshot(&1).active, 1, "it was granted all the same");
        assert!(poll(&mut waiter).is_ready());
        assert!(keyed.is_empty());
    });
}
