//! Whoever is called competes with newcomers and others in line, and may give up.

use std::{sync::Arc, task::Poll};

use dynaphore_loom_tests::{
    Count, NEVER, Waiter, assert_at_rest, barging, join, model, spawn, take,
};

use crate::{ordering, release_against_arrival};

#[test]
fn barging_release_against_arrival() {
    model(2, || release_against_arrival(&barging(1, NEVER)));
}

/// A newcomer takes the permit that the waiter was called for. The waiter is
/// called again: it does not sleep beside a free permit.
#[test]
fn barging_call_against_newcomer() {
    let barged = Count::default();
    let barges = barged.clone();
    model(2, move || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let (theirs, barges) = (s.clone(), barges.clone());
        let newcomer = spawn(move || {
            if let Ok(permit) = theirs.try_acquire() {
                if theirs.waiting() > 0 {
                    barges.add();
                }
                drop(permit);
            }
        });
        drop(waiter.wait().unwrap());
        release.join().unwrap();
        newcomer.join().unwrap();
        assert_at_rest(&s, 1);
    });
    assert!(barged.get() > 0);
}

/// The same by one that waits in turn when it has come too late.
#[test]
fn barging_call_against_arrival() {
    model(2, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(waiter.wait().unwrap());
        release.join().unwrap();
        newcomer.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Before it is called, or after: the next is called instead.
#[test]
fn barging_called_waiter_cancelled() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let next = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(quitter));
        drop(next.wait().unwrap());
        release.join().unwrap();
        cancel.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// It has been called, and a newcomer has the permit: that one calls the next.
#[test]
fn barging_called_waiter_cancelled_against_newcomer() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let called = Waiter::queued(&s, 1);
        let next = Waiter::queued(&s, 1);
        drop(held);
        assert_eq!((called.woken(), next.woken()), (1, 0));
        let cancel = spawn(move || drop(called));
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire()));
        drop(next.wait().unwrap());
        cancel.join().unwrap();
        newcomer.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Two permits come back: both waiters are called, and both get in.
#[test]
fn barging_two_releases_two_waiters() {
    model(3, || {
        let s = barging(2, NEVER);
        let held = [take(&s, 1), take(&s, 1)];
        let mut waiters = [Waiter::queued(&s, 1), Waiter::queued(&s, 1)];
        join(held.map(|held| spawn(move || drop(held))));
        assert_eq!(waiters.each_ref().map(Waiter::woken), [1, 1]);
        assert_eq!((s.active(), s.waiting()), (0, 2));
        let [first, second] = &mut waiters;
        drop((second.granted(), first.granted()));
        assert_at_rest(&s, 2);
    });
}

/// The same while they come to look.
#[test]
fn barging_two_releases_unpark_two() {
    model(2, || {
        let s = barging(2, NEVER);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let waiters = [Waiter::queued(&s, 1), Waiter::queued(&s, 1)]
            .map(|waiter| spawn(move || waiter.wait().unwrap()));
        drop(a);
        drop(b);
        // Both at once: neither permit is lent twice.
        drop(waiters.map(|waiter| waiter.join().unwrap()));
        assert_at_rest(&s, 2);
    });
}

/// One waiter looks because it is polled, not because it was called, and takes
/// what the other was called for.
#[test]
fn barging_called_waiter_passed_by_another() {
    model(2, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let called = Waiter::queued(&s, 1);
        let mut other = Waiter::queued(&s, 1);
        drop(held);
        let called = spawn(move || drop(called.wait().unwrap()));
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire()));
        match other.poll() {
            Poll::Ready(permit) => drop(permit.unwrap()),
            Poll::Pending => drop(other.wait().unwrap()),
        }
        called.join().unwrap();
        newcomer.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// The waker that is registered last is the one that is called.
#[test]
fn barging_waker_replaced_against_call() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let mut waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire()));
        let newest = Arc::new(Count::default());
        let polled = waiter.poll_with(&newest.clone().into());
        release.join().unwrap();
        newcomer.join().unwrap();
        if polled.is_pending() {
            assert!(newest.get() > 0);
            drop(waiter.granted());
        }
        drop(polled);
        assert_at_rest(&s, 1);
    });
}

/// Permits that come back one by one add up for the heavy one, and the light one
/// behind it is called in the end.
#[test]
fn barging_heavy_waiter_with_a_light_one_behind() {
    model(2, || {
        let s = barging(2, NEVER);
        let held = [take(&s, 1), take(&s, 1)];
        let heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        let releases = held.map(|held| spawn(move || drop(held)));
        drop(heavy.wait().unwrap());
        drop(light.wait().unwrap());
        join(releases);
        assert_at_rest(&s, 2);
    });
}

/// A newcomer takes one of the two that the heavy one was called for; the light
/// one may come first by itself.
#[test]
fn barging_heavy_waiter_against_newcomer() {
    model(2, || {
        let s = barging(2, NEVER);
        let held = take(&s, 2);
        let heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        drop(held);
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire()));
        let heavy = spawn(move || drop(heavy.wait().unwrap()));
        drop(light.wait().unwrap());
        newcomer.join().unwrap();
        heavy.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// A light one has been called and does not come: whoever releases has to see that there is
/// a line now.
#[test]
fn barging_heavy_arrival_against_release() {
    model(2, || {
        let s = barging(2, NEVER);
        let held = take(&s, 2);
        let light = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        drop(s.blocking_acquire_many(2).unwrap());
        release.join().unwrap();
        drop(light.wait().unwrap());
        assert_at_rest(&s, 2);
    });
}

/// The heavy one was called, and a shrink makes it too large before it comes:
/// it stands aside, and the light one is served.
#[test]
fn barging_called_waiter_made_too_large() {
    model(2, || {
        let s = barging(2, NEVER);
        let held = take(&s, 2);
        let heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        drop(held);
        let heavy = spawn(move || drop(heavy.wait().unwrap()));
        let theirs = s.clone();
        let resize = spawn(move || {
            theirs.set_max(1);
            theirs.set_max(2);
        });
        drop(light.wait().unwrap());
        heavy.join().unwrap();
        resize.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

#[test]
fn ordering_through_barging() {
    model(2, || ordering(&barging(1, NEVER)));
}
