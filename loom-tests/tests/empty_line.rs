//! Who knows that nobody is in line is not held up by a line that has gone.

use std::{sync::Arc, task::Poll, time::Duration};

use dynaphore::{OwnedSemaphorePermit, Semaphore};
use dynaphore_loom_tests::{
    AT_ONCE, Count, Waiter, assert_at_rest, eventual, join, model, semaphore, spawn, take,
    take_many_handed,
};

/// The last has been served, by a release that leaves one to spare, and `waiting`
/// says so. Another release comes with it, and is not needed for either.
#[test]
fn who_reads_that_the_last_is_served_enters() {
    served(|| semaphore(4), |s| take(s, 3), |s| s.waiting() == 0);
}

/// The same by permits that are handed on.
#[test]
fn who_reads_that_the_last_is_served_by_hand_enters() {
    let handed = |s: &_| take_many_handed(s, 3);
    served(|| semaphore(4), handed, |s| s.waiting() == 0);
}

/// The number of permits that are out says it as well.
#[test]
fn who_counts_that_the_last_is_served_enters() {
    served(|| semaphore(4), |s| take(s, 3), |s| s.active() == 2);
}

/// The same by permits that are handed on.
#[test]
fn who_counts_that_the_last_is_served_by_hand_enters() {
    let handed = |s: &_| take_many_handed(s, 3);
    served(|| semaphore(4), handed, |s| s.active() == 2);
}

/// Under `Eventual` one that has waited too long shuts newcomers out, until it
/// is gone.
#[test]
fn who_reads_that_an_overdue_line_has_gone_enters() {
    let overdue = || eventual(4, AT_ONCE);
    served(overdue, |s| take(s, 3), |s| s.waiting() == 0);
}

fn served(
    make: impl Fn() -> Arc<Semaphore> + Send + Sync + 'static,
    three: impl Fn(&Arc<Semaphore>) -> OwnedSemaphorePermit + Send + Sync + 'static,
    knows: impl Fn(&Semaphore) -> bool + Send + Sync + 'static,
) {
    let seen = Count::default();
    let seeing = seen.clone();
    model(3, move || {
        let s = make();
        let other = take(&s, 1);
        let held = three(&s);
        let mut last = Waiter::queued(&s, 2);
        let releases = [held, other].map(|held| spawn(move || drop(held)));
        if knows(&s) {
            seeing.add();
            drop(take(&s, 1));
        }
        join(releases);
        drop(last.granted());
        assert_at_rest(&s, 4);
    });
    assert!(seen.get() > 0);
}

/// The last has given up, and `waiting` says so, while a permit comes back for it.
#[test]
fn who_reads_that_the_last_has_given_up_enters() {
    let seen = Count::default();
    let seeing = seen.clone();
    model(3, move || {
        let s = semaphore(3);
        let (held, other) = (take(&s, 1), take(&s, 1));
        let last = Waiter::queued(&s, 3);
        let release = spawn(move || drop(other));
        let cancel = spawn(move || drop(last));
        if s.waiting() == 0 {
            seeing.add();
            drop(take(&s, 1));
        }
        cancel.join().unwrap();
        release.join().unwrap();
        drop(held);
        assert_at_rest(&s, 3);
    });
    assert!(seen.get() > 0);
}

