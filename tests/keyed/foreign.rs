//! Keys that panic or call back: they hurt nobody but themselves.

use std::{
    cell::Cell,
    future::Future,
    hash::{Hash, Hasher},
    rc::Rc,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
};

use crate::common::{panic_of, watchdog};
use crate::poll;
use dynaphore::KeyedSemaphore;

thread_local! {
    /// Which call of a key panics on this thread.
    static PANICS: Cell<&'static str> = const { Cell::new("") };
    /// What happens while the next key is cloned on this thread.
    static MEANWHILE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

fn strike(call: &'static str) {
    if PANICS.get() == call {
        PANICS.set("");
        panic!("{call}");
    }
}

/// Panics when it is told to. All have the same hash, so that `eq` is asked.
#[derive(Debug)]
struct Key(u32);

impl Key {
    fn new(id: u32) -> Self {
        Self(id)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        strike("hash");
        state.write_u8(0);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        strike("eq");
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        strike("clone");
        if let Some(call) = MEANWHILE.take() {
            call();
        }
        Self::new(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        strike("drop");
    }
}

/// Runs `call` with a key that panics, and then what other keys and this one do.
#[track_caller]
fn panics<T>(keyed: &KeyedSemaphore<Key>, on: &'static str, call: impl FnOnce() -> T) {
    PANICS.set(on);
    assert_eq!(panic_of(|| drop(call())), on);
    let len = keyed.len();
    for id in [100, 101] {
        let held = keyed.try_acquire(&Key::new(id)).unwrap();
        assert!(keyed.try_acquire(&Key::new(id)).is_err());
        drop(held);
    }
    assert_eq!(keyed.len(), len);
    let text = format!("{keyed:?}");
    assert!(
        text.starts_with(&format!("KeyedSemaphore {{ keys: {len},")),
        "{text}"
    );
}

fn keyed() -> KeyedSemaphore<Key> {
    // One shard: a lock that was left behind would be found.
    KeyedSemaphore::builder(1).shards(1).build()
}

// Scenario 34, as far as the end of this file.
#[test]
fn a_key_that_panics_when_it_is_hashed_compared_or_cloned() {
    watchdog(|| {
        let keyed = keyed();
        let held = keyed.try_acquire(&Key::new(1)).unwrap();
        let key = Key::new(2);
        for on in ["hash", "eq"] {
            panics(&keyed, on, || keyed.try_acquire(&key).is_ok());
            panics(&keyed, on, || keyed.blocking_acquire(&key).is_ok());
            panics(&keyed, on, || keyed.set_max(&key, 1).is_ok());
            panics(&keyed, on, || keyed.clear_max(&key));
            panics(&keyed, on, || keyed.snapshot(&key));
        }
        panics(&keyed, "clone", || keyed.try_acquire(&key).is_ok());
        panics(&keyed, "clone", || keyed.set_max(&key, 1).is_ok());
        panics(&keyed, "clone", || keyed.snapshots());
        assert_eq!(keyed.len(), 1);
        drop(held);
        assert!(keyed.is_empty());
    });
}

#[test]
fn a_future_whose_key_panics_can_be_polled_again() {
    watchdog(|| {
        let keyed = keyed();
        let key = Key::new(1);
        let mut future = Box::pin(keyed.acquire(&key));
        let mut poll = || {
            future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        };
        PANICS.set("hash");
        panic_of(&mut poll);
        assert!(poll().is_ready());
        assert!(keyed.is_empty());
    });
}

#[test]
fn a_key_that_panics_when_it_is_dropped_is_gone_all_the_same() {
    watchdog(|| {
        let keyed = keyed();
        let key = Key::new(1);
        let held = keyed.try_acquire(&key).unwrap();
        panics(&keyed, "drop", || drop(held));
        assert!(keyed.is_empty());

        keyed.set_max(&key, 0).unwrap();
        panics(&keyed, "drop", || keyed.clear_max(&key));
        assert!(keyed.is_empty());

        keyed.set_default_max(0);
        let mut waiter = Box::pin(keyed.acquire(&key));
        assert!(poll(&mut waiter).is_pending());
        PANICS.set("drop");
        assert_eq!(panic_of(|| drop(waiter)), "drop");
        assert!(keyed.is_empty());
    });
}

// Another comes for the key while it is cloned, so the copy is not needed.
#[test]
fn a_key_cloned_in_vain_that_panics_when_it_is_dropped_keeps_no_permits() {
    watchdog(|| {
        let keyed = Arc::new(KeyedSemaphore::builder(2).shards(1).build());
        let key = Key::new(1);
        // None, one that is there, one that has to be waited for, and more than max.
        for n in 0..4 {
            let other = Rc::new(Cell::new(None));
            let (theirs, held) = (Arc::clone(&keyed), Rc::clone(&other));
            MEANWHILE.set(Some(Box::new(move || {
                held.set(theirs.try_acquire_owned(&Key::new(1)).ok());
                PANICS.set("drop");
            })));
            let mut future = Box::pin(keyed.acquire_many(&key, n));
            assert_eq!(panic_of(|| drop(poll(&mut future))), "drop");
            assert_eq!(keyed.snapshot(&key).active, 1, "{n}");
            drop(other.take());
            assert!(keyed.is_empty(), "{n}");
        }
    });
}

// A second panic while the first unwinds would abort the process.
#[test]
fn a_key_that_panics_while_its_holder_unwinds() {
    watchdog(|| {
        let keyed = keyed();
        let key = Key::new(1);
        let message = panic_of(|| {
            let _held = keyed.try_acquire(&key).unwrap();
            PANICS.set("drop");
            panic!("the holder");
        });
        assert_eq!(message, "the holder");
        assert_eq!(PANICS.get(), "", "it did panic");
        assert!(keyed.is_empty());
    });
}

#[test]
fn a_holder_that_panics_gives_back() {
    let keyed = KeyedSemaphore::<String>::new(1);
    panic_of(|| {
        let _held = keyed.try_acquire("a").unwrap();
        panic!("the holder");
    });
    assert!(keyed.is_empty());
    assert!(keyed.try_acquire("a").is_ok());
}

/// Like a NaN.
#[derive(Clone, Debug)]
struct Unequal;

impl Hash for Unequal {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Unequal {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Unequal {}

#[test]
fn a_key_that_is_not_equal_to_itself_does_not_leak() {
    let keyed = KeyedSemaphore::<Unequal>::new(1);
    let mut held: Vec<_> = (0..20)
        .map(|_| keyed.try_acquire(&Unequal).unwrap())
        .collect();
    assert_eq!(keyed.len(), 20);
    while let Some(permit) = held.pop() {
        drop(permit);
        assert_eq!(keyed.len(), held.len());
    }
    // It cannot be found again to be cleared: it stays, as it must.
    keyed.set_max(&Unequal, 1).unwrap();
    assert_eq!(keyed.clear_max(&Unequal), None);
    assert_eq!(keyed.len(), 1);
}

type Calls = Arc<KeyedSemaphore<Caller>>;

/// Calls its keyed semaphore whenever it is hashed, cloned or dropped.
struct Caller(u32, Weak<KeyedSemaphore<Caller>>);

thread_local!(static CALLING: Cell<bool> = const { Cell::new(false) });
static CALLS: AtomicUsize = AtomicUsize::new(0);

impl Caller {
    fn call(&self) {
        if CALLING.replace(true) {
            return;
        }
        if let Some(keyed) = self.1.upgrade() {
            CALLS.fetch_add(1, SeqCst);
            let other = Caller(self.0 + 1, self.1.clone());
            for key in [self, &other] {
                drop(keyed.try_acquire(key));
                let _ = keyed.snapshot(key);
                let _ = keyed.set_max(key, 1);
                keyed.clear_max(key);
            }
            keyed.set_default_max(1);
            let _ = (keyed.len(), format!("{keyed:?}"));
        }
        CALLING.set(false);
    }
}

impl Hash for Caller {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call();
        state.write_u32(self.0);
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Caller {}

impl Clone for Caller {
    fn clone(&self) -> Self {
        self.call();
        Self(self.0, self.1.clone())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.call();
    }
}

#[test]
fn keys_may_call_back_when_they_are_hashed_cloned_or_dropped() {
    watchdog(|| {
        let keyed: Calls = Arc::new(KeyedSemaphore::builder(1).shards(1).build());
        let key = Caller(1, Arc::downgrade(&keyed));
        let held = keyed.try_acquire(&key).unwrap();
        let mut waiter = Box::pin(keyed.acquire(&key));
        assert!(poll(&mut waiter).is_pending());
        drop(held);
        drop(waiter);
        keyed.set_max(&key, 0).unwrap();
        assert_eq!(keyed.snapshots().len(), 1);
        keyed.clear_max(&key);
        assert!(keyed.is_empty());
        assert!(CALLS.load(SeqCst) >= 8);
    });
}
