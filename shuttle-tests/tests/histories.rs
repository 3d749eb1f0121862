//! Short scripts drawn at random, each answer held against a plain model: the
//! exact order, and every permit accounted for at every moment.

use dynaphore_shuttle_tests::{
    Kind, assert_at_rest, below, explore,
    history::Recorder,
    join,
    script::{Hands, Spice, end},
    spawn,
};

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
                hands.step(&r, heaviest, spice, &mut below);
            }
            hands
        })
    });
    end(&r, heaviest, join(hands));
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

#[test]
fn everything_at_once() {
    explore(4000, || scripts(Kind::any(), 4, 3, Spice::Everything));
}
