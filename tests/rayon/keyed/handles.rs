//! Who keeps a job that waits for a key, and what it keeps.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, mpsc},
};

use dynaphore::{
    Fairness, KeyedSemaphore,
    throttle::{OwnedKeyedSource, Throttle},
};

use super::Hosts;
use crate::{common::watchdog, room::pool};

const FAIRNESS: [Fairness; 3] = [Fairness::Fifo, Fairness::Eventual, Fairness::Barging];

fn hosts(max: usize, fairness: Fairness) -> Arc<Hosts> {
    Arc::new(KeyedSemaphore::builder(max).fairness(fairness).build())
}

/// Whatever fairness, since those that compete wait elsewhere than those in line.
#[test]
fn a_job_that_nobody_can_let_in_goes_with_the_last_handle() {
    for fairness in FAIRNESS {
        let (hosts, pool) = (hosts(0, fairness), pool(1));
        let throttle = Throttle::in_pool(super::key(&hosts, "a"), Arc::clone(&pool));
        let captured = Arc::new(());
        for n in 0..3 {
            let captured = Arc::clone(&captured);
            throttle
                .spawn_many(n % 2 + 1, |_permit| drop(captured))
                .unwrap();
        }
        let gone = (Arc::downgrade(&hosts), Arc::downgrade(&pool));
        drop((throttle, pool));
        assert_eq!(hosts.snapshot("a").waiting, 3, "{fairness:?}");
        drop(hosts);
        assert_eq!(Arc::strong_count(&captured), 1, "{fairness:?}");
        assert!(gone.0.upgrade().is_none() && gone.1.upgrade().is_none());
    }
}

#[test]
fn jobs_that_wait_for_a_permit_that_is_out_run_without_any_handle() {
    watchdog(|| {
        for fairness in FAIRNESS {
            let hosts = hosts(1, fairness);
            let throttle = Throttle::in_pool(super::key(&hosts, "a"), pool(2));
            let last = Arc::clone(&hosts).try_acquire_owned("a").unwrap();
            let (sender, receiver) = mpsc::channel();
            for n in 0..100 {
                let sender = sender.clone();
                throttle
                    .spawn(move |_permit| sender.send(n).unwrap())
                    .unwrap();
            }
            drop((hosts, throttle, sender));
            drop(last);
            assert_eq!(receiver.iter().count(), 100, "{fairness:?}");
        }
    });
}

/// Its entry is found again by what it is, not by the key.
#[test]
fn a_job_runs_whose_key_is_equal_to_no_key() {
    #[derive(Clone)]
    struct Unequal;

    impl Hash for Unequal {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    impl PartialEq for Unequal {
        fn eq(&self, _: &Self) -> bool {
            false
        }
    }

    impl Eq for Unequal {}

    watchdog(|| {
        let keyed = Arc::new(KeyedSemaphore::new(0));
        let source = OwnedKeyedSource::new(Arc::clone(&keyed), Unequal);
        let throttle = Throttle::in_pool(source, pool(1));
        let (sender, receiver) = mpsc::channel();
        for n in 0..3 {
            let sender = sender.clone();
            throttle
                .spawn(move |_permit| sender.send(n).unwrap())
                .unwrap();
        }
        assert_eq!(keyed.len(), 3, "each waits for a key of its own");
        keyed.set_default_max(1);
        let mut ran: Vec<_> = receiver.iter().take(3).collect();
        ran.sort_unstable();
        assert_eq!(ran, [0, 1, 2]);
    });
}
