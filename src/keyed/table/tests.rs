use std::time::Duration;

use super::*;

fn table() -> Table<u64> {
    Table::new(3)
}

fn insert(table: &mut Table<u64>, key: u64) -> Arc<Entry<u64>> {
    // A poor hash, so that keys collide.
    table.insert(key % 8, key, Users::one(), (3, 1), Policy::FIFO)
}

fn find(table: &Table<u64>, key: u64) -> bool {
    table.find(key % 8, &key).is_some()
}

fn remove(table: &mut Table<u64>, entry: Arc<Entry<u64>>) -> bool {
    table.remove(entry).map(Gone::bury).is_ok()
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
fn a_spare_is_used_again_as_if_it_were_new() {
    let mut table = table();
    let entry = insert(&mut table, 1);
    let address = Arc::as_ptr(&entry);
    assert!(remove(&mut table, entry));
    let again = table.insert(2, 2, Users::overridden(), (7, 0), Policy::FIFO);
    assert_eq!(Arc::as_ptr(&again), address, "the memory is the same");
    assert_eq!((*again.key(), again.hash), (2, 2));
    assert!(again.users.is_overridden());
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
fn a_semaphore_that_was_closed_or_waited_for_is_not_used_again() {
    let mut table = table();
    let entry = insert(&mut table, 1);
    entry.semaphore.close();
    assert!(remove(&mut table, entry));
    assert!(table.spares.is_empty());

    let entry = insert(&mut table, 1);
    let held = entry.semaphore.try_acquire_many(2).unwrap();
    let semaphore = &entry.semaphore;
    assert!(semaphore.blocking_acquire_timeout(Duration::ZERO).is_err());
    drop(held);
    assert!(remove(&mut table, entry));
    assert!(table.spares.is_empty(), "its queue takes memory");
}

#[test]
fn spares_are_few_and_have_no_keys() {
    let mut table = table();
    let entries: Vec<_> = (0..100).map(|key| insert(&mut table, key)).collect();
    for entry in entries {
        assert!(remove(&mut table, entry));
    }
    assert_eq!(table.spares.len(), SPARES);
    assert!(table.spares.iter().all(|spare| spare.key.is_none()));
}

#[test]
fn a_table_that_was_large_gives_its_memory_back() {
    let mut table = table();
    let entries: Vec<_> = (0..100_000)
        .map(|key| table.insert(key << 32 | key, key, Users::one(), (3, 1), Policy::FIFO))
        .collect();
    assert!(table.others.capacity() > 90_000);
    for entry in entries {
        assert!(remove(&mut table, entry));
        let (len, size) = (table.others.len(), table.others.capacity());
        assert!(size <= KEEP || len >= size / 8, "{size} for {len}");
    }
    assert!(table.others.capacity() <= KEEP);
}
