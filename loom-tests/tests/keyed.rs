//! Keys that come out of use while others come for them.

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use dynaphore::{KeyedAcquireError, KeyedAcquireOwned, KeyedSemaphore, OwnedKeyedPermit, Snapshot};
use dynaphore_loom_tests::{Count, Data, block_on, join, model, spawn};

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

type Future = Pin<Box<KeyedAcquireOwned<'static, u8, u8, Hasher>>>;

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

/// A waiter gives up while the permit that it waits for comes back: the last of
/// the two to leave removes the entry, granted or not.
#[test]
fn cancel_against_removal() {
    model(2, || {
        let k = keyed(1);
        let held = take(&k);
        let (waiter, _) = queued(&k);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(waiter));
        let theirs = k.try_acquire(KEY).ok();
        assert!(k.snapshot(KEY).active <= 1);
        drop(theirs);
        join([release, cancel]);
        assert_at_rest(&k, 1);
    });
}

/// A waiter is served by a release, while a newcomer is turned away or comes when
/// it is through.
#[test]
fn waiter_against_newcomer() {
    model(2, || {
        let k = keyed(1);
        let held = take(&k);
        let (waiter, _) = queued(&k);
        let release = spawn(move || drop(held));
        let theirs = k.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire(KEY)));
        let served = block_on(waiter).unwrap();
        assert_eq!(k.snapshot(KEY).active, 1);
        drop(served);
        join([release, newcomer]);
        assert_at_rest(&k, 1);
    });
}

/// A waiter comes to a permit that one holder gives back, while the other looks
/// whether it is alone: it is not, though there is a moment when neither the line
/// nor the permits say so.
#[test]
fn grant_against_alone() {
    model(3, || {
        let k = keyed(2);
        let releases = [take(&k), take(&k)];
        let (waiter, _) = queued_for(&k, 1);
        let releases = releases.map(|held| spawn(move || drop(held)));
        let served = block_on(waiter).unwrap();
        assert_eq!(k.len(), 1, "somebody took the entry away");
        join(releases);
        assert_eq!(k.snapshot(KEY).active, 1);
        drop(served);
        assert_at_rest(&k, 2);
    });
}

/// Two waiters give up while the permit comes back: of the three the last removes
/// the entry.
#[test]
fn two_cancels_against_release() {
    model(2, || {
        let k = keyed(1);
        let held = take(&k);
        let cancels = [queued(&k), queued(&k)].map(|(waiter, _)| spawn(move || drop(waiter)));
        drop(held);
        join(cancels);
        assert_at_rest(&k, 1);
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

/// A close meets holder, waiter and newcomer: each is told or keeps what it has.
#[test]
fn close_against_arrivals() {
    model(2, || {
        let k = keyed(1);
        let held = take(&k);
        let (mut waiter, woken) = queued(&k);
        let theirs = k.clone();
        let close = spawn(move || theirs.close());
        let theirs = k.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire(KEY)));
        drop(held);
        join([close, arrival]);
        assert!(woken.get() > 0);
        assert!(poll(&mut waiter, &woken).is_ready());
        drop(waiter);
        assert_eq!(k.len(), 0);
        let closed = Snapshot {
            max: 1,
            active: 0,
            waiting: 0,
            closed: true,
        };
        assert_eq!(k.snapshot(KEY), closed);
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
