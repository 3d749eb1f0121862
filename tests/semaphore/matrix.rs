//! Every operation, on an open and on a closed semaphore, with the counts at
//! the ends of the range: scenario 14. None of them opens a closed one.

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{silently, snapshot, watchdog};
use dynaphore::{AcquireError, AcquireTimeoutError, Semaphore, TryAcquireError};
use futures::FutureExt;

const MAX: usize = Semaphore::MAX_PERMITS;
const COUNTS: [usize; 4] = [0, 1, MAX, MAX + 1];

/// Runs `operation` on a semaphore of max `max`, open and closed, with each
/// count, and compares what it says and what it leaves with `expected`.
fn check<T: Debug + PartialEq + 'static>(
    max: usize,
    operation: impl Fn(&Arc<Semaphore>, usize) -> T + Send + 'static,
    expected: impl Fn(bool, usize) -> (Outcome<T>, Left) + Send + 'static,
) {
    watchdog(move || {
        for (closed, n) in [false, true]
            .into_iter()
            .flat_map(|c| COUNTS.map(|n| (c, n)))
        {
            let semaphore = Arc::new(Semaphore::new(max));
            if closed {
                semaphore.close();
            }
            let said = silently(|| operation(&semaphore, n));
            let said = said.map_or(Outcome::Panics, Outcome::Says);
            let found = semaphore.snapshot();
            let (expected, left) = expected(closed, n);
            assert_eq!(said, expected, "{n}, closed: {closed}");
            let left = snapshot(left.max, left.active, 0, closed);
            assert_eq!(found, left, "{n}, closed: {closed}");
        }
    });
}

#[derive(Debug, PartialEq)]
enum Outcome<T> {
    Says(T),
    Panics,
}

struct Left {
    max: usize,
    active: usize,
}

fn left(max: usize, active: usize) -> Left {
    Left { max, active }
}

use Outcome::{Panics, Says};

/// What an acquisition of `n` of `MAX` permits, kept, says and leaves.
fn taken<E: Copy>(refusal: E) -> impl Fn(bool, usize) -> (Outcome<Result<usize, E>>, Left) {
    move |closed, n| match (closed, n > MAX) {
        (_, true) => (Panics, left(MAX, 0)),
        (true, false) => (Says(Err(refusal)), left(MAX, 0)),
        (false, false) => (Says(Ok(n)), left(MAX, n)),
    }
}

/// The error of the calls that wait, which cannot be made by hand.
fn closed() -> AcquireError {
    let semaphore = Semaphore::new(0);
    semaphore.close();
    semaphore.blocking_acquire().map(drop).unwrap_err()
}

/// The permits are kept out, and the semaphore is as the call left it.
macro_rules! kept {
    ($result:expr) => {
        $result.map(|permit| {
            let n = permit.num_permits();
            std::mem::forget(permit);
            n
        })
    };
}

#[test]
fn set_max() {
    check(
        7,
        |semaphore, n| semaphore.set_max(n),
        |_, n| {
            if n > MAX {
                (Panics, left(7, 0))
            } else {
                (Says(7), left(n, 0))
            }
        },
    );
}

#[test]
fn add_permits_to_none() {
    check(
        0,
        |semaphore, n| semaphore.add_permits(n),
        |_, n| {
            if n > MAX {
                (Panics, left(0, 0))
            } else {
                (Says(()), left(n, 0))
            }
        },
    );
}

#[test]
fn add_permits_to_one() {
    check(
        1,
        |semaphore, n| semaphore.add_permits(n),
        |_, n| {
            if n >= MAX {
                (Panics, left(1, 0))
            } else {
                (Says(()), left(1 + n, 0))
            }
        },
    );
}

#[test]
fn forget_permits() {
    check(
        MAX,
        |semaphore, n| semaphore.forget_permits(n),
        |_, n| (Says(n.min(MAX)), left(MAX - n.min(MAX), 0)),
    );
}

#[test]
fn try_acquire_many() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.try_acquire_many(n as u32)),
        taken(TryAcquireError::Closed),
    );
}

