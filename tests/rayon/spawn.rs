//! Throttled jobs of their own.

use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use crate::child::in_child;
use crate::common::{silence, until, watchdog};
use crate::room::{Room, message, moment, pool};
use dynaphore::{Fairness, Semaphore, throttle::Throttle};
use futures::executor::block_on;
use rayon::ThreadPoolBuilder;

/// How many workers the global pool has, and no other pool.
const GLOBAL: usize = 5;

#[test]
fn every_job_is_run_once_and_max_at_a_time() {
    watchdog(|| {
        for (workers, max) in [(1, 1), (4, 1), (4, 3), (2, 100)] {
            let semaphore = Arc::new(Semaphore::new(max));
            let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(workers));
            let room = Arc::new(Room::default());
            let (sender, receiver) = mpsc::channel();
            for n in 0..1000 {
                let (sender, room) = (sender.clone(), Arc::clone(&room));
                let job = move |_permit: dynaphore::throttle::ThrottlePermit<'_>| {
                    room.visit(moment);
                    sender.send(n).unwrap();
                };
                throttle.spawn(job).unwrap();
            }
            drop(sender);
            let mut seen: Vec<usize> = receiver.iter().collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..1000));
            assert!(room.most() <= max, "{} of {max}", room.most());
            until(|| semaphore.active() == 0);
            assert_eq!(semaphore.waiting(), 0);
        }
    });
}

#[test]
fn jobs_tasks_and_threads_stand_in_one_line() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(2));
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = semaphore.try_acquire().unwrap();
        thread::scope(|scope| {
            for turn in 0..9 {
                let note = {
                    let order = Arc::clone(&order);
                    move || order.lock().unwrap().push(turn)
                };
                let semaphore = &semaphore;
                match turn % 3 {
                    0 => throttle.spawn(move |_permit| note()).unwrap(),
                    1 => {
                        scope.spawn(move || {
                            let _permit = block_on(semaphore.acquire()).unwrap();
                            note();
                        });
                    }
                    _ => {
                        scope.spawn(move || {
                            let _permit = semaphore.blocking_acquire().unwrap();
                            note();
                        });
                    }
                }
                until(|| semaphore.waiting() == turn + 1);
            }
            drop(held);
            until(|| order.lock().unwrap().len() == 9);
        });
        assert!(order.lock().unwrap().iter().copied().eq(0..9));
    });
}

#[test]
fn a_job_that_waits_costs_no_worker() {
    in_child("a_job_that_waits_costs_no_worker", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let pool = pool(1);
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::clone(&pool));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..100 {
            let sender = sender.clone();
            throttle.spawn(move |_| sender.send(()).unwrap()).unwrap();
        }
        assert_eq!(semaphore.waiting(), 100);
        // The one worker does other things.
        assert_eq!(pool.install(|| 7), 7);
        assert!(receiver.try_recv().is_err());
        semaphore.set_max(3);
        assert_eq!(receiver.iter().take(100).count(), 100);
    });
}

#[test]
fn a_pause_in_the_middle_is_kept_and_growth_resumes() {
    in_child("a_pause_in_the_middle_is_kept_and_growth_resumes", || {
        let semaphore = Arc::new(Semaphore::new(3));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(4));
        let (room, paused) = (Arc::new(Room::default()), Arc::new(AtomicBool::new(false)));
        let (sender, receiver) = mpsc::channel();
        for n in 0..1000 {
            let (semaphore, room) = (Arc::clone(&semaphore), Arc::clone(&room));
            let (paused, sender) = (Arc::clone(&paused), sender.clone());
            throttle
                .spawn(move |permit| {
                    assert!(!paused.load(SeqCst), "begun during the pause");
                    room.visit(moment);
                    if n == 50 {
                        semaphore.set_max(0);
                    }
                    drop(permit);
                    sender.send(()).unwrap();
                })
                .unwrap();
        }
        drop(sender);
        until(|| semaphore.max() == 0 && semaphore.active() == 0);
        paused.store(true, SeqCst);
        let (visits, waiting) = (room.visits(), semaphore.waiting());
        assert_eq!(
            visits + waiting,
            1000,
            "all that have not begun are in line"
        );
        (0..1000).for_each(|_| moment());
        assert_eq!(room.visits(), visits);
        paused.store(false, SeqCst);
        semaphore.set_max(2);
        assert_eq!(receiver.iter().count(), 1000);
    });
}

