//! Programs that terminate without throttling terminate with it: any weights up to max, in
//! pools of any size. Where one of these hangs, so do all workers of its pool: each runs in
//! a process of its own.
//!
//! `DYNAPHORE_ROUNDS=1000` makes the runs longer.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::child::in_child;
use crate::common::until;
use crate::form::{FORMS, Form, call};
use crate::room::{Room, moment, pool};
use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::prelude::*;

const POOLS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// How many times as long as in a short run.
fn rounds() -> usize {
    env::var("DYNAPHORE_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// Plain work that other workers may take a part in.
fn plain_work() {
    (0..8)
        .into_par_iter()
        .for_each(|_| thread::sleep(Duration::from_micros(30)));
}

#[track_caller]
fn assert_at_rest(semaphore: &Semaphore) {
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

#[test]
fn independent_calls_of_unequal_weights_end() {
    in_child("independent_calls_of_unequal_weights_end", || {
        for workers in POOLS {
            let pool = pool(workers);
            for form in FORMS {
                for _ in 0..rounds() {
                    let budget = Arc::new(Semaphore::new(3));
                    let ran = AtomicUsize::new(0);
                    pool.scope(|scope| {
                        for i in 0..40 {
                            let (budget, ran) = (&budget, &ran);
                            let weight = if i % 2 == 0 { 2 } else { 3 };
                            scope.spawn(move |_| {
                                call(form, budget, 2, weight, || {
                                    plain_work();
                                    ran.fetch_add(1, SeqCst);
                                });
                            });
                        }
                    });
                    assert_eq!(ran.into_inner(), 80);
                    assert_at_rest(&budget);
                }
            }
        }
    });
}

#[test]
fn files_in_directories_end() {
    in_child("files_in_directories_end", || {
        for workers in POOLS {
            let pool = pool(workers);
            for _ in 0..rounds() {
                let semaphore = Semaphore::new(2);
                let ran = AtomicUsize::new(0);
                pool.install(|| {
                    (0..16).into_par_iter().for_each(|_| {
                        (0..6_u32)
                            .into_par_iter()
                            .throttle_weighted_for_each(
                                &semaphore,
                                |n| 1 + n % 2,
                                |_| {
                                    plain_work();
                                    ran.fetch_add(1, SeqCst);
                                },
                            )
                            .unwrap();
                    });
                });
                assert_eq!(ran.into_inner(), 96);
                assert_at_rest(&semaphore);
            }
        }
    });
}

#[test]
fn two_semaphores_in_one_order_end() {
    in_child("two_semaphores_in_one_order_end", || {
        for workers in POOLS {
            let pool = pool(workers);
            for form in FORMS {
                for _ in 0..rounds() {
                    let [outer, inner] = [3, 2].map(|max| Arc::new(Semaphore::new(max)));
                    let ran = AtomicUsize::new(0);
                    pool.install(|| {
                        (0..12_u32).into_par_iter().with_max_len(1).for_each(|i| {
                            call(form, &outer, 2, 1 + i % 3, || {
                                (0..2_u32).into_par_iter().with_max_len(1).for_each(|n| {
                                    call(form, &inner, 2, 1 + (i + n) % 2, || {
                                        (0..4).into_par_iter().for_each(|_| moment());
                                        ran.fetch_add(1, SeqCst);
                                    });
                                });
                            });
                        });
                    });
                    assert_eq!(ran.into_inner(), 12 * 2 * 2 * 2);
                    assert_at_rest(&outer);
                    assert_at_rest(&inner);
                }
            }
        }
    });
}

/// Spawned jobs, between which the weights are shared out, too.
#[test]
fn jobs_of_their_own_end() {
    in_child("jobs_of_their_own_end", || {
        for workers in POOLS {
            let pool = pool(workers);
            for _ in 0..rounds() {
                let semaphore = Arc::new(Semaphore::new(3));
                let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::clone(&pool));
                let ran = Arc::new(AtomicUsize::new(0));
                for i in 0..40 {
                    let (semaphore, ran) = (Arc::clone(&semaphore), Arc::clone(&ran));
                    let job = move |_: dynaphore::throttle::ThrottlePermit<'_>| {
                        plain_work();
                        call(Form::Iterator, &semaphore, 2, 1 + i % 3, || {
                            ran.fetch_add(1, SeqCst);
                        });
                    };
                    throttle.spawn_many(1 + i % 2, job).unwrap();
                }
                until(|| ran.load(SeqCst) == 80 && semaphore.active() == 0);
            }
        }
    });
}

/// Plain items in between, all of which may be stolen.
#[test]
fn deep_calls_at_a_max_of_one_run_one_at_a_time() {
    fn descend(semaphore: &Arc<Semaphore>, room: &Room, depth: usize) {
        if depth == 0 {
            return room.visit(moment);
        }
        let form = FORMS[depth % 2];
        (0..2).into_par_iter().with_max_len(1).for_each(|_| {
            moment();
            call(form, semaphore, 1, 1, || {
                descend(semaphore, room, depth - 1)
            });
        });
    }
    in_child("deep_calls_at_a_max_of_one_run_one_at_a_time", || {
        for workers in POOLS {
            let pool = pool(workers);
            for _ in 0..rounds() {
                let semaphore = Arc::new(Semaphore::new(1));
                let room = Room::default();
                pool.install(|| descend(&semaphore, &room, 8));
                assert_eq!((room.visits(), room.most()), (256, 1));
                assert_at_rest(&semaphore);
            }
        }
    });
}

/// Unit weights: however the items are nested, only max threads are at work.
#[test]
fn no_more_threads_than_max_are_at_work() {
    in_child("no_more_threads_than_max_are_at_work", || {
        for workers in POOLS {
            let pool = pool(workers);
            for max in [1, 2, 3] {
                for _ in 0..rounds() {
                    let semaphore = Arc::new(Semaphore::new(max));
                    let room = Room::default();
                    pool.install(|| {
                        (0..8).into_par_iter().with_max_len(1).for_each(|i| {
                            let form = FORMS[i % 2];
                            call(form, &semaphore, 3, 1, || {
                                room.visit(moment);
                                (0..3).into_par_iter().with_max_len(1).for_each(|_| {
                                    moment();
                                    call(form, &semaphore, 2, 1, || room.visit(moment));
                                });
                                room.visit(moment);
                            });
                        });
                    });
                    assert_eq!(room.visits(), 8 * 3 * 8);
                    assert!(room.most() <= max, "{} of {max}", room.most());
                    assert_at_rest(&semaphore);
                }
            }
        }
    });
}

/// More calls than a stack has room for, if each that waits lay on top of the others.
#[test]
fn calls_that_wait_do_not_pile_up() {
    in_child("calls_that_wait_do_not_pile_up", || {
        for workers in [1, 4, 32] {
            let pool = pool(workers);
            for (directories, max) in [(1000, 1), (10_000, 0)] {
                let semaphore = Semaphore::new(max);
                let ran = AtomicUsize::new(0);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        until(|| semaphore.waiting() > 0 || ran.load(SeqCst) > 0);
                        thread::sleep(Duration::from_millis(100));
                        semaphore.set_max(1);
                    });
                    pool.install(|| {
                        (0..directories).into_par_iter().for_each(|_| {
                            (0..2)
                                .into_par_iter()
                                .throttle_for_each(&semaphore, |_| {
                                    moment();
                                    ran.fetch_add(1, SeqCst);
                                })
                                .unwrap();
                        });
                    });
                });
                assert_eq!(ran.into_inner(), 2 * directories);
                assert_at_rest(&semaphore);
            }
        }
    });
}

