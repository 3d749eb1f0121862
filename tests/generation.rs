//! Tokens, increments, and those who wait.

mod common;

use std::{
    cell::RefCell,
    future::{Future, IntoFuture},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use common::{Start, Wakes, until, watchdog};
use dynaphore::generation::{Drained, Token, Tracker};

/// Polls until it has stopped asking to be polled again by itself.
fn settle(drained: &mut std::pin::Pin<&mut Drained<'_>>) -> (Arc<Wakes>, Poll<()>) {
    loop {
        let (wakes, waker) = Wakes::new();
        let polled = drained.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() || wakes.count() == 0 {
            return (wakes, polled);
        }
    }
}

/// Scenario 40.
#[test]
fn after_wait_no_token_of_that_generation_is_alive() {
    const ROUNDS: usize = 1000;
    watchdog(|| {
        let tracker = Tracker::new();
        let alive: [AtomicUsize; 64] = std::array::from_fn(|_| AtomicUsize::new(0));
        let done = AtomicUsize::new(0);
        let start = Start::of(5);
        thread::scope(|scope| {
            for holder in 0..3 {
                let (tracker, alive, done, start) = (&tracker, &alive, &done, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0_usize.. {
                        let token = tracker.acquire();
                        let of_generation = &alive[token.generation() as usize % 64];
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
                        let of_generation = &alive[pending.generation() as usize % 64];
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
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let pending = tracker.increment();
                pending.wait();
            });
            until(|| tracker.generation() == 1);
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

#[test]
fn a_token_may_outlive_its_thread() {
    static TRACKER: Tracker = Tracker::new();
    let token = thread::spawn(|| TRACKER.acquire()).join().unwrap();
    let pending = TRACKER.increment();
    assert!(!pending.is_drained());
    drop(token);
    assert!(pending.is_drained());
}

#[test]
fn tokens_go_and_come_on_any_thread() {
    watchdog(|| {
        let tracker = Tracker::new();
        let (sender, receiver) = mpsc::sync_channel::<Token<'_>>(16);
        thread::scope(|scope| {
            for _ in 0..4 {
                let sender = sender.clone();
                scope.spawn(|| {
                    let sender = sender;
                    for _ in 0..1000 {
                        sender.send(tracker.acquire()).unwrap();
                    }
                });
            }
            drop(sender);
            let tracker = &tracker;
            scope.spawn(move || receiver.into_iter().for_each(drop));
            for _ in 0..100 {
                tracker.increment().wait();
            }
        });
        assert!(tracker.increment().is_drained());
    });
}

/// More threads than there are stripes on most machines.
#[test]
fn many_threads_hold_at_once() {
    watchdog(|| {
        let tracker = Tracker::new();
        let there = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel::<()>();
        let receiver = std::sync::Mutex::new(receiver);
        thread::scope(|scope| {
            for _ in 0..600 {
                scope.spawn(|| {
                    let _token = tracker.acquire();
                    there.fetch_add(1, SeqCst);
                    let _ = receiver.lock().unwrap().recv();
                });
            }
            until(|| there.load(SeqCst) == 600);
            let pending = tracker.increment();
            for left in (0..600).rev() {
                assert!(!pending.is_drained(), "{left} and one are there");
                sender.send(()).unwrap();
            }
            pending.wait();
        });
    });
}

/// A thread's number is gone by then, or never was.
#[test]
fn tokens_in_the_destructors_of_thread_locals() {
    static TRACKER: Tracker = Tracker::new();
    struct Late(Option<Token<'static>>);
    impl Drop for Late {
        fn drop(&mut self) {
            drop(TRACKER.acquire());
            self.0.take();
            drop(TRACKER.acquire());
        }
    }
    thread_local!(static LATE: RefCell<Late> = const { RefCell::new(Late(None)) });
    for first_the_token in [true, false] {
        let pending = thread::spawn(move || {
            let early = first_the_token.then(|| TRACKER.acquire());
            LATE.with_borrow_mut(|late| late.0 = Some(TRACKER.acquire()));
            drop(early);
            let pending = TRACKER.increment();
            assert!(!pending.is_drained());
            pending
        });
        let pending = pending.join().unwrap();
        watchdog(move || pending.wait());
        assert!(TRACKER.increment().is_drained());
    }
}

#[test]
fn timeout() {
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let pending = tracker.increment();
    assert!(!pending.wait_timeout(Duration::ZERO));
    assert!(!pending.wait_timeout(Duration::from_millis(2)));
    drop(token);
    assert!(pending.wait_timeout(Duration::ZERO));
    assert!(pending.wait_timeout(Duration::MAX));
}

#[test]
fn last_release_wakes_a_future() {
    let tracker = Tracker::new();
    let tokens = [tracker.acquire(), tracker.acquire()];
    let mut drained = pin!(tracker.increment().into_future());
    let (wakes, polled) = settle(&mut drained);
    assert!(polled.is_pending());
    let [one, other] = tokens;
    drop(one);
    assert_eq!(wakes.count(), 0);
    drop(other);
    assert_eq!(wakes.count(), 1);
    assert!(settle(&mut drained).1.is_ready());
}

#[test]
fn last_release_elsewhere_wakes_a_parked_thread() {
    watchdog(|| {
        let tracker = Tracker::new();
        let token = tracker.acquire();
        let pending = tracker.increment();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| format!("{tracker:?}").contains("waiting: 1"));
                drop(token);
            });
            pending.wait();
        });
        assert!(format!("{tracker:?}").contains("waiting: 0"));
    });
}

#[test]
fn only_the_last_waker_is_woken() {
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let mut drained = pin!(tracker.increment().into_future());
    let (first, _) = settle(&mut drained);
    let (second, _) = settle(&mut drained);
    drop(token);
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn a_dropped_future_leaves_no_trace() {
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let pending = tracker.increment();
    {
        let mut drained = pin!(pending.clone().into_future());
        let (wakes, _) = settle(&mut drained);
        assert!(format!("{tracker:?}").contains("waiting: 1"));
        assert_eq!(Arc::strong_count(&wakes), 2);
    }
    assert!(format!("{tracker:?}").contains("waiting: 0"));
    drop(token);
    assert!(pending.is_drained());
}

/// A waker may call anything.
#[test]
fn wakers_that_call_back() {
    struct CallsBack {
        tracker: Arc<Tracker>,
        armed: AtomicBool,
        calls: AtomicUsize,
    }
    impl Wake for CallsBack {
        fn wake(self: Arc<Self>) {
            // Not while the future has itself polled again.
            if self.armed.load(SeqCst) {
                let _token = self.tracker.acquire();
                let _ = self.tracker.increment().is_drained();
                self.calls.fetch_add(1, SeqCst);
            }
        }
    }
    watchdog(|| {
        let tracker = Arc::new(Tracker::new());
        let back = Arc::new(CallsBack {
            tracker: tracker.clone(),
            armed: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        });
        let waker = Waker::from(back.clone());
        let token = tracker.acquire();
        let mut drained = pin!(tracker.increment().into_future());
        let polled = drained.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        back.armed.store(true, SeqCst);
        drop(token);
        assert_eq!(back.calls.load(SeqCst), 1);
        assert!(settle(&mut drained).1.is_ready());
    });
}

/// The panic reaches who released, and the others are woken all the same.
#[test]
fn a_waker_that_panics() {
    struct Panics(AtomicBool);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            // Not while the future has itself polled again.
            assert!(!self.0.load(SeqCst), "waker");
        }
    }
    let tracker = Tracker::new();
    let token = tracker.acquire();
    let pending = tracker.increment();
    let mut futures: Vec<_> = (0..3)
        .map(|_| Box::pin(pending.clone().into_future()))
        .collect();
    let panics = Arc::new(Panics(AtomicBool::new(false)));
    let mut wakes = Vec::new();
    for (index, future) in futures.iter_mut().enumerate() {
        if index == 1 {
            let waker = Waker::from(panics.clone());
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        } else {
            wakes.push(settle(&mut future.as_mut()).0);
        }
    }
    panics.0.store(true, SeqCst);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(token)));
    assert!(dropped.is_err());
    assert!(wakes.iter().all(|wakes| wakes.count() == 1));
    assert!(pending.is_drained());
}

#[test]
fn tokio_awaits_what_a_thread_releases() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    watchdog(move || {
        let tracker = Arc::new(Tracker::new());
        runtime.block_on(async move {
            for _ in 0..200 {
                let theirs = tracker.clone();
                let (held, holds) = tokio::sync::oneshot::channel();
                let holder = thread::spawn(move || {
                    let _token = theirs.acquire();
                    held.send(()).unwrap();
                    thread::yield_now();
                });
                holds.await.unwrap();
                tracker.increment().await;
                holder.join().unwrap();
            }
        });
    });
}
