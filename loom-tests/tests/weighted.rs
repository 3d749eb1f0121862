//! Requests for many permits, and for more than max.

use std::task::Poll;

use dynaphore_loom_tests::{Waiter, assert_at_rest, block_on, join, model, semaphore, spawn, take};

/// Permits that come back one by one add up for the front; the light one behind
/// it does not snatch them.
#[test]
fn heavy_front_served() {
    model(3, || {
        let s = semaphore(2);
        let releases = [(); 2].map(|()| take(&s, 1));
        let mut heavy = Waiter::queued(&s, 2);
        let mut light = Waiter::queued(&s, 1);
        let releases = releases.map(|held| spawn(move || drop(held)));
        assert!(light.poll().is_pending());
        join(releases);
        let permit = heavy.granted();
        assert_eq!(light.woken(), 0);
        drop(permit);
        drop(light.granted());
        assert_at_rest(&s, 2);
    });
}

/// More come back than the front needs: the rest goes to the next, or to the
/// word.
#[test]
fn heavy_release_serves_several() {
    model(3, || {
        let s = semaphore(3);
        let held = take(&s, 3);
        let front = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || theirs.blocking_acquire_owned().unwrap());
        let first = front.wait().unwrap();
        let second = arrival.join().unwrap();
        release.join().unwrap();
        let third = take(&s, 1);
        drop((first, second, third));
        assert_at_rest(&s, 3);
    });
}

/// The front takes exactly what comes back. What lay there, too little for the
/// front, is enough for the next.
#[test]
fn served_front_leaves_the_rest_to_the_next() {
    model(3, || {
        let s = semaphore(3);
        let held = take(&s, 2);
        let mut heavy = Waiter::queued(&s, 2);
        let mut light = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        release.join().unwrap();
        assert_eq!((heavy.woken(), light.woken()), (1, 1));
        let permit = heavy.granted();
        drop(light.granted());
        arrival.join().unwrap();
        drop(permit);
        assert_at_rest(&s, 3);
    });
}

/// The same with one in between that wants more than max, and is no hindrance.
#[test]
fn served_front_leaves_the_rest_past_one_too_large() {
    model(3, || {
        let s = semaphore(3);
        let held = take(&s, 2);
        let mut heavy = Waiter::queued(&s, 2);
        let aside = Waiter::queued(&s, 4);
        let mut light = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let read = spawn(move || theirs.snapshot());
        release.join().unwrap();
        assert!(read.join().unwrap().active <= 3);
        assert_eq!((heavy.woken(), light.woken()), (1, 1));
        drop((heavy.granted(), light.granted(), aside));
        assert_at_rest(&s, 3);
    });
}

/// max is raised while somebody finds that it asks for more.
#[test]
fn too_large_steps_aside_against_growth() {
    model(2, || {
        let s = semaphore(1);
        let theirs = s.clone();
        let heavy = spawn(move || drop(theirs.blocking_acquire_many(2).unwrap()));
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(2));
        drop(block_on(s.acquire()).unwrap());
        heavy.join().unwrap();
        assert_eq!(grow.join().unwrap(), 1);
        assert_at_rest(&s, 2);
    });
}

/// The same by somebody who reached the front first.
#[test]
fn front_steps_aside_against_growth() {
    model(2, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let light = Waiter::queued(&s, 1);
        let heavy = Waiter::queued(&s, 2);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(2));
        drop(light.wait().unwrap());
        drop(heavy.wait().unwrap());
        release.join().unwrap();
        assert_eq!(grow.join().unwrap(), 1);
        assert_at_rest(&s, 2);
    });
}

/// And by a front that a shrink has made too large, raced by growth.
#[test]
fn front_made_too_large_against_growth() {
    model(3, || {
        let s = semaphore(2);
        let held = take(&s, 1);
        let mut heavy = Waiter::queued(&s, 2);
        let calls = [1, 2].map(|max| {
            let s = s.clone();
            spawn(move || s.set_max(max))
        });
        join(calls);
        assert!(heavy.poll().is_pending());
        drop(held);
        if s.max() == 1 {
            assert!(heavy.poll().is_pending());
            s.set_max(2);
        }
        drop(heavy.granted());
        assert_at_rest(&s, 2);
    });
}

