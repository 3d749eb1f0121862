//! Tokens that come, go and change hands while generations do.

use dynaphore_loom_tests::spawn;

use crate::{Generations, model, tracker};

/// After the wait nobody who had a token of the old generation is still at it.
#[test]
fn token_against_increment() {
    for stripes in [1, 2] {
        model(3, move || {
            let (tracker, data) = (tracker(stripes, false), Generations::new());
            let shared = data.clone();
            let holder = spawn(move || {
                shared.hold(0, tracker);
                shared.hold(0, tracker);
            });
            let pending = tracker.increment();
            pending.wait();
            let before = data.settled(&pending);
            holder.join().unwrap();
            assert_eq!(data.settled(&pending), before);
        });
    }
}

/// Nobody waits for the first: the third generation does not hide what is left
/// of the first two.
#[test]
fn two_increments() {
    for stripes in [1, 2] {
        model(3, move || {
            let (tracker, data) = (tracker(stripes, false), Generations::new());
            let shared = data.clone();
            let holder = spawn(move || {
                shared.hold(0, tracker);
                shared.hold(0, tracker);
            });
            let first = tracker.increment();
            let second = tracker.increment();
            second.wait();
            data.settled(&second);
            assert!(first.is_drained());
            holder.join().unwrap();
        });
    }
}

/// Two who increment and wait at the same time, and one who holds.
#[test]
fn increments_at_once() {
    model(2, || {
        let (tracker, data) = (tracker(1, false), Generations::new());
        let wait = move |data: Generations| {
            let pending = tracker.increment();
            pending.wait();
            data.settled(&pending);
        };
        let shared = data.clone();
        let other = spawn(move || wait(shared));
        let shared = data.clone();
        let holder = spawn(move || shared.hold(0, tracker));
        wait(data);
        other.join().unwrap();
        holder.join().unwrap();
    });
}

/// The turn cannot begin with the increment, since a token of the last but one
/// is out: whoever waits begins it later, against newcomers.
// Exact: loom runs two that look again in turns, and nobody else.
#[test]
fn turn_begun_by_waiter() {
    model(2, || {
        let (tracker, data) = (tracker(1, true), Generations::new());
        let oldest = tracker.acquire();
        let first = tracker.increment();
        let second = tracker.increment();
        let shared = data.clone();
        let holder = spawn(move || {
            shared.0[0][0].bump();
            drop(oldest);
            shared.hold(0, tracker);
        });
        let shared = data.clone();
        let other = spawn(move || {
            first.wait();
            shared.settled(&first);
        });
        second.wait();
        data.settled(&second);
        assert!(second.is_drained());
        // Counted where the oldest was, whose holder may not have come to tell.
        let _newest = tracker.acquire();
        other.join().unwrap();
        holder.join().unwrap();
    });
}

/// A latecomer counts itself in where nobody looks any more, since somebody has
/// looked already and is about to begin the next turn.
#[test]
fn latecomer_against_turn() {
    model(2, || {
        let (tracker, data) = (tracker(1, true), Generations::new());
        let shared = data.clone();
        let latecomer = spawn(move || shared.hold(0, tracker));
        let oldest = tracker.acquire();
        let _ = tracker.increment();
        let second = tracker.increment();
        let waiter = spawn(move || second.wait());
        drop(oldest);
        let third = tracker.increment();
        third.wait();
        data.settled(&third);
        waiter.join().unwrap();
        latecomer.join().unwrap();
    });
}

/// A newer token of the waiter's own does not hold it up, nor a turn that has
/// been over for long.
#[test]
fn own_newer_token() {
    model(3, || {
        let (tracker, data) = (tracker(1, false), Generations::new());
        let older = tracker.acquire();
        let shared = data.clone();
        let holder = spawn(move || {
            shared.0[0][0].bump();
            drop(older);
        });
        let first = tracker.increment();
        let _newer = tracker.acquire();
        first.wait();
        data.settled(&first);
        let second = tracker.increment();
        let _newest = tracker.acquire();
        assert!(first.is_drained() && !second.is_drained());
        holder.join().unwrap();
    });
}

/// Counted in here, counted out there.
#[test]
fn token_released_on_another_thread() {
    for stripes in [1, 2] {
        model(2, move || {
            let (tracker, data) = (tracker(stripes, false), Generations::new());
            let token = tracker.acquire();
            let shared = data.clone();
            let other = spawn(move || {
                shared.0[0][0].bump();
                drop(token);
                shared.hold(0, tracker);
            });
            let shared = data.clone();
            let waiter = spawn(move || {
                let pending = tracker.increment();
                pending.wait();
                shared.settled(&pending);
            });
            data.hold(1, tracker);
            other.join().unwrap();
            waiter.join().unwrap();
        });
    }
}

/// The original goes on one thread while its copy is still at it on another.
#[test]
fn copy_against_original() {
    model(3, || {
        let (tracker, data) = (tracker(2, false), Generations::new());
        let original = tracker.acquire();
        let shared = data.clone();
        let splitter = spawn(move || {
            let copy = original.copied();
            drop(original);
            shared.0[0][0].bump();
            drop(copy);
        });
        let pending = tracker.increment();
        pending.wait();
        data.settled(&pending);
        splitter.join().unwrap();
    });
}

/// A latecomer counts itself in on top of its thread's last count-out. Who finds
/// a zero by that has still seen what was done under the copy before.
#[test]
fn latecomer_on_top_of_count_out() {
    model(3, || {
        let (tracker, data) = (tracker(1, false), Generations::new());
        let shared = data.clone();
        let holder = spawn(move || {
            let original = tracker.acquire();
            let copy = original.copied();
            shared.0[0][original.generation() as usize].bump();
            drop(original);
            drop(copy);
            let _late = tracker.acquire();
        });
        let pending = tracker.increment();
        if pending.is_drained() {
            data.settled(&pending);
        }
        holder.join().unwrap();
    });
}

/// A thread ends, and another one goes on with its stripe while what the first
/// has taken is still out.
#[test]
fn stripe_handed_on() {
    model(2, || {
        let (tracker, data) = (tracker(1, false), Generations::new());
        let first = spawn(move || tracker.acquire());
        let token = first.join().unwrap();
        data.0[0][0].bump();
        let shared = data.clone();
        let second = spawn(move || {
            shared.hold(1, tracker);
            drop(token);
            shared.hold(1, tracker);
        });
        let pending = tracker.increment();
        pending.wait();
        data.settled(&pending);
        second.join().unwrap();
    });
}
