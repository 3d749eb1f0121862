//! A semaphore for each of some keys, more than there may be at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use dynaphore::{
    Fairness, KeyedPermit, KeyedSemaphore,
    error::{KeyedAcquireError, KeyedAcquireTimeoutError, KeyedTryAcquireError},
};

use crate::{
    Faults, LARGEST, WORKERS,
    faults::{Draw, End, Inside, Moment, Tally, run},
};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn end(error: KeyedAcquireTimeoutError) -> End {
    match error {
        KeyedAcquireTimeoutError::Timeout => End::TimedOut,
        KeyedAcquireTimeoutError::Closed => End::Closed,
        KeyedAcquireTimeoutError::TooManyKeys | KeyedAcquireTimeoutError::TooManyWaiters => {
            End::Refused
        }
        other => panic!("{other}"),
    }
}

fn end_without_deadline(error: KeyedAcquireError) -> End {
    end(error.into())
}

fn ask<'a>(
    keyed: &'a KeyedSemaphore<String>,
    key: &'a str,
    n: u32,
    draw: &mut Draw,
) -> Result<KeyedPermit<'a, String>, End> {
    match draw.below(6) {
        0 => keyed.try_acquire_many(key, n).map_err(|error| match error {
            KeyedTryAcquireError::Closed => End::Closed,
            _ => End::Refused,
        }),
        1 => {
            let timeout = Duration::from_micros(draw.below(500));
            keyed
                .blocking_acquire_many_timeout(key, n, timeout)
                .map_err(end)
        }
        2 => keyed
            .blocking_acquire_many(key, n)
            .map_err(end_without_deadline),
        3 => {
            let request = keyed.acquire_many(key, n).until(Moment::soon(draw));
            run(request, draw).map_or(Err(End::Cancelled), |told| told.map_err(end))
        }
        _ => {
            let told = run(keyed.acquire_many(key, n), draw);
            told.map_or(Err(End::Cancelled), |told| {
                told.map_err(end_without_deadline)
            })
        }
    }
}

fn come_and_go(
    keyed: &KeyedSemaphore<String>,
    inside: &[Inside; KEYS.len()],
    draw: &mut Draw,
    tally: &Tally,
) {
    let since = Instant::now();
    let (key, n) = (
        draw.below(KEYS.len() as u64) as usize,
        1 + draw.below(3) as u32,
    );
    match ask(keyed, KEYS[key], n, draw) {
        Ok(permit) => {
            tally.ended(End::Granted, since);
            inside[key].hold(permit, n as usize, LARGEST, draw);
        }
        Err(how) => tally.ended(how, since),
    }
}

fn change(keyed: &KeyedSemaphore<String>, draw: &mut Draw) {
    let key = KEYS[draw.below(KEYS.len() as u64) as usize];
    let max = draw.below(LARGEST as u64 + 1) as usize;
    match draw.below(4) {
        0 => _ = keyed.set_default_max(max),
        1 => _ = keyed.clear_max(key),
        // There may be too many keys for that.
        2 => _ = keyed.set_max(key, max),
        _ => _ = run(keyed.idle(key), draw),
    }
}

pub fn epoch(fairness: Fairness, draw: &mut Draw, tally: &Tally) {
    let keyed = KeyedSemaphore::<String>::builder(LARGEST)
        .fairness(fairness)
        .bound(Duration::from_micros(100))
        .shards(2)
        .max_keys(KEYS.len() - 1)
        .max_waiters_per_key(3)
        .build();
    let (inside, faults) = (<[Inside; KEYS.len()]>::default(), Faults::new());
    let closes = draw.once_in(2);
    thread::scope(|scope| {
        let (keyed, inside, faults) = (&keyed, &inside, &faults);
        for _ in 0..WORKERS {
            let mut draw = draw.fork();
            scope.spawn(move || {
                while !faults.are_over() {
                    tally.survive(|| come_and_go(keyed, inside, &mut draw, tally));
                }
            });
        }
        let rest = || {
            if closes {
                keyed.close();
            }
        };
        faults.go_on(draw, tally, |draw| change(keyed, draw), rest);
        // Each by itself: a waker that panics out of one is no reason to leave out the next.
        for key in KEYS {
            tally.survive(|| keyed.clear_max(key));
        }
        tally.survive(|| keyed.set_default_max(LARGEST));
    });
    keyed.blocking_all_idle();
    assert!(keyed.is_empty(), "{:?}", keyed.snapshots());
    assert_eq!(keyed.is_closed(), closes);
}
