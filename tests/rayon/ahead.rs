//! Nested calls that need more than the jobs around them have, in line behind
//! somebody who needs what those hold. Where one of these hangs, so do all workers of
//! its pool: each runs in a process of its own.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::child::in_child;
use crate::common::{FAIRNESSES, until};
use crate::room::{Room, pool};
use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt},
};
use rayon::prelude::*;

/// How the nested call is made.
#[derive(Clone, Copy, Debug)]
enum Form {
    Iterator,
    Scope,
    Alone,
    /// By plain items, some of which are stolen.
    Plain,
}

const FORMS: [Form; 4] = [Form::Iterator, Form::Scope, Form::Alone, Form::Plain];

/// Runs `visit` in jobs that need two permits each.
fn nested(form: Form, semaphore: &Arc<Semaphore>, visit: impl Fn() + Send + Sync) {
    let throttle = Throttle::new(Arc::clone(semaphore));
    let call = || {
        let items = [(), ()].into_par_iter().with_max_len(1);
        items
            .throttle_weighted_for_each(semaphore, |()| 2, |()| visit())
            .unwrap();
    };
    match form {
        Form::Iterator => call(),
        Form::Scope => rayon::scope(|scope| {
            let jobs = throttle.scoped();
            for _ in 0..2 {
                jobs.spawn_many(scope, 2, |_, _permit| visit()).unwrap();
            }
        }),
        Form::Alone => rayon::scope(|scope| {
            // Here each of them has a keeper of its own.
            for _ in 0..2 {
                let jobs = throttle.scoped();
                jobs.spawn_many(scope, 2, |_, _permit| visit()).unwrap();
            }
        }),
        Form::Plain => (0..4).into_par_iter().with_max_len(1).for_each(|n| {
            crate::room::moment();
            if n % 2 == 0 {
                let items = [()].into_par_iter();
                items
                    .throttle_weighted_for_each(semaphore, |()| 2, |()| visit())
                    .unwrap();
            }
        }),
    }
}

#[test]
fn they_go_ahead_of_him_in_every_form() {
    in_child("they_go_ahead_of_him_in_every_form", || {
        for fairness in FAIRNESSES {
            for (workers, form) in [1, 2, 4]
                .into_iter()
                .flat_map(|n| FORMS.map(|form| (n, form)))
            {
                let semaphore = Semaphore::builder(3).fairness(fairness).build();
                let semaphore = Arc::new(semaphore);
                let room = Room::default();
                let mut all = pin!(Arc::clone(&semaphore).acquire_many_owned(3));
                let in_line = Mutex::new(all.as_mut());
                let poll = || {
                    let mut cx = Context::from_waker(Waker::noop());
                    in_line.lock().unwrap().as_mut().poll(&mut cx)
                };
                pool(workers).install(|| {
                    let job = |()| {
                        assert!(poll().is_pending());
                        nested(form, &semaphore, || drop(room.enter(2)));
                        assert!(poll().is_pending(), "the job has a permit yet");
                    };
                    [()].into_par_iter()
                        .throttle_for_each(&semaphore, job)
                        .unwrap();
                });
                assert_eq!((room.visits(), room.most()), (2, 2), "{form:?}");
                let Poll::Ready(Ok(permit)) = poll() else {
                    panic!("he has been forgotten: {form:?}");
                };
                drop(permit);
                assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
            }
        }
    });
}

/// Each of two jobs holds a permit, needs two more for what is nested, and two are
/// left: the one goes ahead, and then the other.
#[test]
fn two_of_them_go_one_after_the_other() {
    in_child("two_of_them_go_one_after_the_other", || {
        for workers in [2, 4] {
            let semaphore = Arc::new(Semaphore::new(4));
            let (room, both) = (Room::default(), Barrier::new(2));
            let mut all = pin!(semaphore.acquire_many(4));
            let in_line = Mutex::new(all.as_mut());
            pool(workers).install(|| {
                let job = |_| {
                    both.wait();
                    let mut cx = Context::from_waker(Waker::noop());
                    let polled = in_line.lock().unwrap().as_mut().poll(&mut cx);
                    assert!(polled.is_pending());
                    nested(Form::Iterator, &semaphore, || drop(room.enter(2)));
                };
                let items = (0..2).into_par_iter().with_max_len(1);
                items.throttle_for_each(&semaphore, job).unwrap();
            });
            assert_eq!(room.visits(), 4);
        }
    });
}

/// Where items come one by one, each when the one before is done.
#[test]
fn an_item_goes_ahead_while_the_next_one_is_waited_for() {
    in_child(
        "an_item_goes_ahead_while_the_next_one_is_waited_for",
        || {
            for workers in [2, 4] {
                let semaphore = Semaphore::new(3);
                let room = Room::default();
                let mut all = pin!(semaphore.acquire_many(3));
                let in_line = Mutex::new(all.as_mut());
                thread::scope(|scope| {
                    let (sender, receiver) = mpsc::sync_channel(0);
                    let receiver = Mutex::new(Some(receiver));
                    let room = &room;
                    scope.spawn(move || {
                        for n in 0..5 {
                            sender.send(n).unwrap();
                            crate::common::until(|| room.visits() == n + 1);
                        }
                    });
                    let job = |()| {
                        let mut cx = Context::from_waker(Waker::noop());
                        let polled = in_line.lock().unwrap().as_mut().poll(&mut cx);
                        assert!(polled.is_pending());
                        let items = receiver.lock().unwrap().take().unwrap();
                        let items = items.into_iter().par_bridge();
                        items
                            .throttle_weighted_for_each(&semaphore, |_| 2, |_| drop(room.enter(2)))
                            .unwrap();
                    };
                    pool(workers).install(|| {
                        [()].into_par_iter()
                            .throttle_for_each(&semaphore, job)
                            .unwrap();
                    });
                });
                assert_eq!(room.visits(), 5);
            }
        },
    );
}

/// A request that is told that it has waited for too long is woken like one that is granted:
/// what runs on top of it has no permit for that.
#[test]
fn what_runs_on_top_of_an_overdue_request_has_no_permit() {
    let target = Duration::from_millis(1);
    let semaphore = Arc::new(Semaphore::builder(1).overdue(target, target).build());
    let permit = semaphore.try_acquire().unwrap();
    let (is_out, was_over_max) = (AtomicBool::new(true), AtomicBool::new(false));
    let (is_nested, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let call = || {
        let visit = |()| _ = was_over_max.fetch_or(is_out.load(SeqCst), SeqCst);
        // Overdue, or not: that is for the clock to say.
        let _ = [()].into_par_iter().throttle_for_each(&semaphore, visit);
    };
    thread::scope(|outside| {
        outside.spawn(|| {
            until(|| is_nested.load(SeqCst));
            until(|| is_over.load(SeqCst) || semaphore.waiting() > 0);
            is_out.store(false, SeqCst);
            drop(permit);
        });
        pool(1).scope(|scope| {
            // The one worker takes the last first, and this on top of it.
            scope.spawn(|_| {
                // Whoever comes looks at the clock, and tells who waits.
                until(|| {
                    let mut arrival = pin!(semaphore.acquire());
                    let mut context = Context::from_waker(Waker::noop());
                    let _ = arrival.as_mut().poll(&mut context);
                    semaphore.waiting() <= 1
                });
                is_nested.store(true, SeqCst);
                call();
                is_over.store(true, SeqCst);
            });
            scope.spawn(|_| call());
        });
    });
    assert!(!was_over_max.into_inner());
}
