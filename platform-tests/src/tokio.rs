//! What tokio's tests of its semaphore ask for (`tests/sync_semaphore.rs` of tokio 1.54),
//! written afresh: without a runtime, and without those that expect a panic or block.

use alloc::vec::Vec;
use core::{
    ptr,
    task::{Context, Waker},
};

use dynaphore::{AcquireError, Semaphore, TryAcquireError};
use portable_atomic_util::{Arc, task::Wake};

use crate::task::{Task, all_waiting, now, waiting};

tests! {
    fn one_without_permits_can_be_made() {
        let semaphore = Semaphore::new(0);
        assert_eq!(semaphore.available_permits(), 0);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    }

    fn a_permit_can_be_had_once_at_a_time() {
        let semaphore = Semaphore::new(1);
        let permit = semaphore.try_acquire();
        assert!(permit.is_ok());
        assert!(semaphore.try_acquire().is_err());
        drop(permit);
        assert!(semaphore.try_acquire().is_ok());
    }

    fn who_waits_has_the_permit_that_comes_back() {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = waiting(semaphore.acquire());
        drop(held);
        assert_eq!(waiter.wakes(), 1);
        assert!(waiter.ready().is_ok());
    }

    fn who_waits_has_a_permit_that_is_added() {
        let semaphore = Semaphore::new(0);
        let mut waiter = waiting(semaphore.acquire());
        semaphore.add_permits(1);
        assert_eq!(waiter.wakes(), 1);
        assert!(waiter.ready().is_ok());
    }

    fn permits_are_added_while_it_is_open() {
        each_of_sixteen(|size, add| {
            let semaphore = Semaphore::new(size);
            semaphore.add_permits(add);
            assert_eq!(semaphore.available_permits(), size + add);
            assert!(!semaphore.is_closed());
        });
    }

    fn permits_are_added_after_it_was_closed() {
        each_of_sixteen(|size, add| {
            let semaphore = Semaphore::new(size);
            semaphore.close();
            semaphore.add_permits(add);
            assert_eq!(semaphore.available_permits(), size + add);
            assert!(semaphore.is_closed());
        });
    }

    fn close_drops_wakers_with_the_lock_free() {
        struct Gives;

        impl Drop for Gives {
            fn drop(&mut self) {
                SEMAPHORE.add_permits(1);
            }
        }

        impl Wake for Gives {
            fn wake(_: Arc<Self>) {}
        }

        static SEMAPHORE: Semaphore = Semaphore::new(0);
        let mut waiter = core::pin::pin!(SEMAPHORE.acquire());
        let waker = Waker::from(Arc::new(Gives));
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        SEMAPHORE.close();
        assert_eq!(SEMAPHORE.available_permits(), 1);
    }

    fn close_wakes_with_the_lock_free() {
        struct Gives;

        impl Wake for Gives {
            fn wake(_: Arc<Self>) {
                SEMAPHORE.add_permits(1);
            }
        }

        static SEMAPHORE: Semaphore = Semaphore::new(0);
        let mut waiter = core::pin::pin!(SEMAPHORE.acquire());
        let waker = Waker::from(Arc::new(Gives));
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        SEMAPHORE.close();
        assert_eq!(SEMAPHORE.available_permits(), 1);
    }

    fn close_tells_all_who_wait() {
        let semaphore = Semaphore::new(0);
        // More than are woken at once.
        let mut waiters = all_waiting(20, || semaphore.acquire());
        semaphore.close();
        for waiter in &mut waiters {
            assert_eq!(waiter.wakes(), 1);
            assert_eq!(waiter.ready().unwrap_err(), AcquireError::Closed);
        }
    }

    fn a_permit_that_is_forgotten_does_not_come_back() {
        let semaphore = Semaphore::new(1);
        semaphore.try_acquire().unwrap().forget();
        assert_eq!(semaphore.available_permits(), 0);
        assert!(semaphore.try_acquire().is_err());
    }

    fn as_many_are_forgotten_as_are_available() {
        each_of_sixteen(|size, less| {
            let semaphore = Semaphore::new(size);
            assert_eq!(semaphore.forget_permits(less), size.min(less));
            assert_eq!(semaphore.available_permits(), size.saturating_sub(less));
        });
    }

    fn as_many_are_forgotten_after_it_was_closed() {
        each_of_sixteen(|size, less| {
            let semaphore = Semaphore::new(size);
            semaphore.close();
            assert_eq!(semaphore.forget_permits(less), size.min(less));
            assert_eq!(semaphore.available_permits(), size.saturating_sub(less));
            assert!(semaphore.is_closed());
        });
    }

    fn permits_that_are_merged_come_back_together() {
        let semaphore = Semaphore::new(3);
        let mut one = semaphore.try_acquire().unwrap();
        one.merge(semaphore.try_acquire_many(2).unwrap());
        assert_eq!((one.num_permits(), semaphore.available_permits()), (3, 0));
        drop(one);
        assert_eq!(semaphore.available_permits(), 3);
    }

    fn permits_that_are_split_come_back_by_themselves() {
        let semaphore = Semaphore::new(5);
        let mut most = semaphore.try_acquire_many(3).unwrap();
        let mut one = most.split(1).unwrap();
        assert_eq!((most.num_permits(), one.num_permits()), (2, 1));
        assert_eq!(most.split(0).unwrap().num_permits(), 0);
        drop(most);
        assert_eq!(semaphore.available_permits(), 4);
        let same = one.split(1).unwrap();
        assert!(one.split(1).is_none());
        drop(one);
        assert_eq!(semaphore.available_permits(), 4);
        drop(same);
        assert_eq!(semaphore.available_permits(), 5);
    }

    fn a_permit_knows_its_semaphore() {
        let semaphore = Semaphore::new(1);
        assert!(ptr::eq(semaphore.try_acquire().unwrap().semaphore(), &semaphore));
    }

    fn many_take_turns() {
        let semaphore = Semaphore::new(5);
        let mut tasks: Vec<_> = (0..50)
            .map(|_| Task::new(async { semaphore.acquire().await.map(drop) }))
            .collect();
        let held = semaphore.try_acquire_many(5).unwrap();
        assert!(tasks.iter_mut().all(|task| task.poll().is_pending()));
        drop(held);
        for task in &mut tasks {
            assert_eq!(task.wakes(), 1);
            assert!(task.ready().is_ok());
        }
        assert!(semaphore.try_acquire_many(5).is_ok());
        assert!(semaphore.try_acquire_many(6).is_err());
    }

    fn there_may_be_max_permits() {
        let semaphore = Semaphore::new(0);
        semaphore.add_permits(Semaphore::MAX_PERMITS);
        assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
        let semaphore = Semaphore::new(Semaphore::MAX_PERMITS - 1);
        assert!(semaphore.try_add_permits(1).is_ok());
        assert!(semaphore.try_add_permits(1).is_err());
    }

    // Those that block, as futures.

    fn a_permit_that_is_there_is_had_at_once() {
        let semaphore = Semaphore::new(5);
        let permit = now(semaphore.acquire()).unwrap();
        let three = now(semaphore.acquire_many(3)).unwrap();
        assert_eq!(semaphore.available_permits(), 1);
        drop((permit, three));
        assert_eq!(semaphore.available_permits(), 5);
    }

    fn one_that_is_closed_says_so() {
        let semaphore = Semaphore::new(1);
        semaphore.close();
        assert_eq!(now(semaphore.acquire()).unwrap_err(), AcquireError::Closed);
        assert_eq!(now(semaphore.acquire_many(2)).unwrap_err(), AcquireError::Closed);
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    }
}

fn each_of_sixteen(run: impl Fn(usize, usize)) {
    for size in 0..4 {
        (0..4).for_each(|other| run(size, other));
    }
}
