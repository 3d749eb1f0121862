//! Memory: none where nobody waits, none for a wait once the line has had its
//! usual length, and no growth by requests that come to nothing.

mod common;
#[path = "allocations/counting.rs"]
mod counting;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use common::{until, watchdog};
use counting::{count, reset_peak};
use dynaphore::{Semaphore, SemaphorePermit, future::Acquire};
use futures::{FutureExt, executor::block_on};

/// How often `call` allocates.
fn allocations<T>(call: impl FnOnce() -> T) -> usize {
    let before = count().allocations;
    let kept = call();
    let after = count().allocations;
    drop(kept);
    after - before
}

fn is_pending(future: impl Future) -> bool {
    future.now_or_never().is_none()
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| Box::new(1)), 1);
    assert_eq!(allocations(|| Box::new([Box::new(1), Box::new(2)])), 3);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn where_nobody_waits_nothing_is_allocated() {
    let semaphore = Arc::new(Semaphore::new(8));
    // The executor has something of its own for each thread, and so has tokio,
    // which is asked before a call blocks if the feature says so.
    block_on(async {});
    drop(semaphore.blocking_acquire().unwrap());
    let allocated = allocations(|| {
        let s = || Arc::clone(&semaphore);
        drop(Semaphore::new(3));
        drop(semaphore.try_acquire().unwrap());
        drop(semaphore.try_acquire_many(9));
        drop(s().try_acquire_many_owned(2).unwrap());
        drop(semaphore.blocking_acquire().unwrap());
        drop(s().blocking_acquire_owned().unwrap());
        drop(semaphore.blocking_acquire_timeout(Duration::ZERO).unwrap());
        drop(block_on(semaphore.acquire()).unwrap());
        drop(block_on(semaphore.acquire_many(8)).unwrap());
        drop(block_on(s().acquire_owned()).unwrap());
        let mut all = semaphore.try_acquire_many(8).unwrap();
        let half = all.split(4).unwrap();
        all.merge(half);
        drop(all);
        semaphore.set_max(5);
        semaphore.add_permits(3);
        semaphore.forget_permits(2);
        assert_eq!(semaphore.snapshot().available(), 6);
        block_on(semaphore.idle());
        block_on(semaphore.settled());
        semaphore.close();
        drop(semaphore.try_acquire());
    });
    assert_eq!(allocated, 0);
}

/// Places for futures that are used again and again, so that the tests
/// themselves allocate nothing.
type Places<'a> = Vec<Pin<Box<Option<Acquire<'a>>>>>;

fn poll<'a>(place: &mut Pin<Box<Option<Acquire<'a>>>>) -> Option<SemaphorePermit<'a>> {
    let future = place.as_mut().as_pin_mut().expect("a future");
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => Some(permit.unwrap()),
        Poll::Pending => None,
    }
}

/// All wait, some give up, the others are served.
fn round<'a>(semaphore: &'a Semaphore, places: &mut Places<'a>) {
    let held = semaphore.try_acquire_many(3).unwrap();
    for (at, place) in places.iter_mut().enumerate() {
        place.set(Some(semaphore.acquire_many(1 + at as u32 % 3)));
        assert!(poll(place).is_none());
    }
    for at in [0, 7, 8, 20, 31] {
        places[at].set(None);
    }
    drop(held);
    for place in places.iter_mut().filter(|place| place.is_some()) {
        drop(poll(place).expect("served"));
    }
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn a_line_of_the_usual_length_is_waited_in_without_allocation() {
    let semaphore = Semaphore::new(3);
    let mut places: Places<'_> = (0..32).map(|_| Box::pin(None)).collect();
    for _ in 0..3 {
        round(&semaphore, &mut places);
    }
    let allocated = allocations(|| {
        for _ in 0..100 {
            round(&semaphore, &mut places);
        }
    });
    assert_eq!(allocated, 0);
}

#[test]
fn a_line_with_a_request_for_more_than_max_beside_it_allocates_nothing_more() {
    let semaphore = Semaphore::new(3);
    let mut places: Places<'_> = (0..32).map(|_| Box::pin(None)).collect();
    let mut heavy: Places<'_> = (0..2).map(|_| Box::pin(None)).collect();
    let mut rounds = |many| {
        for place in &mut heavy {
            place.set(Some(semaphore.acquire_many(4)));
            assert!(poll(place).is_none());
        }
        for _ in 0..many {
            round(&semaphore, &mut places);
        }
        semaphore.set_max(4);
        for place in &mut heavy {
            drop(poll(place).expect("possible"));
        }
        semaphore.set_max(3);
    };
    (0..3).for_each(|_| rounds(1));
    let allocated = allocations(|| (0..10).for_each(|_| rounds(10)));
    assert_eq!(allocated, 0);
}

