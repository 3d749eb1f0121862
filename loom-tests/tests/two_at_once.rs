//! A release that serves the first two in line in one step of the word, and
//! leaves a third. What is released here was handed over, so it is handed on
//! without going back first, unless a model says otherwise.

use std::task::Poll;

use dynaphore_loom_tests::{
    Data, Waiter, assert_at_rest, join, model, semaphore, spawn, take, take_many_handed,
};

/// Two are served, and see what the holder did. The permit of the third comes
/// from whoever is done first.
#[test]
fn both_read_their_grant() {
    model(3, || {
        let s = semaphore(2);
        let data = Data::new();
        let held = take_many_handed(&s, 2);
        let [first, second] = [(); 2].map(|()| Waiter::queued(&s, 1));
        let mut third = Waiter::queued(&s, 1);
        let bumped = data.clone();
        let release = spawn(move || {
            bumped.bump();
            drop(held);
        });
        let read = data.clone();
        let second = spawn(move || {
            let permit = second.wait().unwrap();
            assert_eq!(read.read(), 1);
            permit
        });
        let permit = first.wait().unwrap();
        assert_eq!(data.read(), 1);
        let other = second.join().unwrap();
        release.join().unwrap();
        assert_eq!((third.woken(), s.active(), s.waiting()), (0, 2, 1));
        drop((permit, other));
        drop(third.granted());
        assert_at_rest(&s, 2);
    });
}

/// The second fits beside the first only with what comes back to the word
/// meanwhile. Whoever looks last sees both.
#[test]
fn second_fits_by_another_release() {
    model(3, || {
        let s = semaphore(3);
        let plain = take(&s, 1);
        let held = take_many_handed(&s, 2);
        let mut first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 2);
        let mut third = Waiter::queued(&s, 1);
        let releases = [held, plain].map(|held| spawn(move || drop(held)));
        assert!(third.poll().is_pending());
        join(releases);
        assert_eq!([&first, &second, &third].map(Waiter::woken), [1, 1, 0]);
        drop(first.granted());
        drop((second.granted(), third.granted()));
        assert_at_rest(&s, 3);
    });
}

/// Both releases bring enough for two each: four are served, a fifth is not.
#[test]
fn two_releases_serve_two_each() {
    model(3, || {
        let s = semaphore(4);
        let plain = take(&s, 2);
        let held = take_many_handed(&s, 2);
        let mut line = [(); 5].map(|()| Waiter::queued(&s, 1));
        let releases = [held, plain].map(|held| spawn(move || drop(held)));
        join(releases);
        assert_eq!(line.each_ref().map(Waiter::woken), [1, 1, 1, 1, 0]);
        let [served @ .., last] = &mut line;
        drop(served.each_mut().map(Waiter::granted));
        drop(last.granted());
        assert_at_rest(&s, 4);
    });
}

/// Nobody is behind the second: QUEUED goes with the last, and an arrival that
/// comes meanwhile is not forgotten.
#[test]
fn second_is_last_against_arrival() {
    model(3, || {
        let s = semaphore(2);
        let held = take_many_handed(&s, 2);
        let mut line = [(); 2].map(|()| Waiter::queued(&s, 1));
        let theirs = s.clone();
        let arrival = spawn(move || {
            let mut arrival = Waiter::new(&theirs, 1);
            let polled = arrival.poll();
            (arrival, polled)
        });
        drop(held);
        let (mut arrival, polled) = arrival.join().unwrap();
        assert!(polled.is_pending());
        let permits = line.each_mut().map(Waiter::granted);
        assert_eq!((s.active(), s.waiting(), arrival.woken()), (2, 1, 0));
        drop(permits);
        drop(arrival.granted());
        assert_at_rest(&s, 2);
    });
}

/// The second needs more than max, or just what max becomes meanwhile. The third
/// is not held up for ever.
#[test]
fn second_too_large_against_growth() {
    model(3, || {
        let s = semaphore(2);
        let held = take_many_handed(&s, 2);
        let mut first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 3);
        let mut third = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(4));
        release.join().unwrap();
        assert_eq!(grow.join().unwrap(), 2);
        let permit = first.granted();
        match second.poll() {
            Poll::Ready(permit) => {
                assert!(third.poll().is_pending(), "four are out");
                drop(permit.unwrap());
                drop(third.granted());
            }
            Poll::Pending => {
                drop(third.granted());
                drop(second.granted());
            }
        }
        drop(permit);
        assert_at_rest(&s, 4);
    });
}

/// A shrink takes what would have been the second's.
#[test]
fn second_against_shrink() {
    model(3, || {
        let s = semaphore(2);
        let held = take_many_handed(&s, 2);
        let mut line = [(); 3].map(|()| Waiter::queued(&s, 1));
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let shrink = spawn(move || theirs.set_max(1));
        release.join().unwrap();
        assert_eq!(shrink.join().unwrap(), 2);
        let [first, second, third] = &mut line;
        let permit = first.granted();
        match second.poll() {
            Poll::Ready(other) => {
                drop(permit);
                assert_eq!((s.active(), third.woken()), (1, 0));
                drop(other.unwrap());
            }
            Poll::Pending => {
                assert_eq!(s.active(), 1);
                drop(permit);
                drop(second.granted());
            }
        }
        drop(third.granted());
        assert_at_rest(&s, 1);
    });
}

/// All three are told something; whoever is served comes before whoever is not.
#[test]
fn both_against_close() {
    model(3, || {
        let s = semaphore(2);
        let held = take_many_handed(&s, 2);
        let mut line = [(); 3].map(|()| Waiter::queued(&s, 1));
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        release.join().unwrap();
        close.join().unwrap();
        let told = line.each_mut().map(|waiter| match waiter.poll() {
            Poll::Ready(told) => told.is_ok(),
            Poll::Pending => panic!("told nothing"),
        });
        assert!(
            told == [true, true, false] || told == [false; 3],
            "{told:?}"
        );
        assert_eq!((s.active(), s.waiting()), (0, 0));
    });
}

/// The second leaves before or after it has been served: its permit is the
/// third's.
#[test]
fn second_gives_up() {
    model(3, || {
        let s = semaphore(2);
        let held = take_many_handed(&s, 2);
        let mut first = Waiter::queued(&s, 1);
        let second = Waiter::queued(&s, 1);
        let mut third = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(second));
        release.join().unwrap();
        cancel.join().unwrap();
        assert_eq!((first.woken(), third.woken(), s.active()), (1, 1, 2));
        drop((first.granted(), third.granted()));
        assert_at_rest(&s, 2);
    });
}

/// The first leaves before or after: so there are two in line, or three.
#[test]
fn first_gives_up() {
    model(3, || {
        let s = semaphore(2);
        let held = take_many_handed(&s, 2);
        let first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 1);
        let mut third = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(first));
        release.join().unwrap();
        cancel.join().unwrap();
        assert_eq!((second.woken(), third.woken(), s.active()), (1, 1, 2));
        drop((second.granted(), third.granted()));
        assert_at_rest(&s, 2);
    });
}
