//! The default max and overrides of it change while the key is in use.

use dynaphore_loom_tests::{block_on, join, model, spawn};

use crate::{KEY, assert_at_rest, keyed, poll, queued, queued_for, take};

/// A key that is made while the default changes has the new one in the end.
#[test]
fn set_default_against_acquire() {
    model(3, || {
        let k = keyed(1);
        let theirs = k.clone();
        let sweep = spawn(move || assert_eq!(theirs.set_default_max(2), 1));
        let theirs = k.clone();
        let other = spawn(move || drop(theirs.try_acquire(KEY)));
        let held = k.try_acquire(KEY).ok();
        join([sweep, other]);
        assert_eq!(k.max(KEY), 2);
        let more = k.try_acquire(KEY).unwrap();
        drop((held, more));
        assert_at_rest(&k, 2);
    });
}

/// A waiter that arrives while the default grows is let in by the one or the
/// other.
#[test]
fn set_default_against_waiter() {
    model(3, || {
        let k = keyed(0);
        let theirs = k.clone();
        let sweep = spawn(move || theirs.set_default_max(1));
        drop(block_on(k.acquire(KEY)).unwrap());
        join([sweep]);
        assert_at_rest(&k, 1);
    });
}

/// So does a request for more than max, which stands beside the line, and nobody
/// gets past it.
#[test]
fn set_default_lets_rejoin() {
    model(2, || {
        let k = keyed(1);
        let theirs = k.clone();
        let heavy = spawn(move || drop(theirs.blocking_acquire_many(KEY, 2).unwrap()));
        let theirs = k.clone();
        let sweep = spawn(move || theirs.set_default_max(2));
        drop(k.try_acquire(KEY));
        assert_eq!(sweep.join().unwrap(), 1);
        heavy.join().unwrap();
        assert_at_rest(&k, 2);
    });
}

/// One that stood aside goes to the front in the same step that raises max, before
/// anybody is woken: one is out, so there is room for a newcomer, but not for it.
#[test]
fn set_default_lets_nobody_pass() {
    model(3, || {
        let k = keyed(1);
        let held = take(&k);
        let (mut heavy, woken) = queued_for(&k, 2);
        let theirs = k.clone();
        let sweep = spawn(move || theirs.set_default_max(2));
        let newcomer = queued(&k);
        assert_eq!(sweep.join().unwrap(), 1);
        drop(held);
        assert!(poll(&mut heavy, &woken).is_ready());
        drop((heavy, newcomer));
        assert_at_rest(&k, 2);
    });
}

/// Two sweeps, and a key that is made meanwhile: one of the two is the last, for
/// new keys and for this one.
#[test]
fn set_default_against_set_default() {
    model(2, || {
        let k = keyed(1);
        let held = take(&k);
        let sweeps = [2, 3].map(|max| {
            let k = k.clone();
            spawn(move || k.set_default_max(max))
        });
        let replaced = sweeps.map(|sweep| sweep.join().unwrap());
        let last = k.default_max();
        assert_eq!(k.max(KEY), last);
        match replaced {
            [1, 2] => assert_eq!(last, 3),
            [3, 1] => assert_eq!(last, 2),
            other => panic!("no order explains {other:?}"),
        }
        drop(held);
        assert_at_rest(&k, last);
    });
}

/// An override goes while the last permit does: one of the two removes the entry.
#[test]
fn clear_max_against_last_release() {
    model(3, || {
        let k = keyed(2);
        k.set_max(KEY, 1).unwrap();
        let held = take(&k);
        let release = spawn(move || drop(held));
        let theirs = k.clone();
        let clear = spawn(move || theirs.clear_max(KEY));
        assert!(k.len() <= 1);
        release.join().unwrap();
        assert_eq!(clear.join().unwrap(), Some(1));
        assert_at_rest(&k, 2);
    });
}

/// An override comes while the last permit goes: the entry stays.
#[test]
fn set_max_against_last_release() {
    model(3, || {
        let k = keyed(2);
        let held = take(&k);
        let release = spawn(move || drop(held));
        assert_eq!(k.set_max(KEY, 1), Ok(2));
        release.join().unwrap();
        assert_eq!((k.len(), k.max(KEY)), (1, 1));
        drop(take(&k));
        k.clear_max(KEY);
        assert_at_rest(&k, 2);
    });
}
