//! A scraper reads while four threads end requests in every way. Each text parses, no count
//! ever falls, and in the end all are what the threads have seen.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use dynaphore::{Fairness, Semaphore};
use dynaphore_metrics::Registry;
use tokio_test::task::spawn;

mod common;
use common::{Exposition, parse};

const OUTCOMES: [&str; 6] = [
    "acquired",
    "rejected",
    "timed_out",
    "cancelled",
    "too_many_waiters",
    "closed",
];
const ACQUIRED: usize = 0;
const REJECTED: usize = 1;
const TIMED_OUT: usize = 2;
const CANCELLED: usize = 3;
const TOO_MANY: usize = 4;
const CLOSED: usize = 5;

const THREADS: u64 = 4;
const ROUNDS: u64 = 1_500;
/// Of two semaphores: one that waits in line, and one where waiters compete.
const NAMES: [&str; 2] = ["fifo", "eventual"];

fn counts(text: &Exposition, name: &str) -> [u64; 6] {
    OUTCOMES.map(|outcome| {
        let labels = [("name", name), ("outcome", outcome)];
        let value = text.get("dynaphore_permit_requests_total", &labels);
        value.expect("each outcome is told of") as u64
    })
}

fn value(text: &Exposition, name: &str, of: &str) -> u64 {
    let value = text.get(&format!("dynaphore_permit_{of}"), &[("name", name)]);
    value.expect("it is told of") as u64
}

/// What the threads have seen.
#[derive(Default)]
struct Oracle {
    outcomes: [AtomicU64; 6],
    /// Permits that are back.
    ended: AtomicU64,
}

impl Oracle {
    fn saw(&self, outcome: usize) {
        self.outcomes[outcome].fetch_add(1, Relaxed);
        if outcome == ACQUIRED {
            self.ended.fetch_add(1, Relaxed);
        }
    }

    fn outcomes(&self) -> [u64; 6] {
        self.outcomes.each_ref().map(|count| count.load(Relaxed))
    }
}

/// One request that ends in the given way, if the other threads let it.
fn request(semaphore: &Arc<Semaphore>, way: u64, oracle: &Oracle) {
    match way {
        // Served, sooner or later, or there are too many who wait.
        0 => match semaphore.blocking_acquire() {
            Ok(permit) => {
                thread::yield_now();
                drop(permit);
                oracle.saw(ACQUIRED);
            }
            Err(_) => oracle.saw(TOO_MANY),
        },
        1 => match semaphore.try_acquire_many(2) {
            Ok(_) => oracle.saw(ACQUIRED),
            Err(_) => oracle.saw(REJECTED),
        },
        2 => match semaphore.blocking_acquire_timeout(Duration::ZERO) {
            Ok(_) => oracle.saw(ACQUIRED),
            Err(dynaphore::AcquireTimeoutError::Timeout) => oracle.saw(TIMED_OUT),
            Err(_) => oracle.saw(TOO_MANY),
        },
        // Dropped while it waits, or granted meanwhile and dropped before it knows.
        3 => {
            let mut future = spawn(semaphore.clone().acquire_owned());
            match future.poll() {
                std::task::Poll::Ready(Ok(_)) => oracle.saw(ACQUIRED),
                std::task::Poll::Ready(Err(_)) => oracle.saw(TOO_MANY),
                std::task::Poll::Pending => {
                    thread::yield_now();
                    drop(future);
                    oracle.saw(CANCELLED);
                }
            }
        }
        // A holder that panics, of a kind that prints nothing.
        4 => match semaphore.acquire().try_now() {
            Ok(permit) => {
                let panic = catch_unwind(AssertUnwindSafe(|| {
                    let _permit = permit;
                    resume_unwind(Box::new("holder"));
                }));
                assert!(panic.is_err());
                oracle.saw(ACQUIRED);
            }
            // Never polled: no request.
            Err(acquire) => drop(acquire),
        },
        // A permit that is forgotten.
        _ => match semaphore.blocking_acquire() {
            Ok(permit) => {
                permit.forget();
                semaphore.add_permits(1);
                oracle.saw(ACQUIRED);
            }
            Err(_) => oracle.saw(TOO_MANY),
        },
    }
}

