//! Waiting for a state of a key, and the forms by which keys are looked up.

use std::{path::Path, sync::Arc, thread, time::Duration};

use dynaphore::{KeyedSemaphore, OwnedKeyedPermit};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};

use crate::common::{until, watchdog};

#[test]
fn a_key_settles_when_a_shrink_is_through() {
    let keyed = KeyedSemaphore::<u8>::builder(3)
        .max_waiters_per_key(0)
        .build();
    let mut held = keyed.try_acquire_many(&1, 3).unwrap();
    keyed.set_max(&1, 1).unwrap();
    let mut settled = spawn(keyed.settled(&1));
    let mut other = spawn(keyed.settled(&2));
    assert_ready!(other.poll(), "not in use");
    assert_pending!(settled.poll());
    drop(held.split(1));
    assert!(!settled.is_woken());
    drop(held.split(1));
    assert!(settled.is_woken());
    assert_ready!(settled.poll());
    assert_eq!(keyed.snapshot(&1).active, 1);
}

/// The last permit takes its entry away, but not from under somebody who watches it.
#[test]
fn a_key_is_idle_when_its_last_permit_is_back() {
    let keyed = KeyedSemaphore::<String>::new(3);
    let held = keyed.try_acquire("a").unwrap();
    let mut idle = spawn(keyed.idle("a"));
    let mut cancelled = spawn(keyed.idle("a"));
    assert_pending!(idle.poll());
    assert_pending!(cancelled.poll());
    drop(cancelled);
    drop(held);
    assert!(idle.is_woken());
    assert_eq!(keyed.len(), 1, "as long as it is watched");
    assert_ready!(idle.poll());
    assert!(keyed.is_empty());
}

#[test]
fn one_that_gives_up_watching_leaves_nothing() {
    let keyed = KeyedSemaphore::<u8>::new(1);
    let held = keyed.try_acquire(&1).unwrap();
    let mut idle = spawn(keyed.idle(&1));
    assert_pending!(idle.poll());
    drop(idle);
    drop(held);
    assert!(keyed.is_empty());
}

#[test]
fn all_keys_are_idle_when_each_is() {
    let keyed = KeyedSemaphore::<u8>::builder(1).shards(2).build();
    let held: Vec<_> = (0..20)
        .map(|key| keyed.try_acquire(&key).unwrap())
        .collect();
    keyed.set_max(&21, 5).unwrap();
    keyed.close();
    let mut idle = spawn(keyed.all_idle());
    assert_pending!(idle.poll());
    for permit in held {
        assert_pending!(idle.poll());
        drop(permit);
    }
    assert_ready!(idle.poll());
    assert_eq!(keyed.len(), 1, "the one with a max of its own");
}

#[test]
fn all_keys_are_settled_when_the_default_is_in_force() {
    let keyed = KeyedSemaphore::<u8>::new(2);
    let mut held = keyed.try_acquire_many(&1, 2).unwrap();
    let _other = keyed.try_acquire(&2).unwrap();
    keyed.set_default_max(1);
    let mut settled = spawn(keyed.all_settled());
    assert_pending!(settled.poll());
    drop(held.split(1));
    assert_ready!(settled.poll());
}

#[test]
fn a_thread_waits_for_a_key_and_for_all() {
    watchdog(|| {
        let keyed = KeyedSemaphore::<u8>::new(2);
        for all in [false, true] {
            let mut held = keyed.try_acquire_many(&1, 2).unwrap();
            keyed.set_default_max(1);
            thread::scope(|scope| {
                let waits = scope.spawn(|| match all {
                    false => (keyed.blocking_settled(&1), keyed.blocking_idle(&1)),
                    true => (keyed.blocking_all_settled(), keyed.blocking_all_idle()),
                });
                thread::sleep(Duration::from_millis(2));
                drop(held.split(1));
                drop(held);
                waits.join().unwrap();
            });
            until(|| keyed.is_empty());
            keyed.set_default_max(2);
        }
    });
}

#[test]
fn shared_keys_are_looked_up_by_what_they_hold() {
    let names = KeyedSemaphore::<Arc<str>>::new(1);
    let name = names.try_acquire("a").unwrap();
    assert!(names.try_acquire("a").is_err());
    assert!(names.try_acquire(&Arc::<str>::from("a")).is_err());
    assert_eq!(&**name.key(), "a");

    let lists = KeyedSemaphore::<Box<[u8]>>::new(1);
    let _list = lists.try_acquire(&[1_u8, 2][..]).unwrap();
    assert_eq!(lists.snapshot(&[1_u8, 2][..]).active, 1);

    let files = KeyedSemaphore::<Arc<Path>>::new(1);
    assert!(files.blocking_acquire(Path::new("a")).is_ok());
}

fn is_static<T: 'static>(value: T) -> T {
    value
}

#[test]
fn a_future_may_own_its_key() {
    let keyed = Arc::new(KeyedSemaphore::<String>::new(1));
    let mut first = spawn(is_static(keyed.clone().acquire_owned("a".to_owned())));
    let permit: OwnedKeyedPermit<String> = assert_ready_ok!(first.poll());
    let mut second = spawn(is_static(
        keyed.clone().acquire_many_owned(Arc::<str>::from("a"), 1),
    ));
    assert_pending!(second.poll());
    drop(permit);
    drop(assert_ready_ok!(second.poll()));

    let numbers = Arc::new(KeyedSemaphore::<u64>::new(1));
    let mut owns = spawn(is_static(numbers.acquire_owned(Box::new(17))));
    drop(assert_ready_ok!(owns.poll()));
}
