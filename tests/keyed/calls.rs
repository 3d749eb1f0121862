//! A semaphore for each key: who meets whom, and how long a key is in use.

use std::{
    fmt::Debug,
    future::Future,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use crate::common::{Wakes, panic_of, snapshot, until, watchdog};
use crate::{assert_no_keys, hosts, poll};
use dynaphore::{
    Fairness, KeyedBuilder, KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    error::KeyedAcquireTimeoutError,
    future::{KeyedAcquire, KeyedAcquireOwned},
};
use futures::{FutureExt, executor::block_on};

#[test]
fn all_types_can_be_sent_shared_and_unwound_past() {
    fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}
    everywhere::<KeyedSemaphore<String>>();
    everywhere::<KeyedBuilder<String>>();
    everywhere::<KeyedPermit<'_, String>>();
    everywhere::<OwnedKeyedPermit<String>>();
    everywhere::<KeyedAcquire<'_, '_, String, str>>();
    everywhere::<KeyedAcquireOwned<String, &str>>();
}

#[test]
fn keys_do_not_get_in_each_others_way() {
    let hosts = hosts(1);
    let a = hosts.try_acquire("a").unwrap();
    let b = hosts.try_acquire("b").unwrap();
    assert!(hosts.try_acquire("a").is_err());
    drop(a);
    assert!(hosts.try_acquire("a").is_ok());
    assert!(hosts.try_acquire("b").is_err());
    drop(b);
    assert_no_keys(&hosts);
}

#[test]
fn every_way_to_take_a_permit_counts_the_same() {
    let hosts = Arc::new(hosts(24));
    let h = || Arc::clone(&hosts);
    let (soon, then) = (Duration::ZERO, Instant::now());
    let borrowed = vec![
        hosts.try_acquire("a").unwrap(),
        hosts.try_acquire_many("a", 2).unwrap(),
        block_on(hosts.acquire("a")).unwrap(),
        block_on(hosts.acquire_many("a", 2)).unwrap(),
        hosts.blocking_acquire("a").unwrap(),
        hosts.blocking_acquire_many("a", 2).unwrap(),
        hosts.blocking_acquire_timeout("a", soon).unwrap(),
        hosts.blocking_acquire_deadline("a", then).unwrap(),
        hosts.blocking_acquire_many_timeout("a", 2, soon).unwrap(),
        hosts.blocking_acquire_many_deadline("a", 2, then).unwrap(),
    ];
    assert_eq!(hosts.snapshot("a").active, 15);
    drop(borrowed);
    assert_no_keys(&hosts);
    let owned = vec![
        h().try_acquire_owned("a").unwrap(),
        h().try_acquire_many_owned("a", 2).unwrap(),
        block_on(h().acquire_owned("a")).unwrap(),
        block_on(h().acquire_many_owned("a", 2)).unwrap(),
        h().blocking_acquire_owned("a").unwrap(),
        h().blocking_acquire_many_owned("a", 2).unwrap(),
        h().blocking_acquire_owned_timeout("a", soon).unwrap(),
        h().blocking_acquire_owned_deadline("a", then).unwrap(),
        h().blocking_acquire_many_owned_timeout("a", 2, soon)
            .unwrap(),
        h().blocking_acquire_many_owned_deadline("a", 2, then)
            .unwrap(),
    ];
    assert_eq!(hosts.snapshot("a").active, 15);
    drop(owned);
    assert_no_keys(&hosts);
    assert_eq!(Arc::strong_count(&hosts), 1);
}

// Scenario 31. That somebody releases who holds nothing cannot be written.
#[test]
fn an_entry_stays_under_its_waiter() {
    let hosts = hosts(1);
    let held = hosts.try_acquire("a").unwrap();
    let mut waiter = Box::pin(hosts.acquire("a"));
    assert!(poll(&mut waiter).is_pending());
    for _ in 0..3 {
        assert!(hosts.try_acquire("a").is_err());
        assert!(hosts.blocking_acquire_timeout("a", Duration::ZERO).is_err());
        assert!(hosts.acquire("a").now_or_never().is_none());
    }
    assert_eq!(hosts.snapshot("a").waiting, 1);
    drop(held);
    assert_eq!(hosts.snapshot("a").active, 1, "the waiter's");
    assert!(hosts.try_acquire("a").is_err());
    assert!(poll(&mut waiter).is_ready());
    assert_no_keys(&hosts);
}

// Scenario 32.
#[test]
fn waiter_and_newcomer_share_the_one_max() {
    let hosts = hosts(1);
    let a = hosts.try_acquire("k").unwrap();
    let mut b = Box::pin(hosts.acquire("k"));
    assert!(poll(&mut b).is_pending());
    drop(a);
    let mut c = Box::pin(hosts.acquire("k"));
    assert!(poll(&mut c).is_pending());
    let Poll::Ready(Ok(b)) = poll(&mut b) else {
        panic!("it was first");
    };
    assert!(poll(&mut c).is_pending());
    drop(b);
    assert!(poll(&mut c).is_ready());
    assert_no_keys(&hosts);
}