/// A snapshot says it as well.
#[test]
fn who_sees_free_permits_and_no_line_enters() {
    let seen = Count::default();
    let seeing = seen.clone();
    model(3, move || {
        let s = semaphore(2);
        let held = take(&s, 1);
        let last = Waiter::queued(&s, 2);
        let cancel = spawn(move || drop(last));
        let release = spawn(move || drop(held));
        let snapshot = s.snapshot();
        if snapshot.waiting == 0 && snapshot.available() > 0 {
            seeing.add();
            drop(take(&s, 1));
        }
        cancel.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
    assert!(seen.get() > 0);
}

/// The last has given up, says its own thread, while a permit comes back for it.
#[test]
fn who_hears_that_the_last_has_given_up_enters() {
    model(3, || {
        let s = semaphore(3);
        let (held, other) = (take(&s, 1), take(&s, 1));
        let last = Waiter::queued(&s, 3);
        let release = spawn(move || drop(other));
        let cancel = spawn(move || drop(last));
        cancel.join().unwrap();
        drop(take(&s, 1));
        release.join().unwrap();
        drop(held);
        assert_at_rest(&s, 3);
    });
}

/// The last has been served, says its own thread.
#[test]
fn who_hears_that_the_last_is_served_enters() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 2);
        let mut last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let waiter = spawn(move || {
            if let Poll::Ready(permit) = last.poll() {
                return Ok(permit.unwrap());
            }
            Err(last)
        });
        if let Ok(permit) = waiter.join().unwrap() {
            drop(take(&s, 1));
            drop(permit);
        }
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// A timed-out acquire, says its own thread.
#[test]
fn who_hears_that_the_last_has_timed_out_enters() {
    model(2, || {
        let s = semaphore(3);
        let (held, other) = (take(&s, 1), take(&s, 1));
        let theirs = s.clone();
        let release = spawn(move || drop(other));
        let late = spawn(move || {
            theirs
                .blocking_acquire_many_timeout(3, Duration::ZERO)
                .is_err()
        });
        assert!(late.join().unwrap());
        drop(take(&s, 1));
        release.join().unwrap();
        drop(held);
        assert_at_rest(&s, 3);
    });
}

/// Two give up at once.
#[test]
fn who_hears_that_all_have_given_up_enters() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 1);
        let cancels = [Waiter::queued(&s, 2), Waiter::queued(&s, 1)]
            .map(|waiter| spawn(move || drop(waiter)));
        join(cancels);
        drop(take(&s, 1));
        drop(held);
        assert_at_rest(&s, 2);
    });
}

/// Only one that needs more than max waits, and it holds up nobody: neither who
/// was served in front of it, nor who reads that there is only one.
#[test]
fn who_is_served_before_a_request_for_more_than_max_enters() {
    let (heard, read) = (Count::default(), Count::default());
    let (hears, reads) = (heard.clone(), read.clone());
    model(3, move || {
        let s = semaphore(3);
        let held = take(&s, 3);
        let mut first = Waiter::queued(&s, 1);
        let mut heavy = Waiter::queued(&s, 3);
        s.set_max(2);
        let release = spawn(move || drop(held));
        if s.waiting() == 1 {
            reads.add();
            drop(take(&s, 1));
        }
        if let Poll::Ready(permit) = first.poll() {
            hears.add();
            drop(take(&s, 1));
            drop(permit.unwrap());
        }
        release.join().unwrap();
        s.set_max(3);
        drop(first);
        drop(heavy.granted());
        assert_at_rest(&s, 3);
    });
    assert!(heard.get() > 0 && read.get() > 0);
}

/// The same behind two that are served in one step.
#[test]
fn who_is_served_with_another_before_a_request_for_more_than_max_enters() {
    let heard = Count::default();
    let hears = heard.clone();
    model(3, move || {
        let s = semaphore(4);
        let held = take(&s, 4);
        let mut two = [(); 2].map(|()| Waiter::queued(&s, 1));
        let mut heavy = Waiter::queued(&s, 4);
        s.set_max(3);
        let release = spawn(move || drop(held));
        if let Poll::Ready(permit) = two[1].poll() {
            hears.add();
            drop(take(&s, 1));
            drop(permit.unwrap());
        }
        release.join().unwrap();
        s.set_max(4);
        drop(two);
        drop(heavy.granted());
        assert_at_rest(&s, 4);
    });
    assert!(heard.get() > 0);
}

/// And behind as many as are served in one go.
#[test]
fn who_is_served_with_many_before_a_request_for_more_than_max_enters() {
    const MANY: u32 = 8;
    let heard = Count::default();
    let hears = heard.clone();
    // All are served under one lock: two preemptions give ten executions only.
    model(4, move || {
        let s = semaphore(MANY as usize + 2);
        let held = take(&s, MANY + 2);
        // One that gives up, so that they are not served two by two.
        let mut many: Vec<_> = (0..MANY).map(|_| Waiter::queued(&s, 1)).collect();
        let gone = Waiter::queued(&s, 1);
        let mut heavy = Waiter::queued(&s, MANY + 2);
        drop(gone);
        s.set_max(MANY as usize + 1);
        let release = spawn(move || drop(held));
        if let Poll::Ready(permit) = many[0].poll() {
            hears.add();
            drop(take(&s, 1));
            drop(permit.unwrap());
        }
        release.join().unwrap();
        s.set_max(MANY as usize + 2);
        drop(many);
        drop(heavy.granted());
        assert_at_rest(&s, MANY as usize + 2);
    });
    assert!(heard.get() > 0);
}
