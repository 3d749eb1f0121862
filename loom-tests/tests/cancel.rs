//! Waiters that give up while something happens to them.

use dynaphore_loom_tests::{
    Waiter, assert_at_rest, assert_ended, block_on, join, model, semaphore, spawn, take,
};

/// Before, during or after the grant: the permit goes to the next.
#[test]
fn cancel_before_grant() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let mut next = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(quitter));
        release.join().unwrap();
        cancel.join().unwrap();
        assert_eq!((next.woken(), s.waiting()), (1, 0));
        drop(next.granted());
        assert_at_rest(&s, 1);
    });
}

/// Granted already and never polled: dropping it is a release like any other.
#[test]
fn cancel_forwards_grant() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let granted = Waiter::queued(&s, 1);
        drop(held);
        assert_eq!((granted.woken(), s.active()), (1, 1));
        let cancel = spawn(move || drop(granted));
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        drop(block_on(s.acquire()).unwrap());
        cancel.join().unwrap();
        arrival.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// All give up at once: nobody is left to keep the newcomers out.
#[test]
fn cancels_together() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let cancels = [Waiter::queued(&s, 1), Waiter::queued(&s, 1)]
            .map(|waiter| spawn(move || drop(waiter)));
        drop(held);
        join(cancels);
        assert_at_rest(&s, 1);
    });
}

/// One in the middle gives up: those around it keep their order.
#[test]
fn cancel_in_the_middle() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut first = Waiter::queued(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let mut last = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let cancel = spawn(move || drop(quitter));
        release.join().unwrap();
        cancel.join().unwrap();
        assert!(last.poll().is_pending());
        drop(first.granted());
        drop(last.granted());
        assert_at_rest(&s, 1);
    });
}

/// One of two permits is there, and the front wants both. It gives up, the next
/// wants one.
#[test]
fn cancelled_heavy_front_lets_light_pass() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 1);
        let heavy = Waiter::queued(&s, 2);
        let mut light = Waiter::queued(&s, 1);
        let cancel = spawn(move || drop(heavy));
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        cancel.join().unwrap();
        assert_eq!(light.woken(), 1);
        drop(light.granted());
        arrival.join().unwrap();
        drop(held);
        assert_at_rest(&s, 2);
    });
}

/// The same with the other permit coming back at that moment: whoever comes
/// second finds what the first has left.
#[test]
fn cancelled_heavy_front_against_release() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 1);
        let heavy = Waiter::queued(&s, 2);
        let mut light = [Waiter::queued(&s, 1), Waiter::queued(&s, 1)];
        let cancel = spawn(move || drop(heavy));
        let release = spawn(move || drop(held));
        cancel.join().unwrap();
        release.join().unwrap();
        let permits = light.each_mut().map(Waiter::granted);
        assert!(light.iter().all(|waiter| waiter.woken() == 1));
        drop(permits);
        assert_at_rest(&s, 2);
    });
}

/// One that stands aside gives up while growth would let it in.
#[test]
fn cancel_aside_against_growth() {
    model(3, || {
        let s = semaphore(1);
        let heavy = Waiter::queued(&s, 2);
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(2));
        let cancel = spawn(move || drop(heavy));
        drop(block_on(s.acquire_many(1)).unwrap());
        assert_eq!(grow.join().unwrap(), 1);
        cancel.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// Closed out or gone: no place and no permit is left behind.
#[test]
fn cancel_against_close() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let mut other = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        let cancel = spawn(move || drop(quitter));
        close.join().unwrap();
        cancel.join().unwrap();
        assert!(matches!(other.poll(), std::task::Poll::Ready(Err(_))));
        drop(held);
        assert_ended(&s);
    });
}
