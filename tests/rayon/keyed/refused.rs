//! Keys that are refused, since too many are in use or too many wait.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use dynaphore::{
    error::KeyedAcquireError,
    throttle::{KeyedSource, Throttle, ThrottleExt, ThrottlePermit},
};
use rayon::prelude::*;

use super::{Hosts, key};
use crate::{
    child::in_child,
    common::{silence, silently, until, watchdog},
    room::{message, moment, pool},
};

#[test]
fn a_job_of_its_own_is_dropped_if_its_key_is_refused() {
    watchdog(|| {
        let hosts = Hosts::builder(1).max_keys(1).max_waiters_per_key(1).build();
        let hosts = Arc::new(hosts);
        let kept = Arc::new(());
        let spawn = |name| {
            let kept = Arc::clone(&kept);
            let throttle = Throttle::in_pool(key(&hosts, name), pool(1));
            throttle.spawn(move |_permit| assert_eq!(*kept, ()))
        };
        let held = hosts.try_acquire("a").unwrap();
        assert_eq!(spawn("b"), Err(KeyedAcquireError::TooManyKeys));
        assert_eq!(Arc::strong_count(&kept), 1);
        assert_eq!(spawn("a"), Ok(()));
        assert_eq!(spawn("a"), Err(KeyedAcquireError::TooManyWaiters));
        assert_eq!(Arc::strong_count(&kept), 2, "the one that waits");
        drop(held);
        until(|| Arc::strong_count(&kept) == 1 && hosts.is_empty());
        hosts.close();
        assert_eq!(spawn("a"), Err(KeyedAcquireError::Closed));
    });
}

#[test]
fn a_call_whose_key_is_refused_returns_the_reason() {
    in_child("a_call_whose_key_is_refused_returns_the_reason", || {
        for workers in [1, 4] {
            let hosts = Hosts::builder(1).max_keys(1).max_waiters_per_key(0).build();
            let run = |name: &'static str, before: &(dyn Fn() + Sync)| {
                let kept = Arc::new(());
                let items: Vec<_> = (0..100).map(|_| Arc::clone(&kept)).collect();
                let run = || {
                    items
                        .into_par_iter()
                        .throttle_by(KeyedSource::new(&hosts, name))
                        .for_each(|_| before())
                };
                let ended = pool(workers).install(run);
                assert_eq!(Arc::strong_count(&kept), 1, "an item is left over");
                ended
            };
            let held = hosts.try_acquire("a").unwrap();
            let never = || unreachable!();
            assert_eq!(run("b", &never), Err(KeyedAcquireError::TooManyKeys));
            assert_eq!(run("a", &never), Err(KeyedAcquireError::TooManyWaiters));
            drop(held);

            // It need not wait as long as it has a permit.
            let visits = AtomicUsize::new(0);
            let visit = || {
                visits.fetch_add(1, SeqCst);
                moment();
            };
            assert_eq!(run("a", &visit), Ok(()));
            assert_eq!(visits.load(SeqCst), 100);

            // And has to when it gives that up.
            let pause = || {
                visits.fetch_add(1, SeqCst);
                hosts.set_max("a", 0).unwrap();
            };
            assert_eq!(run("a", &pause), Err(KeyedAcquireError::TooManyWaiters));
            assert_eq!(visits.load(SeqCst), 101);
            hosts.clear_max("a");
            assert!(hosts.is_empty());
            hosts.close();
            assert_eq!(run("a", &never), Err(KeyedAcquireError::Closed));
        }
    });
}

#[test]
fn a_scope_whose_key_is_refused_says_so() {
    in_child("a_scope_whose_key_is_refused_says_so", || {
        silence("throttled jobs were turned away");
        for workers in [1, 4] {
            let hosts = Hosts::builder(1).max_keys(1).max_waiters_per_key(0).build();
            let hosts = Arc::new(hosts);
            let kept = Arc::new(());
            let held = hosts.try_acquire("a").unwrap();
            pool(workers).scope(|scope| {
                for (name, error) in [
                    ("b", KeyedAcquireError::TooManyKeys),
                    ("a", KeyedAcquireError::TooManyWaiters),
                ] {
                    let jobs = Throttle::new(key(&hosts, name)).scoped();
                    let kept = Arc::clone(&kept);
                    let job = move |_: &_, _: ThrottlePermit<'_>| panic!("{kept:?}");
                    assert_eq!(jobs.spawn(scope, job), Err(error));
                }
            });
            assert_eq!(Arc::strong_count(&kept), 1);
            drop(held);

            // The first job runs, those behind it wait for it, and find no place
            // in line when it gives its permit up.
            let run = || {
                pool(workers).scope(|scope| {
                    let jobs = Throttle::new(key(&hosts, "a")).scoped();
                    let (hosts, begun) = (&hosts, Arc::new(AtomicBool::new(false)));
                    let set_aside = Arc::clone(&begun);
                    jobs.spawn(scope, move |_, _permit| {
                        hosts.set_max("a", 0).unwrap();
                        if workers > 1 {
                            until(|| set_aside.load(SeqCst));
                        }
                    })
                    .unwrap();
                    for _ in 0..10 {
                        let kept = Arc::clone(&kept);
                        jobs.spawn(scope, move |_, _permit| drop(kept)).unwrap();
                    }
                    begun.store(true, SeqCst);
                });
            };
            let panic = silently(run).unwrap_err();
            assert_eq!(
                message(panic),
                "throttled jobs were turned away: too many wait for this key"
            );
            assert_eq!(Arc::strong_count(&kept), 1);
            hosts.clear_max("a");
            assert!(hosts.is_empty());
        }
    });
}

/// A call that has no place in line can still borrow.
#[test]
fn a_nested_call_whose_key_is_refused_borrows_what_is_suspended() {
    in_child(
        "a_nested_call_whose_key_is_refused_borrows_what_is_suspended",
        || {
            let hosts = Hosts::builder(1).max_waiters_per_key(0).build();
            let visits = AtomicUsize::new(0);
            for workers in [1, 2, 4] {
                pool(workers).install(|| {
                    let outer = [()].into_par_iter();
                    outer
                        .throttle_by(KeyedSource::new(&hosts, "a"))
                        .for_each(|()| {
                            (0..50).into_par_iter().with_max_len(1).for_each(|_| {
                                moment();
                                [()].into_par_iter()
                                    .throttle_by(KeyedSource::new(&hosts, "a"))
                                    .for_each(|()| {
                                        visits.fetch_add(1, SeqCst);
                                    })
                                    .unwrap();
                            });
                        })
                        .unwrap();
                });
            }
            assert_eq!(visits.into_inner(), 150);
            assert!(hosts.is_empty());
        },
    );
}
