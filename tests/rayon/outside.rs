//! Throttled calls where there is no pool, or hardly a thread any more.

use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Context,
    thread,
    time::Duration,
};

use crate::{
    child::in_child,
    common::{FAIRNESSES, Wakes, until, watchdog},
};
use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::{ThreadPoolBuilder, prelude::*};

fn iterate(semaphore: &Semaphore, visits: &AtomicUsize) {
    let items = (0..10).into_par_iter();
    items
        .throttle_for_each(semaphore, |_| _ = visits.fetch_add(1, SeqCst))
        .unwrap();
}

fn in_scope(semaphore: &Arc<Semaphore>, visits: &AtomicUsize) {
    rayon::scope(|scope| {
        let jobs = Throttle::new(Arc::clone(semaphore)).scoped();
        for _ in 0..10 {
            jobs.spawn(scope, |_, _permit| _ = visits.fetch_add(1, SeqCst))
                .unwrap();
        }
    });
}

/// Calls when its thread ends.
struct AtEnd(Arc<Semaphore>, Arc<AtomicUsize>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        iterate(&self.0, &self.1);
        in_scope(&self.0, &self.1);
    }
}

thread_local!(static AT_END: Cell<Option<AtEnd>> = const { Cell::new(None) });

#[test]
fn a_destructor_of_a_thread_local_may_throttle() {
    in_child("a_destructor_of_a_thread_local_may_throttle", || {
        // Whatever the thread itself keeps is gone by then in one of these orders.
        for calls in [[false, false], [true, false], [false, true]] {
            let (semaphore, visits) = (Arc::new(Semaphore::new(1)), Arc::<AtomicUsize>::default());
            let (theirs, visited) = (Arc::clone(&semaphore), Arc::clone(&visits));
            let thread = thread::spawn(move || {
                let own = AtomicUsize::new(0);
                let call = || {
                    iterate(&theirs, &own);
                    in_scope(&theirs, &own);
                };
                calls[0].then(call);
                AT_END.set(Some(AtEnd(Arc::clone(&theirs), visited)));
                calls[1].then(call);
            });
            thread.join().unwrap();
            assert_eq!(visits.load(SeqCst), 20, "{calls:?}");
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn a_scope_in_a_pool_does_not_start_the_global_one() {
    in_child("a_scope_in_a_pool_does_not_start_the_global_one", || {
        let throttle = Throttle::new(Arc::new(Semaphore::new(1)));
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let visits = AtomicUsize::new(0);
        // Made here, outside of any pool.
        let jobs = throttle.scoped();
        pool.in_place_scope(|scope| {
            for _ in 0..10 {
                jobs.spawn(scope, |_, _permit| _ = visits.fetch_add(1, SeqCst))
                    .unwrap();
                throttle
                    .scope_spawn(scope, |_, _permit| _ = visits.fetch_add(1, SeqCst))
                    .unwrap();
            }
        });
        assert_eq!(visits.load(SeqCst), 20);
        ThreadPoolBuilder::new().build_global().unwrap();
    });
}

/// rayon does not split such iterators: their items are for the caller's own thread.
#[test]
fn what_a_caller_that_is_no_worker_has_begun_may_nest() {
    watchdog(|| {
        let semaphore = &Semaphore::new(1);
        let visits = AtomicUsize::new(0);
        let nest = || {
            iterate(semaphore, &visits);
            // The call that wants the permit is not made where that is.
            let calls = (0..4).into_par_iter().with_max_len(1);
            calls.for_each(|_| iterate(semaphore, &visits));
        };
        let one = [()].into_par_iter();
        one.throttle_for_each(semaphore, |()| nest()).unwrap();
        let once = rayon::iter::once(());
        once.throttle_for_each(semaphore, |()| nest()).unwrap();
        let long = (0..3).into_par_iter().with_min_len(3);
        long.throttle_for_each(semaphore, |_| nest()).unwrap();
        assert_eq!(visits.into_inner(), 5 * 50);
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    });
}

/// It is no worker, so it has no other jobs to look for.
#[test]
fn a_caller_that_is_no_worker_keeps_its_place() {
    watchdog(|| {
        let overdue = Semaphore::builder(2).overdue(Duration::from_secs(600), Duration::MAX);
        let to_tasks = Semaphore::builder(2).grant_to_tasks(true);
        let fair = FAIRNESSES.map(|fairness| Semaphore::builder(2).fairness(fairness));
        for builder in fair.into_iter().chain([overdue, to_tasks]) {
            let semaphore = &builder.build();
            let held = semaphore.try_acquire_many(2).unwrap();
            // Requests for two stand in one exact line.
            let mut next = pin!(semaphore.acquire_many(2));
            let (woken, waker) = Wakes::new();
            thread::scope(|threads| {
                threads.spawn(|| {
                    let is_first = |()| assert_eq!(woken.count(), 0, "{semaphore:?}");
                    let items = [()].into_par_iter();
                    let called = items.throttle_weighted_for_each(semaphore, |()| 2, is_first);
                    called.unwrap();
                });
                until(|| semaphore.waiting() == 1);
                let polled = next.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
                // Long enough to ask many times; less of that would only see less.
                thread::sleep(Duration::from_millis(10));
                drop(held);
            });
        }
    });
}
