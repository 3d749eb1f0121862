//! No permit is lost, doubled or miscounted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::common::{Random, panic_of, watchdog};
use dynaphore::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

const MAX: usize = Semaphore::MAX_PERMITS;

/// Would be 0 if it were cut to 32 bits. Where `usize` has no more, all ones.
const BEYOND_32_BITS: usize = if usize::BITS > 32 {
    1 << (usize::BITS / 2)
} else {
    usize::MAX
};

// Scenario 10.
#[test]
fn a_failed_try_acquire_changes_nothing() {
    let semaphore = Arc::new(Semaphore::new(3));
    let held = semaphore.try_acquire_many(2).unwrap();
    let before = semaphore.snapshot();
    for _ in 0..3 {
        let refused = semaphore.try_acquire_many(2).map(drop);
        assert_eq!(refused, Err(TryAcquireError::NoPermits));
        let refused = semaphore.clone().try_acquire_many_owned(4).map(drop);
        assert_eq!(refused, Err(TryAcquireError::NoPermits));
        assert_eq!(semaphore.snapshot(), before);
    }
    drop(held);
    assert!(semaphore.try_acquire_many(4).is_err());
    assert!(semaphore.try_acquire_many(3).is_ok());
}

#[test]
fn a_try_that_fails_because_others_wait_changes_nothing() {
    let semaphore = Semaphore::new(3);
    let _held = semaphore.try_acquire_many(2).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(2));
    assert_pending!(heavy.poll());
    let before = semaphore.snapshot();
    assert!(semaphore.try_acquire().is_err());
    assert_eq!(semaphore.snapshot(), before);
    assert_pending!(heavy.poll());
}

// Scenario 11.
#[test]
fn what_came_back_for_a_heavy_waiter_is_there_when_it_gives_up() {
    let semaphore = Semaphore::new(10);
    let mut held = semaphore.try_acquire_many(10).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(5));
    assert_pending!(heavy.poll());
    drop(held.split(3));
    assert_eq!(semaphore.available_permits(), 0, "they are for the waiter");

    drop(heavy);
    assert_eq!((semaphore.active(), semaphore.waiting()), (7, 0));
    assert_eq!(semaphore.available_permits(), 3);
    assert!(semaphore.try_acquire_many(3).is_ok());
}

/// Three permits, counted by their holders.
struct Counted {
    semaphore: Semaphore,
    held: AtomicUsize,
}

impl Counted {
    fn hold(&self, permit: SemaphorePermit<'_>) {
        let n = permit.num_permits();
        let held = self.held.fetch_add(n, SeqCst) + n;
        assert!(held <= 3, "{held} are held of 3");
        thread::yield_now();
        self.held.fetch_sub(n, SeqCst);
    }

    fn visit(&self, random: &mut Random) {
        let n = 1 + random.below(3);
        let mut cx = Context::from_waker(Waker::noop());
        match random.below(4) {
            0 => drop(self.semaphore.try_acquire_many(n).map(|p| self.hold(p))),
            1 => {
                let none = Duration::from_micros(random.below(20).into());
                let permit = self.semaphore.blocking_acquire_many_timeout(n, none);
                _ = permit.map(|permit| self.hold(permit));
            }
            2 => {
                let mut future = Box::pin(self.semaphore.acquire_many(n));
                for _ in 0..random.below(8) {
                    // A grant that came after the last poll goes with the future.
                    if let Poll::Ready(permit) = future.as_mut().poll(&mut cx) {
                        return self.hold(permit.unwrap());
                    }
                    thread::yield_now();
                }
            }
            _ => self.hold(self.semaphore.blocking_acquire_many(n).unwrap()),
        }
    }
}

// Scenario 12.
#[test]
fn cancels_racing_releases_keep_the_count() {
    watchdog(|| {
        let counted = &Counted {
            semaphore: Semaphore::new(3),
            held: AtomicUsize::new(0),
        };
        thread::scope(|scope| {
            for seed in 0..4 {
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..5_000 {
                        counted.visit(&mut random);
                    }
                });
            }
        });
        let semaphore = &counted.semaphore;
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        assert!(semaphore.try_acquire_many(3).is_ok());
    });
}

// Scenario 13.
#[test]
fn overflow_is_found_before_anything_is_changed() {
    let semaphore = Semaphore::new(MAX - 1);
    let _held = semaphore.try_acquire_many(MAX as u32 - 2).unwrap();
    let mut waiter = spawn(semaphore.acquire_many(2));
    assert_pending!(waiter.poll());
    let before = semaphore.snapshot();
    for n in [2, MAX - 1, MAX, MAX + 1, usize::MAX] {
        panic_of(|| semaphore.add_permits(n));
        assert_eq!(semaphore.snapshot(), before, "after adding {n}");
        assert!(!waiter.is_woken());
    }
    semaphore.add_permits(1);
    let _permits = assert_ready_ok!(waiter.poll());
    assert_eq!(semaphore.snapshot().available(), 0);
}

// Scenario 15.
#[test]
fn split_permits_are_given_back_once_each() {
    let semaphore = Semaphore::new(5);
    let mut most = semaphore.try_acquire_many(5).unwrap();
    let two = most.split(2).unwrap();
    let mut one = most.split(1).unwrap();
    let rest = one.split(1).unwrap();
    let sizes = [&most, &two, &one, &rest].map(|permit| permit.num_permits());
    assert_eq!(sizes, [2, 2, 0, 1]);
    for (permit, left) in [(two, 3), (one, 3), (rest, 2), (most, 0)] {
        drop(permit);
        assert_eq!(semaphore.active(), left);
    }
}

