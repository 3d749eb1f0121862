//! A pool of leases whose targets change.

use std::{
    thread,
    time::{Duration, Instant},
};

use dynaphore::{
    Lease, LeasePool,
    error::{LeaseTimeoutError, TryLeaseError},
};

use crate::{
    Faults, WORKERS,
    faults::{Draw, End, Inside, Tally, run},
};

const KEYS: u64 = 3;
const MOST: usize = 3;

fn end(error: LeaseTimeoutError) -> End {
    match error {
        LeaseTimeoutError::Timeout => End::TimedOut,
        LeaseTimeoutError::Stopped => End::Closed,
        other => panic!("{other}"),
    }
}

fn ask(pool: &LeasePool<u64>, draw: &mut Draw) -> Result<Lease<u64>, End> {
    match draw.below(5) {
        0 => pool.try_acquire().map_err(|error| match error {
            TryLeaseError::Stopped => End::Closed,
            _ => End::Refused,
        }),
        1 => {
            let timeout = Duration::from_micros(draw.below(500));
            pool.blocking_acquire_timeout(timeout).map_err(end)
        }
        2 => pool.blocking_acquire().map_err(|_| End::Closed),
        _ => run(pool.acquire(), draw)
            .map_or(Err(End::Cancelled), |told| told.map_err(|_| End::Closed)),
    }
}

fn come_and_go(
    pool: &LeasePool<u64>,
    inside: &[Inside; KEYS as usize],
    draw: &mut Draw,
    tally: &Tally,
) {
    let since = Instant::now();
    match ask(pool, draw) {
        Ok(lease) => {
            tally.ended(End::Granted, since);
            let inside = &inside[*lease.key() as usize];
            // One lease that is out beyond its target goes back before anything is done.
            let lease = if draw.once_in(4) {
                lease.release_excess()
            } else {
                Some(lease)
            };
            if let Some(lease) = lease {
                inside.hold(lease, 1, MOST, draw);
            }
        }
        Err(how) => tally.ended(how, since),
    }
}

pub fn epoch(draw: &mut Draw, tally: &Tally) {
    let pool = LeasePool::new();
    let (inside, faults) = (<[Inside; KEYS as usize]>::default(), Faults::new());
    let stops = draw.once_in(2);
    thread::scope(|scope| {
        let (pool, inside, faults) = (&pool, &inside, &faults);
        for _ in 0..WORKERS {
            let mut draw = draw.fork();
            scope.spawn(move || {
                while !faults.are_over() {
                    tally.survive(|| come_and_go(pool, inside, &mut draw, tally));
                }
            });
        }
        let change = |draw: &mut Draw| {
            pool.set(draw.below(KEYS), draw.below(MOST as u64 + 1) as usize);
        };
        faults.go_on(draw, tally, change, || {
            if stops {
                pool.stop();
            }
        });
        if !stops {
            for key in 0..KEYS {
                tally.survive(|| pool.set(key, MOST));
            }
        }
    });
    pool.blocking_idle();
    assert_eq!((pool.active(), pool.waiting()), (0, 0));
    assert_eq!(pool.is_stopped(), stops);
    for key in 0..KEYS {
        pool.set(key, 0);
    }
    assert!(pool.is_empty());
}
