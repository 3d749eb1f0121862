//! Twice as many requests as can be served, from clients that leave after a while and do not
//! say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use dynaphore::{Builder, Order, Semaphore};
use tokio::{runtime, time::sleep};

use crate::measure;
use crate::table::{
    Column, Row,
    Value::{Figure, Text},
    figure, name,
};

/// The workload name of the lines.
pub const NAME: &str = "overload";

const PERMITS: usize = 10;
const HOLD: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two requests.
const PAUSE: Duration = Duration::from_micros(500);

/// A line, and which part of the permits' time goes to clients that are still there at the end.
type Run = (&'static str, fn(Duration) -> f64);

/// A subject that takes part.
pub type Entry = measure::Entry<Run>;

const fn entry(subject: &'static str, line: &'static str, run: fn(Duration) -> f64) -> Entry {
    let run = (line, run);
    Entry { subject, run }
}

/// Those who take part, in the order of the output.
pub const ALL: &[Entry] = &[
    entry("dynaphore", "fifo", |time| dynaphore(time, |line| line)),
    entry("dynaphore", "lifo", |time| {
        dynaphore(time, |line| line.order(Order::Lifo))
    }),
    entry("dynaphore", "adaptive lifo, overdue", |time| {
        let target = Duration::from_millis(5);
        let adaptive = |line: Builder| line.order(Order::AdaptiveLifo);
        dynaphore(time, |line| adaptive(line).overdue(target, PATIENCE))
    }),
    entry("tokio", "fifo", |time| {
        let semaphore = Arc::new(tokio::sync::Semaphore::new(PERMITS));
        goodput(time, || semaphore.clone().acquire_owned())
    }),
];

fn dynaphore(time: Duration, line: impl FnOnce(Builder) -> Builder) -> f64 {
    let semaphore = Arc::new(line(Semaphore::builder(PERMITS)).build());
    goodput(time, || semaphore.clone().acquire_owned())
}

/// What came of one.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    subject: &'static str,
    line: &'static str,
    goodput: f64,
}

impl Row for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 16, |_| Text(NAME)),
        name("subject", "subject", 20, |o| Text(o.subject)),
        name("line", "line", 24, |o| Text(o.line)),
        figure("goodput", "goodput", 9, |o| Figure(Some(o.goodput), 3, 3)),
    ];
}

/// Runs each of them for so long.
pub fn measure(entries: &[&Entry], time: Duration) -> Vec<Outcome> {
    let outcome = |entry: &&Entry| {
        let (line, run) = entry.run;
        Outcome {
            subject: entry.subject,
            line,
            goodput: run(time),
        }
    };
    entries.iter().map(outcome).collect()
}

fn goodput<F, P, E>(time: Duration, acquire: impl Fn() -> F) -> f64
where
    F: Future<Output = Result<P, E>> + Send + 'static,
    P: Send + 'static,
    E: Send + 'static,
{
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let good = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let mut came = 0;
        while start.elapsed() < time {
            while PAUSE * came < start.elapsed() {
                tokio::spawn(client(acquire(), good.clone()));
                came += 1;
            }
            sleep(PAUSE).await;
        }
    });
    let permits = start.elapsed() * PERMITS as u32;
    good.load(Relaxed) as f64 / permits.as_nanos() as f64
}

async fn client<P, E>(acquire: impl Future<Output = Result<P, E>>, good: Arc<AtomicU64>) {
    let came = Instant::now();
    let Ok(permit) = acquire.await else { return };
    let begun = Instant::now();
    sleep(HOLD).await;
    let held = begun.elapsed();
    drop(permit);
    if came.elapsed() <= PATIENCE {
        good.fetch_add(held.as_nanos() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_does_more_than_all() {
        let all: Vec<&Entry> = ALL.iter().collect();
        let outcomes = measure(&all, 2 * PATIENCE);
        assert_eq!(outcomes.len(), ALL.len());
        for outcome in outcomes {
            assert!((0.0..=1.0).contains(&outcome.goodput), "{outcome:?}");
        }
    }
}