#[test]
fn more_than_there_are_cannot_be_split_off() {
    let semaphore = Semaphore::new(5);
    let mut three = semaphore.try_acquire_many(3).unwrap();
    // The last two would be 0 and 1 if they were cut to 32 bits.
    for n in [
        4,
        MAX,
        MAX + 1,
        usize::MAX,
        BEYOND_32_BITS,
        BEYOND_32_BITS | 1,
    ] {
        assert!(three.split(n).is_none(), "{n}");
        assert_eq!(three.num_permits(), 3);
    }
    assert_eq!(three.split(0).unwrap().num_permits(), 0);
    assert_eq!(semaphore.active(), 3);
}

#[test]
fn merged_permits_are_given_back_once() {
    let semaphore = Semaphore::new(5);
    let mut all = semaphore.try_acquire().unwrap();
    all.merge(semaphore.try_acquire_many(3).unwrap());
    all.merge(semaphore.try_acquire_many(0).unwrap());
    assert_eq!((all.num_permits(), semaphore.active()), (4, 4));
    drop(all);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn as_many_as_there_can_be_may_be_split_and_merged() {
    let semaphore = Semaphore::new(MAX);
    let mut all = semaphore.try_acquire_many(MAX as u32).unwrap();
    let most = all.split(MAX - 1).unwrap();
    all.merge(most);
    assert_eq!(all.num_permits(), MAX);
    drop(all);
    assert_eq!(semaphore.available_permits(), MAX);
}

#[test]
fn merging_permits_of_two_semaphores_panics_and_loses_nothing() {
    let (ours, theirs) = (Semaphore::new(3), Semaphore::new(3));
    let mut one = ours.try_acquire().unwrap();
    let two = theirs.try_acquire_many(2).unwrap();
    let said = panic_of(|| one.merge(two));
    assert!(said.contains("different semaphores"), "{said}");
    assert_eq!(
        (one.num_permits(), ours.active(), theirs.active()),
        (1, 1, 0)
    );
    drop(one);
    assert_eq!(ours.active(), 0);
}

#[test]
fn merging_owned_permits_of_two_semaphores_panics_and_loses_nothing() {
    let [ours, theirs] = [3, 3].map(|max| Arc::new(Semaphore::new(max)));
    let mut one = ours.clone().try_acquire_owned().unwrap();
    let two = theirs.clone().try_acquire_many_owned(2).unwrap();
    panic_of(|| one.merge(two));
    assert_eq!(
        (one.num_permits(), ours.active(), theirs.active()),
        (1, 1, 0)
    );
    drop(one);
    assert_eq!(ours.active(), 0);
}

#[test]
fn owned_permits_are_given_back_once_wherever_they_end() {
    let semaphore = Arc::new(Semaphore::new(5));
    let mut three = semaphore.clone().try_acquire_many_owned(3).unwrap();
    let one = three.split(1).unwrap();
    thread::spawn(move || drop(one)).join().unwrap();
    assert_eq!(semaphore.active(), 2);
    three.merge(semaphore.clone().try_acquire_owned().unwrap());
    let moved = Box::new([Some(three)]);
    assert_eq!(semaphore.active(), 3);
    drop(moved);
    assert_eq!((semaphore.active(), Arc::strong_count(&semaphore)), (0, 1));
}

#[test]
fn forgotten_permits_are_gone_with_their_share_of_max() {
    let semaphore = Arc::new(Semaphore::new(5));
    let mut three = semaphore.try_acquire_many(3).unwrap();
    three.split(1).unwrap().forget();
    assert_eq!((semaphore.max(), semaphore.active()), (4, 2));
    drop(three);
    semaphore
        .clone()
        .try_acquire_many_owned(2)
        .unwrap()
        .forget();
    assert_eq!((semaphore.max(), semaphore.active()), (2, 0));
    assert_eq!(Arc::strong_count(&semaphore), 1);
    semaphore.try_acquire_many(0).unwrap().forget();
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn forgetting_more_than_max_leaves_no_debt_behind() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(5).unwrap();
    semaphore.set_max(2);
    held.forget();
    assert_eq!((semaphore.max(), semaphore.active()), (0, 0));
    semaphore.set_max(1);
    assert!(semaphore.try_acquire().is_ok());
}

// Scenario 16. The named sizes are those that lose their upper half in 32 bits.
#[test]
fn sizes_out_of_range_are_refused_by_name_and_never_cut() {
    let semaphore = Semaphore::new(5);
    let before = semaphore.snapshot();
    for size in [MAX + 1, BEYOND_32_BITS, BEYOND_32_BITS | 5, usize::MAX] {
        let said = [
            panic_of(|| Semaphore::new(size)),
            panic_of(|| Semaphore::const_new(size)),
            panic_of(|| semaphore.set_max(size)),
            panic_of(|| semaphore.add_permits(size)),
        ];
        for said in said {
            assert!(said.contains("MAX_PERMITS"), "{size}: {said}");
            assert!(said.contains("2147483647"), "{size}: {said}");
        }
        assert_eq!(semaphore.snapshot(), before);
    }
    assert_eq!(semaphore.forget_permits(BEYOND_32_BITS), 5, "not zero");
}
