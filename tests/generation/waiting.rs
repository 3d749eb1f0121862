//! Those who wait: woken by the last release, as threads and as futures.

use std::{
    future::{Future, IntoFuture},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use dynaphore::generation::{Drained, Tracker};

use crate::common::{Wakes, silently, until, watchdog};

/// Polls until it has stopped asking to be polled again by itself.
fn settle(drained: &mut std::pin::Pin<&mut Drained<'_>>) -> (Arc<Wakes>, Poll<()>) {
    loop {
        let (wakes, waker) = Wakes::new();
        let polled = drained.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() || wakes.count() == 0 {
            return (wakes, polled);
        }
    }
}

#[test]
fn timeout() {
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let pending = tracker.increment();
    assert!(!pending.wait_timeout(Duration::ZERO));
    assert!(!pending.wait_timeout(Duration::from_millis(2)));
    drop(token);
    assert!(pending.wait_timeout(Duration::ZERO));
    assert!(pending.wait_timeout(Duration::MAX));
}

#[test]
fn last_release_wakes_a_future() {
    let tracker = Tracker::new();
    let tokens = [tracker.acquire(), tracker.acquire()];
    let mut drained = pin!(tracker.increment().into_future());
    let (wakes, polled) = settle(&mut drained);
    assert!(polled.is_pending());
    let [one, other] = tokens;
    drop(one);
    assert_eq!(wakes.count(), 0);
    drop(other);
    assert_eq!(wakes.count(), 1);
    assert!(settle(&mut drained).1.is_ready());
    // As if it had been dropped.
    assert!(format!("{tracker:?}").contains("waiting: 0"));
    assert!(settle(&mut drained).1.is_ready());
}

/// Of a count-out that is on its way nobody tells it. With `membarrier` there is none.
#[test]
#[cfg(not(feature = "membarrier"))]
fn a_future_that_has_just_begun_to_wait_looks_again_by_itself() {
    let tracker = Tracker::new();
    let _token = tracker.acquire();
    let mut drained = pin!(tracker.increment().into_future());
    let (wakes, waker) = Wakes::new();
    let polled = drained.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert_eq!(wakes.count(), 1);
}

#[test]
fn last_release_elsewhere_wakes_a_parked_thread() {
    watchdog(|| {
        let tracker = Tracker::new();
        let token = tracker.acquire();
        let pending = tracker.increment();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| format!("{tracker:?}").contains("waiting: 1"));
                drop(token);
            });
            pending.wait();
        });
        assert!(format!("{tracker:?}").contains("waiting: 0"));
    });
}

#[test]
fn only_the_last_waker_is_woken() {
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let mut drained = pin!(tracker.increment().into_future());
    let (first, _) = settle(&mut drained);
    let (second, _) = settle(&mut drained);
    drop(token);
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn a_dropped_future_leaves_no_trace() {
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let pending = tracker.increment();
    {
        let mut drained = pin!(pending.clone().into_future());
        let (wakes, _) = settle(&mut drained);
        assert!(format!("{tracker:?}").contains("waiting: 1"));
        assert_eq!(Arc::strong_count(&wakes), 2);
    }
    assert!(format!("{tracker:?}").contains("waiting: 0"));
    drop(token);
    assert!(pending.is_drained());
}

/// A waker may call anything.
#[test]
fn wakers_that_call_back() {
    struct CallsBack {
        tracker: Arc<Tracker>,
        armed: AtomicBool,
        calls: AtomicUsize,
    }
    impl Wake for CallsBack {
        fn wake(self: Arc<Self>) {
            // Not while the future has itself polled again.
            if self.armed.load(SeqCst) {
                let _token = self.tracker.acquire();
                let _ = self.tracker.increment().is_drained();
                self.calls.fetch_add(1, SeqCst);
            }
        }
    }
    watchdog(|| {
        let tracker = Arc::new(Tracker::new());
        let back = Arc::new(CallsBack {
            tracker: tracker.clone(),
            armed: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        });
        let waker = Waker::from(back.clone());
        let token = tracker.acquire();
        let mut drained = pin!(tracker.increment().into_future());
        let polled = drained.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        back.armed.store(true, SeqCst);
        drop(token);
        assert_eq!(back.calls.load(SeqCst), 1);
        assert!(settle(&mut drained).1.is_ready());
    });
}

/// The panic reaches who released, and the others are woken all the same.
#[test]
fn a_waker_that_panics() {
    struct Panics(AtomicBool);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            // Not while the future has itself polled again.
            assert!(!self.0.load(SeqCst), "waker");
        }
    }
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let pending = tracker.increment();
    let mut futures: Vec<_> = (0..3)
        .map(|_| Box::pin(pending.clone().into_future()))
        .collect();
    let panics = Arc::new(Panics(AtomicBool::new(false)));
    let mut wakes = Vec::new();
    for (index, future) in futures.iter_mut().enumerate() {
        if index == 1 {
            let waker = Waker::from(panics.clone());
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        } else {
            wakes.push(settle(&mut future.as_mut()).0);
        }
    }
    panics.0.store(true, SeqCst);
    let dropped = silently(|| drop(token));
    assert!(dropped.is_err());
    assert!(wakes.iter().all(|wakes| wakes.count() == 1));
    assert!(pending.is_drained());
}

#[test]
fn tokio_awaits_what_a_thread_releases() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    watchdog(move || {
        let tracker = Arc::new(Tracker::new());
        runtime.block_on(async move {
            for _ in 0..200 {
                let theirs = tracker.clone();
                let (held, holds) = tokio::sync::oneshot::channel();
                let holder = thread::spawn(move || {
                    let _token = theirs.acquire();
                    held.send(()).unwrap();
                    thread::yield_now();
                });
                holds.await.unwrap();
                tracker.increment().await;
                holder.join().unwrap();
            }
        });
    });
}
