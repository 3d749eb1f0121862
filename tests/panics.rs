//! Wakers, holders and callers that panic.

#[path = "panics/caught.rs"]
mod caught;
mod common;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{Wakes, message, panic_of, silently, watchdog};
use dynaphore::{Semaphore, SetMaxError, future::Acquire};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

const MAX: usize = Semaphore::MAX_PERMITS;

/// Panics when it is woken, saying its number.
struct Panics(usize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("waker {}", self.0);
    }
}

const WAITERS: usize = 40;

/// Forty waiters for a permit each, one or more with a waker that panics.
struct Line<'a> {
    semaphore: &'a Semaphore,
    waiters: Vec<Pin<Box<Acquire<'a>>>>,
    wakes: Arc<Wakes>,
    panicking: &'a [usize],
}

impl<'a> Line<'a> {
    fn new(semaphore: &'a Semaphore, panicking: &'a [usize]) -> Self {
        let (wakes, waker) = Wakes::new();
        let waiters = (0..WAITERS).map(|at| {
            let waker = match panicking.contains(&at) {
                true => Waker::from(Arc::new(Panics(at))),
                false => waker.clone(),
            };
            let mut waiter = Box::pin(semaphore.acquire());
            let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            waiter
        });
        Self {
            semaphore,
            waiters: waiters.collect(),
            wakes,
            panicking,
        }
    }

    /// All others have been woken, and everybody is served.
    fn assert_served(self) {
        assert_eq!(self.wakes.count(), WAITERS - self.panicking.len());
        assert_eq!(
            (self.semaphore.active(), self.semaphore.waiting()),
            (WAITERS, 0)
        );
        let mut cx = Context::from_waker(Waker::noop());
        let served = self
            .waiters
            .into_iter()
            .map(|mut waiter| waiter.as_mut().poll(&mut cx));
        let permits: Vec<_> = served.collect();
        assert!(permits.iter().all(|permit| permit.is_ready()));
        drop(permits);
        assert_eq!(self.semaphore.active(), 0);
        assert!(self.semaphore.try_acquire_many(WAITERS as u32).is_ok());
    }
}

// Scenario 27.
#[test]
fn a_waker_that_panics_in_a_release_harms_nobody_else() {
    for at in [0, 7, 8, 17, 39] {
        let semaphore = Semaphore::new(WAITERS);
        let all = semaphore.try_acquire_many(WAITERS as u32).unwrap();
        let panicking = [at];
        let line = Line::new(&semaphore, &panicking);
        assert_eq!(panic_of(|| drop(all)), format!("waker {at}"));
        line.assert_served();
    }
}

// Scenario 27.
#[test]
fn a_waker_that_panics_in_a_resize_harms_nobody_else() {
    let semaphore = Semaphore::new(0);
    let line = Line::new(&semaphore, &[17]);
    assert_eq!(panic_of(|| semaphore.set_max(WAITERS)), "waker 17");
    line.assert_served();
}

// Scenario 27.
#[test]
fn a_waker_that_panics_in_a_cancellation_harms_nobody_else() {
    let semaphore = Semaphore::new(WAITERS + 1);
    let mut all = semaphore.try_acquire_many(WAITERS as u32 + 1).unwrap();
    let mut head = spawn(semaphore.acquire_many(WAITERS as u32 + 1));
    assert_pending!(head.poll());
    let line = Line::new(&semaphore, &[17]);
    drop(all.split(WAITERS));
    assert_eq!(semaphore.active(), 1);
    assert_eq!(panic_of(|| drop(head)), "waker 17");
    drop(all);
    line.assert_served();
}