#[test]
fn a_waiter_alone_keeps_its_key_in_use() {
    let hosts = hosts(0);
    let mut waiter = Box::pin(hosts.acquire("a"));
    assert_no_keys(&hosts);
    assert!(poll(&mut waiter).is_pending());
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts.snapshot("a"), snapshot(0, 0, 1, false));
    drop(waiter);
    assert_no_keys(&hosts);
}

#[test]
fn a_granted_future_that_is_dropped_passes_its_permit_on() {
    let hosts = hosts(1);
    let held = hosts.try_acquire("a").unwrap();
    let mut first = Box::pin(hosts.acquire("a"));
    let mut second = Box::pin(hosts.acquire("a"));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    drop(held);
    drop(first);
    assert!(poll(&mut second).is_ready());
    assert_no_keys(&hosts);
}

#[test]
fn a_future_that_is_done_and_kept_holds_nothing() {
    let hosts = hosts(1);
    let mut done = Box::pin(hosts.acquire("a"));
    let Poll::Ready(Ok(permit)) = poll(&mut done) else {
        panic!("there is a permit");
    };
    drop(permit);
    assert_no_keys(&hosts);
    assert_eq!(panic_of(|| poll(&mut done)), "polled after completion");
    assert_no_keys(&hosts);
}

// The first version's future tied the one to the other.
#[test]
fn a_permit_outlives_the_key_it_was_asked_for_with() {
    let hosts = hosts(1);
    let permit = {
        let key = String::from("a");
        block_on(hosts.acquire(&key)).unwrap()
    };
    assert_eq!(permit.key(), "a");
}

#[test]
fn a_blocked_thread_is_served() {
    watchdog(|| {
        let hosts = hosts(1);
        thread::scope(|scope| {
            let held = hosts.try_acquire("a").unwrap();
            let waiter = scope.spawn(|| hosts.blocking_acquire("a").unwrap().num_permits());
            until(|| hosts.snapshot("a").waiting == 1);
            drop(held);
            assert_eq!(waiter.join().unwrap(), 1);
        });
        assert_no_keys(&hosts);
    });
}

#[test]
fn zero_permits_keep_their_key_in_use() {
    let hosts = hosts(0);
    let mut none = hosts.try_acquire_many("a", 0).unwrap();
    assert_eq!((hosts.len(), none.num_permits()), (1, 0));
    let more = none.split(0).unwrap();
    drop(none);
    assert_eq!((hosts.len(), more.key().as_str()), (1, "a"));
    drop(more);
    assert_no_keys(&hosts);
}

#[test]
fn parts_of_a_permit_come_back_one_by_one() {
    let hosts = Arc::new(hosts(3));
    let mut all = hosts.clone().try_acquire_many_owned("a", 3).unwrap();
    let two = all.split(2).unwrap();
    assert!(all.split(2).is_none());
    drop(all);
    assert_eq!(hosts.snapshot("a").active, 2);
    let mut one = hosts.clone().try_acquire_owned("a").unwrap();
    one.merge(two);
    assert_eq!((one.num_permits(), hosts.snapshot("a").active), (3, 3));
    drop(one);
    assert_no_keys(&hosts);
}

#[test]
fn a_permit_may_come_to_stand_for_none_and_for_some_again() {
    let hosts = hosts(4);
    let mut one = hosts.try_acquire_many("a", 3).unwrap();
    let mut all = one.split(3).unwrap();
    assert_eq!((one.num_permits(), all.num_permits()), (0, 3));
    let none = all.split(0).unwrap();
    drop(all);
    assert_eq!(hosts.snapshot("a").active, 0);
    assert_eq!(
        (hosts.len(), none.key().as_str()),
        (1, "a"),
        "two empty ones"
    );
    one.merge(none);
    assert_eq!(hosts.len(), 1, "one empty one");

    // Empty with full, full with empty, full with full.
    one.merge(hosts.try_acquire_many("a", 2).unwrap());
    one.merge(hosts.try_acquire_many("a", 0).unwrap());
    one.merge(hosts.try_acquire("a").unwrap());
    assert_eq!((one.num_permits(), hosts.snapshot("a").active), (3, 3));
    assert!(hosts.try_acquire_many("a", 2).is_err());
    drop(one);
    assert_no_keys(&hosts);
}

#[test]
fn permits_of_different_keys_cannot_be_merged() {
    let (hosts, others) = (hosts(3), hosts(3));
    for other in [hosts.try_acquire("b"), others.try_acquire("a")] {
        let mut a = hosts.try_acquire("a").unwrap();
        let merged = panic_of(|| a.merge(other.unwrap()));
        assert_eq!(merged, "merging permits of different keys");
        assert_eq!(a.num_permits(), 1);
    }
    assert_no_keys(&hosts);
    assert_no_keys(&others);
}

