//! Permits that come back while others arrive.

use std::task::Poll;

use dynaphore_loom_tests::{
    Count, Waiter, assert_at_rest, block_on, join, model, semaphore, spawn, take,
};

/// Whether the waiter queues before or after the release, it gets the permit.
#[test]
fn release_during_acquire() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let blocking = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(block_on(s.acquire()).unwrap());
        release.join().unwrap();
        blocking.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Two releases with no poll in between are two wake-ups.
#[test]
fn two_releases_wake_two() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let mut first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 1);
        let releases = [spawn(move || drop(a)), spawn(move || drop(b))];
        join(releases);
        assert_eq!((first.woken(), second.woken()), (1, 1));
        assert_eq!((s.active(), s.waiting()), (2, 0));
        drop((first.granted(), second.granted()));
        assert_at_rest(&s, 2);
    });
}

/// The same with threads that sleep.
#[test]
fn two_releases_unpark_two() {
    model(2, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let waiters = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || s.blocking_acquire_owned().unwrap())
        });
        drop(a);
        drop(b);
        // Both at once: neither permit is lent twice.
        drop(waiters.map(|waiter| waiter.join().unwrap()));
        assert_at_rest(&s, 2);
    });
}

/// A permit on its way to a waiter is nobody else's.
#[test]
fn try_acquire_never_barges() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let mut first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 1);
        let releases = [spawn(move || drop(a)), spawn(move || drop(b))];
        assert!(s.try_acquire().is_err());
        assert_eq!(s.available_permits(), 0);
        assert!(s.try_acquire().is_err());
        join(releases);
        drop((first.granted(), second.granted()));
        assert_at_rest(&s, 2);
    });
}

/// Nor does an arrival pass those in line.
#[test]
fn arrival_never_barges() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let first = Waiter::queued(&s, 1);
        let served = Count::default();
        let release = spawn(move || drop(held));
        let (theirs, before) = (s.clone(), served.clone());
        let arrival = spawn(move || {
            let permit = theirs.blocking_acquire().unwrap();
            assert_eq!(before.get(), 1);
            drop(permit);
        });
        let permit = first.wait().unwrap();
        served.add();
        drop(permit);
        release.join().unwrap();
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The line is granted its last permit, and becomes empty, while somebody comes.
#[test]
fn enqueue_against_clear() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || drop(block_on(theirs.acquire()).unwrap()));
        drop(last.wait().unwrap());
        release.join().unwrap();
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The last in line gives up, and the line becomes empty, while somebody comes.
#[test]
fn enqueue_against_clear_by_cancel() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(last);
        release.join().unwrap();
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// More waiters than are woken in one go: the lock is let go of in between.
#[test]
fn more_waiters_than_one_batch() {
    const MANY: u32 = 10;
    model(2, || {
        let s = semaphore(MANY as usize);
        let held = take(&s, MANY);
        let mut waiters: Vec<_> = (0..MANY).map(|_| Waiter::queued(&s, 1)).collect();
        let mut last = Waiter::queued(&s, 1);
        let cancelled = waiters.pop();
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(cancelled));
        assert!(s.try_acquire().is_err() || s.waiting() == 0);
        release.join().unwrap();
        cancel.join().unwrap();
        let permits: Vec<_> = waiters.iter_mut().map(Waiter::granted).collect();
        assert!(waiters.iter().all(|waiter| waiter.woken() == 1));
        assert_eq!(last.woken(), 1);
        drop((last.granted(), permits));
        assert_at_rest(&s, MANY as usize);
    });
}

/// A line that shrinks to nothing is no line: the next one may just try.
#[test]
fn line_that_has_gone_holds_up_nobody() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut waiter = Waiter::new(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || {
            let mut arrival = Waiter::new(&theirs, 1);
            match arrival.poll() {
                Poll::Ready(permit) => drop(permit.unwrap()),
                Poll::Pending => drop(arrival),
            }
        });
        drop(waiter.poll());
        drop(waiter);
        release.join().unwrap();
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
}