#[test]
fn watching_again_and_again_leaves_nothing_behind() {
    let semaphore = Semaphore::new(1);
    let watch = || {
        let held = semaphore.try_acquire().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut idle = pin!(semaphore.idle());
        let mut other = pin!(semaphore.idle());
        assert!(idle.as_mut().poll(&mut cx).is_pending());
        assert!(other.as_mut().poll(&mut cx).is_pending());
        drop(held);
        assert!(idle.as_mut().poll(&mut cx).is_ready());
    };
    watch();
    // For each watcher a place and a note, and what notes are listed in.
    let (allocated, before) = (allocations(watch), count().bytes);
    assert!(allocated <= 8, "{allocated}");
    (0..100).for_each(|_| watch());
    assert_eq!(count().bytes, before);
}

// A thread that blocks for the first time makes its waker; never again.
#[test]
fn blocking_until_a_state_that_there_is_allocates_once_a_thread() {
    let semaphore = Semaphore::new(1);
    let block = || {
        semaphore.blocking_settled();
        semaphore.blocking_idle();
    };
    block();
    assert_eq!(allocations(|| (0..100).for_each(|_| block())), 0);
}

#[test]
fn threads_that_block_again_and_again_allocate_nothing() {
    const ROUNDS: usize = 200;
    watchdog(|| {
        let (semaphore, over) = (&Semaphore::new(1), &AtomicBool::new(false));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        // Each lets go when the other stands in line, and then
                        // has to stand there itself.
                        let turn = || {
                            let _permit = semaphore.blocking_acquire().unwrap();
                            until(|| semaphore.waiting() == 1 || over.load(SeqCst));
                        };
                        (0..10).for_each(|_| turn());
                        let allocated = allocations(|| (0..ROUNDS).for_each(|_| turn()));
                        over.store(true, SeqCst);
                        allocated
                    })
                })
                .collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), 0);
            }
        });
    });
}

/// The most that `call` has allocated at any time, in bytes.
fn peak_of(call: impl FnOnce()) -> isize {
    reset_peak();
    let before = count().bytes;
    call();
    count().peak - before
}

const MANY: usize = 1_000_000;

#[test]
fn a_million_timeouts_leave_nothing_behind() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let peak = peak_of(|| {
        for _ in 0..MANY {
            assert!(semaphore.blocking_acquire_timeout(Duration::ZERO).is_err());
        }
    });
    assert!(peak < 16 * 1024, "{peak} bytes");
    drop(held);
    assert!(semaphore.try_acquire().is_ok());
}

#[test]
fn a_million_cancelled_futures_leave_nothing_behind() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let peak = peak_of(|| (0..MANY).for_each(|_| assert!(is_pending(semaphore.acquire()))));
    assert!(peak < 16 * 1024, "{peak} bytes");
    drop(held);
    assert!(semaphore.try_acquire().is_ok());
}

// Those at both ends stay, so that what is between cannot go from an end.
#[test]
fn cancellations_in_the_middle_of_the_line_do_not_pile_up() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut places: Places<'_> = (0..3).map(|_| Box::pin(None)).collect();
    places[0].set(Some(semaphore.acquire()));
    assert!(poll(&mut places[0]).is_none());
    let peak = peak_of(|| {
        for round in 0..MANY / 10 {
            let newest = 1 + round % 2;
            let place = &mut places[newest];
            let mut next = std::mem::replace(place, Box::pin(Some(semaphore.acquire())));
            assert!(poll(place).is_none());
            // Now that somebody is behind it.
            next.set(None);
            places[3 - newest].set(None);
        }
    });
    assert!(peak < 16 * 1024, "{peak} bytes");
    assert_eq!(semaphore.waiting(), 2);
    drop(held);
    assert!(poll(&mut places[0]).is_some());
}

#[test]
fn a_million_requests_for_more_than_max_leave_nothing_behind() {
    let semaphore = Semaphore::new(1);
    let peak =
        peak_of(|| (0..MANY / 10).for_each(|_| assert!(is_pending(semaphore.acquire_many(2)))));
    assert!(peak < 16 * 1024, "{peak} bytes");
    semaphore.set_max(2);
    assert!(semaphore.try_acquire_many(2).is_ok());
}

#[test]
fn a_long_line_gives_its_memory_back() {
    let semaphore = Semaphore::new(0);
    let before = count().bytes;
    let mut places: Places<'_> = (0..100_000)
        .map(|_| Box::pin(Some(semaphore.acquire())))
        .collect();
    for place in &mut places {
        assert!(poll(place).is_none());
    }
    semaphore.set_max(100_000);
    drop(places);
    assert_eq!(semaphore.active(), 0);
    let kept = count().bytes - before;
    assert!(kept < 64 * 1024, "{kept} bytes");
}
