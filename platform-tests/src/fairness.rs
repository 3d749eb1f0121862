//! Those who compete rather than stand in line: they listen to an event.

use dynaphore::{Fairness, Semaphore};

use crate::task::{Task, all_waiting, waiting};

fn competing(fairness: Fairness) -> Semaphore {
    Semaphore::builder(1).fairness(fairness).build()
}

const BOTH: [Fairness; 2] = [Fairness::Barging, Fairness::Eventual];

tests! {
    fn a_permit_that_comes_back_wakes_the_first() {
        for semaphore in BOTH.map(competing) {
            let held = semaphore.try_acquire().unwrap();
            let mut waiters = all_waiting(2, || semaphore.acquire());
            drop(held);
            assert_eq!((waiters[0].wakes(), waiters[1].wakes()), (1, 0));
            let held = waiters[0].ready().unwrap();
            assert!(waiters[1].poll().is_pending());
            drop(held);
            assert_eq!(waiters[1].wakes(), 1);
            assert!(waiters[1].ready().is_ok());
        }
    }

    fn a_newcomer_may_be_first() {
        for semaphore in BOTH.map(competing) {
            let held = semaphore.try_acquire().unwrap();
            let mut waiter = waiting(semaphore.acquire());
            drop(held);
            let held = semaphore.try_acquire().unwrap();
            assert!(waiter.poll().is_pending());
            drop(held);
            assert_eq!(waiter.wakes(), 2);
            assert!(waiter.ready().is_ok());
        }
    }

    fn one_that_is_dropped_passes_its_turn_on() {
        for semaphore in BOTH.map(competing) {
            let held = semaphore.try_acquire().unwrap();
            let mut waiters = all_waiting(2, || semaphore.acquire());
            drop(held);
            drop(waiters.remove(0));
            assert_eq!(waiters[0].wakes(), 1);
            assert!(waiters[0].ready().is_ok());
            assert_eq!(semaphore.waiting(), 0);
        }
    }

    fn close_tells_all_who_compete() {
        for semaphore in BOTH.map(competing) {
            let _held = semaphore.try_acquire().unwrap();
            let mut waiters = all_waiting(20, || semaphore.acquire());
            semaphore.close();
            assert!(waiters.iter_mut().all(|waiter| waiter.wakes() == 1 && waiter.ready().is_err()));
        }
    }

    fn several_permits_are_waited_for_in_line() {
        for semaphore in BOTH.map(competing) {
            semaphore.set_max(2);
            let held = semaphore.try_acquire().unwrap();
            let mut both = waiting(semaphore.acquire_many(2));
            drop(held);
            assert!(both.ready().is_ok());
        }
    }

    /// Where nothing tells the time, the bound of 500 microseconds is so many looks at it.
    fn eventual_ends_a_wait_without_a_clock() {
        let semaphore = competing(Fairness::Eventual);
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = waiting(semaphore.acquire());
        drop(held);
        for _ in 0..10_000 {
            // One that is always quicker.
            let mut quicker = Task::new(semaphore.acquire());
            let permit = quicker.poll();
            if waiter.poll().is_ready() {
                return;
            }
            drop(permit);
        }
        panic!("it is passed again and again");
    }

    fn the_last_of_many_is_served() {
        for semaphore in BOTH.map(competing) {
            let held = semaphore.try_acquire().unwrap();
            let mut waiters = all_waiting(30, || async { semaphore.acquire().await.map(drop) });
            drop(held);
            for waiter in &mut waiters {
                assert_eq!(waiter.wakes(), 1);
                assert!(waiter.ready().is_ok());
            }
            assert_eq!(semaphore.snapshot().waiting, 0);
        }
    }
}
