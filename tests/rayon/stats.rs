//! What statistics say of throttled rayon jobs.

use std::sync::{Arc, mpsc};

use crate::common::watchdog;
use crate::room::{moment, pool};
use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::prelude::*;

#[test]
fn what_is_run_counts_as_acquired_and_no_try_as_rejected() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::builder(2).stats(true).build());
        let pool = pool(4);
        let ends = || {
            let interval = semaphore.stats().blocking_take();
            assert_eq!((interval.rejected, interval.closed), (0, 0));
            interval.acquired
        };
        pool.install(|| {
            let items = (0..200).into_par_iter().with_max_len(1);
            items.throttle_for_each(&semaphore, |_| moment()).unwrap();
        });
        // A permit is kept for item after item.
        assert!((1..=200).contains(&ends()));
        pool.scope(|scope| {
            let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
            for _ in 0..200 {
                jobs.spawn(scope, |_, _permit| moment()).unwrap();
            }
        });
        assert!((1..=200).contains(&ends()));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::clone(&pool));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..200 {
            let sender = sender.clone();
            throttle
                .spawn(move |_permit| sender.send(()).unwrap())
                .unwrap();
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 200);
        assert_eq!(ends(), 200);
    });
}
