//! Throttled iterators whose items come through a channel, so that whoever waits for
//! the next one is blocked. Each test that may hang runs in a process of its own.

use std::{
    future::Future,
    pin::pin,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::{self, Receiver, SyncSender},
    },
    task::{Context, Waker},
    thread,
};

use crate::child::in_child;
use crate::common::{silence, silently, until};
use crate::room::{Room, message, moment, pool};
use dynaphore::{AcquireError, Semaphore, throttle::ThrottleExt};
use rayon::prelude::*;

const POOLS: [usize; 3] = [2, 3, 8];

/// How the call is made.
#[derive(Clone, Copy, Debug)]
enum Form {
    ForEach,
    Weighted,
    Collect,
}

/// Runs `visit` for what comes through the channel.
fn call(
    form: Form,
    items: Receiver<usize>,
    semaphore: &Semaphore,
    visit: impl Fn(usize) + Send + Sync,
) -> Result<(), AcquireError> {
    let items = items.into_iter().par_bridge();
    match form {
        Form::ForEach => items.throttle_for_each(semaphore, visit),
        Form::Weighted => items.throttle_weighted_for_each(semaphore, |_| 1, visit),
        Form::Collect => {
            let all: Vec<()> = items.throttle_map_collect(semaphore, visit)?;
            drop(all);
            Ok(())
        }
    }
}

/// Calls in each form, in pools of many sizes, and tells `with` how many items are
/// done.
fn in_every_form(
    semaphore: &Semaphore,
    with: impl Fn(SyncSender<usize>, &(dyn Fn() -> usize + Sync)),
) {
    for workers in POOLS {
        for form in [Form::ForEach, Form::Weighted, Form::Collect] {
            let (sender, receiver) = mpsc::sync_channel(0);
            let done = AtomicUsize::new(0);
            let visit = |_| {
                done.fetch_add(1, SeqCst);
            };
            thread::scope(|scope| {
                let call = || pool(workers).install(|| call(form, receiver, semaphore, visit));
                let call = scope.spawn(call);
                with(sender, &|| done.load(SeqCst));
                call.join().unwrap().unwrap();
            });
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    }
}

#[test]
fn an_item_gets_its_permit_while_none_comes() {
    in_child("an_item_gets_its_permit_while_none_comes", || {
        let semaphore = Semaphore::new(1);
        in_every_form(&semaphore, |sender, done| {
            for round in 0..20 {
                let held = semaphore.blocking_acquire().unwrap();
                let burst = 1 + round % 3;
                let before = done();
                for n in 0..burst {
                    sender.send(n).unwrap();
                }
                // So somebody stands in line for them.
                until(|| semaphore.waiting() == 1);
                drop(held);
                until(|| done() == before + burst);
            }
        });
    });
}

#[test]
fn a_pause_ends_while_no_item_comes() {
    in_child("a_pause_ends_while_no_item_comes", || {
        let semaphore = Semaphore::new(2);
        in_every_form(&semaphore, |sender, done| {
            for _ in 0..20 {
                let before = done();
                semaphore.set_max(0);
                for n in 0..3 {
                    sender.send(n).unwrap();
                }
                assert_eq!(done(), before);
                semaphore.set_max(2);
                // Who had a permit might go on under it.
                until(|| done() == before + 3 && semaphore.active() == 0);
            }
        });
    });
}

/// Others take the permit again and again.
#[test]
fn an_item_is_sent_when_the_one_before_is_done() {
    in_child("an_item_is_sent_when_the_one_before_is_done", || {
        let semaphore = Semaphore::new(1);
        in_every_form(&semaphore, |sender, done| {
            thread::scope(|scope| {
                let (stop, stopped) = mpsc::channel::<()>();
                scope.spawn(|| {
                    let stopped = stopped;
                    while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                        let held = semaphore.blocking_acquire();
                        moment();
                        drop(held);
                    }
                });
                for n in 0..200 {
                    sender.send(n).unwrap();
                    until(|| done() == n + 1);
                }
                drop(stop);
            });
            drop(sender);
        });
    });
}