/// Each way for sure, while nobody else is about. `is_fifo`: permits are handed over.
fn each_way(semaphore: &Arc<Semaphore>, is_fifo: bool, oracle: &Oracle) {
    let permits = semaphore.try_acquire_many(2).unwrap();
    assert!(semaphore.try_acquire().is_err());
    oracle.saw(REJECTED);
    assert!(semaphore.blocking_acquire_timeout(Duration::ZERO).is_err());
    oracle.saw(TIMED_OUT);
    let mut before = spawn(semaphore.acquire());
    assert!(before.poll().is_pending());
    drop(before);
    oracle.saw(CANCELLED);

    let mut after = spawn(semaphore.acquire());
    assert!(after.poll().is_pending());
    assert!(semaphore.blocking_acquire().is_err());
    oracle.saw(TOO_MANY);
    drop(permits);
    oracle.saw(ACQUIRED);
    assert_eq!(semaphore.active(), usize::from(is_fifo), "granted");
    drop(after);
    oracle.saw(CANCELLED);
}

#[test]
fn what_a_scraper_reads_adds_up_to_what_happened() {
    let registry = Registry::new();
    let of = |fairness| {
        let builder = Semaphore::builder(2).fairness(fairness);
        Arc::new(builder.max_waiting(1).stats(true).build())
    };
    let semaphores = [of(Fairness::Fifo), of(Fairness::Eventual)];
    let oracles: [Oracle; 2] = Default::default();
    for (name, semaphore) in NAMES.iter().zip(&semaphores) {
        registry.add(name, semaphore.clone()).unwrap();
    }
    each_way(&semaphores[0], true, &oracles[0]);
    each_way(&semaphores[1], false, &oracles[1]);

    let scrape = |before: &mut [[u64; 6]; 2]| {
        let text = parse(&registry.render());
        for (before, name) in before.iter_mut().zip(NAMES) {
            let now = counts(&text, name);
            assert!(now.iter().zip(&*before).all(|(now, before)| now >= before));
            assert_eq!(value(&text, name, "timeouts_total"), now[TIMED_OUT]);
            assert_eq!(value(&text, name, "wait_time_seconds_count"), now[ACQUIRED]);
            *before = now;
        }
        text
    };
    let working = AtomicU64::new(THREADS);
    let (semaphores, oracles, working) = (&semaphores, &oracles, &working);
    let mut seen = [[0; 6]; 2];
    thread::scope(|scope| {
        for number in 0..THREADS {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let which = (round % 2) as usize;
                    let way = (number + round / 2) % 6;
                    request(&semaphores[which], way, &oracles[which]);
                }
                working.fetch_sub(1, Relaxed);
            });
        }
        while working.load(Relaxed) > 0 {
            scrape(&mut seen);
            thread::sleep(Duration::from_millis(1));
        }
    });
    // The end: those who wait are told, and who comes after.
    for (semaphore, oracle) in semaphores.iter().zip(oracles) {
        let held = semaphore.try_acquire_many(2).unwrap();
        let mut waits = spawn(semaphore.acquire());
        assert!(waits.poll().is_pending());
        semaphore.close();
        assert!(matches!(waits.poll(), std::task::Poll::Ready(Err(_))));
        assert!(semaphore.try_acquire().is_err());
        drop(held);
        oracle.saw(ACQUIRED);
        oracle.saw(CLOSED);
        oracle.saw(CLOSED);
    }

    let text = scrape(&mut seen);
    for (index, name) in NAMES.into_iter().enumerate() {
        assert_eq!(seen[index], oracles[index].outcomes(), "{name}");
        assert_eq!(value(&text, name, "pending_requests"), 0);
        assert_eq!(value(&text, name, "longest_wait_seconds"), 0);
        // Each thread's permits are timed one by one, or by less than 256.
        let held = value(&text, name, "use_time_seconds_count");
        let ended = oracles[index].ended.load(Relaxed);
        assert!(
            held.abs_diff(ended) < 256 * (THREADS + 1),
            "{held} of {ended}"
        );
    }
}
