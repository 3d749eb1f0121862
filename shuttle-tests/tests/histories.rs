//! Short scripts drawn at random, each answer held against a plain model: the
//! exact order, and every permit accounted for at every moment.

use dynaphore::OwnedSemaphorePermit;
use dynaphore_shuttle_tests::{
    Kind, assert_at_rest, below, explore,
    history::{Named, Recorder},
    join, spawn,
};

/// What one thread has in hand.
#[derive(Default)]
struct Hands {
    waiters: Vec<Named>,
    permits: Vec<OwnedSemaphorePermit>,
}

/// What the scripts may do besides coming and going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spice {
    Plain,
    Resizes,
    Closes,
}

impl Hands {
    fn poll(&mut self, r: &Recorder, waiter: Named) {
        let (waiter, permit) = r.poll(waiter);
        self.waiters.extend(waiter);
        self.permits.extend(permit);
    }

    fn step(&mut self, r: &Recorder, heaviest: usize, spice: Spice) {
        let n = 1 + below(heaviest);
        match below(12) {
            0..=2 => self.poll(r, r.waiter(n)),
            3 => self.permits.extend(r.try_acquire(n)),
            4 | 5 if !self.waiters.is_empty() => {
                let waiter = self.waiters.swap_remove(below(self.waiters.len()));
                self.poll(r, waiter);
            }
            6 if !self.waiters.is_empty() => {
                r.drop(self.waiters.swap_remove(below(self.waiters.len())));
            }
            7 if spice == Spice::Resizes => r.set_max(below(5)),
            8 if spice == Spice::Resizes => match below(3) {
                0 => r.add_permits(1),
                1 => r.forget_permits(1),
                _ => self.permits.pop().into_iter().for_each(|p| r.forget(p)),
            },
            7 if spice == Spice::Closes => r.close(),
            9 => r.read(),
            _ if !self.permits.is_empty() => {
                let at = below(self.permits.len());
                if self.permits[at].num_permits() > 1 && below(2) == 0 {
                    let part = self.permits[at].split(1).expect("two or more");
                    r.release(part);
                } else {
                    r.release(self.permits.swap_remove(at));
                }
            }
            _ => self.poll(r, r.waiter(n)),
        }
    }
}

/// `threads` threads of four steps each, after a line has formed.
fn scripts(kind: Kind, threads: usize, heaviest: usize, spice: Spice) {
    let r = Recorder::new(kind, 1 + below(3));
    let mut hands: Vec<Hands> = (0..threads).map(|_| Hands::default()).collect();
    for hands in &mut hands {
        let n = 1 + below(heaviest);
        hands.poll(&r, r.waiter(n));
    }
    let hands = hands.into_iter().map(|mut hands| {
        let r = r.clone();
        spawn(move || {
            for _ in 0..4 {
                hands.step(&r, heaviest, spice);
            }
            hands
        })
    });
    let mut left = Hands::default();
    for hands in join(hands) {
        left.waiters.extend(hands.waiters);
        left.permits.extend(hands.permits);
    }
    // Whoever still waits is served in the end, and woken for it.
    r.set_max(heaviest);
    loop {
        for permit in std::mem::take(&mut left.permits) {
            r.release(permit);
        }
        let Some(at) = left.waiters.iter().position(Named::is_woken) else {
            break;
        };
        let waiter = left.waiters.swap_remove(at);
        left.poll(&r, waiter);
    }
    assert!(left.waiters.is_empty(), "{} sleep on", left.waiters.len());
    r.read();
    r.check();
    assert_at_rest(r.semaphore());
}

#[test]
fn coming_and_going_in_order() {
    explore(2000, || scripts(Kind::Fifo, 4, 3, Spice::Plain));
}

#[test]
fn resizing_in_order() {
    explore(4000, || scripts(Kind::Fifo, 4, 3, Spice::Resizes));
}

#[test]
fn coming_and_going_in_competition() {
    explore(6000, || scripts(Kind::competing(), 4, 3, Spice::Plain));
}

#[test]
fn resizing_in_competition() {
    explore(6000, || scripts(Kind::competing(), 4, 3, Spice::Resizes));
}

#[test]
fn closing() {
    explore(4000, || scripts(Kind::any(), 4, 3, Spice::Closes));
}
