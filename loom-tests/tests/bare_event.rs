//! The event of a crate without std (`src/event/bare.rs`), taken out of it: who listens and
//! then looks, and who changes something and then notifies.

extern crate alloc;

#[allow(dead_code)]
#[path = "../../src/event/bare.rs"]
mod event;
#[allow(dead_code)]
#[path = "../../src/foreign.rs"]
mod foreign;

/// What it asks for of `src/sync.rs`.
mod sync {
    pub(crate) use std::sync::{Arc, PoisonError, atomic::Ordering::SeqCst};

    use loom::sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    };
    pub(crate) use loom::sync::{Mutex, atomic::fence};

    /// loom has no `OnceLock`. Who asks for the value may learn late that it is there.
    pub(crate) struct Lazy<T> {
        value: T,
        is_made: AtomicBool,
    }

    impl<T: Default> Lazy<T> {
        pub(crate) fn new() -> Self {
            Self {
                value: T::default(),
                is_made: AtomicBool::new(false),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.is_made.load(Acquire).then_some(&self.value)
        }

        pub(crate) fn force(&self) -> &T {
            self.is_made.store(true, Release);
            &self.value
        }
    }

    macro_rules! const_fn {
        ($($function:tt)*) => { $($function)* };
    }
    pub(crate) use const_fn;
}

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
};

use dynaphore_loom_tests::{Count, block_on, model, spawn};
use event::{Event, Listener};
use loom::sync::atomic::AtomicUsize;

/// It is notified, or sees what was changed before.
#[test]
fn listen_against_notify() {
    model(3, || {
        let shared = Arc::new((Event::new(), AtomicUsize::new(0)));
        let theirs = shared.clone();
        let notifies = spawn(move || {
            theirs.1.store(1, Relaxed);
            theirs.0.notify(1).1.resume();
        });
        let (event, changed) = &*shared;
        let mut listener = event.listen(Waker::noop());
        if changed.load(Relaxed) == 0 {
            block_on(poll_fn(|cx| listener.poll(cx.waker())));
            assert_eq!(changed.load(Relaxed), 1);
        }
        notifies.join().unwrap();
    });
}

/// The same for one that listens again.
#[test]
fn listen_again_against_notify() {
    model(3, || {
        let shared = Arc::new((Event::new(), AtomicUsize::new(0)));
        let mut listener = shared.0.listen(Waker::noop());
        shared.0.notify_all().resume();
        assert!(listener.poll(Waker::noop()).is_ready());
        let theirs = shared.clone();
        let notifies = spawn(move || {
            theirs.1.store(1, Relaxed);
            theirs.0.notify_all().resume();
        });
        let (event, changed) = &*shared;
        listener.listen_again(event);
        if changed.load(Relaxed) == 0 {
            block_on(poll_fn(|cx| listener.poll(cx.waker())));
        }
        notifies.join().unwrap();
    });
}

fn listening(event: &Event, count: &Arc<Count>) -> Listener {
    let waker = Waker::from(count.clone());
    let mut listener = event.listen(&waker);
    assert!(listener.poll(&waker).is_pending());
    listener
}

/// Before or after it is notified: the next is woken.
#[test]
fn one_that_gives_up_passes_its_notification_on() {
    model(3, || {
        let event = Arc::new(Event::new());
        let [first, second] = [(); 2].map(|()| Arc::new(Count::default()));
        let quitter = listening(&event, &first);
        let mut next = listening(&event, &second);
        let [notifier, leaver] = [event.clone(), event.clone()];
        let notifies = spawn(move || notifier.notify(1).1.resume());
        let leaves = spawn(move || quitter.leave(&leaver).resume());
        notifies.join().unwrap();
        leaves.join().unwrap();
        assert_eq!(second.get(), 1);
        assert!(next.poll(Waker::noop()).is_ready());
        drop(next);
        assert!(event.is_empty());
    });
}

/// Polled with another waker while it is notified, and the one before it gives up: the new
/// one is woken, or it is ready.
#[test]
fn waker_replaced_against_notify() {
    model(3, || {
        let event = Arc::new(Event::new());
        let [first, old, new] = [(); 3].map(|()| Arc::new(Count::default()));
        let quitter = listening(&event, &first);
        let mut listener = listening(&event, &old);
        let [notifier, leaver] = [event.clone(), event.clone()];
        let notifies = spawn(move || notifier.notify(1).1.resume());
        let leaves = spawn(move || quitter.leave(&leaver).resume());
        let polled = listener.poll(&Waker::from(new.clone()));
        notifies.join().unwrap();
        leaves.join().unwrap();
        assert_eq!(old.get() + new.get(), 1);
        assert_eq!(polled.is_pending(), new.get() == 1);
        assert!(listener.poll(Waker::noop()).is_ready());
    });
}
