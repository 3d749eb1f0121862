//! First in, first out, in lines that are longer than one grant can wake.

use std::sync::Arc;

use dynaphore::{OwnedSemaphorePermit, Semaphore};
use dynaphore_shuttle_tests::{
    Kind, Waiter, assert_at_rest, below, explore, join, shuffled, spawn, take,
};

/// What a thread does to the line.
enum Deed {
    Release(OwnedSemaphorePermit),
    Cancel(Waiter),
    Grow(usize),
}

impl Deed {
    fn happen(self, semaphore: &Arc<Semaphore>) {
        match self {
            Deed::Release(permit) => drop(permit),
            Deed::Cancel(waiter) => drop(waiter),
            Deed::Grow(n) => semaphore.add_permits(n),
        }
    }
}

/// Whoever comes first and how, those who are left are served from the front, as
/// many as fit, and nobody else is.
fn prefix(most: usize, heaviest: usize) {
    let s = Kind::Fifo.semaphore(6);
    let mut held = vec![take(&s, 2), take(&s, 1), take(&s, 3)];
    let waiters: Vec<_> = (0..2 + below(most - 1))
        .map(|_| {
            let n = 1 + below(heaviest);
            (n, Waiter::queued(&s, n as u32))
        })
        .collect();
    let mut free = 0;
    let mut deeds = Vec::new();
    for _ in 0..1 + below(3) {
        let permit = held.swap_remove(below(held.len()));
        free += permit.num_permits();
        deeds.push(Deed::Release(permit));
    }
    if below(2) == 0 {
        let n = 1 + below(2 * most);
        free += n;
        deeds.push(Deed::Grow(n));
    }
    let mut left = Vec::new();
    for (n, waiter) in waiters {
        if below(3) == 0 {
            deeds.push(Deed::Cancel(waiter));
        } else {
            left.push((n, waiter));
        }
    }
    // Two threads or more, each with its share.
    let threads = 2 + below(4);
    let mut shares: Vec<Vec<Deed>> = (0..threads).map(|_| Vec::new()).collect();
    for deed in shuffled(deeds) {
        shares[below(threads)].push(deed);
    }
    join(shares.into_iter().map(|deeds| {
        let s = s.clone();
        spawn(move || deeds.into_iter().for_each(|deed| deed.happen(&s)))
    }));

    let mut granted = Vec::new();
    let mut full = false;
    for (n, waiter) in &mut left {
        full |= *n > free;
        if full {
            assert_eq!(waiter.woken(), 0, "passed, or too early");
            assert!(waiter.poll().is_pending());
        } else {
            free -= *n;
            assert_eq!(waiter.woken(), 1);
            granted.push(waiter.granted());
        }
    }
    let waiting = left.len() - granted.len();
    assert_eq!(s.waiting(), waiting);
    assert_eq!(s.snapshot().available(), free);
    assert_eq!(s.available_permits(), if waiting > 0 { 0 } else { free });
    drop((left, granted, held));
    assert_at_rest(&s);
}

#[test]
fn short_lines_of_mixed_weights() {
    explore(10_000, || prefix(6, 6));
}

#[test]
fn long_lines_of_light_waiters() {
    explore(6000, || prefix(24, 1));
}

#[test]
fn long_lines_of_mixed_weights() {
    explore(6000, || prefix(24, 3));
}

/// Each polls its own, woken or not: who sees a grant sees no earlier one that is
/// not granted.
#[test]
fn no_grant_is_seen_before_an_earlier_one() {
    explore(6000, || {
        let s = Kind::Fifo.semaphore(4);
        let held = [1, 1, 2].map(|n| take(&s, n));
        let mut waiters: Vec<_> = (0..10).map(|_| Waiter::queued(&s, 1)).collect();
        let releases = held.map(|held| spawn(move || drop(held)));
        // The last first, so that what comes meanwhile is seen.
        let mut seen = false;
        let mut permits = Vec::new();
        for waiter in waiters.iter_mut().rev() {
            match waiter.poll() {
                std::task::Poll::Ready(permit) => {
                    seen = true;
                    permits.push(permit.unwrap());
                }
                std::task::Poll::Pending => assert!(!seen, "passed"),
            }
        }
        join(releases);
        drop((waiters, permits));
        assert_at_rest(&s);
    });
}
