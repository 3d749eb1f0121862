//! What tokio's semaphore cannot do.

use alloc::string::ToString;
use core::future::ready;

use dynaphore::{AcquireTimeoutError, Order, Semaphore};
use portable_atomic_util::Arc;

use crate::task::{all_waiting, now, waiting};

tests! {
    fn a_growth_lets_those_in_who_fit() {
        let semaphore = Semaphore::new(0);
        let mut waiters = all_waiting(3, || semaphore.acquire());
        assert_eq!(semaphore.set_max(2), 0);
        let woken = waiters.iter().map(|waiter| waiter.wakes());
        assert!(woken.eq([1, 1, 0]));
        let _held = [waiters[0].ready().unwrap(), waiters[1].ready().unwrap()];
        assert!(waiters[2].poll().is_pending());
        assert_eq!(semaphore.snapshot().waiting, 1);
    }

    fn a_shrink_has_settled_when_enough_are_back() {
        let semaphore = Semaphore::new(3);
        let mut held = semaphore.try_acquire_many(3).unwrap();
        semaphore.set_max(1);
        let mut settled = waiting(semaphore.settled());
        drop(held.split(1));
        assert!(settled.poll().is_pending());
        drop(held.split(1));
        assert!(settled.wakes() > 0);
        settled.ready();
    }

    fn idle_is_told_when_the_last_is_back() {
        let semaphore = Semaphore::new(2);
        let held = semaphore.try_acquire_many(2).unwrap();
        let mut idle = all_waiting(2, || semaphore.idle());
        drop(held);
        for idle in &mut idle {
            assert!(idle.wakes() > 0);
            idle.ready();
        }
    }

    fn who_needs_more_than_max_holds_up_nobody() {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let mut heavy = waiting(semaphore.acquire_many(2));
        let mut light = waiting(semaphore.acquire());
        drop(held);
        drop(light.ready().unwrap());
        semaphore.set_max(2);
        assert_eq!(heavy.ready().unwrap().num_permits(), 2);
    }

    fn one_that_is_dropped_leaves_no_trace() {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let mut waiters = all_waiting(3, || semaphore.acquire());
        drop(waiters.remove(1));
        drop(held);
        // It has been granted its permit, and passes it on.
        drop(waiters.remove(0));
        assert!(waiters[0].ready().is_ok());
        assert_eq!(semaphore.snapshot().to_string(), "0 of 1 out, 0 waiting");
    }

    fn a_bound_on_the_time_is_any_future() {
        let semaphore = Semaphore::new(1);
        let permit = now(semaphore.acquire_until(ready(()))).unwrap();
        let late = now(semaphore.acquire_until(ready(())));
        assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
        drop(permit);
    }

    fn as_many_are_had_as_there_are() {
        let semaphore = Semaphore::new(5);
        assert_eq!(now(semaphore.acquire_up_to(3)).unwrap().num_permits(), 3);
        assert_eq!(semaphore.try_acquire_up_to(8).unwrap().num_permits(), 5);
    }

    fn no_more_wait_than_may() {
        let semaphore = Semaphore::builder(0).max_waiting(1).build();
        let _waiter = waiting(semaphore.acquire());
        assert!(now(semaphore.acquire()).is_err());
    }

    fn the_newest_is_served_first_where_that_is_the_order() {
        let semaphore = Semaphore::builder(0).order(Order::Lifo).build();
        let mut waiters = all_waiting(3, || semaphore.acquire());
        semaphore.set_max(1);
        assert!(waiters[0].poll().is_pending());
        assert!(waiters[2].ready().is_ok());
    }

    fn a_permit_becomes_owned() {
        let semaphore = Arc::new(Semaphore::new(1));
        #[cfg(target_has_atomic = "ptr")]
        let semaphore = alloc::sync::Arc::new(Arc::into_inner(semaphore).unwrap());
        let permit = semaphore.try_acquire().unwrap().into_owned(semaphore.clone());
        assert_eq!(semaphore.active(), 1);
        drop(permit);
        assert_eq!(semaphore.active(), 0);
    }
}
