//! max changes while others come and go.

use std::task::Poll;

use dynaphore_loom_tests::{Waiter, assert_at_rest, block_on, join, model, semaphore, spawn, take};

/// From 0 to 2, in two steps that race, with three waiters: two proceed.
#[test]
fn grow_wakes_waiters() {
    model(3, || {
        let s = semaphore(0);
        let mut waiters = [(); 3].map(|()| Waiter::queued(&s, 1));
        let grow = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || s.add_permits(1))
        });
        join(grow);
        assert_eq!(waiters.each_ref().map(Waiter::woken), [1, 1, 0]);
        assert_eq!((s.active(), s.waiting()), (2, 1));
        let [first, second, third] = &mut waiters;
        assert!(third.poll().is_pending());
        drop(first.granted());
        drop((second.granted(), third.granted()));
        assert_at_rest(&s, 2);
    });
}

/// From 0 to 2 in one step, with three threads that wait or are about to: at
/// least two are in, and no more than two at once.
#[test]
fn grow_admits_as_many_as_fit() {
    model(2, || {
        let s = semaphore(0);
        let mut own = Waiter::queued(&s, 1);
        let arrivals = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || {
                let mut waiter = Waiter::new(&s, 1);
                let permit = waiter.poll();
                (waiter, permit)
            })
        });
        assert_eq!(s.set_max(2), 0);
        let permit = own.granted();
        let arrived = arrivals.map(|arrival| arrival.join().unwrap());
        let mut permits = vec![permit];
        let mut left = vec![];
        for (mut waiter, polled) in arrived {
            match polled {
                Poll::Ready(permit) => permits.push(permit.unwrap()),
                Poll::Pending => match waiter.poll() {
                    Poll::Ready(permit) => permits.push(permit.unwrap()),
                    Poll::Pending => left.push(waiter),
                },
            }
        }
        assert_eq!((permits.len(), left.len()), (2, 1));
        drop(permits);
        drop(left.remove(0).granted());
        assert_at_rest(&s, 2);
    });
}

/// By one, with two in line and one who comes: the first is in, nobody else.
#[test]
fn grow_admits_in_order() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut first = Waiter::queued(&s, 1);
        let mut second = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let grow = spawn(move || theirs.add_permits(1));
        let theirs = s.clone();
        let newcomer = spawn(move || assert!(theirs.try_acquire().is_err()));
        assert!(second.poll().is_pending());
        grow.join().unwrap();
        newcomer.join().unwrap();
        assert_eq!((first.woken(), second.woken(), s.active()), (1, 0, 2));
        drop(first.granted());
        drop((second.granted(), held));
        assert_at_rest(&s, 2);
    });
}

/// max is raised while somebody is about to queue.
#[test]
fn grow_against_enqueue() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let arrivals = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || drop(s.blocking_acquire().unwrap()))
        });
        assert_eq!(s.set_max(2), 1);
        join(arrivals);
        drop(held);
        assert_at_rest(&s, 2);
    });
}

/// The same from 0, where the waiter stands aside.
#[test]
fn resume_against_enqueue() {
    model(2, || {
        let s = semaphore(0);
        let theirs = s.clone();
        let arrival = spawn(move || drop(block_on(theirs.acquire()).unwrap()));
        let theirs = s.clone();
        let other = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        assert_eq!(s.set_max(1), 0);
        arrival.join().unwrap();
        other.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// Growth admits the front while it gives up.
#[test]
fn grow_against_cancel() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let mut next = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let grow = spawn(move || theirs.add_permits(1));
        let cancel = spawn(move || drop(quitter));
        grow.join().unwrap();
        cancel.join().unwrap();
        drop(next.granted());
        drop(held);
        assert_at_rest(&s, 2);
    });
}

/// A permit that comes back during a shrink pays for it, or was granted before.
#[test]
fn shrink_during_release() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let mut waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(a));
        let theirs = s.clone();
        let shrink = spawn(move || {
            assert_eq!(theirs.set_max(1), 2);
            assert!(theirs.try_acquire().is_err());
        });
        release.join().unwrap();
        shrink.join().unwrap();
        match waiter.poll() {
            Poll::Ready(permit) => {
                assert_eq!((s.active(), s.snapshot().excess()), (2, 1));
                drop(permit.unwrap());
                assert!(s.try_acquire().is_err());
                drop(b);
            }
            Poll::Pending => {
                assert_eq!((s.active(), waiter.woken()), (1, 0));
                drop(b);
                drop(waiter.granted());
            }
        }
        assert_at_rest(&s, 1);
    });
}

/// After a pause has returned nobody gets in, whatever comes back.
#[test]
fn pause_during_release() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let theirs = s.clone();
        let pause = spawn(move || {
            assert_eq!(theirs.set_max(0), 1);
            assert!(theirs.try_acquire().is_err());
            let mut late = Waiter::queued(&theirs, 1);
            assert!(late.poll().is_pending());
            assert_eq!(late.woken(), 0);
        });
        let release = spawn(move || drop(held));
        drop(s.try_acquire());
        release.join().unwrap();
        pause.join().unwrap();
        assert_eq!((s.active(), s.waiting(), s.available_permits()), (0, 0, 0));
        assert_eq!(s.set_max(1), 0);
        assert_at_rest(&s, 1);
    });
}

