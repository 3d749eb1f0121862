//! The same for permits that keep the semaphore alive (`tests/sync_semaphore_owned.rs`).

use alloc::{sync::Arc, vec::Vec};
use core::future::pending;

use dynaphore::Semaphore;

use crate::task::{Task, now, waiting};

tests! {
    fn a_permit_can_be_had_once_at_a_time() {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.clone().try_acquire_owned();
        assert!(permit.is_ok());
        assert!(semaphore.clone().try_acquire_owned().is_err());
        drop(permit);
        assert!(semaphore.try_acquire_owned().is_ok());
    }

    fn several_can_be_had() {
        let semaphore = Arc::new(Semaphore::new(42));
        let most = semaphore.clone().try_acquire_many_owned(32).unwrap();
        assert!(semaphore.clone().try_acquire_many_owned(11).is_err());
        let rest = semaphore.clone().try_acquire_many_owned(10).unwrap();
        drop((most, rest));
        assert_eq!(semaphore.available_permits(), 42);
    }

    fn who_waits_has_the_permit_that_comes_back() {
        let semaphore = Arc::new(Semaphore::new(1));
        let held = now(semaphore.clone().acquire_owned()).unwrap();
        let mut waiter = waiting(semaphore.clone().acquire_owned());
        drop(held);
        assert_eq!(waiter.wakes(), 1);
        assert!(waiter.ready().is_ok());
    }

    fn who_waits_for_several_has_them_together() {
        let semaphore = Arc::new(Semaphore::new(42));
        let held = semaphore.clone().try_acquire_many_owned(32).unwrap();
        let mut waiter = waiting(semaphore.clone().acquire_many_owned(32));
        assert_eq!(waiter.wakes(), 0);
        drop(held);
        assert_eq!(waiter.ready().unwrap().num_permits(), 32);
    }

    fn who_waits_has_a_permit_that_is_added() {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waiter = waiting(semaphore.clone().acquire_owned());
        semaphore.add_permits(1);
        assert!(waiter.ready().is_ok());
    }

    fn a_permit_that_is_forgotten_does_not_come_back() {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.clone().try_acquire_owned().unwrap().forget();
        assert_eq!(semaphore.available_permits(), 0);
        assert!(semaphore.try_acquire_owned().is_err());
    }

    fn permits_are_merged_and_split() {
        let semaphore = Arc::new(Semaphore::new(5));
        let mut all = semaphore.clone().try_acquire_many_owned(2).unwrap();
        all.merge(semaphore.clone().try_acquire_many_owned(3).unwrap());
        assert_eq!((all.num_permits(), semaphore.available_permits()), (5, 0));
        let four = all.split(4).unwrap();
        assert!(all.split(2).is_none());
        drop(all);
        assert_eq!(semaphore.available_permits(), 1);
        drop(four);
        assert_eq!(semaphore.available_permits(), 5);
    }

    fn many_take_turns() {
        let semaphore = Arc::new(Semaphore::new(5));
        let held = semaphore.clone().try_acquire_many_owned(5).unwrap();
        let mut tasks: Vec<_> = (0..50)
            .map(|_| {
                let permit = semaphore.clone().acquire_owned();
                waiting(async { permit.await.map(drop) })
            })
            .collect();
        drop(held);
        assert!(tasks.iter_mut().all(|task| task.ready().is_ok()));
        assert_eq!(semaphore.available_permits(), 5);
    }

    // What tokio has not.

    fn the_last_permit_keeps_the_semaphore() {
        let semaphore = Arc::new(Semaphore::new(1));
        let weak = Arc::downgrade(&semaphore);
        let permit = now(semaphore.acquire_owned_until(pending::<()>())).unwrap();
        assert!(weak.upgrade().is_some());
        drop(permit);
        assert!(weak.upgrade().is_none());
    }

    fn what_is_lent_comes_back() {
        let semaphore = Arc::new(Semaphore::new(1));
        let lent = now(semaphore.clone().acquire_owned()).unwrap().lend();
        let child = now(lent.acquire()).unwrap();
        let mut back = Task::new(lent.back());
        assert!(back.poll().is_pending());
        drop(child);
        drop(back.ready().unwrap());
        assert_eq!(semaphore.available_permits(), 1);
    }
}
