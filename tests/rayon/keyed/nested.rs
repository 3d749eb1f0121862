//! Calls within throttled items and jobs, of the same key and of others.

use std::{
    future::Future,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
};

use dynaphore::{
    KeyedSemaphore,
    throttle::{KeyedSource, OwnedKeyedSource, Throttle, ThrottleExt},
};
use rayon::prelude::*;

use super::{Hosts, key};
use crate::{
    child::in_child,
    common::Random,
    room::{Room, moment, on_another, pool},
};

/// Hashes all keys to one.
#[derive(Default)]
struct Poor;

impl Hasher for Poor {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

/// Each in every form, keys that come and go all the time, and all of them with
/// one hash: what one key holds is never shared with another.
#[test]
fn nested_keys_share_with_themselves_and_nobody_else() {
    type Poorly = KeyedSemaphore<u32, BuildHasherDefault<Poor>>;

    fn descend(keyed: &Arc<Poorly>, rooms: &[Room; 3], within: u32, depth: usize, random: usize) {
        if depth == 0 {
            return;
        }
        let mut choose = Random::new(random);
        let key = choose.below(3);
        // In the order of the keys, since whoever nests them in both orders may
        // well wait for ever, here as anywhere.
        let key = key.max(within);
        let down = |n: usize| {
            let visit = || {
                assert!(keyed.snapshot(&key).active > 0, "no permit of its own");
                moment();
            };
            match depth {
                1 => rooms[key as usize].visit(visit),
                _ => visit(),
            }
            descend(keyed, rooms, key, depth - 1, random * 5 + n);
        };
        match choose.below(3) {
            0 => (0..3)
                .into_par_iter()
                .throttle_by(KeyedSource::new(keyed, &key))
                .for_each(down)
                .unwrap(),
            1 => {
                let owned = OwnedKeyedSource::new(Arc::clone(keyed), key);
                let items = (0..3).into_par_iter().throttle_by(owned);
                let all: Vec<()> = items.map_collect(down).unwrap();
                assert_eq!(all.len(), 3);
            }
            _ => rayon::scope(|scope| {
                let owned = OwnedKeyedSource::new(Arc::clone(keyed), key);
                let jobs = Throttle::new(owned).scoped();
                for n in 0..3 {
                    let down = &down;
                    jobs.spawn(scope, move |_, _permit| down(n)).unwrap();
                }
            }),
        }
    }
    in_child("nested_keys_share_with_themselves_and_nobody_else", || {
        for (workers, max) in [(1, 1), (2, 1), (3, 2), (8, 1)] {
            for random in 1..12 {
                let builder = KeyedSemaphore::builder(max).shards(1);
                let keyed: Arc<Poorly> =
                    Arc::new(builder.hasher(BuildHasherDefault::default()).build());
                let rooms: [Room; 3] = Default::default();
                pool(workers).install(|| descend(&keyed, &rooms, 0, 5, random));
                assert_eq!(rooms.iter().map(Room::visits).sum::<usize>(), 243);
                assert!(rooms.iter().all(|room| room.most() <= max));
                assert!(keyed.is_empty());
            }
        }
    });
}

/// The only permit is held by a worker that waits for an item which another one
/// has stolen for certain.
#[test]
fn a_worker_that_waits_lends_its_permit_of_the_key() {
    in_child("a_worker_that_waits_lends_its_permit_of_the_key", || {
        let hosts = Arc::new(Hosts::new(1));
        let ran = AtomicUsize::new(0);
        let nested = |source: OwnedKeyedSource<String>| {
            [()].into_par_iter()
                .throttle_by(source)
                .for_each(|()| {
                    ran.fetch_add(1, SeqCst);
                })
                .unwrap();
        };
        pool(2).install(|| {
            [()].into_par_iter()
                .throttle_by(KeyedSource::new(&hosts, "a"))
                .for_each(|()| {
                    on_another(|| {
                        nested(key(&hosts, "a"));
                        nested(key(&hosts, "b"));
                    });
                })
                .unwrap();
        });
        assert_eq!(ran.into_inner(), 2);
        assert!(hosts.is_empty());
    });
}

/// In line behind somebody who needs what the job around it holds.
#[test]
fn a_nested_call_of_a_key_goes_ahead_of_who_waits_for_what_is_beneath_it() {
    in_child(
        "a_nested_call_of_a_key_goes_ahead_of_who_waits_for_what_is_beneath_it",
        || {
            let hosts = Arc::new(Hosts::new(3));
            let ran = AtomicUsize::new(0);
            let all = Mutex::new(Box::pin(hosts.acquire_many("a", 3)));
            let poll = || {
                let mut cx = Context::from_waker(Waker::noop());
                all.lock().unwrap().as_mut().poll(&mut cx)
            };
            let visit = |_: &u32| {
                ran.fetch_add(1, SeqCst);
            };
            let job = |()| {
                assert!(poll().is_pending());
                let borrowed = [2].par_iter().throttle_by(KeyedSource::new(&hosts, "a"));
                borrowed.weighted_for_each(|&&n| n, visit).unwrap();
                let owned = [2].par_iter().throttle_by(key(&hosts, "a"));
                owned.weighted_for_each(|&&n| n, visit).unwrap();
            };
            pool(2).install(|| {
                let around = [()].into_par_iter().throttle_by(key(&hosts, "a"));
                around.for_each(job).unwrap();
            });
            assert_eq!(ran.load(SeqCst), 2);
            assert!(poll().is_ready());
            assert!(hosts.is_empty());
        },
    );
}