#[test]
fn workers_that_stay_out_of_the_source_leave_it_when_all_is_done() {
    in_child(
        "workers_that_stay_out_of_the_source_leave_it_when_all_is_done",
        || {
            let semaphore = Semaphore::new(2);
            let room = Room::default();
            for workers in POOLS {
                let (sender, receiver) = mpsc::sync_channel(0);
                let visit = |n: usize| room.visit(|| drop(vec![n; 1 + n % 100]));
                thread::scope(|scope| {
                    let call = || call(Form::ForEach, receiver, &semaphore, visit);
                    let call = scope.spawn(|| pool(workers).install(call));
                    for n in 0..5_000 {
                        sender.send(n).unwrap();
                    }
                    drop(sender);
                    call.join().unwrap().unwrap();
                });
            }
            assert_eq!(room.visits(), POOLS.len() * 5_000);
            assert!(room.most() <= 2);
        },
    );
}

#[test]
fn a_panic_of_what_was_set_aside_comes_through() {
    in_child("a_panic_of_what_was_set_aside_comes_through", || {
        silence("one");
        for workers in POOLS {
            let semaphore = Semaphore::new(1);
            let (sender, receiver) = mpsc::sync_channel(0);
            let begun = AtomicUsize::new(0);
            let visit = |n| {
                begun.fetch_add(1, SeqCst);
                assert!(n != 1, "one");
            };
            let ended = thread::scope(|scope| {
                let call = || call(Form::ForEach, receiver, &semaphore, visit);
                let call = || silently(|| pool(workers).install(call));
                let call = scope.spawn(call);
                let held = semaphore.blocking_acquire().unwrap();
                sender.send(1).unwrap();
                until(|| semaphore.waiting() == 1);
                drop(held);
                until(|| begun.load(SeqCst) == 1);
                drop(sender);
                call.join().unwrap()
            });
            assert_eq!(message(ended.unwrap_err()), "one");
            assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        }
    });
}

#[test]
fn closing_ends_a_call_whose_source_has_ended() {
    in_child("closing_ends_a_call_whose_source_has_ended", || {
        for workers in POOLS {
            let semaphore = Semaphore::new(1);
            let (sender, receiver) = mpsc::sync_channel(0);
            thread::scope(|scope| {
                let call = || call(Form::ForEach, receiver, &semaphore, |_| unreachable!());
                let call = scope.spawn(|| pool(workers).install(call));
                let held = semaphore.blocking_acquire().unwrap();
                sender.send(1).unwrap();
                until(|| semaphore.waiting() == 1);
                semaphore.close();
                drop((held, sender));
                assert!(call.join().unwrap().is_err());
            });
        }
    });
}

/// There is nobody to stay out of it.
#[test]
fn one_worker_runs_what_was_set_aside_with_the_next_item() {
    in_child(
        "one_worker_runs_what_was_set_aside_with_the_next_item",
        || {
            let semaphore = Semaphore::new(1);
            let (sender, receiver) = mpsc::sync_channel(0);
            let done = AtomicUsize::new(0);
            let visit = |_| {
                done.fetch_add(1, SeqCst);
            };
            thread::scope(|scope| {
                let call = || call(Form::ForEach, receiver, &semaphore, visit);
                let call = scope.spawn(|| pool(1).install(call));
                for round in 1..=100 {
                    // Two come while somebody else has the permit.
                    let held = semaphore.blocking_acquire().unwrap();
                    sender.send(round).unwrap();
                    sender.send(round).unwrap();
                    moment();
                    drop(held);
                    sender.send(round).unwrap();
                    until(|| done.load(SeqCst) == 3 * round);
                }
                drop(sender);
                call.join().unwrap().unwrap();
            });
        },
    );
}

