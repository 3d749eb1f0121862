//! Tokens on many threads, or on one that has ended.

use std::{
    cell::RefCell,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use dynaphore::generation::{Token, Tracker};

use crate::common::{until, watchdog};

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