/// What waits on behalf of threads outside costs no worker.
#[test]
fn calls_from_outside_wait_by_themselves() {
    in_child("calls_from_outside_wait_by_themselves", || {
        let global = rayon::ThreadPoolBuilder::new().num_threads(2);
        global.build_global().unwrap();
        let semaphore = Arc::new(Semaphore::new(0));
        let ran = AtomicUsize::new(0);
        thread::scope(|scope| {
            for i in 0..64 {
                let (semaphore, ran) = (&semaphore, &ran);
                scope.spawn(move || {
                    (0..10)
                        .into_par_iter()
                        .throttle_weighted_for_each(
                            semaphore,
                            |_| 1 + i % 3,
                            |_| {
                                plain_work();
                                ran.fetch_add(1, SeqCst);
                            },
                        )
                        .unwrap();
                });
            }
            until(|| semaphore.waiting() == 64);
            // The workers have nothing of them on their stacks.
            for _ in 0..10 {
                let (sender, receiver) = std::sync::mpsc::channel();
                rayon::spawn_broadcast(move |_| {
                    let here = 0_u8;
                    sender.send(std::ptr::from_ref(&here) as usize).unwrap();
                });
                assert_eq!(receiver.iter().count(), 2);
            }
            semaphore.set_max(3);
        });
        assert_eq!(ran.into_inner(), 640);
        assert_at_rest(&semaphore);
    });
}

/// Down to nothing and up again, again and again.
#[test]
fn calls_outlast_pauses() {
    in_child("calls_outlast_pauses", || {
        for workers in POOLS {
            let pool = pool(workers);
            for _ in 0..rounds() {
                let semaphore = Arc::new(Semaphore::new(3));
                let (ran, is_done) = (AtomicUsize::new(0), AtomicUsize::new(0));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        while is_done.load(SeqCst) == 0 {
                            for max in [0, 3, 1, 2, 0] {
                                semaphore.set_max(max);
                                thread::sleep(Duration::from_micros(300));
                            }
                        }
                        semaphore.set_max(3);
                    });
                    pool.install(|| {
                        (0..10_u32).into_par_iter().with_max_len(1).for_each(|i| {
                            call(Form::Iterator, &semaphore, 3, 1 + i % 3, || {
                                call(Form::Scope, &semaphore, 2, 1 + i % 2, || {
                                    ran.fetch_add(1, SeqCst);
                                });
                            });
                        });
                        is_done.store(1, SeqCst);
                    });
                });
                assert_eq!(ran.into_inner(), 60);
                assert_at_rest(&semaphore);
            }
        }
    });
}
