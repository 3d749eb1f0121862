//! The lease pool: releases, targets, and those who wait, all at once.

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use dynaphore::{AcquireLease, Counts, Lease, LeaseError};
use dynaphore_loom_tests::{Count, Data, block_on, join, model, spawn};

/// Hashed the same in every execution.
type LeasePool = dynaphore::LeasePool<u8, BuildHasherDefault<DefaultHasher>>;

const A: u8 = 0;
const B: u8 = 1;

/// A pool with these targets of `A` and `B`.
fn pool(a: usize, b: usize) -> LeasePool {
    let pool = LeasePool::default();
    pool.set(A, a);
    pool.set(B, b);
    pool
}

/// A request that is polled by hand.
struct Waiter {
    future: Pin<Box<AcquireLease<u8>>>,
    woken: Arc<Count>,
}

impl Waiter {
    fn queued(pool: &LeasePool) -> Self {
        let mut waiter = Self {
            future: Box::pin(pool.acquire()),
            woken: Arc::default(),
        };
        assert!(waiter.poll().is_pending());
        waiter
    }

    fn poll(&mut self) -> Poll<Result<Lease<u8>, LeaseError>> {
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn served(&mut self) -> Lease<u8> {
        match self.poll() {
            Poll::Ready(lease) => lease.expect("not stopped"),
            Poll::Pending => panic!("not served"),
        }
    }

    fn wait(self) -> Result<Lease<u8>, LeaseError> {
        block_on(self.future)
    }
}

/// Nobody holds or waits, and exactly as many leases can be had as the targets
/// say: the gate and the table agree.
#[track_caller]
fn assert_at_rest(pool: &LeasePool, a: usize, b: usize) {
    let targets = |key| pool.counts(&key);
    let counts = |target| Counts { target, active: 0 };
    assert_eq!((targets(A), targets(B)), (counts(a), counts(b)));
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
    assert_eq!(pool.len(), usize::from(a > 0) + usize::from(b > 0));
    let all: Vec<_> = (0..a + b).map(|_| pool.try_acquire().unwrap()).collect();
    assert!(pool.try_acquire().is_err());
    drop(all);
    assert_eq!(pool.active(), 0);
}

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

/// Two make the same key known.
#[test]
fn two_sets_of_a_new_key() {
    model(3, || {
        let pool = pool(0, 0);
        let waiter = Waiter::queued(&pool);
        let sets = [1, 2].map(|target| {
            let theirs = pool.clone();
            spawn(move || theirs.set(A, target))
        });
        let lease = waiter.wait().unwrap();
        let before = sets.map(|set| set.join().unwrap());
        assert_eq!(pool.len(), 1);
        drop(lease);
        let last = pool.counts(&A).target;
        assert!(
            matches!((before, last), ([0, 1], 2) | ([2, 0], 1)),
            "{before:?}, {last}"
        );
        assert_at_rest(&pool, last, 0);
    });
}

/// One raises, one lowers: whoever is last, its target stands.
#[test]
fn two_sets_of_a_known_key() {
    model(3, || {
        let pool = pool(1, 0);
        let held = pool.try_acquire().unwrap();
        let mut waiter = Waiter::queued(&pool);
        let sets = [0, 2].map(|target| {
            let theirs = pool.clone();
            spawn(move || drop(theirs.set(A, target).to_string()))
        });
        let polled = waiter.poll();
        join(sets);
        let told = match polled {
            Poll::Ready(lease) => Some(lease.unwrap()),
            Poll::Pending => match waiter.poll() {
                Poll::Ready(lease) => Some(lease.unwrap()),
                Poll::Pending => None,
            },
        };
        let Counts { target, active } = pool.counts(&A);
        assert_eq!(active, 1 + usize::from(told.is_some()));
        assert!(target == 0 || told.is_some(), "beside a place");
        drop((told, held, waiter));
        assert_at_rest(&pool, target, 0);
    });
}

/// The place that a request has been told of goes while it comes for it. It is not
/// for a newcomer, gone or not.
#[test]
fn lowered_while_picked_up() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        let theirs = pool.clone();
        let lower = spawn(move || {
            theirs.set(A, 0);
            theirs.counts(&A).active
        });
        let theirs = pool.clone();
        let newcomer = spawn(move || assert!(theirs.try_acquire().is_err()));
        let picked = match waiter.poll() {
            Poll::Ready(lease) => Some(lease.unwrap()),
            Poll::Pending => None,
        };
        let after = lower.join().unwrap();
        newcomer.join().unwrap();
        // What is not out when the target is lowered does not come out later.
        assert_eq!(after, usize::from(picked.is_some()));
        assert_eq!(pool.counts(&A).active, after);
        drop(picked);
        if after == 0 {
            pool.set(B, 1);
            assert_eq!(*waiter.served().key(), B);
            pool.set(B, 0);
        }
        drop(waiter);
        assert_at_rest(&pool, 0, 0);
    });
}