// Scenario 27.
#[test]
fn a_waker_that_panics_in_a_close_keeps_nobody_from_being_told() {
    let semaphore = Semaphore::new(0);
    let line = Line::new(&semaphore, &[3, 17]);
    assert_eq!(
        panic_of(|| semaphore.close()),
        "waker 3",
        "the first of two"
    );
    assert_eq!((line.wakes.count(), semaphore.waiting()), (WAITERS - 2, 0));
    let mut cx = Context::from_waker(Waker::noop());
    for mut waiter in line.waiters {
        assert!(matches!(waiter.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
    }
}

// Scenario 27.
#[test]
fn when_every_waker_panics_every_waiter_is_served_all_the_same() {
    let semaphore = Semaphore::new(0);
    let everybody: Vec<_> = (0..WAITERS).collect();
    let line = Line::new(&semaphore, &everybody);
    assert_eq!(panic_of(|| semaphore.set_max(WAITERS)), "waker 0");
    line.assert_served();
}

// Scenarios 27 and 28: a second panic while unwinding would end the process.
#[test]
fn a_release_while_unwinding_does_not_let_a_wakers_panic_out() {
    let semaphore = Semaphore::new(WAITERS);
    let all = semaphore.try_acquire_many(WAITERS as u32).unwrap();
    let line = Line::new(&semaphore, &[0, 17]);
    let said = panic_of(|| {
        let _all = all;
        panic!("the holder's own");
    });
    assert_eq!(said, "the holder's own");
    line.assert_served();
}

#[test]
fn a_watchers_waker_that_panics_harms_no_other_watcher() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut unlucky = Box::pin(semaphore.idle());
    let panics = Waker::from(Arc::new(Panics(0)));
    assert!(
        unlucky
            .as_mut()
            .poll(&mut Context::from_waker(&panics))
            .is_pending()
    );
    let mut others: Vec<_> = (0..WAITERS).map(|_| spawn(semaphore.idle())).collect();
    for other in &mut others {
        assert_pending!(other.poll());
    }
    assert_eq!(panic_of(|| drop(held)), "waker 0");
    assert!(others.iter().all(|other| other.is_woken()));
    assert_eq!(semaphore.active(), 0);
}

// Scenario 28.
#[test]
fn a_holder_that_panics_gives_its_permits_back() {
    watchdog(|| {
        let semaphore = Arc::new(Semaphore::new(3));
        let mut waiter = spawn(semaphore.acquire_many(3));
        let permits = semaphore.clone().try_acquire_many_owned(2).unwrap();
        let also = semaphore.clone();
        assert_pending!(waiter.poll());
        let holder = thread::spawn(move || {
            let _permits = permits;
            let _one = also.blocking_acquire_many(0).unwrap();
            panic!("the holder's own");
        });
        assert_eq!(message(&*holder.join().unwrap_err()), "the holder's own");
        assert_eq!(assert_ready_ok!(waiter.poll()).num_permits(), 3);
    });
}

#[test]
fn a_future_that_is_dropped_by_a_panic_leaves_the_line() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut next = spawn(semaphore.acquire());
    let unwound = silently(|| {
        let mut first = spawn(semaphore.acquire());
        assert_pending!(first.poll());
        assert_pending!(next.poll());
        panic!("the task's own");
    });
    assert!(unwound.is_err());
    assert_eq!(semaphore.waiting(), 1);
    drop(held);
    let _permit = assert_ready_ok!(next.poll());
}

/// That the call panics, at the line where it stands here.
macro_rules! panics_here {
    ($call:expr) => {{
        let caught = caught::caught(|| _ = $call).expect("a panic");
        assert_eq!((caught.file.as_str(), caught.line), (file!(), line!()));
        caught.message
    }};
}

#[test]
fn a_count_out_of_range_panics_at_the_callers_line_before_anything_changes() {
    let semaphore = Arc::new(Semaphore::new(MAX));
    let mut held = semaphore.try_acquire().unwrap();
    let before = semaphore.snapshot();
    let (s, late) = (&semaphore, Instant::now());
    let (size, n, none) = (MAX + 1, MAX as u32 + 1, Duration::ZERO);
    let said = [
        panics_here!(Semaphore::new(size)),
        panics_here!(Semaphore::const_new(size)),
        panics_here!(s.set_max(size)),
        panics_here!(s.add_permits(size)),
        panics_here!(s.add_permits(1)),
        panics_here!(s.try_acquire_many(n)),
        panics_here!(s.clone().try_acquire_many_owned(n)),
        // Not polled: the call itself panics.
        panics_here!(s.acquire_many(n)),
        panics_here!(s.clone().acquire_many_owned(n)),
        panics_here!(s.blocking_acquire_many(n)),
        panics_here!(s.clone().blocking_acquire_many_owned(n)),
        panics_here!(s.blocking_acquire_many_timeout(n, none)),
        panics_here!(s.blocking_acquire_many_deadline(n, late)),
        panics_here!(s.clone().blocking_acquire_many_owned_timeout(n, none)),
        panics_here!(s.clone().blocking_acquire_many_owned_deadline(n, late)),
    ];
    for said in said {
        assert!(
            said.contains("MAX_PERMITS") && said.contains("2147483647"),
            "{said}"
        );
    }
    assert_eq!(semaphore.snapshot(), before);
    assert_eq!(Arc::strong_count(&semaphore), 1);
    assert!(held.split(2).is_none());
}