/// The permit goes to the waiter before the shrink or not at all: it is never
/// neither back nor granted.
#[test]
fn shrink_while_handing_over() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut waiter = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let shrink = spawn(move || theirs.set_max(0));
        release.join().unwrap();
        assert_eq!(shrink.join().unwrap(), 1);
        match waiter.poll() {
            Poll::Ready(permit) => {
                assert_eq!((s.active(), s.waiting()), (1, 0));
                drop(permit.unwrap());
                assert_eq!(s.set_max(1), 0);
            }
            Poll::Pending => {
                assert_eq!((s.active(), s.waiting(), waiter.woken()), (0, 1, 0));
                assert_eq!(s.set_max(1), 0);
                drop(waiter.granted());
            }
        }
        assert_at_rest(&s, 1);
    });
}

/// The front of two permits may get them before the shrink only; then it stands
/// aside and lets the next one by.
#[test]
fn shrink_below_the_front() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 2);
        let mut heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let shrink = spawn(move || theirs.set_max(1));
        release.join().unwrap();
        assert_eq!(shrink.join().unwrap(), 2);
        match heavy.poll() {
            Poll::Ready(permit) => {
                assert_eq!((s.active(), light.woken()), (2, 0));
                drop(permit.unwrap());
                drop(light.wait().unwrap());
            }
            Poll::Pending => {
                drop(light.wait().unwrap());
                assert_eq!(s.set_max(2), 1);
                drop(heavy.granted());
                s.set_max(1);
            }
        }
        assert_at_rest(&s, 1);
    });
}

/// Each call says which max it replaced: together they are a chain.
#[test]
fn racing_set_max() {
    model(3, || {
        let s = semaphore(1);
        let calls = [2, 3].map(|max| {
            let s = s.clone();
            spawn(move || s.set_max(max))
        });
        let own = s.set_max(4);
        let [a, b] = calls.map(|call| call.join().unwrap());
        let mut chain = [own, a, b, s.max()];
        chain.sort_unstable();
        assert_eq!(chain, [1, 2, 3, 4]);
        assert_at_rest(&s, s.max());
    });
}

/// The last of racing calls decides, for those that wait too.
#[test]
fn racing_set_max_with_waiters() {
    model(2, || {
        let s = semaphore(0);
        let mut waiters = [Waiter::queued(&s, 1), Waiter::queued(&s, 2)];
        let calls = [1, 2].map(|max| {
            let s = s.clone();
            spawn(move || s.set_max(max))
        });
        join(calls);
        let [light, heavy] = &mut waiters;
        drop(light.granted());
        if s.max() == 1 {
            assert!(heavy.poll().is_pending());
            assert_eq!(s.set_max(2), 1);
        }
        drop(heavy.granted());
        assert_at_rest(&s, 2);
    });
}

/// One permit leaves for good while another comes back: the waiter gets that.
#[test]
fn forget_against_release() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let mut waiter = Waiter::queued(&s, 1);
        let forget = spawn(move || a.forget());
        let release = spawn(move || drop(b));
        forget.join().unwrap();
        release.join().unwrap();
        drop(waiter.granted());
        assert_at_rest(&s, 1);
    });
}

/// The front wants as many as are now gone for good: it lets the others by.
#[test]
fn forget_against_heavy_front() {
    model(3, || {
        let s = semaphore(2);
        let (a, b) = (take(&s, 1), take(&s, 1));
        let mut heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        let forget = spawn(move || a.forget());
        let release = spawn(move || drop(b));
        drop(light.wait().unwrap());
        forget.join().unwrap();
        release.join().unwrap();
        assert!(heavy.poll().is_pending());
        s.add_permits(1);
        drop(heavy.granted());
        assert_at_rest(&s, 2);
    });
}

/// One permit is there: either it is forgotten or it is taken.
#[test]
fn forget_permits_against_acquire() {
    model(3, || {
        let s = semaphore(1);
        let theirs = s.clone();
        let forget = spawn(move || theirs.forget_permits(1));
        let theirs = s.clone();
        let take = spawn(move || theirs.try_acquire_owned());
        let mut waiter = Waiter::new(&s, 1);
        let waiting = waiter.poll();
        let taken = take.join().unwrap();
        let gone = forget.join().unwrap();
        let holders = usize::from(taken.is_ok()) + usize::from(waiting.is_ready());
        assert!(gone + holders <= 1 || s.max() == 1);
        assert_eq!(s.max(), 1 - gone);
        drop((taken, waiting));
        if gone == 1 {
            s.add_permits(1);
        }
        drop(waiter);
        assert_at_rest(&s, 1);
    });
}
