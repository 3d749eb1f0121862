//! What is written under tokens and taken between generations.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use dynaphore::generation::Swap;
use dynaphore_loom_tests::{Count, model, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
