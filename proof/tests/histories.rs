//! What real threads were told, held against the plain model that `shuttle-tests` uses:
//! some order of the calls explains every answer, for each fairness.
//!
//! A history is checked when its threads have ended it, and the next one begins afresh: so
//! OPERATIONS (20,000 for each test unless told otherwise) may be as many as there is time
//! for.

use std::{
    env, hint, mem,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

#[path = "../../shuttle-tests/src/history/mod.rs"]
mod history;
#[path = "../../shuttle-tests/src/script.rs"]
mod script;
#[allow(dead_code, reason = "schedules need more of it")]
#[path = "../../shuttle-tests/src/waiter.rs"]
mod waiter;

use history::Recorder;
use script::{Hands, Spice, end};
use waiter::{Count, Kind};

/// With more than there are cores, few calls would overlap.
const THREADS: usize = 2;
const HEAVIEST: usize = 3;

/// For the history: it is poisoned by the panic that is being reported.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Xorshift (Marsaglia, 2003).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }
}

fn operations() -> usize {
    env::var("OPERATIONS").map_or(20_000, |n| n.parse().expect("a number"))
}

/// Waits until `count` is at least `n`, awake: who had to be woken would come when the
/// others are done.
fn await_count(count: &AtomicUsize, n: usize) {
    let mut looks = 0;
    while count.load(SeqCst) < n {
        looks += 1;
        if looks % 5000 == 0 {
            thread::yield_now();
        }
        hint::spin_loop();
    }
}

/// What the threads of one history share.
struct Round {
    recorder: Mutex<Option<Recorder>>,
    hands: Mutex<Vec<Hands>>,
    /// All that have come, and all that have gone, since the beginning.
    ready: AtomicUsize,
    over: AtomicUsize,
}

impl Round {
    /// One thread's part in a history. False if there is none.
    fn run(&self, history: usize, spice: Spice, draw: &mut Draw) -> bool {
        let Some(r) = lock(&self.recorder).clone() else {
            return false;
        };
        let mut mine = lock(&self.hands).pop().expect("for each thread");
        self.ready.fetch_add(1, SeqCst);
        await_count(&self.ready, history * THREADS);
        for _ in 0..12 / THREADS {
            mine.step(&r, HEAVIEST, spice, &mut |n| draw.below(n));
        }
        drop(r);
        lock(&self.hands).push(mine);
        self.over.fetch_add(1, SeqCst);
        true
    }
}

fn holds(kinds: &[Kind], spice: Spice) {
    let begun = Instant::now();
    let (operations, mut done, mut histories, mut overlapping) = (operations(), 0, 0, 0);
    let round = Round {
        recorder: Mutex::default(),
        hands: Mutex::default(),
        ready: AtomicUsize::new(0),
        over: AtomicUsize::new(0),
    };
    let announced = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 1..THREADS {
            let (round, announced) = (&round, &announced);
            scope.spawn(move || {
                let mut draw = Draw(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64));
                for history in 1.. {
                    await_count(announced, history);
                    if !round.run(history, spice, &mut draw) {
                        return;
                    }
                }
            });
        }
        // Whatever happens, the threads are told that there is no more.
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut draw = Draw(0x2545_f491_4f6c_dd1d);
            while done < operations {
                let kind = kinds[histories % kinds.len()];
                let r = Recorder::new(kind, 1 + draw.below(3));
                for _ in 0..THREADS {
                    let mut hands = Hands::default();
                    hands.poll(&r, r.waiter(1 + draw.below(HEAVIEST)));
                    lock(&round.hands).push(hands);
                }
                *lock(&round.recorder) = Some(r.clone());
                histories += 1;
                announced.fetch_add(1, SeqCst);
                round.run(histories, spice, &mut draw);
                await_count(&round.over, histories * THREADS);
                end(&r, HEAVIEST, mem::take(&mut lock(&round.hands)));
                r.read();
                done += r.calls();
                overlapping += r.overlapping();
                r.check();
                let now = r.semaphore().snapshot();
                assert_eq!((now.active, now.waiting), (0, 0), "{:?}", r.semaphore());
            }
        }));
        *lock(&round.recorder) = None;
        announced.fetch_add(1, SeqCst);
        if let Err(panic) = outcome {
            panic::resume_unwind(panic);
        }
    });
    println!(
        "{done} operations in {histories} histories, {overlapping} beside another, {:.1?}",
        begun.elapsed()
    );
}

const COMPETING: [Kind; 4] = [
    Kind::Eventual(Duration::ZERO),
    Kind::Eventual(Duration::from_micros(5)),
    Kind::Barging(Duration::ZERO),
    Kind::Barging(Duration::MAX),
];

#[test]
fn coming_and_going_in_order() {
    holds(&[Kind::Fifo], Spice::Plain);
}

#[test]
fn resizing_in_order() {
    holds(&[Kind::Fifo], Spice::Resizes);
}

#[test]
fn closing_in_order() {
    holds(&[Kind::Fifo], Spice::Closes);
}

#[test]
fn coming_and_going_in_competition() {
    holds(&COMPETING, Spice::Plain);
}

#[test]
fn resizing_in_competition() {
    holds(&COMPETING, Spice::Resizes);
}

#[test]
fn closing_in_competition() {
    holds(&COMPETING, Spice::Closes);
}

#[test]
fn everything_in_order() {
    holds(&[Kind::Fifo], Spice::Everything);
}

#[test]
fn everything_in_competition() {
    holds(&COMPETING, Spice::Everything);
}
