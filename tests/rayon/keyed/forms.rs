//! The forms of throttling, by a key: no more than its max, through pauses, panics
//! and the end.

use std::{
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use dynaphore::{
    error::KeyedAcquireError,
    throttle::{KeyedSource, Throttle, ThrottleExt, ThrottlePermit},
};
use rayon::prelude::*;

use super::{Hosts, key};
use crate::{
    child::in_child,
    common::{silence, silently, until, watchdog},
    room::{Room, message, moment, pool},
};

#[test]
fn every_item_is_run_once_and_max_at_a_time() {
    watchdog(|| {
        for (workers, max) in [(1, 1), (4, 1), (4, 3), (2, 100)] {
            let hosts = Hosts::new(max);
            let room = Room::default();
            let run = || {
                (0..1000)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .map_collect(|n: usize| {
                        room.visit(moment);
                        2 * n
                    })
            };
            let doubled: Vec<usize> = pool(workers).install(run).unwrap();
            assert!(doubled.into_iter().eq((0..1000).map(|n| 2 * n)));
            assert!(room.most() <= max, "{} of {max}", room.most());
            assert!(hosts.is_empty());
        }
    });
}

#[test]
fn jobs_of_their_own_are_throttled_by_their_key() {
    watchdog(|| {
        let hosts = Arc::new(Hosts::new(2));
        let pool = pool(4);
        let rooms: Arc<[Room; 3]> = Arc::default();
        let (sender, receiver) = mpsc::channel();
        for n in 0..600 {
            let source = key(&hosts, ["a", "b", "c"][n % 3]);
            let (rooms, sender) = (Arc::clone(&rooms), sender.clone());
            let need = 1 + n % 2;
            let job = move |permit: ThrottlePermit<'_>| {
                let inside = rooms[n % 3].enter(need);
                moment();
                drop((inside, permit));
                sender.send(()).unwrap();
            };
            let throttle = Throttle::in_pool(source, Arc::clone(&pool));
            throttle.spawn_many(need as u32, job).unwrap();
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 600);
        assert!(
            rooms
                .iter()
                .all(|room| room.visits() == 200 && room.most() <= 2)
        );
        until(|| hosts.is_empty());
    });
}

#[test]
fn jobs_in_a_scope_borrow_and_share_the_place_in_line() {
    watchdog(|| {
        let hosts = Arc::new(Hosts::new(0));
        let room = Room::default();
        thread::scope(|outside| {
            outside.spawn(|| {
                until(|| hosts.snapshot("a").waiting == 1);
                hosts.set_default_max(2);
            });
            pool(3).scope(|scope| {
                let jobs = Throttle::new(key(&hosts, "a")).scoped();
                for _ in 0..300 {
                    jobs.spawn(scope, |_, _permit| room.visit(moment)).unwrap();
                }
            });
        });
        assert_eq!(room.visits(), 300);
        assert!(room.most() <= 2);
        assert!(hosts.is_empty());
    });
}

#[test]
fn weights_add_up_to_the_keys_max_at_most() {
    watchdog(|| {
        let hosts = Hosts::new(1);
        hosts.set_max("a", 8).unwrap();
        let room = Room::default();
        let run = || {
            (0..500)
                .into_par_iter()
                .throttle_by(KeyedSource::new(&hosts, "a"))
                .weighted_for_each(
                    |n| n % 9,
                    |n: u32| {
                        let _inside = room.enter(n as usize % 9);
                        moment();
                    },
                )
        };
        pool(4).install(run).unwrap();
        assert_eq!(room.visits(), 500);
        assert!(room.most() <= 8, "{} of 8", room.most());
        hosts.clear_max("a");
        assert!(hosts.is_empty());
    });
}

#[test]
fn a_pause_of_the_key_is_kept_and_growth_resumes() {
    in_child("a_pause_of_the_key_is_kept_and_growth_resumes", || {
        let hosts = Hosts::new(3);
        let (room, paused) = (Room::default(), AtomicBool::new(false));
        let pause_once = Once::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| hosts.max("a") == 0 && hosts.snapshot("a").active == 0);
                paused.store(true, SeqCst);
                until(|| hosts.snapshot("a").waiting == 1);
                (0..1000).for_each(|_| moment());
                paused.store(false, SeqCst);
                hosts.clear_max("a");
            });
            let run = || {
                (0..2000)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .for_each(|_| {
                        assert!(!paused.load(SeqCst), "begun during the pause");
                        room.visit(moment);
                        if room.visits() >= 50 {
                            // By an item, so that others are left for certain.
                            pause_once.call_once(|| {
                                hosts.set_max("a", 0).unwrap();
                            });
                        }
                    })
            };
            pool(4).install(run).unwrap();
        });
        assert_eq!(room.visits(), 2000);
        assert!(hosts.is_empty());
    });
}

#[test]
fn panics_lose_no_permit_of_a_key() {
    watchdog(|| {
        silence("three");
        let hosts = Hosts::new(2);
        for _ in 0..20 {
            let run = || {
                (0..100)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .for_each(|n| {
                        moment();
                        assert!(n % 3 != 0, "three");
                    })
            };
            let run = || pool(3).install(run);
            assert_eq!(message(silently(run).unwrap_err()), "three");
            assert!(hosts.is_empty());
        }
    });
}

#[test]
fn closing_drops_what_waits() {
    watchdog(|| {
        let hosts = Arc::new(Hosts::new(0));
        let kept = Arc::new(());
        let throttle = Throttle::in_pool(key(&hosts, "a"), pool(2));
        for _ in 0..10 {
            let kept = Arc::clone(&kept);
            throttle.spawn(move |_| panic!("{kept:?}")).unwrap();
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| hosts.snapshot("a").waiting == 11);
                hosts.close();
            });
            let run = || {
                (0..100)
                    .into_par_iter()
                    .throttle_by(KeyedSource::new(&hosts, "a"))
                    .for_each(|_| unreachable!())
            };
            assert_eq!(pool(2).install(run), Err(KeyedAcquireError::Closed));
        });
        until(|| Arc::strong_count(&kept) == 1 && hosts.is_empty());
    });
}

#[test]
fn debug_shows_the_keyed_semaphore() {
    let hosts = Arc::new(Hosts::new(3));
    assert!(format!("{:?}", Throttle::new(key(&hosts, "a"))).contains("KeyedSemaphore"));
    assert!(format!("{:?}", KeyedSource::new(&hosts, "a")).contains("KeyedSemaphore"));
    assert_eq!(key(&hosts, "a").clone().key(), "a");
}
