//! Two ways to park waiters on event-listener, measured before the queue was
//! written: they say why it keeps the wakers itself.
//!
//! Both are the cheapest form of their kind: FIFO hand-over of single permits,
//! and no more. Cancelling, weights, resizing and closing would come on top.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use event_listener::{Event, IntoNotification, listener};

use super::{AsyncAcquire, Subject};

/// A waiting array: tickets over a few lanes, each an `Event`.
pub struct EventLanes;

const LANES: usize = 8;

#[derive(Default)]
#[repr(align(128))]
struct Lane {
    event: Event,
    /// Grants that came before their listener.
    early: AtomicUsize,
}

#[repr(align(128))]
struct Padded<T>(T);

pub struct Lanes {
    /// Permits, less those who wait for one.
    free: Padded<AtomicI64>,
    enqueued: Padded<AtomicU64>,
    dequeued: Padded<AtomicU64>,
    lanes: [Lane; LANES],
}

impl Lane {
    fn take_early(&self) -> bool {
        self.early
            .fetch_update(SeqCst, SeqCst, |early| early.checked_sub(1))
            .is_ok()
    }

    fn grant(&self) {
        loop {
            if self.event.notify(1.additional().relaxed()) > 0 {
                return;
            }
            self.early.fetch_add(1, SeqCst);
            // A listener that came in between has looked before, or looks now.
            if self.event.total_listeners() == 0 || !self.take_early() {
                return;
            }
        }
    }
}

/// Gives its permit back.
pub struct LanesPermit<'a>(&'a Lanes);

impl Drop for LanesPermit<'_> {
    fn drop(&mut self) {
        if self.0.free.0.fetch_add(1, SeqCst) < 0 {
            let ticket = self.0.dequeued.0.fetch_add(1, SeqCst);
            self.0.lanes[ticket as usize % LANES].grant();
        }
    }
}

impl Subject for EventLanes {
    const NAME: &'static str = "event_lanes";
    type Semaphore = Lanes;

    fn semaphore(permits: usize) -> Lanes {
        Lanes {
            free: Padded(AtomicI64::new(permits as i64)),
            enqueued: Padded(AtomicU64::new(0)),
            dequeued: Padded(AtomicU64::new(0)),
            lanes: Default::default(),
        }
    }
}

impl AsyncAcquire for EventLanes {
    async fn acquire(semaphore: &Lanes) -> impl Send {
        if semaphore.free.0.fetch_sub(1, SeqCst) <= 0 {
            let ticket = semaphore.enqueued.0.fetch_add(1, SeqCst);
            let lane = &semaphore.lanes[ticket as usize % LANES];
            if !lane.take_early() {
                listener!(lane.event => listener);
                if !lane.take_early() {
                    listener.await;
                }
            }
        }
        LanesPermit(semaphore)
    }
}

/// A queue behind a mutex, with an `Event` for each waiter.
pub struct EventPerWaiter;

pub struct Queue(Mutex<Line>);

struct Line {
    free: usize,
    waiting: VecDeque<Arc<Event>>,
    /// Told already; used again once their waiters have let go.
    spare: VecDeque<Arc<Event>>,
}

impl Line {
    fn unused(&mut self) -> Arc<Event> {
        for _ in 0..self.spare.len().min(8) {
            if let Some(event) = self.spare.pop_front() {
                if Arc::strong_count(&event) == 1 {
                    return event;
                }
                self.spare.push_back(event);
            }
        }
        Arc::default()
    }
}

pub struct QueuePermit<'a>(&'a Queue);

impl Drop for QueuePermit<'_> {
    fn drop(&mut self) {
        let mut line = self.0.0.lock().expect("nothing panics");
        let Some(event) = line.waiting.pop_front() else {
            line.free += 1;
            return;
        };
        line.spare.push_back(Arc::clone(&event));
        drop(line);
        event.notify(1.additional().relaxed());
    }
}

impl Subject for EventPerWaiter {
    const NAME: &'static str = "event_per_waiter";
    type Semaphore = Queue;

    fn semaphore(permits: usize) -> Queue {
        Queue(Mutex::new(Line {
            free: permits,
            waiting: VecDeque::new(),
            spare: VecDeque::new(),
        }))
    }
}

impl AsyncAcquire for EventPerWaiter {
    async fn acquire(semaphore: &Queue) -> impl Send {
        let event = {
            let mut line = semaphore.0.lock().expect("nothing panics");
            if line.free > 0 {
                line.free -= 1;
                return QueuePermit(semaphore);
            }
            line.unused()
        };
        listener!(event => listener);
        {
            let mut line = semaphore.0.lock().expect("nothing panics");
            if line.free > 0 {
                line.free -= 1;
                return QueuePermit(semaphore);
            }
            line.waiting.push_back(Arc::clone(&event));
        }
        listener.await;
        QueuePermit(semaphore)
    }
}
