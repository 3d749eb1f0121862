//! Those in line for a key: served, turned away or gone, while its permits go.

use dynaphore_loom_tests::{block_on, join, model, spawn};

use crate::{KEY, assert_at_rest, keyed, poll, queued, queued_for, take};

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
        let closed = dynaphore_loom_tests::snapshot(1, 0, 0, true);
        assert_eq!(k.snapshot(KEY), closed);
    });
}
