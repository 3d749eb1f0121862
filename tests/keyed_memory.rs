//! Memory: none for a key that is in use, and none is left of those that were.
#![cfg(feature = "keyed")]

mod common;
#[path = "allocations/counting.rs"]
mod counting;

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use counting::{count, reset_peak};
use dynaphore::KeyedSemaphore;
use futures::executor::block_on;

/// How often `call` allocates.
fn allocations<T>(call: impl FnOnce() -> T) -> usize {
    let before = count().allocations;
    let kept = call();
    let after = count().allocations;
    drop(kept);
    after - before
}

#[test]
fn a_live_key_is_looked_up_without_allocation() {
    let hosts = Arc::new(KeyedSemaphore::<String>::new(8));
    let _held = hosts.try_acquire("a.example").unwrap();
    block_on(async {});
    // Once a thread, with the feature `tokio`: to ask whether it is in a runtime.
    drop(hosts.blocking_acquire("a.example").unwrap());
    let allocated = allocations(|| {
        let h = || Arc::clone(&hosts);
        drop(hosts.try_acquire("a.example").unwrap());
        drop(hosts.try_acquire_many("a.example", 9));
        drop(h().try_acquire_owned("a.example").unwrap());
        drop(block_on(hosts.acquire("a.example")).unwrap());
        drop(block_on(h().acquire_many_owned("a.example", 7)).unwrap());
        drop(hosts.blocking_acquire("a.example").unwrap());
        let timed = hosts.blocking_acquire_timeout("a.example", Duration::ZERO);
        let mut two = h().try_acquire_many_owned("a.example", 2).unwrap();
        drop(two.split(1).unwrap());
        drop((timed, two));
        hosts.set_max("a.example", 5).unwrap();
        assert_eq!(hosts.max("a.example"), 5);
        hosts.clear_max("a.example");
        hosts.set_default_max(7);
        hosts.set_default_max(8);
        assert_eq!(hosts.snapshot("b.example").active + hosts.len(), 1);
    });
    assert_eq!(allocated, 0);
}

#[test]
fn numbers_come_and_go_without_allocation() {
    let users = KeyedSemaphore::<u64>::builder(8).shards(4).build();
    let round = || {
        (0..1_000).for_each(|id| {
            let one = users.try_acquire(&id).unwrap();
            let other = users.try_acquire(&(id + 1)).unwrap();
            drop((one, other));
        });
    };
    round();
    assert_eq!(allocations(round), 0);
}

#[test]
fn a_refusal_allocates_nothing() {
    let hosts = KeyedSemaphore::<String>::builder(1).max_keys(1).build();
    let _held = hosts.try_acquire("a").unwrap();
    let allocated = allocations(|| {
        assert!(hosts.try_acquire("b").is_err());
        assert!(hosts.try_acquire("a").is_err());
        assert!(hosts.set_max("b", 1).is_err());
    });
    assert_eq!(allocated, 0);
}

const MANY: u64 = 1_000_000;
/// What is kept is kept for each shard, however many keys there were.
const SHARDS: usize = 8;

// Scenario 35.
#[test]
fn a_million_keys_once_each_leave_nothing_behind() {
    let users = KeyedSemaphore::<u64>::builder(1).shards(SHARDS).build();
    let before = count().bytes;
    reset_peak();
    for id in 0..MANY {
        drop(users.try_acquire(&id).unwrap());
    }
    let peak = count().peak - before;
    assert!(peak < 16 * 1024, "{peak} bytes");
}

#[test]
fn a_million_keys_at_once_leave_nothing_behind() {
    let users = KeyedSemaphore::<u64>::builder(1).shards(SHARDS).build();
    let before = count().bytes;
    let mut held = Vec::with_capacity(MANY as usize);
    let own = count().bytes - before;
    held.extend((0..MANY).map(|id| users.try_acquire(&id).unwrap()));
    let per_key = (count().bytes - before - own) as f64 / MANY as f64;
    println!("{per_key:.0} bytes a live key");
    assert!(per_key < 160.0, "{per_key} bytes a key");
    assert_eq!(users.len(), MANY as usize);
    drop(held);
    assert!(users.is_empty());
    let kept = count().bytes - before;
    assert!(kept < 32 * 1024, "{kept} bytes");
}

#[test]
fn waiting_for_many_keys_leaves_nothing_behind() {
    let hosts = KeyedSemaphore::<String>::builder(1).shards(SHARDS).build();
    let before = count().bytes;
    for id in 0..MANY / 100 {
        let key = id.to_string();
        let held = hosts.try_acquire(&key).unwrap();
        {
            let mut future = std::pin::pin!(hosts.acquire(&key));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        assert!(
            hosts
                .blocking_acquire_timeout(&key, Duration::ZERO)
                .is_err()
        );
        drop(held);
    }
    let kept = count().bytes - before;
    assert!(kept < 16 * 1024, "{kept} bytes");
}

#[test]
fn long_lines_leave_no_long_buffers_behind() {
    let hosts = KeyedSemaphore::<u64>::builder(1).shards(SHARDS).build();
    let before = count().bytes;
    for id in 0..100 {
        let held = hosts.try_acquire(&id).unwrap();
        let mut line: Vec<_> = (0..1_000).map(|_| Box::pin(hosts.acquire(&id))).collect();
        let mut cx = Context::from_waker(Waker::noop());
        for waiter in &mut line {
            assert!(waiter.as_mut().poll(&mut cx).is_pending());
        }
        drop((line, held));
    }
    let kept = count().bytes - before;
    assert!(kept < 64 * 1024, "{kept} bytes");
}

/// Each call copied an array, since it takes no memory to make one.
#[test]
fn a_call_does_not_copy_a_large_key_that_is_in_use() {
    const SIZE: usize = 1 << 20;
    let thread = |stack, run: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().stack_size(stack);
        thread.spawn(run).unwrap().join().unwrap();
    };
    let key = std::sync::Arc::new(vec![7_u8; SIZE]);
    let keyed = std::sync::Arc::new(KeyedSemaphore::<[u8; SIZE]>::new(9));
    let large = (std::sync::Arc::clone(&key), std::sync::Arc::clone(&keyed));
    thread(
        64 * SIZE,
        Box::new(move || {
            let (key, keyed) = large;
            let key: &[u8; SIZE] = key.as_slice().try_into().unwrap();
            assert_eq!(keyed.set_max(key, 2).unwrap(), 9);
        }),
    );
    let small = (key, std::sync::Arc::clone(&keyed));
    thread(
        SIZE / 2,
        Box::new(move || {
            let (key, keyed) = small;
            let key: &[u8; SIZE] = key.as_slice().try_into().unwrap();
            assert_eq!(keyed.set_max(key, 3).unwrap(), 2);
            let held = keyed.try_acquire(key).unwrap();
            drop(keyed.blocking_acquire(key).unwrap());
            drop(held);
            assert_eq!(keyed.snapshot(key).active, 0);
        }),
    );
}
