//! What the types are and print, and what can be read off a semaphore.

use std::{
    error::Error,
    fmt::Debug,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Instant,
};

use crate::common::watchdog;
use dynaphore::{
    AcquireError, AcquireTimeoutError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, Snapshot,
    TryAcquireError,
    future::{Acquire, AcquireOwned, Idle, Settled},
};
use tokio_test::{assert_pending, task::spawn};

#[test]
fn all_types_can_be_sent_shared_and_unwound_past() {
    fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}
    everywhere::<Semaphore>();
    everywhere::<SemaphorePermit<'_>>();
    everywhere::<OwnedSemaphorePermit>();
    everywhere::<Acquire<'_>>();
    everywhere::<AcquireOwned>();
    everywhere::<Settled<'_>>();
    everywhere::<Idle<'_>>();
    everywhere::<Snapshot>();
    everywhere::<AcquireError>();
    everywhere::<TryAcquireError>();
    everywhere::<AcquireTimeoutError>();

    fn unpin<T: Unpin>() {}
    unpin::<Semaphore>();
    unpin::<SemaphorePermit<'_>>();
    unpin::<OwnedSemaphorePermit>();
}

/// `X::of::<T>()` is the first of these for a `T` that is `Unpin`.
trait Pinned {
    fn must_stay() -> bool {
        true
    }
}
impl<T: ?Sized> Pinned for T {}

struct Mark<T>(std::marker::PhantomData<T>);

impl<T: Unpin> Mark<T> {
    fn must_stay() -> bool {
        false
    }
}

// tokio's are not either, and a change of the inside should not be a break.
#[test]
fn the_acquire_futures_are_not_unpin() {
    assert!(!Mark::<Semaphore>::must_stay(), "the check itself");
    assert!(Mark::<Acquire<'static>>::must_stay());
    assert!(Mark::<AcquireOwned>::must_stay());
}

#[test]
fn futures_and_permits_can_move_to_another_thread_in_a_task() {
    fn is_spawned<T: Future<Output = ()> + Send + 'static>(_: T) {}
    let semaphore = Arc::new(Semaphore::new(1));
    is_spawned(async move {
        let owned = semaphore.clone().acquire_owned().await;
        let one = semaphore.acquire().await;
        semaphore.settled().await;
        semaphore.idle().await;
        drop((owned, one));
    });
}

#[test]
fn an_idle_semaphore_is_small() {
    assert!(size_of::<Semaphore>() <= 64, "{}", size_of::<Semaphore>());
    let (permit, reference) = (size_of::<SemaphorePermit<'_>>(), size_of::<&Semaphore>());
    // The semaphore, how many, and the generation, which some 32-bit processors align to 8.
    let largest = (reference + 8).next_multiple_of(align_of::<SemaphorePermit<'_>>());
    assert!(permit <= largest, "{permit}");
}

#[test]
fn errors_say_what_they_mean() {
    let semaphore = Semaphore::new(0);
    let none = semaphore.try_acquire().unwrap_err();
    let late = semaphore
        .blocking_acquire_deadline(Instant::now())
        .unwrap_err();
    semaphore.close();
    let errors: [(Box<dyn Error + Send + Sync>, &str); 5] = [
        (Box::new(none), "no permits available"),
        (
            Box::new(semaphore.try_acquire().unwrap_err()),
            "semaphore closed",
        ),
        (
            Box::new(semaphore.blocking_acquire().unwrap_err()),
            "semaphore closed",
        ),
        (Box::new(late), "timed out waiting for permits"),
        (Box::new(AcquireTimeoutError::Closed), "semaphore closed"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    }
}

#[test]
fn a_wait_without_end_can_be_passed_on_as_one_with_a_deadline() {
    fn acquire(semaphore: &Semaphore) -> Result<(), AcquireTimeoutError> {
        drop(semaphore.blocking_acquire()?);
        Ok(())
    }
    let semaphore = Semaphore::new(1);
    assert_eq!(acquire(&semaphore), Ok(()));
    semaphore.close();
    assert_eq!(acquire(&semaphore), Err(AcquireTimeoutError::Closed));
}

#[test]
fn debug_prints_the_decoded_state() {
    let semaphore = Arc::new(Semaphore::new(7));
    let borrowed = semaphore.try_acquire_many(5).unwrap();
    semaphore.set_max(3);
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    let text = format!("{semaphore:?}");
    for part in [
        "Semaphore",
        "max: 3",
        "active: 5",
        "waiting: 1",
        "closed: false",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = format!("{borrowed:?}");
    assert!(
        text.starts_with("SemaphorePermit") && text.contains("permits: 5"),
        "{text}"
    );
    semaphore.close();
    assert!(format!("{semaphore:?}").contains("closed: true"));
    assert!(
        !format!(
            "{waiter:?} {:?} {:?}",
            semaphore.idle(),
            semaphore.settled()
        )
        .is_empty()
    );
}

// Shown further by the wakers of `reentrancy.rs` that print.
#[test]
fn debug_and_the_readers_do_not_wait_for_anybody() {
    watchdog(|| {
        let semaphore = &Semaphore::new(1);
        let done = &AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        drop(semaphore.blocking_acquire().unwrap());
                    }
                });
            }
            for _ in 0..2_000 {
                assert!(format!("{semaphore:?}").contains("max: 1"));
                let snapshot = semaphore.snapshot();
                assert!(snapshot.active <= 1 && snapshot.waiting <= 2);
            }
            done.store(true, SeqCst);
        });
    });
}

#[test]
fn a_snapshot_says_what_there_is() {
    let semaphore = Semaphore::new(5);
    let _held = semaphore.try_acquire_many(2).unwrap();
    let mut waiter = spawn(semaphore.acquire_many(4));
    assert_pending!(waiter.poll());
    let snapshot = semaphore.snapshot();
    assert_eq!(snapshot, crate::common::snapshot(5, 2, 1, false));
    assert_eq!((snapshot.available(), snapshot.excess()), (3, 0));
    assert_eq!(semaphore.available_permits(), 0, "spoken for by the line");

    semaphore.set_max(1);
    assert_eq!(semaphore.snapshot().excess(), 1);
    assert_eq!((snapshot.max, snapshot.available()), (5, 3), "it is a copy");
    let read = (
        semaphore.max(),
        semaphore.active(),
        semaphore.waiting(),
        semaphore.is_closed(),
    );
    assert_eq!(read, (1, 2, 1, false));
}

#[test]
fn the_largest_max_fits_and_the_counts_do_not_touch() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    assert_eq!(Semaphore::MAX_PERMITS, (1 << 31) - 1);
    let held = semaphore
        .try_acquire_many(Semaphore::MAX_PERMITS as u32)
        .unwrap();
    assert_eq!(semaphore.snapshot().available(), 0);
    assert!(semaphore.try_acquire().is_err());
    assert!(!semaphore.is_closed());
    semaphore.set_max(0);
    assert_eq!(semaphore.snapshot().excess(), Semaphore::MAX_PERMITS);
    semaphore.close();
    drop(held);
    assert_eq!(
        (semaphore.max(), semaphore.active(), semaphore.is_closed()),
        (0, 0, true)
    );
}

#[test]
fn watchers_are_not_counted_as_waiting() {
    let semaphore = Semaphore::new(1);
    let _held = semaphore.try_acquire().unwrap();
    let mut idle = spawn(semaphore.idle());
    assert_pending!(idle.poll());
    assert_eq!((semaphore.waiting(), semaphore.snapshot().waiting), (0, 0));
}
