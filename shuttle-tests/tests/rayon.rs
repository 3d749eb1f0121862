//! The module `rayon`, whole, on a thread pool whose threads are shuttle's (see
//! `rayon-core/`): where a wake-up is lost, or all wait for each other, nothing can
//! be scheduled any more, and shuttle says so.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dynaphore::{
    OwnedSemaphorePermit, Semaphore,
    rayon::{Throttle, ThrottleExt},
};
use dynaphore_shuttle_tests::{below, explore_fairly, join, spawn, take, yield_now};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

fn pool(workers: usize) -> ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(workers);
    builder.build().unwrap()
}

/// Counts how many are inside at once. No scheduling point but the stay itself.
#[derive(Default)]
struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
    visits: AtomicUsize,
}

impl Room {
    fn visit(&self) {
        let inside = self.inside.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(inside, Relaxed);
        self.visits.fetch_add(1, Relaxed);
        yield_now();
        self.inside.fetch_sub(1, Relaxed);
    }

    #[track_caller]
    fn check(&self, visits: usize, max: usize) {
        assert_eq!(self.visits.load(Relaxed), visits);
        let most = self.most.load(Relaxed);
        assert!(most <= max, "{most} of {max} at once");
    }
}

/// All is given back, and nobody is in line.
#[track_caller]
fn assert_at_rest(semaphore: &Semaphore) {
    let now = semaphore.snapshot();
    assert_eq!((now.active, now.waiting), (0, 0), "{semaphore:?}");
}

/// Gives permits back from another thread, at some time.
fn give_back(held: Option<OwnedSemaphorePermit>) -> shuttle::thread::JoinHandle<()> {
    spawn(move || drop(held))
}

#[test]
fn every_item_is_run_once_and_max_at_a_time() {
    explore_fairly(2_000, || {
        let max = 1 + below(2);
        let semaphore = Arc::new(Semaphore::new(max));
        let held = (below(2) == 0).then(|| take(&semaphore, 1));
        let other = give_back(held);
        let room = Room::default();
        pool(1 + below(3)).install(|| {
            let items = (0..5).into_par_iter().with_max_len(1);
            let squares: Vec<usize> = items
                .throttle_map_collect(&semaphore, |n| {
                    room.visit();
                    n * n
                })
                .unwrap();
            assert_eq!(squares, [0, 1, 4, 9, 16]);
        });
        join([other]);
        room.check(5, max);
        assert_at_rest(&semaphore);
    });
}

#[test]
fn nested_calls_go_on() {
    explore_fairly(1_000, || {
        let max = 1 + below(2);
        let semaphore = Semaphore::new(max);
        let room = Room::default();
        pool(1 + below(3)).install(|| {
            let outer = (0..2).into_par_iter().with_max_len(1);
            let nested = |_| {
                (0..2).into_par_iter().with_max_len(1).for_each(|_| {
                    let inner = (0..2).into_par_iter().with_max_len(1);
                    inner
                        .throttle_for_each(&semaphore, |_| room.visit())
                        .unwrap();
                });
            };
            outer.throttle_for_each(&semaphore, nested).unwrap();
        });
        room.check(8, max);
        assert_at_rest(&semaphore);
    });
}

#[test]
fn every_job_of_a_scope_is_run_once_and_max_at_a_time() {
    explore_fairly(2_000, || {
        let max = 1 + below(2);
        let semaphore = Arc::new(Semaphore::new(max));
        let held = (below(2) == 0).then(|| take(&semaphore, 1));
        let other = give_back(held);
        let room = Room::default();
        pool(1 + below(3)).scope(|scope| {
            let jobs = Throttle::new(Arc::clone(&semaphore)).scoped();
            for n in 0..3 {
                let (more, room) = (jobs.clone(), &room);
                jobs.spawn(scope, move |scope, permit| {
                    room.visit();
                    if n == 1 {
                        drop(permit);
                    }
                    if n > 0 {
                        more.spawn(scope, |_, _permit| room.visit()).unwrap();
                    }
                })
                .unwrap();
            }
        });
        join([other]);
        room.check(5, max);
        assert_at_rest(&semaphore);
    });
}

/// Jobs in jobs, in all forms. Returns how many visits there are in the end.
fn descend(semaphore: &Arc<Semaphore>, room: &Room, depth: usize) -> usize {
    if depth == 0 {
        let item = [()].into_par_iter();
        item.throttle_for_each(semaphore, |()| room.visit()).unwrap();
        return 1;
    }
    let visits = AtomicUsize::new(0);
    let down = |_: usize| {
        let n = descend(semaphore, room, depth - 1);
        visits.fetch_add(n, Relaxed);
    };
    let down = &down;
    let throttle = || Throttle::new(Arc::clone(semaphore));
    let items = (0..2).into_par_iter().with_max_len(1);
    match below(6) {
        0 => items.for_each(down),
        1 => items.throttle_for_each(semaphore, down).unwrap(),
        2 => {
            let all: Vec<()> = items.throttle_map_collect(semaphore, down).unwrap();
            assert_eq!(all.len(), 2);
        }
        3 => rayon::scope(|scope| {
            let jobs = throttle().scoped();
            for n in 0..2 {
                jobs.spawn(scope, move |_, _permit| down(n)).unwrap();
            }
        }),
        4 => rayon::scope(|scope| {
            for n in 0..2 {
                let throttle = throttle();
                throttle
                    .scope_spawn(scope, move |_, _permit| down(n))
                    .unwrap();
            }
        }),
        _ => drop(rayon::join(|| down(0), || down(1))),
    }
    visits.into_inner()
}

#[test]
fn jobs_in_jobs_in_every_form() {
    explore_fairly(3_000, || {
        let max = 1 + below(2);
        let semaphore = Arc::new(Semaphore::new(max));
        let room = Room::default();
        let visits = pool(1 + below(3)).install(|| descend(&semaphore, &room, 3));
        room.check(visits, max);
        assert_at_rest(&semaphore);
    });
}
