//! Whoever is overdue is handed the permit and competes no more.

use dynaphore_loom_tests::{
    AT_ONCE, Count, Waiter, assert_at_rest, eventual, join, model, spawn, take,
};

use crate::{ordering, release_against_arrival};

#[test]
fn eventual_release_against_arrival() {
    // Two would take minutes.
    model(1, || release_against_arrival(&eventual(1, AT_ONCE)));
}

/// Its time has come: it is handed the permit, and no newcomer gets it.
#[test]
fn eventual_overdue_is_handed_over() {
    model(3, || {
        let s = eventual(1, AT_ONCE);
        let held = take(&s, 1);
        let mut waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let newcomer = spawn(move || assert!(theirs.try_acquire().is_err()));
        assert!(s.try_acquire().is_err());
        release.join().unwrap();
        newcomer.join().unwrap();
        assert_eq!((waiter.woken(), s.active(), s.waiting()), (1, 1, 0));
        drop(waiter.granted());
        assert_at_rest(&s, 1);
    });
}

/// Nor does one that is ready to wait, however many are overdue.
#[test]
fn eventual_never_barges_when_overdue() {
    model(2, || {
        let s = eventual(1, AT_ONCE);
        let held = take(&s, 1);
        let first = Waiter::queued(&s, 1);
        let second = Waiter::queued(&s, 1);
        let served = Count::default();
        let release = spawn(move || drop(held));
        let (theirs, before) = (s.clone(), served.clone());
        let arrival = spawn(move || {
            let permit = theirs.blocking_acquire().unwrap();
            assert_eq!(before.get(), 2);
            drop(permit);
        });
        for waiter in [first, second] {
            let permit = waiter.wait().unwrap();
            served.add();
            drop(permit);
        }
        release.join().unwrap();
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// What is free and too little for an overdue front stays there for it.
#[test]
fn eventual_keeps_what_is_free_for_a_heavy_front() {
    model(3, || {
        let s = eventual(2, AT_ONCE);
        let held = [take(&s, 1), take(&s, 1)];
        let mut heavy = Waiter::queued(&s, 2);
        let releases = held.map(|held| spawn(move || drop(held)));
        assert!(s.try_acquire().is_err());
        join(releases);
        assert_eq!((heavy.woken(), s.active()), (1, 2));
        drop(heavy.granted());
        assert_at_rest(&s, 2);
    });
}

/// An overdue front gives up: those behind it are no worse off.
#[test]
fn eventual_overdue_front_cancelled() {
    model(3, || {
        let s = eventual(2, AT_ONCE);
        let held = take(&s, 1);
        let heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        let cancel = spawn(move || drop(heavy));
        let release = spawn(move || drop(held));
        drop(light.wait().unwrap());
        cancel.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// The line is overdue, then gone: newcomers take what is free.
#[test]
fn eventual_line_that_has_gone_holds_up_nobody() {
    model(3, || {
        let s = eventual(1, AT_ONCE);
        let held = take(&s, 1);
        let last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(last));
        drop(s.blocking_acquire().unwrap());
        release.join().unwrap();
        cancel.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

#[test]
fn ordering_through_eventual_hand_over() {
    // Two would take minutes.
    model(1, || ordering(&eventual(1, AT_ONCE)));
}
