//! A server with a knee.
//!
//! Up to `knee` requests are served at full speed each. Beyond it they share what
//! there is, and the more there are the more of it is lost: at twice the knee a
//! fifth of the throughput. This is the usual model of a machine with `knee`
//! cores, or of a database with that many connections.
//!
//! All requests in service progress alike, so one number says how much work each
//! has had done since the beginning, and a request ends when that number has grown
//! by its own work. (Processor sharing in virtual time.)

use std::{cmp::Ordering, collections::BinaryHeap};

/// The part of the throughput that is lost for each knee of requests too many.
const LOSS: f64 = 0.25;

#[derive(PartialEq)]
struct Job {
    /// The done work at which it ends.
    end: f64,
    id: usize,
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Job {
    /// The one that ends first is the greatest, as the heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        other.end.total_cmp(&self.end).then(other.id.cmp(&self.id))
    }
}

pub(super) struct Server {
    jobs: BinaryHeap<Job>,
    /// Seconds of work that have been done for each request in service.
    done: f64,
    /// When that was, in seconds.
    at: f64,
    pub(super) knee: f64,
    /// 1.0 as a rule, 0.1 for ten times the latency, 0.0 for a pause.
    pub(super) speed: f64,
}

impl Server {
    pub(super) fn new(knee: f64) -> Self {
        Self {
            jobs: BinaryHeap::new(),
            done: 0.0,
            at: 0.0,
            knee,
            speed: 1.0,
        }
    }

    fn rate(&self) -> f64 {
        let active = self.jobs.len() as f64;
        if active <= self.knee {
            return self.speed;
        }
        let excess = (active - self.knee) / self.knee;
        self.speed * self.knee / active / (1.0 + LOSS * excess)
    }

    /// Works until now. To be called before anything is changed.
    pub(super) fn work_until(&mut self, now: f64) {
        self.done += self.rate() * (now - self.at);
        self.at = now;
    }

    pub(super) fn add(&mut self, id: usize, work: f64) {
        self.jobs.push(Job {
            end: self.done + work,
            id,
        });
    }

    /// When the next request ends, unless something changes before.
    pub(super) fn next_end(&self) -> Option<f64> {
        let job = self.jobs.peek()?;
        let rate = self.rate();
        (rate > 0.0).then(|| self.at + (job.end - self.done).max(0.0) / rate)
    }

    /// The request that has ended by now.
    pub(super) fn pop(&mut self) -> Option<usize> {
        self.jobs.pop().map(|job| job.id)
    }
}
