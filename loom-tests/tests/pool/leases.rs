//! Leases that come back: to whom they go, and what is counted.

use dynaphore_loom_tests::{Data, join, model, spawn};

use crate::{A, Waiter, assert_at_rest, pool};

/// Whether the lease comes back while its key is wanted or not: never two, and
/// who waits is served in the end.
#[test]
fn lease_release_against_set() {
    model(2, || {
        let pool = pool(1, 0);
        let held = pool.try_acquire().unwrap();
        let waiter = Waiter::queued(&pool);
        let release = spawn(move || drop(held));
        let theirs = pool.clone();
        let set = spawn(move || {
            assert_eq!(theirs.set(A, 0), 1);
            assert_eq!(theirs.set(A, 1), 0);
        });
        let lease = waiter.wait().unwrap();
        assert_eq!(lease.counts().active, 1);
        join([release, set]);
        drop(lease);
        assert_at_rest(&pool, 1, 0);
    });
}

/// The last lease of a key that is not wanted any more goes while it becomes
/// wanted again: the key is known, and with the right counts.
#[test]
fn last_lease_against_resume() {
    model(3, || {
        let pool = pool(1, 0);
        let held = pool.try_acquire().unwrap();
        pool.set(A, 0);
        let release = spawn(move || drop(held));
        let theirs = pool.clone();
        let set = spawn(move || assert_eq!(theirs.set(A, 2), 0));
        let seen = pool.counts(&A);
        assert!(seen.active <= 1 && matches!(seen.target, 0 | 2), "{seen:?}");
        join([release, set]);
        assert_at_rest(&pool, 2, 0);
    });
}

/// Two leases of different keys come back at once: two waiters, both served,
/// and by one key each.
#[test]
fn two_releases_serve_two() {
    model(3, || {
        let pool = pool(1, 1);
        let releases = [(); 2].map(|()| {
            let held = pool.try_acquire().unwrap();
            move || drop(held)
        });
        let mut waiters = [Waiter::queued(&pool), Waiter::queued(&pool)];
        join(releases.map(spawn));
        let leases = waiters.each_mut().map(Waiter::served);
        assert_ne!(leases[0].key(), leases[1].key());
        assert_ne!(leases[0].id(), leases[1].id());
        drop(leases);
        assert_at_rest(&pool, 1, 1);
    });
}

/// Three that give up what is two too many: two of them do.
#[test]
fn excess_is_given_up_once() {
    model(3, || {
        let pool = pool(3, 0);
        let [one, two, three] = [(); 3].map(|()| pool.try_acquire().unwrap());
        let waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        let others = [one, two].map(|lease| spawn(move || lease.release_excess()));
        let mut kept = vec![three.release_excess()];
        kept.extend(others.map(|other| other.join().unwrap()));
        assert_eq!(kept.iter().flatten().count(), 1);
        assert_eq!(waiter.woken.get(), 0);
        drop(kept);
        drop(waiter.wait().unwrap());
        assert_at_rest(&pool, 1, 0);
    });
}

/// What a holder did is there for the next one, of whatever key.
#[test]
fn ordering_through_leases() {
    model(3, || {
        let pool = pool(1, 0);
        let data = Data::new();
        let held = pool.try_acquire().unwrap();
        let (theirs, mine) = (pool.clone(), data.clone());
        let next = spawn(move || {
            let lease = theirs.blocking_acquire().unwrap();
            mine.bump();
            drop(lease);
        });
        data.bump();
        drop(held);
        let lease = pool.blocking_acquire().unwrap();
        data.bump();
        drop(lease);
        next.join().unwrap();
        assert_eq!(data.read(), 3);
        assert_at_rest(&pool, 1, 0);
    });
}
