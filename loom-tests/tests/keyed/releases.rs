//! The last permits of a key go: one of those who leave removes the entry.

use std::sync::Arc;

use dynaphore::{KeyedSemaphore, ToKey};
use dynaphore_loom_tests::{Data, block_on, join, model, spawn};

use crate::{Hasher, KEY, assert_at_rest, keyed, take};

/// Whether the newcomer finds the old entry or makes a new one, there is never
/// more than one permit, and what was done under one is seen under the next.
#[test]
fn last_release_against_new_acquire() {
    model(2, || {
        let k = keyed(1);
        let data = Data::new();
        let held = take(&k);
        data.bump();
        let release = spawn(move || drop(held));
        let (theirs, seen) = (k.clone(), data.clone());
        let newcomer = spawn(move || {
            if let Ok(permit) = theirs.try_acquire(KEY) {
                seen.bump();
                drop(permit);
            }
        });
        let permit = block_on(k.acquire(KEY)).unwrap();
        data.bump();
        drop(permit);
        join([release, newcomer]);
        assert_at_rest(&k, 1);
    });
}

/// The same with threads that block, and with two permits that go at once: one
/// of the two is the last.
#[test]
fn two_last_releases_against_new_acquire() {
    model(2, || {
        let k = keyed(2);
        let releases = [take(&k), take(&k)].map(|held| spawn(move || drop(held)));
        let both = k.blocking_acquire_many(KEY, 2).unwrap();
        join(releases);
        assert_eq!(k.len(), 1, "somebody took the entry away");
        assert!(k.try_acquire(KEY).is_err());
        drop(both);
        assert_at_rest(&k, 2);
    });
}

/// Two permits go, and nobody comes: somebody removes the entry.
#[test]
fn two_last_releases() {
    model(3, || {
        let k = keyed(2);
        let releases = [take(&k), take(&k)].map(|held| spawn(move || drop(held)));
        join(releases);
        assert_eq!(k.len(), 0);
        assert_at_rest(&k, 2);
    });
}

/// Whoever has all permits sees what all who had one before did, also if the entry
/// has gone in between, taken away by only one of them.
#[test]
fn ordering_through_removal() {
    model(3, || {
        let k = keyed(2);
        let data = [(); 2].map(|()| Data::new());
        let releases = [0, 1].map(|at| {
            let (held, data) = (take(&k), data[at].clone());
            spawn(move || {
                data.bump();
                drop(held);
            })
        });
        if let Ok(all) = k.try_acquire_many(KEY, 2) {
            assert_eq!(data.each_ref().map(Data::read), [1, 1]);
            drop(all);
        }
        join(releases);
        assert_at_rest(&k, 2);
    });
}

/// The parts of one permit go at once.
#[test]
fn split_against_new_acquire() {
    model(3, || {
        let k = keyed(2);
        let mut all = Arc::clone(&k).try_acquire_many_owned(KEY, 2).unwrap();
        let one = all.split(1).unwrap();
        let releases = [all, one].map(|held| spawn(move || drop(held)));
        drop(k.try_acquire_many(KEY, 2));
        join(releases);
        assert_at_rest(&k, 2);
    });
}

/// A permit that has split until it stands for none keeps its key, while those who
/// had it before are still on their way to remove it.
#[test]
fn empty_permit_against_two_last_releases() {
    model(2, || {
        let k = keyed(3);
        let releases = [take(&k), take(&k)].map(|held| spawn(move || drop(held)));
        let mut empty = take(&k);
        drop(empty.split(1));
        assert_eq!(k.len(), 1, "somebody took the entry away");
        join(releases);
        assert_eq!(k.len(), 1);
        drop(empty);
        assert_at_rest(&k, 3);
    });
}

/// It goes while another permit does: the last of the two removes the entry.
#[test]
fn empty_permit_and_last_release() {
    model(3, || {
        let k = keyed(2);
        let held = take(&k);
        let empty = Arc::clone(&k).try_acquire_many_owned(KEY, 0).unwrap();
        let goes = [held, empty].map(|permit| spawn(move || drop(permit)));
        drop(k.try_acquire(KEY));
        join(goes);
        assert_at_rest(&k, 2);
    });
}

/// One key may be in use: of two who come at once for two keys, at least one has
/// it, and the count comes back to nothing.
#[test]
fn max_keys_against_removal() {
    model(3, || {
        let builder = KeyedSemaphore::builder(1).hasher(Hasher::default());
        let k = Arc::new(builder.shards(2).max_keys(1).build());
        let arrivals = [1, 2].map(|key| {
            let k = Arc::clone(&k);
            spawn(move || k.try_acquire(&key).is_ok())
        });
        let had = arrivals.map(|arrival| arrival.join().unwrap());
        assert!(had[0] || had[1]);
        let held = k.try_acquire(&3).unwrap();
        assert!(k.try_acquire(&4).is_err());
        drop(held);
        assert_eq!(k.len(), 0);
    });
}

/// Two come for the only key there ever is: it is counted no longer than it is in use, so
/// neither is turned away.
fn max_keys_against_one_key<K: ToKey<K> + 'static>(
    key: impl Fn() -> K + Copy + Send + Sync + 'static,
) {
    model(3, move || {
        let builder = KeyedSemaphore::<K>::builder(2).hasher(Hasher::default());
        let k = Arc::new(builder.shards(1).max_keys(1).build());
        let theirs = Arc::clone(&k);
        let other = spawn(move || drop(theirs.try_acquire(&key()).unwrap()));
        drop(k.try_acquire(&key()).unwrap());
        join([other]);
        assert_eq!(k.len(), 0);
    });
}

#[test]
fn max_keys_against_one_cheap_key() {
    max_keys_against_one_key(|| 1);
}

/// Its copy is made with the lock free, after a look.
#[test]
fn max_keys_against_one_cloned_key() {
    max_keys_against_one_key(|| "a".to_owned());
}
