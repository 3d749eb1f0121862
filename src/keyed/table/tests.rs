use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;

fn table() -> Table<u64> {
    Table::new(3)
}

fn insert(table: &mut Table<u64>, key: u64) -> Arc<Entry<u64>> {
    // A poor hash, so that keys collide.
    table.insert(key % 8, key, (3, 1), Policy::FIFO)
}

fn find(table: &Table<u64>, key: u64) -> bool {
    table.find(key % 8, &key).is_some()
}

fn remove(table: &mut Table<u64>, entry: Arc<Entry<u64>>) -> bool {
    !matches!(table.remove(entry), Removed::ByAnother(_))
}

#[test]
fn keys_are_told_apart_though_their_hashes_are_the_same() {
    let mut table = table();
    let entries: Vec<_> = (0..100).map(|key| insert(&mut table, key)).collect();
    assert_eq!(table.len(), 100);
    for (key, entry) in (0..100_u64).zip(&entries) {
        assert!(Arc::ptr_eq(table.find(key % 8, &key).unwrap(), entry));
        assert_eq!(*entry.key(), key);
    }
    assert!(!find(&table, 100));
    for entry in entries {
        assert!(remove(&mut table, entry));
    }
    assert_eq!((table.len(), table.entries().count()), (0, 0));
}

#[test]
fn an_entry_is_removed_once() {
    let mut table = table();
    let entry = insert(&mut table, 1);
    let other = insert(&mut table, 9);
    assert!(remove(&mut table, Arc::clone(&entry)));
    assert!(!remove(&mut table, entry));
    assert!(find(&table, 9) && !find(&table, 1));
    assert!(remove(&mut table, Arc::clone(&other)));
    assert!(!remove(&mut table, other));
}

#[test]
fn an_entry_is_used_again_as_if_it_were_new() {
    let mut table = table();
    let entry = insert(&mut table, 1);
    entry.users.set_override();
    let address = Arc::as_ptr(&entry);
    assert!(remove(&mut table, entry));
    let again = table.insert(2, 2, (7, 0), Policy::FIFO);
    assert_eq!(Arc::as_ptr(&again), address, "the memory is the same");
    assert_eq!((*again.key(), again.hash), (2, 2));
    assert!(again.users.are_none());
    assert_eq!(again.semaphore.snapshot().max, 7);
    assert_eq!(again.semaphore.snapshot().active, 0);
}

#[test]
fn what_somebody_still_looks_at_is_not_used_again() {
    let mut table = table();
    let entry = insert(&mut table, 1);
    let looks = Arc::clone(&entry);
    assert!(remove(&mut table, entry));
    let other = insert(&mut table, 2);
    assert!(!Arc::ptr_eq(&looks, &other));
    assert_eq!(*looks.key(), 1);
}

#[test]
fn a_semaphore_that_was_closed_is_not_used_again() {
    let mut table = table();
    let entry = insert(&mut table, 1);
    entry.semaphore.close();
    assert!(remove(&mut table, entry));
    assert!(table.free_list.is_empty());

    let entry = waited_for(&mut table, 1, 1);
    entry.semaphore.close();
    assert!(remove(&mut table, entry));
    assert!(table.free_list.is_empty());
}

/// An entry for which so many have waited at once, in line and aside, for permits
/// and for a state.
fn waited_for(table: &mut Table<u64>, key: u64, waiters: usize) -> Arc<Entry<u64>> {
    let entry = insert(table, key);
    let held = entry.semaphore.try_acquire_many(2).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut idle = Box::pin(entry.semaphore.idle());
    assert!(idle.as_mut().poll(&mut cx).is_pending());
    let line = (0..waiters).map(|at| Box::pin(entry.semaphore.acquire_many(1 + at as u32 % 4)));
    let mut line: Vec<_> = line.collect();
    for waiter in &mut line {
        assert!(waiter.as_mut().poll(&mut cx).is_pending());
    }
    drop((line, idle));
    drop(held);
    entry
}

#[test]
fn a_queue_is_used_again_as_if_it_were_new() {
    let mut table = table();
    let entry = waited_for(&mut table, 1, 20);
    let address = Arc::as_ptr(&entry);
    assert!(remove(&mut table, entry));
    assert_eq!(table.free_list.len(), 1);
    let again = table.insert(3, 3, (2, 0), Policy::FIFO);
    assert_eq!(Arc::as_ptr(&again), address, "the memory is the same");
    assert_eq!(again.semaphore.snapshot(), Semaphore::new(2).snapshot());

    // It does all that a new one does.
    let mut cx = Context::from_waker(Waker::noop());
    let held = again.semaphore.try_acquire_many(2).unwrap();
    let mut heavy = pin!(again.semaphore.acquire_many(3));
    let mut one = pin!(again.semaphore.acquire());
    let mut idle = pin!(again.semaphore.idle());
    assert!(heavy.as_mut().poll(&mut cx).is_pending());
    assert!(one.as_mut().poll(&mut cx).is_pending());
    assert!(idle.as_mut().poll(&mut cx).is_pending());
    drop(held);
    assert!(heavy.as_mut().poll(&mut cx).is_pending());
    let Poll::Ready(Ok(served)) = one.as_mut().poll(&mut cx) else {
        panic!("not served")
    };
    drop(served);
    assert!(idle.as_mut().poll(&mut cx).is_ready());
    again.semaphore.set_max(3);
    assert!(heavy.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn free_entries_are_few_and_have_no_keys() {
    let mut table = table();
    let entries: Vec<_> = (0..100).map(|key| insert(&mut table, key)).collect();
    for entry in entries {
        assert!(remove(&mut table, entry));
    }
    assert_eq!(table.free_list.len(), FREE);
    assert!(table.free_list.iter().all(|free| free.key.is_none()));
}

#[test]
fn a_table_that_was_large_gives_its_memory_back() {
    let mut table = table();
    let entries: Vec<_> = (0..100_000)
        .map(|key| table.insert(key << 32 | key, key, (3, 1), Policy::FIFO))
        .collect();
    assert!(table.others.capacity() > 90_000);
    for entry in entries {
        assert!(remove(&mut table, entry));
        let (len, size) = (table.others.len(), table.others.capacity());
        assert!(size <= KEEP || len >= size / 8, "{size} for {len}");
    }
    assert!(table.others.capacity() <= KEEP);
}
