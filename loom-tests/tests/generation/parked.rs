//! Those who wait asleep, and have to be told.

use dynaphore_loom_tests::{Data, block_on, spawn};

use crate::{Generations, model, tracker};

/// Nobody looks again by itself here: a wake-up that is lost is a deadlock.
#[test]
fn release_against_parked_waiter() {
    for stripes in [1, 2] {
        model(3, move || {
            let (tracker, data) = (tracker(stripes, true), Generations::new());
            let token = tracker.acquire();
            let shared = data.clone();
            let holder = spawn(move || {
                shared.0[0][0].bump();
                drop(token);
            });
            let pending = tracker.increment();
            pending.wait();
            data.settled(&pending);
            holder.join().unwrap();
        });
    }
}

/// As futures, and the token may also be taken too late.
#[test]
fn release_against_waiting_future() {
    model(2, || {
        let (tracker, data) = (tracker(1, true), Generations::new());
        let shared = data.clone();
        let holder = spawn(move || shared.hold(0, tracker));
        let shared = data.clone();
        let other = spawn(move || {
            let pending = tracker.increment();
            block_on(pending.clone().into_future());
            shared.settled(&pending);
        });
        let pending = tracker.increment();
        block_on(pending.clone().into_future());
        data.settled(&pending);
        holder.join().unwrap();
        other.join().unwrap();
    });
}

/// Two leave at once: the later one tells.
#[test]
fn two_releases_against_parked_waiter() {
    for stripes in [1, 2] {
        model(3, move || {
            let (tracker, data) = (tracker(stripes, true), Generations::new());
            let tokens = [(); 2].map(|()| tracker.acquire());
            let pending = tracker.increment();
            let holders = tokens.map(|token| spawn(move || drop(token)));
            pending.wait();
            data.settled(&pending);
            for holder in holders {
                holder.join().unwrap();
            }
        });
    }
}

/// Tokens of two turns are waited for: both their ends are told.
#[test]
fn releases_of_two_turns_against_parked_waiter() {
    model(3, || {
        let tracker = tracker(1, true);
        let oldest = tracker.acquire();
        let _ = tracker.increment();
        let older = tracker.acquire();
        let pending = tracker.increment();
        let holders = [oldest, older].map(|token| spawn(move || drop(token)));
        pending.wait();
        assert!(pending.is_drained());
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

/// The place of a turn is in use again before its last holder looks whether it
/// is over: who has begun that turn wakes in its stead.
#[test]
fn turn_begun_against_parked_waiter() {
    model(2, || {
        let (tracker, data) = (tracker(1, true), Data::new());
        let token = tracker.acquire();
        let pending = tracker.increment();
        let waiter = spawn({
            let data = data.clone();
            move || {
                pending.wait();
                data.read()
            }
        });
        let holder = spawn(move || {
            data.bump();
            drop(token);
        });
        let _ = tracker.increment();
        holder.join().unwrap();
        assert_eq!(waiter.join().unwrap(), 1);
    });
}