/// The permit of an item that panics is for those that were set aside.
#[test]
fn a_panic_lets_the_next_in_while_none_comes() {
    in_child("a_panic_lets_the_next_in_while_none_comes", || {
        silence("panics");
        let semaphore = &Semaphore::new(2);
        let (sender, receiver) = mpsc::sync_channel(0);
        let [first, second] = [(); 2].map(|()| AtomicBool::new(false));
        let done = AtomicUsize::new(0);
        let visit = |item: usize| {
            let panics = [&first, &second]
                .get(item)
                .map(|goes| until(|| goes.load(SeqCst)));
            assert!(panics.is_none(), "panics");
            done.fetch_add(1, SeqCst);
        };
        thread::scope(|scope| {
            let call = || pool(3).install(|| call(Form::ForEach, receiver, semaphore, visit));
            let called = scope.spawn(call);
            // Each worker has one, and these two have the permits.
            (0..2).for_each(|item| sender.send(item).unwrap());
            until(|| semaphore.active() == 2);
            sender.send(2).unwrap();
            // There is one leaf more than workers. It is begun now, and sees to the last.
            first.store(true, SeqCst);
            until(|| done.load(SeqCst) == 1);
            semaphore.set_max(1);
            sender.send(3).unwrap();
            // When one comes for this, the other has been set aside.
            sender.send(4).unwrap();
            second.store(true, SeqCst);
            until(|| done.load(SeqCst) == 3);
            drop(sender);
            assert_eq!(message(called.join().unwrap_err()), "panics");
        });
    });
}

/// What a stream leaves behind: nothing that grows.
struct Sum(usize);

static SUMS: AtomicUsize = AtomicUsize::new(0);

impl FromParallelIterator<usize> for Sum {
    fn from_par_iter<I: IntoParallelIterator<Item = usize>>(numbers: I) -> Self {
        let add = |left, right| {
            SUMS.fetch_add(1, SeqCst);
            left + right
        };
        Self(numbers.into_par_iter().reduce(|| 0, add))
    }
}

#[test]
fn results_are_put_together_before_the_stream_ends() {
    in_child("results_are_put_together_before_the_stream_ends", || {
        let semaphore = &Semaphore::new(1);
        let (sender, receiver) = mpsc::sync_channel(0);
        let done = AtomicUsize::new(0);
        let visit = |n: usize| {
            done.fetch_add(1, SeqCst);
            n
        };
        thread::scope(|scope| {
            let items = || receiver.into_iter().par_bridge();
            let call = || items().throttle_map_collect(semaphore, visit);
            let called = scope.spawn(|| pool(2).install(call));
            for round in 1..=50 {
                // All of these are set aside.
                let held = semaphore.blocking_acquire().unwrap();
                (0..100).for_each(|n| sender.send(n).unwrap());
                drop(held);
                until(|| done.load(SeqCst) == 100 * round);
            }
            // A sum in the folder of each, and a sum of these two thousand times at least.
            assert!(SUMS.load(SeqCst) > 7000, "{SUMS:?}");
            drop(sender);
            let Sum(sum) = called.join().unwrap().unwrap();
            assert_eq!(sum, 50 * 4950);
        });
    });
}

/// It waits for no permit only to drop its items.
#[test]
fn a_call_that_wants_no_more_items_returns() {
    in_child("a_call_that_wants_no_more_items_returns", || {
        let semaphore = &Semaphore::new(1);
        let (sender, receiver) = mpsc::sync_channel(0);
        let ends = AtomicBool::new(false);
        let mut next = pin!(semaphore.acquire());
        let mut context = Context::from_waker(Waker::noop());
        let visit = |n: usize| {
            until(|| ends.load(SeqCst));
            if n == 0 { Err("zero") } else { Ok(()) }
        };
        thread::scope(|scope| {
            let items = || receiver.into_iter().par_bridge();
            let call = || items().throttle_map_collect::<Result<Vec<_>, _>, _, _>(semaphore, visit);
            let called = scope.spawn(|| pool(2).install(call));
            sender.send(0).unwrap();
            until(|| semaphore.active() == 1);
            sender.send(1).unwrap();
            // As this is taken, the other has been set aside.
            sender.send(2).unwrap();
            // The call is not in line before all have come: the permit is for this one, which
            // keeps it.
            assert!(next.as_mut().poll(&mut context).is_pending());
            ends.store(true, SeqCst);
            drop(sender);
            assert_eq!(called.join().unwrap(), Ok(Err("zero")));
        });
    });
}