/// One that has been told in vain goes back while a place comes up: it takes
/// that, and not the one behind it.
#[test]
fn put_back_against_raise() {
    model(3, || {
        let pool = pool(0, 0);
        let mut first = Waiter::queued(&pool);
        let second = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let theirs = pool.clone();
        let raise = spawn(move || drop(theirs.set(B, 1).to_string()));
        let lease = match first.poll() {
            Poll::Ready(lease) => lease.unwrap(),
            Poll::Pending => {
                assert_eq!(second.woken.get(), 0);
                first.wait().unwrap()
            }
        };
        raise.join().unwrap();
        assert_eq!((*lease.key(), second.woken.get()), (B, 0));
        drop(lease);
        drop(second.wait().unwrap());
        assert_at_rest(&pool, 0, 1);
    });
}

/// The same with a lease that comes back.
#[test]
fn put_back_against_release() {
    model(3, || {
        let pool = pool(0, 1);
        let held = pool.try_acquire().unwrap();
        let first = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let mut second = Waiter::queued(&pool);
        let release = spawn(move || drop(held));
        let lease = first.wait().unwrap();
        release.join().unwrap();
        assert!(second.poll().is_pending());
        drop(lease);
        drop(second.served());
        assert_at_rest(&pool, 0, 1);
    });
}

/// The same with two that come back at once, and places for one.
#[test]
fn two_put_back_against_raise() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiters = [Waiter::queued(&pool), Waiter::queued(&pool)];
        pool.set(A, 2);
        pool.set(A, 0);
        let theirs = pool.clone();
        let raise = spawn(move || drop(theirs.set(B, 1).to_string()));
        let [ref mut first, ref mut second] = waiters;
        let second = second.poll();
        let first = first.poll();
        raise.join().unwrap();
        let mut leases: Vec<_> = [first, second]
            .into_iter()
            .filter_map(|polled| match polled {
                Poll::Ready(lease) => Some(lease.unwrap()),
                Poll::Pending => None,
            })
            .collect();
        assert!(leases.len() <= 1);
        if leases.is_empty() {
            // Both are back in line, in their order.
            leases.push(waiters[0].served());
            assert!(waiters[1].poll().is_pending());
        }
        drop(leases);
        drop(waiters);
        assert_at_rest(&pool, 0, 1);
    });
}

/// One that goes back gives up, while a place comes up: that is the next one's.
#[test]
fn put_back_and_cancelled_against_raise() {
    model(3, || {
        let pool = pool(0, 0);
        let mut first = Waiter::queued(&pool);
        let second = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let theirs = pool.clone();
        let raise = spawn(move || drop(theirs.set(B, 1).to_string()));
        drop(first.poll());
        drop(first);
        drop(second.wait().unwrap());
        raise.join().unwrap();
        assert_at_rest(&pool, 0, 1);
    });
}

/// One that goes back is told of the end, whether it is in line by then or not.
#[test]
fn put_back_against_stop() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        pool.set(A, 0);
        let theirs = pool.clone();
        let stop = spawn(move || theirs.stop());
        if waiter.poll().is_pending() {
            assert!(waiter.wait().is_err());
        }
        stop.join().unwrap();
        assert_eq!((pool.active(), pool.waiting()), (0, 0));
    });
}

/// A lease that comes back, one that waits, and the end.
#[test]
fn stop_against_release_and_wait() {
    model(2, || {
        let pool = pool(1, 0);
        let held = pool.try_acquire().unwrap();
        let (theirs, stopping) = (pool.clone(), pool.clone());
        let wait = spawn(move || drop(theirs.blocking_acquire()));
        let stop = spawn(move || {
            stopping.stop();
            assert!(stopping.try_acquire().is_err());
        });
        drop(held);
        block_on(pool.stopped());
        join([wait, stop]);
        assert_eq!((pool.active(), pool.waiting()), (0, 0));
        block_on(pool.idle());
    });
}

/// Once stop has returned no lease begins, not for one that was told before.
#[test]
fn stop_against_pick() {
    model(3, || {
        let pool = pool(0, 0);
        let mut waiter = Waiter::queued(&pool);
        pool.set(A, 1);
        let theirs = pool.clone();
        let stop = spawn(move || {
            theirs.stop();
            theirs.counts(&A).active
        });
        let told = waiter.poll();
        let active = stop.join().unwrap();
        match told {
            Poll::Ready(Ok(lease)) => assert_eq!((active, lease.counts().active), (1, 1)),
            Poll::Ready(Err(_)) => assert_eq!(active, 0),
            Poll::Pending => panic!("told of neither"),
        }
        assert_eq!(pool.active(), 0);
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