#[test]
fn a_request_for_more_than_max_waits_beside_the_line() {
    let hosts = hosts(2);
    let held = hosts.try_acquire_many("a", 2).unwrap();
    let mut heavy = Box::pin(hosts.acquire_many("a", 5));
    let mut light = Box::pin(hosts.acquire("a"));
    assert!(poll(&mut heavy).is_pending() && poll(&mut light).is_pending());
    drop(held);
    assert!(poll(&mut light).is_ready());
    hosts.set_max("a", 5).unwrap();
    assert!(poll(&mut heavy).is_ready());
    hosts.clear_max("a");
    assert_no_keys(&hosts);
}

#[test]
fn a_heavy_request_makes_its_key_and_waits() {
    let hosts = hosts(2);
    let mut heavy = Box::pin(hosts.acquire_many("a", 3));
    assert!(poll(&mut heavy).is_pending());
    hosts.set_default_max(3);
    let Poll::Ready(Ok(three)) = poll(&mut heavy) else {
        panic!("it fits now");
    };
    assert_eq!(three.num_permits(), 3);
}

#[test]
fn fairness_is_that_of_the_builder() {
    let hosts = KeyedSemaphore::<String>::builder(1)
        .fairness(Fairness::Barging)
        .bound(Duration::from_secs(1))
        .build();
    let held = hosts.try_acquire("a").unwrap();
    let mut waiter = Box::pin(hosts.acquire("a"));
    assert!(poll(&mut waiter).is_pending());
    drop(held);
    let barged = hosts.try_acquire("a").unwrap();
    assert!(poll(&mut waiter).is_pending());
    drop(barged);
    assert!(poll(&mut waiter).is_ready());
    assert_no_keys(&hosts);
}

#[test]
fn a_waker_that_was_replaced_is_not_woken() {
    let hosts = hosts(1);
    let held = hosts.try_acquire("a").unwrap();
    let mut waiter = pin!(hosts.acquire("a"));
    let ((old, first), (new, second)) = (Wakes::new(), Wakes::new());
    for waker in [first, second] {
        assert!(
            waiter
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    drop(held);
    assert_eq!((old.count(), new.count()), (0, 1));
}

#[test]
fn a_refused_try_leaves_nothing() {
    let hosts = hosts(2);
    assert!(hosts.try_acquire_many("a", 3).is_err());
    assert_no_keys(&hosts);
    let _held = hosts.try_acquire("a").unwrap();
    assert!(hosts.try_acquire_many("a", 2).is_err());
    assert_eq!(hosts.snapshot("a").active, 1);
}

#[test]
fn time_outs_leave_nothing() {
    let hosts = hosts(0);
    let late = hosts.blocking_acquire_timeout("a", Duration::from_millis(1));
    assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    assert_no_keys(&hosts);
}

#[test]
fn snapshots_show_every_key_in_use() {
    let hosts = hosts(2);
    let _held: Vec<_> = (0..100)
        .map(|n| hosts.try_acquire(&format!("host {n}")).unwrap())
        .collect();
    hosts.set_max("paused", 0).unwrap();
    let mut seen = hosts.snapshots();
    assert_eq!((seen.len(), hosts.len()), (101, 101));
    seen.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (paused, rest) = seen.split_last().unwrap();
    assert_eq!((paused.0.as_str(), paused.1.max), ("paused", 0));
    assert!(rest.iter().all(|(_, one)| (one.max, one.active) == (2, 1)));
}

#[test]
fn debug_says_what_there_is_and_never_blocks() {
    let hosts = hosts(2);
    let permit = hosts.try_acquire("a").unwrap();
    let text = format!("{hosts:?} {permit:?} {:?}", hosts.acquire("a"));
    assert!(text.contains("keys: 1"), "{text}");
    assert!(text.contains("permits: 1, key: \"a\""), "{text}");
    assert!(text.contains("Asks { need: 1 }"), "{text}");
}

/// Runs something when its thread ends.
struct AtEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

#[test]
fn a_destructor_of_a_thread_local_may_block() {
    thread_local!(static AT_END: std::cell::RefCell<AtEnd> = const { std::cell::RefCell::new(AtEnd(None)) });
    let keyed = std::sync::Arc::new(KeyedSemaphore::<u64>::new(1));
    let held = keyed.try_acquire(&7).unwrap();
    let inner = std::sync::Arc::clone(&keyed);
    let thread = std::thread::spawn(move || {
        AT_END.with_borrow_mut(|at_end| {
            at_end.0 = Some(Box::new(move || {
                drop(inner.blocking_acquire(&7).unwrap());
                inner.close();
            }));
        });
    });
    while keyed.snapshot(&7).waiting == 0 {
        std::thread::yield_now();
    }
    drop(held);
    thread.join().unwrap();
    assert!(keyed.is_closed());
}
