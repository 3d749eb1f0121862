//! Wakers that call back into the semaphore, whenever it touches them:
//! scenario 26. All of it works, so none of it is forbidden.

pub mod hooked;

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use crate::common::watchdog;
use dynaphore::{Fairness, OwnedSemaphorePermit, Semaphore};
use futures::FutureExt;
use hooked::{Hooked, Moment};

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A semaphore with four permits out and a max of two, and a future in line.
struct World {
    semaphore: Arc<Semaphore>,
    held: Mutex<Vec<OwnedSemaphorePermit>>,
    other: Mutex<Option<Waiting>>,
}

impl World {
    fn new() -> Arc<Self> {
        let semaphore = Arc::new(Semaphore::new(4));
        let take = || semaphore.clone().try_acquire_owned().unwrap();
        let held = Mutex::new((0..4).map(|_| take()).collect());
        semaphore.set_max(2);
        let mut other = waiting(&semaphore, Kind::Acquire);
        assert!(poll(&mut other, Waker::noop()).is_pending());
        Arc::new(Self {
            semaphore,
            held,
            other: Mutex::new(Some(other)),
        })
    }

    fn release_one(&self) {
        let one = self.held.lock().unwrap().pop();
        drop(one);
    }

    fn release_all(&self) {
        let all = mem::take(&mut *self.held.lock().unwrap());
        drop(all);
    }

    fn cancel_other(&self) {
        let other = self.other.lock().unwrap().take();
        drop(other);
    }

    fn poll_other(&self) {
        let other = self.other.lock().unwrap().take();
        let Some(mut other) = other else { return };
        if poll(&mut other, Waker::noop()).is_pending() {
            *self.other.lock().unwrap() = Some(other);
        }
    }

    /// Serves everybody, whoever waits for whatever.
    fn serve(&self) {
        self.semaphore.set_max(4);
        self.release_all();
        self.cancel_other();
    }
}

/// What the future with the hooked waker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Acquire,
    /// More than max.
    Aside,
    Settled,
    Idle,
}

const KINDS: [Kind; 4] = [Kind::Acquire, Kind::Aside, Kind::Settled, Kind::Idle];

fn waiting(semaphore: &Arc<Semaphore>, kind: Kind) -> Waiting {
    let semaphore = Arc::clone(semaphore);
    Box::pin(async move {
        match kind {
            Kind::Acquire => drop(semaphore.acquire_owned().await),
            Kind::Aside => drop(semaphore.acquire_many_owned(3).await),
            Kind::Settled => semaphore.settled().await,
            Kind::Idle => semaphore.idle().await,
        }
    })
}

fn poll(future: &mut Waiting, waker: &Waker) -> Poll<()> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

