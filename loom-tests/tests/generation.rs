//! Tokens against increments, and those who wait against both.
//!
//! Each generation has [`Data`] of its own that holders of its tokens write, and
//! that is read by who has waited for it. Under loom the ring has two places, so
//! the third turn is counted where the first one was.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use dynaphore::generation::{Pending, Swap, Tracker};
use dynaphore_loom_tests::{Count, Data, block_on, model, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One that tokens can borrow on any thread. It is never freed.
fn tracker(stripes: usize, exact: bool) -> &'static Tracker {
    Box::leak(Box::new(Tracker::modelled(stripes, exact)))
}

/// What tokens protect: of two holders, each in generations 0 to 3.
#[derive(Clone)]
struct Generations([[Data; 4]; 2]);

impl Generations {
    fn new() -> Self {
        Self([(); 2].map(|()| [(); 4].map(|()| Data::new())))
    }

    /// Works under a token.
    fn hold(&self, holder: usize, tracker: &Tracker) {
        let token = tracker.acquire();
        self.0[holder][token.generation() as usize].bump();
    }

    /// Reads what must be at rest, up to the generation of `pending`.
    fn settled(&self, pending: &Pending<'_>) -> usize {
        let old = 0..=pending.generation() as usize;
        let of = |holder: &[Data; 4]| holder[old.clone()].iter().map(Data::read).sum::<usize>();
        self.0.iter().map(of).sum()
    }
}

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

/// Every write is taken exactly once, whole, by one of two takes or the rest.
#[test]
fn take_loses_nothing() {
    model(2, || {
        let counters = swap();
        let theirs = counters.clone();
        let writer = spawn(move || {
            write(&theirs);
            write(&theirs);
        });
        let first = counters.blocking_take_with(read);
        let second = counters.blocking_take_with(read);
        writer.join().unwrap();
        assert_eq!(first + second + counters.blocking_take_with(read), 2);
    });
}

/// A take that is cancelled at any point leaves all to the next one.
#[test]
fn cancelled_take_loses_nothing() {
    model(3, || {
        let counters = swap();
        let theirs = counters.clone();
        let writer = spawn(move || {
            write(&theirs);
            write(&theirs);
        });
        let taken = {
            let mut take = pin!(counters.take_with(read));
            let woken = Waker::from(Arc::new(Count::default()));
            match take.as_mut().poll(&mut Context::from_waker(&woken)) {
                Poll::Ready(taken) => taken,
                Poll::Pending => 0,
            }
        };
        let next = counters.blocking_take_with(read);
        writer.join().unwrap();
        assert_eq!(taken + next + counters.blocking_take_with(read), 2);
    });
}

/// Two takers at once.
#[test]
fn take_against_take() {
    model(2, || {
        let counters = swap();
        let theirs = counters.clone();
        let writer = spawn(move || write(&theirs));
        let theirs = counters.clone();
        let taker = spawn(move || theirs.blocking_take_with(read));
        let taken = counters.blocking_take_with(read);
        writer.join().unwrap();
        let other = taker.join().unwrap();
        assert_eq!(taken + other + counters.blocking_take_with(read), 1);
    });
}

/// Two numbers that a writer changes one after the other.
type Pair = [AtomicUsize; 2];

fn swap() -> Arc<Swap<Pair>> {
    let pair = || [AtomicUsize::new(0), AtomicUsize::new(0)];
    Arc::new(Swap::new([pair(), pair()]))
}

fn write(counters: &Swap<Pair>) {
    let pair = counters.write();
    // Not read-modify-writes: the tracker has to see to it that this works.
    for count in pair.iter() {
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

/// What is taken is never half a write.
fn read(old: &Pair) -> usize {
    let [one, other] = [0, 1].map(|index| old[index].load(Relaxed));
    assert_eq!(one, other);
    for count in old {
        count.store(0, Relaxed);
    }
    one
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
