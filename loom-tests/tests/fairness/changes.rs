//! What changes for all while somebody is called: max, the end, idleness.

use dynaphore_loom_tests::{
    NEVER, Waiter, assert_at_rest, assert_ended, barging, block_on, model, spawn, take,
};

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
#[ignore = "takes half a minute: `--include-ignored`, as `.ci/run --long` does"]
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
