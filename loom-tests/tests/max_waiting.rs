//! A bound on how many wait.

use std::{sync::Arc, task::Poll};

use dynaphore::{AcquireError, Fairness, Semaphore};
use dynaphore_loom_tests::{Waiter, assert_at_rest, model, spawn, take};

fn bounded(max: usize, fairness: Fairness) -> Arc<Semaphore> {
    let builder = Semaphore::builder(max).fairness(fairness);
    Arc::new(builder.max_waiting(1).build())
}

/// Two come for the last place, one for a single permit and one for a pair: one waits.
fn two_for_one_place(fairness: Fairness) {
    model(3, move || {
        let s = bounded(2, fairness);
        let held = take(&s, 2);
        let arrivals = [1, 2].map(|need| {
            let mut arrival = Waiter::new(&s, need);
            spawn(move || (arrival.poll().is_pending(), arrival))
        });
        let arrivals = arrivals.map(|thread| thread.join().unwrap());
        let waiting = arrivals.iter().filter(|(waits, _)| *waits).count();
        assert_eq!((waiting, s.waiting()), (1, 1));
        drop(held);
        drop(arrivals);
        assert_at_rest(&s, 2);
    });
}

#[test]
fn two_for_one_place_fifo() {
    two_for_one_place(Fairness::Fifo);
}

#[test]
fn two_for_one_place_barging() {
    two_for_one_place(Fairness::Barging);
}

#[test]
fn two_for_one_place_eventual() {
    two_for_one_place(Fairness::Eventual);
}

/// The one that waits is served while another comes: that one is served, waits, or is
/// refused, and nobody sleeps beside a free permit.
fn arrival_against_release(fairness: Fairness) {
    model(3, move || {
        let s = bounded(1, fairness);
        let held = take(&s, 1);
        let mut first = Waiter::queued(&s, 1);
        let release = spawn(move || drop(held));
        let mut arrival = Waiter::new(&s, 1);
        let answer = arrival.poll();
        release.join().unwrap();
        match answer {
            Poll::Ready(Ok(permit)) => {
                drop(permit);
                drop(first.granted());
            }
            Poll::Ready(Err(error)) => {
                assert_eq!(error, AcquireError::TooManyWaiters);
                drop(first.granted());
            }
            Poll::Pending => {
                drop(first.granted());
                drop(arrival.granted());
            }
        }
        assert_at_rest(&s, 1);
    });
}

#[test]
fn arrival_against_release_fifo() {
    arrival_against_release(Fairness::Fifo);
}

#[test]
fn arrival_against_release_barging() {
    arrival_against_release(Fairness::Barging);
}

#[test]
fn arrival_against_release_eventual() {
    arrival_against_release(Fairness::Eventual);
}

/// The one that waits gives up: its place is free from then on, and the next one is not
/// held up by what it leaves behind.
#[test]
fn arrival_against_cancel() {
    model(3, || {
        let s = bounded(1, Fairness::Barging);
        let held = take(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let cancel = spawn(move || drop(quitter));
        let mut arrival = Waiter::new(&s, 1);
        let waits = arrival.poll().is_pending();
        cancel.join().unwrap();
        assert_eq!(s.waiting(), usize::from(waits));
        drop(held);
        if waits {
            drop(arrival.granted());
        }
        assert_at_rest(&s, 1);
    });
}