type Action = (&'static str, fn(&World));

const ACTIONS: [Action; 15] = [
    ("try_acquire", |w| drop(w.semaphore.try_acquire())),
    ("try_acquire_owned", |w| {
        drop(w.semaphore.clone().try_acquire_owned())
    }),
    ("blocking_acquire_timeout", |w| {
        drop(w.semaphore.blocking_acquire_timeout(Duration::ZERO));
    }),
    ("wait and give up", |w| {
        for kind in KINDS {
            let _ = poll(&mut waiting(&w.semaphore, kind), Waker::noop());
        }
    }),
    ("release one", World::release_one),
    ("release all", World::release_all),
    ("forget a held one", |w| {
        let one = w.held.lock().unwrap().pop();
        one.into_iter().for_each(OwnedSemaphorePermit::forget);
    }),
    ("grow", |w| assert!(w.semaphore.set_max(9) <= 9)),
    ("shrink", |w| assert!(w.semaphore.set_max(0) <= 9)),
    ("add_permits", |w| w.semaphore.add_permits(1)),
    ("forget_permits", |w| {
        assert!(w.semaphore.forget_permits(1) <= 1)
    }),
    ("close", |w| w.semaphore.close()),
    ("read", |w| {
        let text = format!("{:?} {:?}", w.semaphore, w.semaphore.snapshot());
        assert!(text.contains("active"));
        assert!(w.semaphore.available_permits() <= 4 && w.semaphore.waiting() <= 2);
    }),
    ("cancel another future", World::cancel_other),
    ("poll another future", World::poll_other),
];

/// Arms the waker of a future of each kind with each action, goes through
/// `steps`, which must bring the moment, and looks whether all is well.
///
/// The steps get the world, the future, which has been polled already if
/// `polled`, and its waker.
fn each(
    moment: Moment,
    kinds: &'static [Kind],
    polled: bool,
    steps: fn(&World, Waiting, &Waker) -> Option<Waiting>,
) {
    watchdog(move || {
        for (&kind, (name, action)) in kinds.iter().flat_map(|kind| ACTIONS.map(|a| (kind, a))) {
            let world = World::new();
            let mut future = waiting(&world.semaphore, kind);
            let (hooked, waker) = Hooked::new();
            if polled {
                assert!(poll(&mut future, &waker).is_pending());
            }
            let there = Arc::clone(&world);
            hooked.arm(moment, move || action(&there));
            let future = steps(&world, future, &waker);
            assert!(!hooked.disarm(), "{kind:?} has never called `{name}`");

            world.serve();
            if let Some(mut future) = future {
                let served = poll(&mut future, Waker::noop()).is_ready();
                assert!(served, "{kind:?} waits for ever after `{name}`");
            }
            let end = world.semaphore.snapshot();
            assert_eq!((end.active, end.waiting), (0, 0), "{kind:?}, `{name}`");
            assert!(end.closed || name != "close");
            let all = world.semaphore.try_acquire_many(4).is_ok();
            assert!(all || end.closed, "{kind:?}, `{name}`");
        }
    });
}

#[test]
fn when_woken_by_a_release() {
    each(
        Moment::Wake,
        &[Kind::Acquire, Kind::Settled, Kind::Idle],
        true,
        |world, future, _| {
            world.release_all();
            world.cancel_other();
            Some(future)
        },
    );
}

#[test]
fn when_woken_by_a_growth() {
    each(
        Moment::Wake,
        &[Kind::Acquire, Kind::Aside, Kind::Settled],
        true,
        |world, future, _| {
            world.semaphore.set_max(9);
            Some(future)
        },
    );
}

#[test]
fn when_woken_by_the_cancellation_of_the_head() {
    each(
        Moment::Wake,
        &[Kind::Acquire, Kind::Aside],
        false,
        |world, mut future, waker| {
            world.cancel_other();
            world.semaphore.set_max(4);
            let semaphore = world.semaphore.clone();
            let mut head: Waiting = Box::pin(semaphore.acquire_many_owned(4).map(drop));
            assert!(poll(&mut head, Waker::noop()).is_pending());
            assert!(poll(&mut future, waker).is_pending());
            (0..3).for_each(|_| world.release_one());
            drop(head);
            Some(future)
        },
    );
}

#[test]
fn when_woken_by_the_end() {
    each(
        Moment::Wake,
        &[Kind::Acquire, Kind::Aside],
        true,
        |world, mut future, waker| {
            world.semaphore.close();
            assert!(poll(&mut future, waker).is_ready());
            None
        },
    );
}

#[test]
fn when_cloned_by_the_first_poll() {
    each(Moment::Clone, &KINDS, false, |_, mut future, waker| {
        // Ready at once, if the action has seen to that.
        poll(&mut future, waker).is_pending().then_some(future)
    });
}

/// What the clone has brought about is seen by the look that comes after it.
#[test]
fn what_the_first_clone_brings_is_found_by_the_first_poll() {
    for kind in KINDS {
        let world = World::new();
        let mut future = waiting(&world.semaphore, kind);
        let (hooked, waker) = Hooked::new();
        let there = Arc::clone(&world);
        hooked.arm(Moment::Clone, move || there.serve());
        assert!(poll(&mut future, &waker).is_ready(), "{kind:?}");
    }
}

/// Another waker than the last is registered when its clone has brought the permit already.
#[test]
fn what_a_later_clone_brings_is_found_by_that_poll() {
    for by_task in [false, true] {
        let semaphore = Arc::new(Semaphore::builder(1).grant_to_tasks(by_task).build());
        let held = semaphore.clone().try_acquire_owned().unwrap();
        let mut future = waiting(&semaphore, Kind::Acquire);
        assert!(poll(&mut future, Waker::noop()).is_pending());
        let (hooked, waker) = Hooked::new();
        hooked.arm(Moment::Clone, move || drop(held));
        assert!(poll(&mut future, &waker).is_ready());
    }
}

#[test]
fn when_cloned_by_a_later_poll() {
    each(Moment::Clone, &KINDS, false, |_, mut future, waker| {
        assert!(poll(&mut future, Waker::noop()).is_pending());
        poll(&mut future, waker).is_pending().then_some(future)
    });
}

#[test]
fn when_replaced_by_a_newer_one() {
    each(Moment::Drop, &KINDS, true, |_, mut future, _| {
        poll(&mut future, Waker::noop())
            .is_pending()
            .then_some(future)
    });
}

#[test]
fn when_dropped_with_its_future() {
    each(Moment::Drop, &KINDS, true, |_, future, _| {
        drop(future);
        None
    });
}

/// Waits, inside the wake, until it is told to go on.
struct Stuck {
    there: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Stuck {
    fn wake(self: Arc<Self>) {
        self.there.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
    }
}

#[test]
fn while_a_waker_runs_other_threads_go_on() {
    watchdog(|| {
        let semaphore = &Arc::new(Semaphore::new(2));
        let permit = semaphore.try_acquire().unwrap();
        semaphore.set_max(1);
        let (there, is_there) = mpsc::channel();
        let (on, go_on) = mpsc::channel();
        let stuck = Waker::from(Arc::new(Stuck {
            there,
            go_on: Mutex::new(go_on),
        }));
        let mut future = waiting(semaphore, Kind::Acquire);
        assert!(poll(&mut future, &stuck).is_pending());
        thread::scope(|scope| {
            scope.spawn(|| drop(permit));
            is_there.recv().unwrap();

            let text = format!("{semaphore:?}");
            assert!(text.contains("active: 1"), "{text}");
            semaphore.set_max(2);
            drop(semaphore.try_acquire().unwrap());
            let mut idle = waiting(semaphore, Kind::Idle);
            assert!(poll(&mut idle, Waker::noop()).is_pending());
            let mut heavy = waiting(semaphore, Kind::Aside);
            assert!(poll(&mut heavy, Waker::noop()).is_pending());
            assert!(poll(&mut future, Waker::noop()).is_ready());
            assert!(poll(&mut idle, Waker::noop()).is_ready());
            drop(heavy);
            semaphore.close();
            assert_eq!(semaphore.snapshot().waiting, 0);
            on.send(()).unwrap();
        });
    });
}

/// Gives its permit back when the waker is woken, and so dropped.
struct Holder {
    _permit: OwnedSemaphorePermit,
}

impl Wake for Holder {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_chain_of_wakers_that_release_when_woken_serves_everybody() {
    watchdog(|| {
        const LONG: usize = 200;
        let semaphore = Arc::new(Semaphore::new(LONG));
        let permits = (0..LONG).map(|_| semaphore.clone().try_acquire_owned().unwrap());
        let mut permits: Vec<_> = permits.collect();
        let first = permits.pop();
        let mut futures = Vec::new();
        for _permit in permits {
            let mut future = waiting(&semaphore, Kind::Acquire);
            let waker = Waker::from(Arc::new(Holder { _permit }));
            assert!(poll(&mut future, &waker).is_pending());
            futures.push(future);
        }
        drop(first);
        for mut future in futures {
            assert!(poll(&mut future, Waker::noop()).is_ready());
        }
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    });
}

/// A clone of the waker closes the semaphore while one that competes looks for what its task
/// has been granted. The other one would go back into a line that nobody serves any more.
#[test]
fn nobody_is_put_back_into_a_line_that_has_closed() {
    let semaphore = Semaphore::builder(2).fairness(Fairness::Barging);
    let semaphore = Arc::new(semaphore.grant_to_tasks(true).build());
    let held = semaphore.try_acquire_many(2).unwrap();
    let (hooked, waker) = Hooked::new();
    let mut cx = Context::from_waker(&waker);
    let mut kept = Box::pin(semaphore.acquire_many(2));
    assert!(kept.as_mut().poll(&mut cx).is_pending());
    drop(held);
    // The first clone listens.
    let (closed, again) = (semaphore.clone(), hooked.clone());
    hooked.arm(Moment::Clone, move || {
        again.arm(Moment::Clone, move || closed.close());
    });
    let mut asked = Box::pin(semaphore.acquire());
    drop(asked.as_mut().poll(&mut cx));
    assert!(semaphore.is_closed());
    drop(asked);
    assert!(kept.as_mut().poll(&mut cx).is_ready());
    drop(kept);
    assert_eq!(semaphore.active(), 0);
}
