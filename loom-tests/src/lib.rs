//! What the loom models share. The models are in `tests/`, one test a race and
//! named after it.
//!
//! # How to run
//!
//! `cargo test` in this folder is all: `.cargo/config.toml` sets `--cfg dynaphore_loom`.
//! `cargo test -- --nocapture` shows how many executions each model explored.
//! For a failing one, `LOOM_LOG=trace LOOM_LOCATION=1 cargo test NAME` prints
//! the failing schedule.
//!
//! # What the bounds mean
//!
//! loom runs a model under every schedule, and with every value that each load
//! may return by the C11 memory model, as long as no more than `bound` switches
//! take a thread away that could have gone on. Switches at a lock, at a park
//! and at the end of a thread are free. Models have three where that takes
//! seconds, otherwise two.
//!
//! # The places that are known to be hard
//!
//! | | model |
//! |---|---|
//! | grant before the waiter listens | `release::release_during_acquire`, `wake::waker_replaced_against_grant` |
//! | enqueue against clear | `release::enqueue_against_clear`, `release::enqueue_against_clear_by_cancel` |
//! | cancel before grant | `cancel::cancel_before_grant`, `cancel::cancel_in_the_middle` |
//! | cancel after grant | `cancel::cancel_forwards_grant`, `ordering::ordering_through_cancelled_grant` |
//! | grow while queued | `resize::grow_admits_in_order`, `resize::grow_wakes_waiters`, `resize::grow_against_enqueue` |
//! | shrink while a grant is in flight | `resize::shrink_while_handing_over`, `resize::shrink_during_release` |
//! | release of permits that were handed over | `handed` |
//! | two served in one step | `two_at_once` |
//! | who knows that the line has gone | `empty_line` |
//! | `Eventual` and `Barging` | `fairness` |
//! | the event of a crate without std | `bare_event` |
//! | two that come for the last place to wait | `max_waiting` |
//! | a grant and the other futures of its task | `futurelock` |
//! | token against increment | `generation::token_against_increment`, `generation::increments_at_once` |
//! | latecomer at a place that counts again | `generation::latecomer_against_turn`, `generation::turn_begun_by_waiter` |
//! | permit against resize | `permits` |
//! | last token against who parks | `generation::release_against_parked_waiter`, `generation::two_releases_against_parked_waiter` |
//! | take against write | `generation::take_loses_nothing`, `generation::cancelled_take_loses_nothing` |
//! | a key that comes out of use | `keyed` |
//! | leases and targets | `pool` |
//!
//! # What loom cannot see
//!
//! - A SeqCst *access* counts as AcqRel. The crate has them where tokens are counted
//!   in; there a fence follows that is there for loom only.
//! - Time: it stands still. A [bound](dynaphore::Builder::bound) of zero has
//!   always passed and any other never has. The deadlines are tested with real
//!   threads only.
//! - The window in which a release tells nobody (`generation/tracker.rs`, argument 5):
//!   where waiters park, the release has a fence that it lacks elsewhere; where
//!   it lacks it, they look again and again.
//! - Two threads that look again and again, beside a third: loom lets those two
//!   take turns for ever. So there is only ever one.
//! - What is std's here: `Arc` (so what `OwnedSemaphorePermit` frees), the
//!   `OnceLock` that makes the queue when it is first needed (under loom the
//!   queue is there from the start), and the memory of `Waker`s.
//! - Spurious failures of `compare_exchange_weak`: it always succeeds if it can.
//! - What comes before the last access: of each atomic it remembers one access
//!   to reorder with, so a load in front of a store by the same thread hides the
//!   store from other threads' loads. The code under test must not look before
//!   it stores.
//! - A thread that is unparked is taken to have seen all that the unparking
//!   thread did. Models of memory ordering therefore also poll unwoken.

use std::{
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use dynaphore::{
    AcquireError, Fairness, OwnedSemaphorePermit, Semaphore, Snapshot, future::AcquireOwned,
};
use loom::{cell::UnsafeCell, thread::JoinHandle};
pub use loom::{future::block_on, thread::spawn};

/// Explores `f` with at most `bound` preemptions in each execution.
///
/// # Panics
///
/// When an execution of `f` panics or blocks for ever, or when there was nothing
/// to explore.
#[track_caller]
pub fn model(bound: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 10_000;
    let (start, executions) = (Instant::now(), Count::default());
    let counted = executions.clone();
    builder.check(move || {
        counted.add();
        f();
    });
    println!(
        "{}: bound {bound}, {} executions, {:.1?}",
        std::thread::current().name().unwrap_or_default(),
        executions.get(),
        start.elapsed(),
    );
    assert!(executions.get() > 10, "the threads do not race");
}

/// Counts outside the model: it orders nothing, and it outlives an execution.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// Data that only the permits protect. loom fails an execution in which two
/// accesses are not ordered.
// An `Rc`, since loom runs all threads of a model on one real thread.
#[derive(Clone, Debug)]
pub struct Data(Rc<UnsafeCell<usize>>);

impl Data {
    #[expect(clippy::new_without_default, reason = "belongs to one execution")]
    pub fn new() -> Self {
        Self(Rc::new(UnsafeCell::new(0)))
    }

    /// Adds one and says what that makes.
    pub fn bump(&self) -> usize {
        self.0.with_mut(|data| {
            // SAFETY: loom panics before this if another access may overlap.
            unsafe {
                *data += 1;
                *data
            }
        })
    }

    pub fn read(&self) -> usize {
        // SAFETY: as in `bump`.
        self.0.with(|data| unsafe { *data })
    }
}

/// A waker that counts.
impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.add();
    }
}

