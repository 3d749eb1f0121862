//! So many wait at once that only a queue whose cost does not grow keeps up.
//!
//! A current-thread runtime: with nothing at the same time, what grows is the
//! queue's own cost and the memory that the tasks are spread over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::yield_now;

use super::Runner;
use super::handoff::current_thread;
use crate::subject::AsyncAcquire;

const PERMITS: usize = 4;

/// 10 tasks on 4 permits, each acquires and drops without end.
pub fn waiters_10<S: AsyncAcquire>() -> Runner {
    waiters::<S>(10)
}

/// The same with 1,000 tasks.
pub fn waiters_1k<S: AsyncAcquire>() -> Runner {
    waiters::<S>(1_000)
}

/// The same with 100,000 tasks.
pub fn waiters_100k<S: AsyncAcquire>() -> Runner {
    waiters::<S>(100_000)
}

/// The tasks stay queued from one run to the next: between two runs, those
/// that hold the permits pause.
fn waiters<S: AsyncAcquire>(tasks: usize) -> Runner {
    let runtime = current_thread();
    let semaphore = Arc::new(S::semaphore(PERMITS));
    let course = Arc::new(Course::default());
    runtime.block_on(async {
        for _ in 0..tasks {
            let semaphore = Arc::clone(&semaphore);
            let course = Arc::clone(&course);
            tokio::spawn(async move {
                course.started.fetch_add(1, Relaxed);
                loop {
                    let permit = S::acquire(&semaphore).await;
                    while !course.take() {
                        course.pause().await;
                    }
                    drop(permit);
                }
            });
        }
        while course.started.load(Relaxed) < tasks {
            yield_now().await;
        }
        course.ended.notified().await;
    });
    Box::new(move |ops| {
        runtime.block_on(async {
            let start = Instant::now();
            course.run(ops).await;
            start.elapsed()
        })
    })
}

/// Lets the tasks do so many hand-offs and then pauses them. One thread uses
/// it; it is atomic only because tasks must be `Send`.
#[derive(Default)]
struct Course {
    started: AtomicUsize,
    left: AtomicU64,
    paused: AtomicUsize,
    go: Notify,
    ended: Notify,
}

impl Course {
    async fn run(&self, ops: u64) {
        self.left.store(ops, Relaxed);
        self.paused.store(0, Relaxed);
        self.go.notify_waiters();
        self.ended.notified().await;
    }

    /// Whether there is one more to do.
    fn take(&self) -> bool {
        let left = self.left.load(Relaxed);
        if left > 0 {
            self.left.store(left - 1, Relaxed);
        }
        left > 0
    }

    /// Waits for the next run; the last of those with a permit ends this one.
    async fn pause(&self) {
        let go = self.go.notified();
        if self.paused.fetch_add(1, Relaxed) + 1 == PERMITS {
            self.ended.notify_one();
        }
        go.await;
    }
}
