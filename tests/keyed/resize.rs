//! Max for one key and for all, and the end.

use std::{sync::Arc, task::Poll, thread};

use crate::common::{Random, Start, until, watchdog};
use crate::{hosts, poll};
use dynaphore::{
    KeyedSemaphore,
    error::{KeyedAcquireError, KeyedTryAcquireError},
};

#[test]
fn an_override_lives_as_long_as_it_is_set() {
    let hosts = hosts(2);
    assert_eq!(hosts.set_max("a", 1).unwrap(), 2);
    for _ in 0..2 {
        let held = hosts.try_acquire("a").unwrap();
        assert!(hosts.try_acquire("a").is_err());
        drop(held);
        assert_eq!((hosts.len(), hosts.max("a")), (1, 1));
    }
    assert_eq!(hosts.set_max("a", 3).unwrap(), 1);
    assert_eq!(hosts.clear_max("a"), Some(3));
    assert_eq!((hosts.len(), hosts.max("a")), (0, 2));
}

#[test]
fn clearing_an_override_of_a_live_key_is_in_force_at_once() {
    let hosts = hosts(2);
    hosts.set_max("a", 1).unwrap();
    let held = hosts.try_acquire("a").unwrap();
    let mut waiter = Box::pin(hosts.acquire("a"));
    assert!(poll(&mut waiter).is_pending());
    assert_eq!(hosts.clear_max("a"), Some(1));
    let Poll::Ready(Ok(second)) = poll(&mut waiter) else {
        panic!("there are two permits now");
    };
    assert!(hosts.try_acquire("a").is_err());
    drop((held, second));
    assert!(hosts.is_empty());
}

#[test]
fn setting_the_default_by_name_is_an_override_too() {
    let hosts = hosts(2);
    hosts.set_max("a", 2).unwrap();
    hosts.set_default_max(9);
    assert_eq!(hosts.max("a"), 2);
    assert_eq!(hosts.clear_max("a"), Some(2));
    assert_eq!(hosts.clear_max("a"), None);
    assert_eq!(hosts.max("a"), 9);
}

// Scenario 36.
#[test]
fn all_live_keys_follow_the_default() {
    let hosts = hosts(1);
    hosts.set_max("own", 1).unwrap();
    let mut held = Vec::new();
    let mut waiters = Vec::new();
    for n in 0..50 {
        let key: &'static str = Box::leak(n.to_string().into_boxed_str());
        held.push(hosts.try_acquire(key).unwrap());
        waiters.push(Box::pin(hosts.acquire(key)));
    }
    held.push(hosts.try_acquire("own").unwrap());
    waiters.push(Box::pin(hosts.acquire("own")));
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_pending()));
    assert_eq!(hosts.set_default_max(2), 1);
    let mut own = waiters.pop().unwrap();
    for waiter in &mut waiters {
        held.push(match poll(waiter) {
            Poll::Ready(permit) => permit.unwrap(),
            Poll::Pending => panic!("there is room"),
        });
    }
    assert!(poll(&mut own).is_pending());
    assert_eq!(hosts.max("new"), 2);
    assert_eq!(hosts.set_default_max(0), 2);
    assert!(hosts.try_acquire("new").is_err());
    assert!(hosts.try_acquire("7").is_err());
    drop((own, held));
    hosts.clear_max("own");
    assert!(hosts.is_empty());
}

#[test]
fn a_shrink_takes_no_permit_away() {
    let hosts = hosts(3);
    let mut held: Vec<_> = (0..3).map(|_| hosts.try_acquire("a").unwrap()).collect();
    hosts.set_default_max(1);
    assert_eq!(hosts.snapshot("a").excess(), 2);
    held.pop();
    held.pop();
    assert!(hosts.try_acquire("a").is_err());
    held.pop();
    assert!(hosts.try_acquire("a").is_ok());
}

