//! All that waits under all that goes wrong, for as long as is asked: holders and wakers
//! that panic, requests that are dropped while they wait, requests with a deadline, max
//! changing all the time and now and then zero, watching, closing. In turn: a semaphore of
//! each fairness, order and option, keyed ones, lease pools, throttled jobs.
//!
//! `cargo run --release -p proof --example soak -- --seconds 60`
//!
//! Ends with an error if a permit is lost or made up, if anybody waits for ever (30
//! seconds, while others go on), or if memory grows. Says how long the longest wait was,
//! pauses included.

mod faults;
mod keyed;
mod pool;
mod semaphore;
mod throttle;

use std::{
    env, fs, process,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
    time::{Duration, Instant},
};

use dynaphore::Fairness;
use faults::{Draw, Tally};

const WORKERS: u64 = 6;
/// The largest max there is.
const LARGEST: usize = 6;
/// How long the faults last before all that still wait must be served.
const EPOCH: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs one. Draws what happens, and counts it.
type Epoch = fn(&mut Draw, &Tally);

/// What an epoch is about.
struct Subject {
    name: &'static str,
    epoch: Epoch,
    tally: Tally,
}

impl Subject {
    fn all() -> Vec<Self> {
        const OTHERS: [(&str, Epoch); 5] = [
            ("keyed, fifo", |d, t| keyed::epoch(Fairness::Fifo, d, t)),
            ("keyed, eventual", |d, t| {
                keyed::epoch(Fairness::Eventual, d, t)
            }),
            ("keyed, barging", |d, t| {
                keyed::epoch(Fairness::Barging, d, t)
            }),
            ("lease pool", pool::epoch),
            ("throttle", throttle::epoch),
        ];
        let all = semaphore::KINDS.into_iter().chain(OTHERS);
        all.map(|(name, epoch)| Self {
            name,
            epoch,
            tally: Tally::default(),
        })
        .collect()
    }
}

/// Until faults are over.
struct Faults(AtomicBool);

impl Faults {
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn are_over(&self) -> bool {
        self.0.load(SeqCst)
    }

    /// Does `change` again and again for the length of an epoch, then `rest`, in which all
    /// that still wait can be served.
    fn go_on(&self, draw: &mut Draw, tally: &Tally, change: impl Fn(&mut Draw), rest: impl Fn()) {
        let begun = Instant::now();
        while begun.elapsed() < EPOCH {
            tally.survive(|| change(draw));
            thread::sleep(Duration::from_micros(draw.below(300)));
        }
        tally.survive(rest);
        self.0.store(true, SeqCst);
    }
}

/// Ends the process if the same epoch goes on for too long.
struct Watchdog {
    epoch: AtomicU64,
    subject: AtomicU64,
    done: AtomicBool,
}

impl Watchdog {
    fn watch(&self, subjects: &[Subject]) {
        let (mut seen, mut since) = (0, Instant::now());
        while !self.done.load(SeqCst) {
            thread::sleep(Duration::from_millis(20));
            let now = self.epoch.load(SeqCst);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let subject = &subjects[self.subject.load(Relaxed) as usize];
                eprintln!("somebody waits for ever: {}, epoch {now}", subject.name);
                process::exit(1);
            }
        }
    }
}

/// In KiB, where the system tells.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let seconds = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 60,
        ["--seconds", seconds] => seconds.parse().expect("a number"),
        _ => panic!("soak [--seconds N]"),
    };
    let begun = Instant::now();
    let subjects = Arc::new(Subject::all());
    let watchdog = Arc::new(Watchdog {
        epoch: AtomicU64::new(0),
        subject: AtomicU64::new(0),
        done: AtomicBool::new(false),
    });
    thread::spawn({
        let (watchdog, subjects) = (Arc::clone(&watchdog), Arc::clone(&subjects));
        move || watchdog.watch(&subjects)
    });
    let (mut rounds, mut at_first) = (0, None);
    while begun.elapsed() < Duration::from_secs(seconds) {
        for (number, subject) in subjects.iter().enumerate() {
            watchdog.subject.store(number as u64, Relaxed);
            let epoch = watchdog.epoch.fetch_add(1, SeqCst);
            (subject.epoch)(&mut Draw::new(epoch), &subject.tally);
        }
        rounds += 1;
        if rounds == 3 {
            at_first = memory();
        }
    }
    watchdog.done.store(true, SeqCst);

    println!("{rounds} rounds in {:.0?}", begun.elapsed());
    print!("{:22}", "");
    Tally::HEADER.iter().for_each(|head| print!("{head:>13}"));
    println!();
    for Subject { name, tally, .. } in &*subjects {
        print!("{name:22}");
        tally.row().iter().for_each(|cell| print!("{cell:>13}"));
        println!();
    }
    if let (Some(first), Some(last)) = (at_first, memory()) {
        println!("memory: {first} KiB after 3 rounds, {last} KiB in the end");
        assert!(last < first + first / 2 + 4096, "memory grows");
    }
}