/// While it stands aside, those behind it are served.
#[test]
fn aside_holds_up_nobody() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut heavy = Waiter::queued(&s, 2);
        let light = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let arrival = spawn(move || drop(theirs.blocking_acquire().unwrap()));
        let release = spawn(move || drop(held));
        drop(light.wait().unwrap());
        arrival.join().unwrap();
        release.join().unwrap();
        assert!(heavy.poll().is_pending());
        assert_eq!((heavy.woken(), s.waiting()), (0, 1));
        s.set_max(2);
        drop(heavy.granted());
        assert_at_rest(&s, 2);
    });
}

/// max is raised, and the permit that is missing comes back, both at once.
#[test]
fn aside_rejoin_against_release() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let heavy = Waiter::queued(&s, 2);
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(2));
        let release = spawn(move || drop(held));
        drop(heavy.wait().unwrap());
        assert_eq!(grow.join().unwrap(), 1);
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// Once the call that raised max has returned, it has its old place again.
#[test]
fn aside_rejoins_ahead_of_arrivals() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut heavy = Waiter::queued(&s, 2);
        s.set_max(2);
        let theirs = s.clone();
        let arrival = spawn(move || {
            let mut arrival = Waiter::new(&theirs, 1);
            let polled = arrival.poll();
            (arrival, polled)
        });
        let release = spawn(move || drop(held));
        release.join().unwrap();
        let permit = heavy.granted();
        let (mut arrival, polled) = arrival.join().unwrap();
        assert!(polled.is_pending());
        assert_eq!(arrival.woken(), 0);
        drop(permit);
        drop(arrival.granted());
        assert_at_rest(&s, 2);
    });
}

/// Two stand aside; each call lets in whom its max allows.
#[test]
fn two_aside_against_two_growths() {
    model(3, || {
        let s = semaphore(1);
        let mut heavy = [Waiter::queued(&s, 3), Waiter::queued(&s, 2)];
        let calls = [(); 2].map(|()| {
            let s = s.clone();
            spawn(move || s.add_permits(1))
        });
        join(calls);
        let [three, two] = &mut heavy;
        match three.poll() {
            Poll::Ready(permit) => {
                assert!(two.poll().is_pending());
                drop(permit.unwrap());
                drop(two.granted());
            }
            Poll::Pending => {
                drop(two.granted());
                drop(three.granted());
            }
        }
        assert_at_rest(&s, 3);
    });
}

/// One that stood aside and others behind it, all served in one go, read their
/// verdicts at any moment.
#[test]
fn straggler_reads_its_own_verdict() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut straggler = Waiter::queued(&s, 2);
        let mut light = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let grow = spawn(move || theirs.set_max(3));
        // Pending as long as it is not granted, whoever else is.
        let early = straggler.poll();
        if early.is_ready() {
            assert!(s.active() >= 2);
        }
        release.join().unwrap();
        assert_eq!(grow.join().unwrap(), 1);
        let heavy = match early {
            Poll::Ready(permit) => permit.unwrap(),
            Poll::Pending => straggler.granted(),
        };
        assert_eq!(s.active(), 3);
        drop((heavy, light.granted()));
        assert_at_rest(&s, 3);
    });
}

/// One stands aside, others are served, and then all are refused: what was
/// granted stays granted, what was not is closed.
#[test]
fn straggler_is_refused() {
    model(3, || {
        let s = semaphore(1);
        let held = take(&s, 1);
        let mut straggler = Waiter::queued(&s, 2);
        let mut light = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        match straggler.poll() {
            Poll::Pending => assert!(straggler.wait().is_err()),
            Poll::Ready(told) => assert!(told.is_err()),
        }
        release.join().unwrap();
        close.join().unwrap();
        match light.poll() {
            Poll::Ready(told) => assert_eq!(s.active(), usize::from(told.is_ok())),
            Poll::Pending => panic!("told nothing"),
        }
        assert_eq!((s.active(), s.waiting()), (0, 0));
    });
}
