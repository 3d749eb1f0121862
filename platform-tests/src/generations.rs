//! Generations, of tokens and of permits, and counters that are taken as one.

use core::future::IntoFuture;

use dynaphore::{
    Semaphore,
    generation::{Swap, Take, Tracker},
};
use portable_atomic::{AtomicUsize, Ordering::Relaxed};

use crate::task::{Task, now, waiting};

/// How often one is polled that has itself polled again for 200 microseconds, of which each
/// look at the clock takes one where there is none.
const POLLS: usize = 1_000;

#[derive(Default)]
struct Count(AtomicUsize);

impl Take for Count {
    type Taken = usize;

    fn take(&self) -> usize {
        self.0.swap(0, Relaxed)
    }
}

tests! {
    fn a_generation_drains_with_its_last_token() {
        static TRACKER: Tracker = Tracker::new();
        let (first, second) = (TRACKER.acquire(), TRACKER.acquire());
        let pending = TRACKER.increment();
        let _new = TRACKER.acquire();
        drop(first);
        assert!(!pending.is_drained());
        drop(second);
        assert!(pending.is_drained());
    }

    fn who_waits_for_a_generation_sleeps_and_is_woken() {
        let tracker = Tracker::new();
        let token = tracker.acquire();
        let mut drained = waiting(tracker.increment().into_future());
        // By itself at first, then no more.
        while drained.wakes() < POLLS {
            let before = drained.wakes();
            assert!(drained.poll().is_pending());
            if drained.wakes() == before {
                break;
            }
        }
        let before = drained.wakes();
        assert!(before < POLLS, "it does not fall asleep");
        drop(token);
        assert_eq!(drained.wakes(), before + 1);
        drained.ready();
    }

    fn a_resize_drains_when_all_older_permits_are_back() {
        let semaphore = Semaphore::builder(2).generations(true).build();
        let old = semaphore.try_acquire().unwrap();
        let resize = semaphore.resize(4);
        let _new = semaphore.try_acquire().unwrap();
        let mut drained = Task::new(resize.drained());
        assert!(drained.poll().is_pending());
        drop(old);
        drained.ready();
        assert!(resize.is_drained());
    }

    fn what_is_counted_is_taken_once() {
        let counts = Swap::<Count>::default();
        counts.write().0.fetch_add(2, Relaxed);
        assert_eq!(now(counts.take()), 2);
        counts.write().0.fetch_add(1, Relaxed);
        assert_eq!(counts.try_take(), Some(1));
        assert_eq!(counts.try_take(), Some(0));
    }
}