/// A request that is polled by hand.
pub struct Waiter {
    future: Pin<Box<AcquireOwned>>,
    woken: Arc<Count>,
}

impl Waiter {
    /// Not polled yet.
    pub fn new(semaphore: &Arc<Semaphore>, permits: u32) -> Self {
        Self {
            future: Box::pin(Arc::clone(semaphore).acquire_many_owned(permits)),
            woken: Arc::default(),
        }
    }

    /// Polled once, and in line or aside.
    #[track_caller]
    pub fn queued(semaphore: &Arc<Semaphore>, permits: u32) -> Self {
        let mut waiter = Self::new(semaphore, permits);
        assert!(waiter.poll().is_pending());
        waiter
    }

    pub fn poll(&mut self) -> Poll<Result<OwnedSemaphorePermit, AcquireError>> {
        self.poll_with(&Waker::from(self.woken.clone()))
    }

    pub fn poll_with(&mut self, waker: &Waker) -> Poll<Result<OwnedSemaphorePermit, AcquireError>> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// Polls a waiter that ought to have its permits.
    #[track_caller]
    pub fn granted(&mut self) -> OwnedSemaphorePermit {
        match self.poll() {
            Poll::Ready(permit) => permit.expect("open"),
            Poll::Pending => panic!("not granted"),
        }
    }

    /// How often it has been woken.
    pub fn woken(&self) -> usize {
        self.woken.get()
    }

    /// Waits as an async task does.
    pub fn wait(self) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.future)
    }
}

/// Waits for `threads` to end.
pub fn join<T: 'static>(threads: impl IntoIterator<Item = JoinHandle<T>>) {
    for thread in threads {
        drop(thread.join().unwrap());
    }
}

/// A semaphore with `max` permits.
pub fn semaphore(max: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(max))
}

/// A bound that never passes.
pub const NEVER: Duration = Duration::MAX;

/// A bound that has always passed: each look at the line wakes one more.
pub const AT_ONCE: Duration = Duration::ZERO;

/// One whose waiters compete with newcomers.
pub fn barging(max: usize, bound: Duration) -> Arc<Semaphore> {
    let builder = Semaphore::builder(max).fairness(Fairness::Barging);
    Arc::new(builder.bound(bound).build())
}

/// One whose waiters compete with newcomers until the bound has passed.
pub fn eventual(max: usize, bound: Duration) -> Arc<Semaphore> {
    let builder = Semaphore::builder(max).fairness(Fairness::Eventual);
    Arc::new(builder.bound(bound).build())
}

/// Takes a permit that is there in such a way that it has been handed over.
#[track_caller]
pub fn take_handed(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    take_many_handed(semaphore, 1)
}

/// The same with `permits` of them.
#[track_caller]
pub fn take_many_handed(semaphore: &Arc<Semaphore>, permits: u32) -> OwnedSemaphorePermit {
    let held = take(semaphore, semaphore.available_permits() as u32);
    let mut waiter = Waiter::queued(semaphore, permits);
    drop(held);
    waiter.granted()
}

/// Takes `permits` that are there.
#[track_caller]
pub fn take(semaphore: &Arc<Semaphore>, permits: u32) -> OwnedSemaphorePermit {
    let taken = Arc::clone(semaphore).try_acquire_many_owned(permits);
    taken.expect("available")
}

/// Nobody holds or waits, and `max` permits can be had again.
#[track_caller]
pub fn assert_at_rest(semaphore: &Arc<Semaphore>, max: usize) {
    assert_eq!(semaphore.snapshot(), snapshot(max, 0, 0, false));
    assert_eq!(semaphore.available_permits(), max);
    drop(take(semaphore, max as u32));
    assert_eq!(semaphore.active(), 0);
}

/// Nobody holds or waits, and nobody ever will.
#[track_caller]
pub fn assert_ended(semaphore: &Semaphore) {
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    assert!(semaphore.is_closed() && semaphore.try_acquire().is_err());
}

/// What a semaphore looks like.
pub fn snapshot(max: usize, active: usize, waiting: usize, closed: bool) -> Snapshot {
    let mut snapshot = Snapshot::default();
    (snapshot.max, snapshot.active) = (max, active);
    (snapshot.waiting, snapshot.closed) = (waiting, closed);
    snapshot
}
