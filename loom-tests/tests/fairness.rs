//! The modes in which waiters compete with newcomers.
//!
//! Time stands still: a bound of zero has always passed, any other never has.

use std::{sync::Arc, task::Poll};

use dynaphore::Semaphore;
use dynaphore_loom_tests::{
    AT_ONCE, Count, Data, NEVER, Waiter, assert_at_rest, assert_ended, barging, block_on, eventual,
    join, model, spawn, take,
};

/// A release and two that come, one to sleep as a thread and one as a task.
fn release_against_arrival(s: &Arc<Semaphore>) {
    let held = take(s, 1);
    let release = spawn(move || drop(held));
    let theirs = s.clone();
    let blocking = spawn(move || drop(theirs.blocking_acquire().unwrap()));
    drop(block_on(s.acquire()).unwrap());
    release.join().unwrap();
    blocking.join().unwrap();
    assert_at_rest(s, 1);
}

#[test]
fn barging_release_against_arrival() {
    model(2, || release_against_arrival(&barging(1, NEVER)));
}

/// Who was called is not waited for: the next look at the line calls the next.
#[test]
fn impatient_release_against_arrival() {
    model(2, || release_against_arrival(&barging(1, AT_ONCE)));
}

#[test]
fn eventual_release_against_arrival() {
    // Two would take minutes.
    model(1, || release_against_arrival(&eventual(1, AT_ONCE)));
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

/// Growth hands what it has made to the line, or leaves it to a newcomer that
/// was quicker, who calls.
#[test]
fn barging_grow_wakes_waiters() {
    model(3, || {
        let s = barging(0, NEVER);
        let mut first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(2));
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire()));
        let early = second.poll();
        assert_eq!(grow.join().unwrap(), 0);
        newcomer.join().unwrap();
        assert!(first.woken() > 0);
        if early.is_pending() {
            assert!(second.woken() > 0);
            drop((first.granted(), second.granted()));
        } else {
            drop(first.granted());
        }
        drop(early);
        assert_at_rest(&s, 2);
    });
}

/// The permit pays for the shrink, or somebody gets it, or both in turn.
#[test]
fn barging_call_against_shrink() {
    model(2, || {
        let s = barging(2, NEVER);
        let held = take(&s, 2);
        let waiters = [Waiter::queued(&s, 1), Waiter::queued(&s, 1)];
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let shrink = spawn(move || {
            assert_eq!(theirs.set_max(1), 2);
            theirs.blocking_settled();
        });
        for waiter in waiters {
            drop(waiter.wait().unwrap());
        }
        release.join().unwrap();
        shrink.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Those that were called are refused as well, and do not stand in for those
/// behind them.
#[test]
fn barging_close_against_call() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let mut first = Waiter::queued(&s, 1);
        let second = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        let second = second.wait();
        release.join().unwrap();
        close.join().unwrap();
        drop(second);
        // Called and not come, it may have been handed the permit by the second.
        assert!(first.poll().is_ready());
        assert_ended(&s);
    });
}

/// A called waiter tries while the semaphore is closed.
#[test]
fn barging_close_against_competing() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let first = Waiter::queued(&s, 1);
        let second = Waiter::queued(&s, 1);
        drop(held);
        let first = spawn(move || drop(first.wait()));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        drop(second.wait());
        first.join().unwrap();
        close.join().unwrap();
        assert_ended(&s);
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

/// max 1 is a mutex in this mode too: three that hold it in turn, one of them
/// called or passed.
fn ordering(s: &Arc<Semaphore>) {
    let data = Data::new();
    let held = take(s, 1);
    let mut waiter = Waiter::queued(s, 1);
    let shared = data.clone();
    let release = spawn(move || {
        shared.bump();
        drop(held);
    });
    let (theirs, shared) = (s.clone(), data.clone());
    let newcomer = spawn(move || {
        let permit = theirs.blocking_acquire().unwrap();
        shared.bump();
        drop(permit);
    });
    // Unwoken, too: what it takes by competing is in order with what came
    // before.
    let permit = match waiter.poll() {
        Poll::Ready(permit) => permit.unwrap(),
        Poll::Pending => waiter.wait().unwrap(),
    };
    assert!(data.bump() >= 2);
    drop(permit);
    release.join().unwrap();
    newcomer.join().unwrap();
    assert_eq!(data.read(), 3);
    assert_at_rest(s, 1);
}

#[test]
fn ordering_through_barging() {
    model(2, || ordering(&barging(1, NEVER)));
}

#[test]
fn ordering_through_eventual_hand_over() {
    // Two would take minutes.
    model(1, || ordering(&eventual(1, AT_ONCE)));
}

/// Called and not come yet: the permit lies there, and that is idle.
#[test]
fn idle_against_call() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let newcomer = spawn(move || drop(theirs.try_acquire()));
        block_on(s.idle());
        drop(waiter.wait().unwrap());
        release.join().unwrap();
        newcomer.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Neither swallows the other's wake-up.
#[test]
fn idle_and_called_waiter_together() {
    model(3, || {
        let s = barging(1, NEVER);
        let held = take(&s, 1);
        let waiter = Waiter::queued(&s, 1);
        let acquire = spawn(move || drop(waiter.wait().unwrap()));
        let release = spawn(move || drop(held));
        s.blocking_idle();
        acquire.join().unwrap();
        release.join().unwrap();
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
