//! What `wait` has returned for is over, and nothing else holds it up.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    thread,
};

use dynaphore::generation::{Token, Tracker};

use crate::common::{Start, until, watchdog};

/// Scenario 40.
#[test]
fn after_wait_no_token_of_that_generation_is_alive() {
    const ROUNDS: usize = 1000;
    watchdog(|| {
        let tracker = Tracker::new();
        let alive: Vec<_> = (0..=2 * ROUNDS).map(|_| AtomicUsize::new(0)).collect();
        let done = AtomicUsize::new(0);
        let start = Start::of(5);
        thread::scope(|scope| {
            for holder in 0..3 {
                let (tracker, alive, done, start) = (&tracker, &alive, &done, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0_usize.. {
                        let token = tracker.acquire();
                        let of_generation = &alive[token.generation() as usize];
                        of_generation.fetch_add(1, SeqCst);
                        if round % 8 == holder {
                            thread::yield_now();
                        }
                        of_generation.fetch_sub(1, SeqCst);
                        drop(token);
                        if done.load(SeqCst) == 2 {
                            break;
                        }
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..ROUNDS {
                        let pending = tracker.increment();
                        pending.wait();
                        let of_generation = &alive[pending.generation() as usize];
                        assert_eq!(of_generation.load(SeqCst), 0);
                    }
                    done.fetch_add(1, SeqCst);
                });
            }
        });
        assert_eq!(tracker.generation(), 2 * ROUNDS as u64);
    });
}

/// What `wait` has returned for is over: nobody comes to hold it. Two threads that
/// meet as closely as they can, for what a fence or a barrier is there.
#[test]
fn a_generation_that_was_waited_for_is_held_by_nobody() {
    const ROUNDS: u64 = 200_000;
    /// Far enough from each other.
    #[repr(align(128))]
    struct Line(AtomicU64);

    watchdog(|| {
        let tracker = Tracker::new();
        let lines: [Line; 2] = std::array::from_fn(|_| Line(AtomicU64::new(0)));
        let over = AtomicU64::new(0);
        let start = Start::of(2);
        let late = thread::scope(|scope| {
            let holder = scope.spawn(|| {
                start.wait();
                let mut late = 0;
                for round in 0.. {
                    // What is written before a token is counted in, to lines that the
                    // other thread has, holds that up: without a barrier, beyond what
                    // is read next.
                    for line in &lines {
                        line.0.store(round, Relaxed);
                    }
                    let token = tracker.acquire();
                    // Long enough for what `wait` was told to get here.
                    (0..20).for_each(|_| std::hint::spin_loop());
                    let over = over.load(Relaxed);
                    late += u64::from(over > token.generation());
                    if over == ROUNDS {
                        return late;
                    }
                }
                unreachable!()
            });
            start.wait();
            for _ in 0..ROUNDS {
                let pending = tracker.increment();
                pending.wait();
                over.store(pending.generation() + 1, Relaxed);
                let read = |line: &Line| line.0.load(Relaxed);
                std::hint::black_box(lines.iter().map(read).max());
            }
            holder.join().unwrap()
        });
        assert_eq!(late, 0);
    });
}

/// Scenario 41.
#[test]
fn holder_can_acquire_again_while_another_waits() {
    watchdog(|| {
        let tracker = Tracker::new();
        let token = tracker.acquire();
        // That the generation is 1 does not say so: a token that is taken before `increment`
        // returns may be waited for, too.
        let has_begun = AtomicBool::new(false);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let pending = tracker.increment();
                has_begun.store(true, Relaxed);
                pending.wait();
            });
            until(|| has_begun.load(Relaxed));
            let again = tracker.acquire();
            assert_eq!(again.generation(), 1);
            drop(token);
            // While this thread holds a newer one.
            waiter.join().unwrap();
        });
    });
}

#[test]
fn own_newer_tokens_hold_nobody_up() {
    watchdog(|| {
        let tracker = Tracker::new();
        let mut older = tracker.acquire();
        for generation in 0..20 {
            let pending = tracker.increment();
            assert_eq!(pending.generation(), generation);
            let newer = tracker.acquire();
            drop(older);
            pending.wait();
            older = newer;
        }
    });
}

/// Scenario 43.
#[test]
fn third_generation_is_not_mixed_with_the_first() {
    let tracker = Tracker::new();
    let first = tracker.acquire();
    let first_pending = tracker.increment();
    let second = tracker.acquire();
    let second_pending = tracker.increment();
    let third = tracker.acquire();
    let of = |tokens: [&Token<'_>; 3]| tokens.map(Token::generation);
    assert_eq!(of([&first, &second, &third]), [0, 1, 2]);
    assert!(!first_pending.is_drained() && !second_pending.is_drained());
    drop(second);
    assert!(!first_pending.is_drained() && !second_pending.is_drained());
    drop(first);
    assert!(first_pending.is_drained() && second_pending.is_drained());
    let third_pending = tracker.increment();
    assert!(!third_pending.is_drained());
    drop(third);
    assert!(third_pending.is_drained());
}

/// One holder lags behind by many increments: what comes after it is told apart
/// again once it has gone.
#[test]
fn many_increments_past_one_holder() {
    let tracker = Tracker::new();
    let oldest = tracker.acquire();
    let pendings: Vec<_> = (0..20).map(|_| tracker.increment()).collect();
    assert!(pendings.iter().all(|pending| !pending.is_drained()));
    drop(oldest);
    assert!(pendings.iter().all(|pending| pending.is_drained()));
    let newest = tracker.acquire();
    assert_eq!(newest.generation(), 20);
    assert!(pendings.iter().all(|pending| pending.is_drained()));
}

/// Tokens that could not be told apart delay the wait, and newer ones do not.
#[test]
fn tokens_taken_before_the_turn_could_move() {
    watchdog(|| {
        let tracker = Tracker::new();
        let oldest = tracker.acquire();
        let pendings: Vec<_> = (0..8).map(|_| tracker.increment()).collect();
        let newer = tracker.acquire();
        drop(oldest);
        let last = pendings.last().unwrap();
        // This look begins a new turn, so what is taken now does not count.
        let _ = last.is_drained();
        let newest = tracker.acquire();
        drop(newer);
        last.wait();
        drop(newest);
    });
}