#[test]
fn close_is_for_all_keys_now_and_later() {
    let hosts = hosts(1);
    let held = hosts.try_acquire("a").unwrap();
    let mut waiters: Vec<_> = (0..20).map(|_| Box::pin(hosts.acquire("a"))).collect();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_pending()));
    assert!(!hosts.is_closed());
    hosts.close();
    hosts.close();
    for waiter in &mut waiters {
        let Poll::Ready(Err(error)) = poll(waiter) else {
            panic!("it has been told");
        };
        assert_eq!(error, KeyedAcquireError::Closed);
    }
    for key in ["a", "b"] {
        let refused = hosts.try_acquire(key).unwrap_err();
        assert_eq!(refused, KeyedTryAcquireError::Closed);
        let refused = hosts.blocking_acquire(key).unwrap_err();
        assert_eq!(refused, KeyedAcquireError::Closed);
        assert!(hosts.snapshot(key).closed);
    }
    assert!(hosts.is_closed());
    drop(held);
    assert!(hosts.is_empty());
    // Resizing still works, and does not open it again.
    hosts.set_max("c", 5).unwrap();
    assert!(hosts.snapshot("c").closed && hosts.try_acquire("c").is_err());
    hosts.set_default_max(7);
    assert_eq!((hosts.max("c"), hosts.max("d")), (5, 7));
    assert_eq!(hosts.clear_max("c"), Some(5));
    assert!(hosts.is_empty());
}

#[test]
fn blocked_threads_of_all_keys_are_told_of_the_close() {
    watchdog(|| {
        let hosts = Arc::new(hosts(0));
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let hosts = Arc::clone(&hosts);
                thread::spawn(move || hosts.blocking_acquire(&(n % 2).to_string()).map(drop))
            })
            .collect();
        until(|| {
            hosts
                .snapshots()
                .iter()
                .map(|(_, s)| s.waiting)
                .sum::<usize>()
                == 4
        });
        hosts.close();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Err(KeyedAcquireError::Closed));
        }
        assert!(hosts.is_empty());
    });
}

/// Each says what it replaced: from the first value on, the calls form a chain,
/// and the last of it is what stays.
#[track_caller]
fn assert_chain(first: usize, calls: &[(usize, usize)], last: usize) {
    let balance = |value: usize| {
        let set = calls.iter().filter(|(_, new)| *new == value).count();
        let replaced = calls.iter().filter(|(old, _)| *old == value).count();
        set as isize - replaced as isize
    };
    let values = calls.iter().flat_map(|&(old, new)| [old, new]);
    for value in values.chain([first, last]) {
        let expected = isize::from(value == last) - isize::from(value == first);
        assert_eq!(balance(value), expected, "{value} is in the wrong place");
    }
}

#[test]
fn racing_calls_to_set_max_have_an_order() {
    watchdog(|| {
        for round in 0..200 {
            let hosts = hosts(1_000);
            let start = Start::of(3);
            let calls: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|thread| {
                        let (hosts, start) = (&hosts, &start);
                        scope.spawn(move || {
                            start.wait();
                            let set = |n: usize| 100 * thread + n;
                            (0..20)
                                .map(|n| (hosts.set_max("a", set(n)).unwrap(), set(n)))
                                .collect::<Vec<_>>()
                        })
                    })
                    .collect();
                let joined = threads.into_iter().map(|thread| thread.join().unwrap());
                joined.flatten().collect()
            });
            assert_chain(1_000, &calls, hosts.max("a"));
            assert_eq!(hosts.len(), 1, "round {round}");
        }
    });
}

#[test]
fn racing_calls_to_set_default_max_agree_on_every_key() {
    watchdog(|| {
        for _ in 0..100 {
            let users = KeyedSemaphore::<usize>::new(1_000);
            let held: Vec<_> = (0..40).map(|id| users.try_acquire(&id).unwrap()).collect();
            let start = Start::of(3);
            let calls: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..2)
                    .map(|thread| {
                        let (users, start) = (&users, &start);
                        scope.spawn(move || {
                            start.wait();
                            let set = |n: usize| 100 * thread + n;
                            (0..20)
                                .map(|n| (users.set_default_max(set(n)), set(n)))
                                .collect::<Vec<_>>()
                        })
                    })
                    .collect();
                start.wait();
                let mut random = Random::new(1);
                let mut others: Vec<_> = Vec::new();
                for _ in 0..200 {
                    let id = 40 + random.below(40) as usize;
                    others.extend(users.try_acquire(&id));
                }
                let joined = threads.into_iter().map(|thread| thread.join().unwrap());
                let calls = joined.flatten().collect();
                // Live before, live since, and absent: all the same.
                let last = users.default_max();
                assert!((0..200).all(|id| users.max(&id) == last));
                calls
            });
            assert_chain(1_000, &calls, users.default_max());
            drop(held);
            assert!(users.is_empty());
        }
    });
}