#[test]
fn an_early_drop_lets_the_next_in() {
    watchdog(|| {
        let throttle = Throttle::in_pool(Arc::new(Semaphore::new(1)), pool(3));
        let together = Arc::new(Barrier::new(3));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..3 {
            let (together, sender) = (Arc::clone(&together), sender.clone());
            throttle
                .spawn(move |permit| {
                    drop(permit);
                    together.wait();
                    sender.send(()).unwrap();
                })
                .unwrap();
        }
        assert_eq!(receiver.iter().take(3).count(), 3);
    });
}

#[test]
fn many_permits_are_had_together() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(5));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(4));
        let room = Arc::new(Room::default());
        let (sender, receiver) = mpsc::channel();
        for n in 0..200_usize {
            let (sender, room) = (sender.clone(), Arc::clone(&room));
            let need = n % 6;
            let job = move |permit: dynaphore::throttle::ThrottlePermit<'_>| {
                assert_eq!(permit.num_permits(), need);
                let inside = room.enter(need);
                moment();
                drop((inside, permit));
                sender.send(()).unwrap();
            };
            throttle.spawn_many(need as u32, job).unwrap();
        }
        assert_eq!(receiver.iter().take(200).count(), 200);
        assert!(room.most() <= 5);
    });
}

#[test]
#[should_panic = "MAX_PERMITS"]
fn more_permits_than_any_semaphore_has_are_refused() {
    let throttle = Throttle::new(Arc::new(Semaphore::new(1)));
    let _ = throttle.spawn_many(u32::MAX, |_| {});
}

#[test]
fn a_job_runs_in_its_pool_whoever_spawns_it_and_whoever_wakes_it() {
    in_child(
        "a_job_runs_in_its_pool_whoever_spawns_it_and_whoever_wakes_it",
        || {
            let global = ThreadPoolBuilder::new().num_threads(GLOBAL);
            global.build_global().unwrap();
            let own = pool(3);
            let foreign = pool(2);
            type Spawner = Box<dyn Fn(Box<dyn FnOnce() + Send>)>;
            let elsewhere: [(&str, Spawner); 4] = [
                (
                    "a thread",
                    Box::new(|call| thread::spawn(call).join().unwrap()),
                ),
                (
                    "a foreign worker",
                    Box::new(move |call| foreign.install(call)),
                ),
                (
                    "an own worker",
                    Box::new({
                        let own = Arc::clone(&own);
                        move |call| own.install(call)
                    }),
                ),
                (
                    "a global worker",
                    Box::new(|call| {
                        let (sender, receiver) = mpsc::channel();
                        rayon::spawn(move || {
                            call();
                            sender.send(()).unwrap();
                        });
                        receiver.recv().unwrap();
                    }),
                ),
            ];
            for (home, workers) in [(None, GLOBAL), (Some(own), 3)] {
                for (spawner, spawn) in &elsewhere {
                    for (waker, wake) in &elsewhere {
                        let semaphore = Arc::new(Semaphore::new(0));
                        let throttle = match &home {
                            None => Throttle::new(Arc::clone(&semaphore)),
                            Some(pool) => {
                                Throttle::in_pool(Arc::clone(&semaphore), Arc::clone(pool))
                            }
                        };
                        let (sender, receiver) = mpsc::channel();
                        let (then, now) = (sender.clone(), sender);
                        let waits = throttle.clone();
                        spawn(Box::new(move || {
                            let job = move |_: dynaphore::throttle::ThrottlePermit<'_>| {
                                then.send(rayon::current_num_threads()).unwrap();
                            };
                            waits.spawn(job).unwrap();
                        }));
                        wake(Box::new(move || {
                            semaphore.set_max(2);
                        }));
                        assert_eq!(receiver.recv(), Ok(workers), "{spawner}, {waker}");
                        spawn(Box::new(move || {
                            let job = move |_: dynaphore::throttle::ThrottlePermit<'_>| {
                                now.send(rayon::current_num_threads()).unwrap();
                            };
                            throttle.spawn(job).unwrap();
                        }));
                        assert_eq!(receiver.recv(), Ok(workers), "{spawner}, at once");
                    }
                }
            }
        },
    );
}

