//! Bounds of a keyed semaphore: how many keys, how many waiters, which numbers.

use std::time::Duration;

use crate::common::panic_of;
use crate::{assert_no_keys, hosts, poll};
use dynaphore::{
    KeyedSemaphore, Semaphore, SetMaxError,
    error::{KeyedAcquireError, KeyedAcquireTimeoutError, KeyedTryAcquireError},
};
use futures::{FutureExt, executor::block_on};

#[test]
fn no_more_keys_than_may_be() {
    let hosts = KeyedSemaphore::<String>::builder(1).max_keys(2).build();
    let a = hosts.try_acquire("a").unwrap();
    hosts.set_max("b", 1).unwrap();
    let refused = KeyedTryAcquireError::TooManyKeys;
    assert_eq!(hosts.try_acquire("c").unwrap_err(), refused);
    assert_eq!(
        block_on(hosts.acquire("c")).unwrap_err(),
        KeyedAcquireError::TooManyKeys
    );
    assert_eq!(
        hosts.blocking_acquire("c").unwrap_err(),
        KeyedAcquireError::TooManyKeys
    );
    let timed = hosts.blocking_acquire_timeout("c", Duration::ZERO);
    assert_eq!(timed.unwrap_err(), KeyedAcquireTimeoutError::TooManyKeys);
    assert_eq!(hosts.set_max("c", 1), Err(SetMaxError::TooManyKeys));
    assert_eq!(hosts.len(), 2);
    assert!(hosts.try_acquire("b").is_ok(), "in use already");
    drop(a);
    let c = hosts.try_acquire("c").unwrap();
    assert!(hosts.try_acquire("a").is_err());
    hosts.clear_max("b");
    assert!(hosts.try_acquire("a").is_ok());
    drop(c);
    assert_no_keys(&hosts);
}

#[test]
fn no_more_waiters_than_may_be() {
    let hosts = KeyedSemaphore::<String>::builder(1)
        .max_waiters_per_key(2)
        .build();
    let held = hosts.try_acquire("a").unwrap();
    let mut waiters: Vec<_> = (0..2).map(|_| Box::pin(hosts.acquire("a"))).collect();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_pending()));
    let refused = KeyedAcquireError::TooManyWaiters;
    assert_eq!(block_on(hosts.acquire("a")).unwrap_err(), refused);
    assert_eq!(hosts.blocking_acquire("a").unwrap_err(), refused);
    let timed = hosts.blocking_acquire_timeout("a", Duration::ZERO);
    assert_eq!(timed.unwrap_err(), KeyedAcquireTimeoutError::TooManyWaiters);
    assert_eq!(
        hosts.try_acquire("a").unwrap_err(),
        KeyedTryAcquireError::NoPermits
    );
    assert_eq!(hosts.snapshot("a").waiting, 2);
    let b = hosts.try_acquire("b").unwrap();
    assert!(
        hosts.acquire("b").now_or_never().is_none(),
        "another key, another line"
    );

    // A place is free again when a waiter gives up, and when one is served.
    waiters.pop();
    waiters.push(Box::pin(hosts.acquire("a")));
    assert!(poll(&mut waiters[1]).is_pending());
    drop(held);
    let served = poll(&mut waiters[0]);
    assert!(served.is_ready());
    let mut third = Box::pin(hosts.acquire("a"));
    assert!(poll(&mut third).is_pending());
    drop((served, waiters, third, b));
    assert_no_keys(&hosts);
}

#[test]
fn a_key_on_which_nobody_may_wait_is_not_made_to_wait() {
    let hosts = KeyedSemaphore::<String>::builder(0)
        .max_waiters_per_key(0)
        .build();
    assert_eq!(
        hosts.blocking_acquire("a").unwrap_err(),
        KeyedAcquireError::TooManyWaiters
    );
    assert_no_keys(&hosts);
}

#[test]
fn out_of_range_is_refused_before_anything_changes() {
    let too_many = Semaphore::MAX_PERMITS + 1;
    let hosts = hosts(2);
    let text = panic_of(|| KeyedSemaphore::<String>::new(too_many));
    assert!(text.contains("2147483647"), "{text}");
    assert_eq!(
        hosts.set_max("a", too_many),
        Err(SetMaxError::TooManyPermits)
    );
    panic_of(|| hosts.set_default_max(too_many));
    panic_of(|| hosts.try_acquire_many("a", u32::MAX).is_ok());
    panic_of(|| drop(hosts.acquire_many("a", u32::MAX)));
    panic_of(|| hosts.blocking_acquire_many("a", u32::MAX).is_ok());
    panic_of(|| drop(KeyedSemaphore::<String>::builder(1).shards(0)));
    panic_of(|| drop(KeyedSemaphore::<String>::builder(1).shards(65_537)));
    assert_no_keys(&hosts);
    assert_eq!(hosts.default_max(), 2);
}

#[test]
fn any_number_of_shards_will_do() {
    for shards in [1, 2, 3, 64, 65_536] {
        let users = KeyedSemaphore::<u64>::builder(1).shards(shards).build();
        let held: Vec<_> = (0..100).map(|id| users.try_acquire(&id).unwrap()).collect();
        assert!((0..100).all(|id| users.try_acquire(&id).is_err()));
        assert_eq!(users.len(), 100);
        drop(held);
        assert_no_keys(&users);
    }
}

// What an identity hasher makes of small numbers, the other end being all zero.
#[test]
fn a_poor_hasher_only_costs_time() {
    use std::hash::{BuildHasherDefault, Hasher};

    #[derive(Default)]
    struct Poor(u64);
    impl Hasher for Poor {
        fn finish(&self) -> u64 {
            self.0 & 3
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0 += u64::from(bytes[0]);
        }
    }
    let users = KeyedSemaphore::<u64>::builder(1)
        .hasher(BuildHasherDefault::<Poor>::default())
        .build();
    let held: Vec<_> = (0..100).map(|id| users.try_acquire(&id).unwrap()).collect();
    assert!((0..100).all(|id| users.try_acquire(&id).is_err()));
    drop(held);
    assert_no_keys(&users);
}
