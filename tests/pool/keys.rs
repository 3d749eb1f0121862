//! Keys whose own code panics, calls back, or lies.

use std::{
    borrow::Borrow,
    cell::{Cell, RefCell},
    future::Future,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Context,
};

use dynaphore::{Counts, LeasePool};

use crate::{
    common::{Panics, panic_of, silently, watchdog},
    counts,
};

/// What a key's code does besides its duty.
type Hook = Box<dyn Fn(&'static str, &'static str)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call` while all keys of this thread run `hook` with what they do and
/// their name.
fn hooked<T>(hook: impl Fn(&'static str, &'static str) + 'static, call: impl FnOnce() -> T) -> T {
    struct Unhook;
    impl Drop for Unhook {
        fn drop(&mut self) {
            HOOK.take();
        }
    }
    HOOK.set(Some(Box::new(hook)));
    let _unhook = Unhook;
    call()
}

#[derive(Debug)]
struct Key(&'static str);

impl Key {
    fn run(&self, what: &'static str) {
        // The hook's own calls are not hooked.
        if INSIDE.replace(true) {
            return;
        }
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                INSIDE.set(false);
            }
        }
        let _leave = Leave;
        HOOK.with_borrow(|hook| {
            if let Some(hook) = hook {
                hook(what, self.0);
            }
        });
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.run("hash");
        self.0.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.run("eq");
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        self.run("clone");
        Self(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.run("drop");
    }
}

fn pool() -> LeasePool<Key> {
    let pool = LeasePool::new();
    pool.set(Key("bad"), 2);
    pool.set(Key("good"), 2);
    pool
}

/// All that can be done with it works, and the books are right.
fn assert_sound(pool: &LeasePool<Key>) {
    pool.set(Key("bad"), 1);
    pool.set(Key("good"), 1);
    assert_eq!(pool.counts(&Key("good")), counts(1, 0));
    let mut held = [(); 2].map(|()| pool.try_acquire().unwrap());
    held.sort_by_key(|lease| lease.key().0);
    assert_eq!(held.each_ref().map(|lease| lease.key().0), ["bad", "good"]);
    assert!(pool.try_acquire().is_err());
    drop(held);
    for key in ["bad", "good"] {
        pool.set(Key(key), 0);
    }
    assert!(pool.is_empty());
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
}

type Call = fn(&LeasePool<Key>);

/// The calls that run code of a key.
fn calls() -> [(&'static str, Call); 6] {
    [
        ("raise", |pool| assert_eq!(pool.set(Key("bad"), 5), 2)),
        ("lower", |pool| assert_eq!(pool.set(Key("bad"), 1), 2)),
        ("forget", |pool| assert_eq!(pool.set(Key("bad"), 0), 2)),
        ("counts", |pool| {
            assert_eq!(pool.counts(&Key("bad")).active, 0)
        }),
        ("snapshot", |pool| assert_eq!(pool.snapshot().len(), 2)),
        ("last lease", |pool| {
            let leases = [(); 4].map(|()| pool.try_acquire().unwrap());
            pool.set(Key("bad"), 0);
            drop(leases);
        }),
    ]
}

// Scenario 34.
#[test]
fn a_key_that_panics_wedges_nobody() {
    let mut panics = 0;
    for (name, call) in calls() {
        for what in ["hash", "eq", "clone", "drop"] {
            let pool = pool();
            let once = Cell::new(true);
            let hook = move |does, key| {
                if does == what && key == "bad" && once.replace(false) {
                    panic!("{what} in {name}");
                }
            };
            let call = || call(&pool);
            panics += usize::from(hooked(hook, || silently(call)).is_err());
            // What was taken has come back, also in the middle of a panic.
            assert_eq!(pool.active(), 0, "{what} in {name}");
            assert_sound(&pool);
        }
    }
    assert!(panics >= 12, "only {panics}");
}

// A second panic while the first unwinds would abort the process.
#[test]
fn a_key_that_panics_while_another_panic_unwinds() {
    let panics = |does, _| assert!(does != "drop", "the key");
    let last = |pool: &LeasePool<Key>| {
        pool.set(Key("good"), 0);
        let lease = pool.try_acquire().unwrap();
        pool.set(Key("bad"), 0);
        lease
    };
    let pool = pool();
    let lease = last(&pool);
    let message = panic_of(|| {
        hooked(panics, || {
            let _held = lease;
            panic!("the holder");
        })
    });
    assert_eq!(message, "the holder");
    assert_sound(&pool);

    pool.set(Key("bad"), 1);
    let lease = last(&pool);
    let mut idle = pin!(pool.idle());
    let waker = Panics::waker("the waker");
    let waits = idle.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(waits.is_pending());
    let message = panic_of(|| hooked(panics, || drop(lease)));
    assert_eq!(message, "the waker");
    assert_sound(&pool);
}

#[test]
fn a_panic_while_a_key_is_compared_changes_nothing() {
    let pool = pool();
    for what in ["hash", "eq"] {
        let hook = move |does, _| assert!(does != what, "no {what}");
        let message = panic_of(|| hooked(hook, || pool.set(Key("bad"), 7)));
        assert!(message.contains(what), "{message}");
        assert_eq!(pool.counts(&Key("bad")), counts(2, 0));
    }
}

#[test]
fn a_key_may_call_the_pool_whatever_it_does() {
    for (name, call) in calls() {
        let pool = Arc::new(pool());
        let ran = Arc::new(AtomicUsize::new(0));
        let (inner, times) = (Arc::clone(&pool), Arc::clone(&ran));
        let hook = move |_, _| {
            times.fetch_add(1, SeqCst);
            // Deadlocks if any of this runs under the lock.
            let before = inner.set(Key("other"), 3);
            let lease = inner.try_acquire();
            assert!(!inner.is_empty() && inner.counts(&Key("other")).target == 3);
            inner.set(Key("other"), before);
            drop(lease);
        };
        hooked(hook, || call(&pool));
        assert!(ran.load(SeqCst) > 0, "{name} runs no code of a key");
        assert_eq!(pool.active(), 0, "{name}");
        assert_sound(&pool);
    }
}

/// All keys have the same hash.
#[derive(Clone, Default)]
struct Collides;

impl BuildHasher for Collides {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for Collides {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

#[test]
fn keys_that_collide_are_told_apart() {
    let pool = LeasePool::with_hasher(Collides);
    for key in 0..100 {
        assert_eq!(pool.set(key, key), 0);
    }
    for key in 0..100 {
        assert_eq!(pool.counts(&key), counts(key, 0));
        assert_eq!(pool.set(key, 0), key);
    }
    assert!(pool.is_empty());
}

#[derive(PartialEq, Eq, Hash)]
struct Name(String);

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {}
}

#[test]
fn counts_are_looked_up_by_a_borrowed_form() {
    // `Name` derives the hash of a `String`, which is that of its `str`.
    let pool = LeasePool::with_hasher(BuildHasherDefault::<DefaultHasher>::new());
    pool.set(Name("a".to_owned()), 2);
    assert_eq!(pool.counts("a"), counts(2, 0));
    assert_eq!(pool.counts("b"), Counts::default());
}

#[test]
fn a_key_goes_when_its_last_lease_does() {
    let key = Arc::new("a");
    let pool = LeasePool::new();
    pool.set(Arc::clone(&key), 1);
    // One that is known already is not kept.
    pool.set(Arc::clone(&key), 2);
    assert_eq!(Arc::strong_count(&key), 2);
    let lease = pool.try_acquire().unwrap();
    pool.set(Arc::clone(&key), 0);
    assert_eq!(Arc::strong_count(&key), 2);
    drop(lease);
    assert_eq!(Arc::strong_count(&key), 1);
}

/// A search among keys that collide took time that grew with the fourth power.
#[test]
fn thousands_of_keys_that_collide_are_still_served() {
    const KEYS: u32 = 3_000;
    watchdog(|| {
        let pool = LeasePool::with_hasher(Collides);
        for key in 0..KEYS {
            assert_eq!(pool.set(key, 1), 0);
        }
        assert_eq!(pool.len(), KEYS as usize);
        for key in 0..KEYS {
            assert_eq!(pool.counts(&key).target, 1);
            assert_eq!(pool.set(key, 0), 1);
        }
        assert!(pool.is_empty());
    });
}