#[test]
fn a_closed_semaphore_drops_the_jobs() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(2));
        let kept = Arc::new(());
        for _ in 0..10 {
            let kept = Arc::clone(&kept);
            throttle.spawn(move |_| panic!("{kept:?}")).unwrap();
        }
        semaphore.close();
        until(|| Arc::strong_count(&kept) == 1);
        let late = Arc::clone(&kept);
        assert!(throttle.spawn(move |_| panic!("{late:?}")).is_err());
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn a_job_that_panics_gives_its_permit_back_and_the_others_run() {
    in_child(
        "a_job_that_panics_gives_its_permit_back_and_the_others_run",
        || {
            silence("ten");
            let (sender, panics) = mpsc::channel();
            let sender = Mutex::new(sender);
            let builder = ThreadPoolBuilder::new().num_threads(2);
            let builder = builder.panic_handler(move |panic| {
                sender.lock().unwrap().send(message(panic)).unwrap();
            });
            let semaphore = Arc::new(Semaphore::new(1));
            let pool = Arc::new(builder.build().unwrap());
            let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool);
            let ran = Arc::new(AtomicUsize::new(0));
            for n in 0..100 {
                let ran = Arc::clone(&ran);
                throttle
                    .spawn(move |_permit| {
                        ran.fetch_add(1, SeqCst);
                        assert!(n % 10 != 0, "ten");
                    })
                    .unwrap();
            }
            assert!(panics.iter().take(10).all(|panic| panic == "ten"));
            until(|| ran.load(SeqCst) == 100 && semaphore.active() == 0);
        },
    );
}

#[test]
fn jobs_spawn_jobs_of_the_same_semaphore() {
    watchdog(|| {
        let throttle = Throttle::in_pool(Arc::new(Semaphore::new(1)), pool(2));
        let (sender, receiver) = mpsc::channel();
        fn chain(throttle: Throttle, left: usize, sender: mpsc::Sender<()>) {
            let next = throttle.clone();
            let job = move |_permit: dynaphore::throttle::ThrottlePermit<'_>| match left {
                0 => sender.send(()).unwrap(),
                _ => chain(next, left - 1, sender),
            };
            throttle.spawn(job).unwrap();
        }
        chain(throttle, 1000, sender);
        receiver.recv().unwrap();
    });
}

/// Whatever fairness, since those that compete wait elsewhere than those in line.
#[test]
fn a_job_that_nobody_can_let_in_goes_with_the_last_handle() {
    for fairness in [Fairness::Fifo, Fairness::Eventual, Fairness::Barging] {
        let semaphore = Arc::new(Semaphore::builder(0).fairness(fairness).build());
        let pool = pool(1);
        let throttle = Throttle::in_pool(Arc::clone(&semaphore), Arc::clone(&pool));
        let captured = Arc::new(());
        for n in 0..3 {
            let captured = Arc::clone(&captured);
            throttle
                .spawn_many(n % 2 + 1, |_permit| drop(captured))
                .unwrap();
        }
        let gone = (Arc::downgrade(&semaphore), Arc::downgrade(&pool));
        drop((throttle, pool));
        assert_eq!(semaphore.waiting(), 3, "{fairness:?}");
        drop(semaphore);
        assert_eq!(Arc::strong_count(&captured), 1, "{fairness:?}");
        assert!(gone.0.upgrade().is_none() && gone.1.upgrade().is_none());
    }
}

#[test]
fn jobs_that_wait_for_a_permit_that_is_out_run_without_any_handle() {
    watchdog(|| {
        for fairness in [Fairness::Fifo, Fairness::Eventual, Fairness::Barging] {
            let semaphore = Arc::new(Semaphore::builder(1).fairness(fairness).build());
            let throttle = Throttle::in_pool(Arc::clone(&semaphore), pool(2));
            let last = Arc::clone(&semaphore).try_acquire_owned().unwrap();
            let (sender, receiver) = mpsc::channel();
            for n in 0..100 {
                let sender = sender.clone();
                throttle
                    .spawn(move |_permit| sender.send(n).unwrap())
                    .unwrap();
            }
            drop((semaphore, throttle, sender));
            drop(last);
            assert_eq!(receiver.iter().count(), 100, "{fairness:?}");
        }
    });
}

#[test]
fn debug_shows_the_semaphore() {
    let throttle = Throttle::new(Arc::new(Semaphore::new(3)));
    assert!(format!("{throttle:?}").contains("max: 3"));
    assert!(format!("{:?}", throttle.scoped()).contains("waiting: 0"));
}