#[test]
fn a_count_from_outside_that_is_out_of_range_is_an_error_and_changes_nothing() {
    const REFUSED: SetMaxError = SetMaxError::TooManyPermits;
    let size = MAX + 1;
    let semaphore = Semaphore::builder(1).generations(true).build();
    let before = semaphore.snapshot();
    assert_eq!(Semaphore::try_builder(size).unwrap_err(), REFUSED);
    assert_eq!(semaphore.try_set_max(size), Err(REFUSED));
    assert_eq!(semaphore.try_add_permits(size), Err(REFUSED));
    assert_eq!(semaphore.try_add_permits(MAX), Err(REFUSED));
    assert_eq!(semaphore.try_resize(size).unwrap_err(), REFUSED);
    assert_eq!(
        (semaphore.snapshot(), semaphore.generation()),
        (before, Some(0))
    );

    assert!(Semaphore::try_builder(MAX).is_ok());
    assert_eq!(semaphore.try_add_permits(MAX - 1), Ok(()));
    assert_eq!(semaphore.try_set_max(2), Ok(MAX));
    assert_eq!(semaphore.try_resize(MAX).unwrap().previous, 2);
}

#[cfg(all(feature = "keyed", feature = "pool"))]
#[test]
fn a_count_from_outside_is_an_error_for_keys_too() {
    use dynaphore::{KeyedSemaphore, LeasePool};

    const REFUSED: SetMaxError = SetMaxError::TooManyPermits;
    let keyed = KeyedSemaphore::<u8>::new(1);
    assert_eq!(
        KeyedSemaphore::<u8>::try_builder(MAX + 1).unwrap_err(),
        REFUSED
    );
    assert_eq!(keyed.set_max(&1, MAX + 1), Err(REFUSED));
    assert_eq!(keyed.try_set_default_max(MAX + 1), Err(REFUSED));
    assert!(keyed.is_empty());
    assert_eq!(keyed.default_max(), 1);
    assert_eq!(keyed.try_set_default_max(MAX), Ok(1));

    let leases = LeasePool::new();
    assert_eq!(leases.try_set(1, MAX), Ok(0));
    assert_eq!(leases.try_set(2, 1), Err(REFUSED));
    assert_eq!(leases.len(), 1);
}

#[test]
fn a_resize_of_an_ordinary_semaphore_names_what_resizes_it() {
    let said = panics_here!(Semaphore::new(1).resize(2));
    assert!(said.contains("`set_max`"), "{said}");
    let said = panics_here!(Semaphore::new(1).try_resize(2));
    assert!(said.contains("`set_max`"), "{said}");
}

#[cfg(feature = "rayon")]
#[test]
fn a_job_that_needs_more_than_any_semaphore_has_panics_at_the_callers_line() {
    use dynaphore::throttle::Throttle;

    let throttle = Throttle::new(Arc::new(Semaphore::new(1)));
    panics_here!(throttle.spawn_many(MAX as u32 + 1, |_| {}));
    rayon::scope(|scope| {
        let jobs = throttle.scoped();
        panics_here!(jobs.spawn_many(scope, MAX as u32 + 1, |_, _| {}));
    });
}

#[test]
fn merging_across_semaphores_panics_at_the_callers_line() {
    let (ours, theirs) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
    let mut owned = ours.clone().try_acquire_owned().unwrap();
    let other = theirs.clone().try_acquire_owned().unwrap();
    panics_here!(owned.merge(other));
    drop(owned);
    let mut borrowed = ours.try_acquire().unwrap();
    let other = theirs.try_acquire().unwrap();
    panics_here!(borrowed.merge(other));
}

#[test]
fn a_permit_owned_by_another_semaphore_panics_at_the_callers_line() {
    let (ours, theirs) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
    let permit = ours.try_acquire().unwrap();
    panics_here!(permit.into_owned(theirs.clone()));
    assert_eq!((ours.active(), theirs.active()), (0, 0));
}