#[test]
fn try_acquire_many_owned() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.clone().try_acquire_many_owned(n as u32)),
        taken(TryAcquireError::Closed),
    );
}

#[test]
fn acquire_many() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.acquire_many(n as u32).now_or_never().unwrap()),
        taken(closed()),
    );
}

#[test]
fn acquire_many_owned() {
    check(
        MAX,
        |semaphore, n| {
            let future = semaphore.clone().acquire_many_owned(n as u32);
            kept!(future.now_or_never().unwrap())
        },
        taken(closed()),
    );
}

#[test]
fn blocking_acquire_many() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.blocking_acquire_many(n as u32)),
        taken(closed()),
    );
}

#[test]
fn blocking_acquire_many_owned() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.clone().blocking_acquire_many_owned(n as u32)),
        taken(closed()),
    );
}

#[test]
fn blocking_acquire_many_timeout() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.blocking_acquire_many_timeout(n as u32, Duration::ZERO)),
        taken(AcquireTimeoutError::Closed),
    );
}

#[test]
fn blocking_acquire_many_owned_timeout() {
    check(
        MAX,
        |semaphore, n| {
            let semaphore = semaphore.clone();
            kept!(semaphore.blocking_acquire_many_owned_timeout(n as u32, Duration::MAX))
        },
        taken(AcquireTimeoutError::Closed),
    );
}

#[test]
fn blocking_acquire_many_deadline() {
    check(
        MAX,
        |semaphore, n| kept!(semaphore.blocking_acquire_many_deadline(n as u32, Instant::now())),
        taken(AcquireTimeoutError::Closed),
    );
}

#[test]
fn blocking_acquire_many_owned_deadline() {
    check(
        MAX,
        |semaphore, n| {
            let semaphore = semaphore.clone();
            kept!(semaphore.blocking_acquire_many_owned_deadline(n as u32, Instant::now()))
        },
        taken(AcquireTimeoutError::Closed),
    );
}

/// Takes `n` permits of `MAX`, closes if that is what is tested, and goes on
/// with `then`. A closed semaphore gives none out, so it is closed afterwards.
fn with_held(
    then: fn(&Arc<Semaphore>, dynaphore::OwnedSemaphorePermit),
    leaves: fn(usize) -> Left,
) {
    watchdog(move || {
        for (closed, n) in [false, true]
            .into_iter()
            .flat_map(|c| [0, 1, MAX].map(|n| (c, n)))
        {
            let semaphore = Arc::new(Semaphore::new(MAX));
            let permit = semaphore.clone().try_acquire_many_owned(n as u32).unwrap();
            if closed {
                semaphore.close();
            }
            then(&semaphore, permit);
            let Left { max, active } = leaves(n);
            let expected = snapshot(max, active, 0, closed);
            assert_eq!(semaphore.snapshot(), expected, "{n}, closed: {closed}");
        }
    });
}

#[test]
fn release() {
    with_held(|_, permit| drop(permit), |_| left(MAX, 0));
}

#[test]
fn forget() {
    with_held(|_, permit| permit.forget(), |n| left(MAX - n, 0));
}

#[test]
fn shrink_below_what_is_held() {
    with_held(
        |semaphore, permit| {
            assert_eq!(semaphore.set_max(0), MAX);
            std::mem::forget(permit);
        },
        |n| left(0, n),
    );
}

#[test]
fn release_while_over_max() {
    with_held(
        |semaphore, permit| {
            semaphore.set_max(0);
            drop(permit);
        },
        |_| left(0, 0),
    );
}

#[test]
fn waiting_for_a_state() {
    with_held(
        |semaphore, permit| {
            drop(permit);
            semaphore.blocking_idle();
            semaphore.blocking_settled();
            semaphore.idle().now_or_never().unwrap();
            semaphore.settled().now_or_never().unwrap();
        },
        |_| left(MAX, 0),
    );
}

#[test]
fn closing_again() {
    with_held(
        |semaphore, permit| {
            if semaphore.is_closed() {
                semaphore.close();
            }
            drop(permit);
        },
        |_| left(MAX, 0),
    );
}
