//! Permits that were handed over: whoever gives one back looks for a line first,
//! and hands it on if it sees one.

use dynaphore_loom_tests::{
    Data, Waiter, assert_at_rest, assert_ended, block_on, join, model, semaphore, spawn, take,
    take_handed,
};

/// Whether the line is seen before the permit is back, after, or not at all.
#[test]
fn handed_permit_against_arrival() {
    model(2, || {
        let s = semaphore(1);
        let held = take_handed(&s);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let blocking = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(block_on(s.acquire()).unwrap());
        release.join().unwrap();
        blocking.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// It is handed on without a write to the word, and carries what its holders
/// did.
#[test]
fn handed_permit_handed_on() {
    model(2, || {
        let s = semaphore(1);
        let data = Data::new();
        let held = take_handed(&s);
        let mut first = Waiter::queued(&s, 1);
        let shared = data.clone();
        let release = spawn(move || {
            shared.bump();
            drop(held);
        });
        let (theirs, shared) = (s.clone(), data.clone());
        let second = spawn(move || {
            let permit = theirs.blocking_acquire().unwrap();
            shared.bump();
            drop(permit);
        });
        let permit = match first.poll() {
            std::task::Poll::Ready(permit) => permit.unwrap(),
            std::task::Poll::Pending => first.wait().unwrap(),
        };
        assert_eq!(data.bump(), 2);
        drop(permit);
        release.join().unwrap();
        second.join().unwrap();
        assert_eq!(data.read(), 3);
        assert_at_rest(&s, 1);
    });
}

/// The line that was seen is gone when the lock is there: the permit goes back
/// to the word, for a newcomer and for the watcher.
#[test]
fn handed_permit_against_cancel() {
    model(2, || {
        let s = semaphore(1);
        let held = take_handed(&s);
        let last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(last));
        block_on(s.idle());
        release.join().unwrap();
        cancel.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The same, with somebody who comes and not only looks.
#[test]
fn handed_permit_against_cancel_and_arrival() {
    model(2, || {
        let s = semaphore(1);
        let held = take_handed(&s);
        let last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(last);
        arrival.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// It is handed to the front or pays for the shrink, once.
#[test]
#[ignore = "takes half a minute: `--include-ignored`, as `.ci/run --long` does"]
fn handed_permit_against_shrink() {
    model(2, || {
        let s = semaphore(2);
        let held = take_handed(&s);
        let other = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let shrink = spawn(move || {
            assert_eq!(theirs.set_max(1), 2);
            theirs.blocking_settled();
        });
        drop(other);
        drop(waiter.wait().unwrap());
        release.join().unwrap();
        shrink.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// It is handed to the front, or back in a word that is closed.
#[test]
fn handed_permit_against_close() {
    model(2, || {
        let s = semaphore(1);
        let held = take_handed(&s);
        let waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        drop(waiter.wait());
        s.blocking_idle();
        release.join().unwrap();
        close.join().unwrap();
        assert_ended(&s);
    });
}

/// Merged with a plain one, they are two for whoever is there: both for a heavy
/// front, or one for the front and one for who comes.
#[test]
fn handed_and_plain_permits_merged() {
    model(2, || {
        let s = semaphore(2);
        let mut held = take_handed(&s);
        held.merge(take(&s, 1));
        let front = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || theirs.blocking_acquire_owned().unwrap());
        let permit = front.wait().unwrap();
        // Both at once.
        let other = arrival.join().unwrap();
        release.join().unwrap();
        drop((permit, other));
        assert_at_rest(&s, 2);
    });
}

/// The other way about, and split again: the parts come back from two threads
/// to a front that needs both.
#[test]
fn plain_and_handed_permits_split() {
    model(2, || {
        let s = semaphore(2);
        let handed = take_handed(&s);
        let mut held = take(&s, 1);
        held.merge(handed);
        let half = held.split(1).expect("two");
        let heavy = Waiter::queued(&s, 2);
        let releases = [held, half].map(|held| spawn(move || drop(held)));
        drop(heavy.wait().unwrap());
        join(releases);
        assert_at_rest(&s, 2);
    });
}

/// One that is forgotten is not handed to anybody.
#[test]
fn handed_permit_forgotten() {
    model(2, || {
        let s = semaphore(2);
        let held = take_handed(&s);
        let other = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let forget = spawn(move || held.forget());
        let release = spawn(move || drop(other));
        drop(waiter.wait().unwrap());
        forget.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}