#[cfg(feature = "tokio")]
#[test]
fn blocking_inside_a_tokio_runtime_panics_at_the_callers_line() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let semaphore = Semaphore::builder(1).refuse_blocking_in_runtime(true);
    let semaphore = Arc::new(semaphore.build());
    let (s, late, none) = (&semaphore, Instant::now(), Duration::ZERO);
    let said = runtime.block_on(async {
        [
            panics_here!(s.blocking_acquire()),
            panics_here!(s.blocking_acquire_many(1)),
            panics_here!(s.clone().blocking_acquire_owned()),
            panics_here!(s.clone().blocking_acquire_many_owned(1)),
            panics_here!(s.blocking_acquire_timeout(none)),
            panics_here!(s.blocking_acquire_deadline(late)),
            panics_here!(s.clone().blocking_acquire_owned_timeout(none)),
            panics_here!(s.clone().blocking_acquire_owned_deadline(late)),
            panics_here!(s.blocking_settled()),
            panics_here!(s.blocking_idle()),
        ]
    });
    for said in said {
        assert!(
            said.starts_with("Cannot block the current thread"),
            "{said}"
        );
    }
    assert_eq!(semaphore.available_permits(), 1);
}

#[cfg(all(feature = "tokio", feature = "keyed", feature = "pool"))]
#[test]
fn all_that_blocks_inside_a_tokio_runtime_panics_at_the_callers_line() {
    use dynaphore::{KeyedSemaphore, LeasePool};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (late, none) = (Instant::now(), Duration::ZERO);
    let (keyed, leases) = (
        KeyedSemaphore::<u8>::builder(1).refuse_blocking_in_runtime(true),
        LeasePool::<u8>::new().refuse_blocking_in_runtime(true),
    );
    let (keyed, leases) = (Arc::new(keyed.build()), leases.clone());
    let semaphore = Semaphore::builder(1).refuse_blocking_in_runtime(true);
    let semaphore = semaphore.generations(true).build();
    let resize = semaphore.resize(1);
    let k = &keyed;
    let said = runtime.block_on(async {
        [
            panics_here!(resize.blocking_drained()),
            panics_here!(resize.blocking_drained_timeout(none)),
            panics_here!(k.blocking_acquire(&1)),
            panics_here!(k.blocking_acquire_many(&1, 1)),
            panics_here!(k.clone().blocking_acquire_owned(&1)),
            panics_here!(k.clone().blocking_acquire_many_owned(&1, 1)),
            panics_here!(k.blocking_acquire_timeout(&1, none)),
            panics_here!(k.blocking_acquire_deadline(&1, late)),
            panics_here!(k.blocking_acquire_many_timeout(&1, 1, none)),
            panics_here!(k.blocking_acquire_many_deadline(&1, 1, late)),
            panics_here!(k.clone().blocking_acquire_owned_timeout(&1, none)),
            panics_here!(k.clone().blocking_acquire_owned_deadline(&1, late)),
            panics_here!(k.clone().blocking_acquire_many_owned_timeout(&1, 1, none)),
            panics_here!(k.clone().blocking_acquire_many_owned_deadline(&1, 1, late)),
            panics_here!(leases.blocking_acquire()),
            panics_here!(leases.blocking_acquire_timeout(none)),
            panics_here!(leases.blocking_acquire_deadline(late)),
            panics_here!(leases.blocking_stopped()),
            panics_here!(leases.blocking_idle()),
        ]
    });
    for said in said {
        assert!(
            said.starts_with("Cannot block the current thread"),
            "{said}"
        );
    }
    assert!(keyed.is_empty());
}

/// Another crate of the program may have switched the feature on.
#[cfg(all(feature = "keyed", feature = "pool"))]
#[test]
fn whoever_did_not_ask_for_it_may_block_inside_a_tokio_runtime() {
    use dynaphore::{KeyedSemaphore, LeasePool, generation};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let semaphore = Semaphore::builder(1).generations(true).build();
        drop(semaphore.blocking_acquire().unwrap());
        semaphore.blocking_idle();
        semaphore.resize(1).blocking_drained();
        drop(KeyedSemaphore::<u8>::new(1).blocking_acquire(&1).unwrap());
        let leases = LeasePool::new();
        leases.set(1, 1);
        drop(leases.blocking_acquire().unwrap());
        leases.blocking_idle();
        generation::Tracker::new().increment().wait();
        let swap = generation::Swap::<std::sync::atomic::AtomicU8>::default();
        assert_eq!(swap.blocking_take(), 0);
    });
}
