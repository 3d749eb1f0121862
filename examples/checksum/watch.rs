//! The semaphore, and the proof that it kept to its max.
//!
//! The watch does not take the semaphore's word for it: it counts by itself
//! how many permits are in use (`open`), up after the grant and down before the
//! release. So `open` is never more than what is truly held, and a
//! reading of it above what the semaphore may have granted is the semaphore's
//! fault.
//!
//! # No false alarm
//!
//! After a shrink, those admitted before may rightly be more than max. Then
//! which readings must be at most max?
//!
//! The time during which one max is in force is a *phase*. `version` is even
//! within a phase and odd while `set_max` is called, as in a seqlock: between
//! two equal, even readings of it, one max was in force all along.
//!
//! A phase has *settled* when at some moment in it active was at most max. From
//! then to its end active stays at most max, since a grant, which alone raises
//! active, leaves it at most max. The evidence is a snapshot within the phase
//! with active at most max; what contradicts it later contradicts the
//! semaphore's own word. A semaphore that admits more while active is above max
//! never looks settled, and is found out by the `none` in the summary.
//!
//! A reading counts only if it was taken after such evidence (in this thread,
//! or told by another through `settled`) and `version` is still the same after
//! it: then the moment of the reading lies between the evidence and the end of
//! the phase, where active, and all the more `open`, is at most max.
//!
//! ORDERING: everything here is SeqCst, so that "before" and "after" above
//! mean one order for all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use dynaphore::throttle::Throttle;
use dynaphore::{Semaphore, Snapshot};

pub struct Watch {
    semaphore: Arc<Semaphore>,
    /// Twice the index of the phase, plus one while it is being left.
    version: AtomicUsize,
    /// Permits in use, counted independently of the semaphore.
    open: AtomicUsize,
    /// One for each max, in the order they come into force.
    phases: Box<[Phase]>,
}

struct Phase {
    max: usize,
    settled: AtomicBool,
    /// The highest reading that counts; 0 before the first.
    highest: AtomicUsize,
}

/// A file is open, until this is dropped.
pub struct Open<'a>(&'a AtomicUsize);

impl Watch {
    /// A semaphore with `max`, to be resized to each of `later` in turn.
    pub fn new(max: usize, later: impl Iterator<Item = usize>) -> Self {
        let phase = |max| Phase {
            max,
            settled: AtomicBool::new(false),
            highest: AtomicUsize::new(0),
        };
        Self {
            semaphore: Arc::new(Semaphore::new(max)),
            version: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            phases: std::iter::once(max).chain(later).map(phase).collect(),
        }
    }

    /// Makes jobs wait for their permits.
    pub fn throttle(&self) -> Throttle {
        Throttle::new(Arc::clone(&self.semaphore))
    }

    /// A file is opened, under a permit that outlives what is returned.
    pub fn enter(&self) -> Open<'_> {
        self.open.fetch_add(1, SeqCst);
        self.look();
        Open(&self.open)
    }

    /// Takes a reading.
    pub fn look(&self) {
        let version = self.version.load(SeqCst);
        let Some(phase) = self.phase(version) else {
            return;
        };
        let settled = phase.settled.load(SeqCst);
        let open = self.open.load(SeqCst);
        let snapshot = self.semaphore.snapshot();
        if self.version.load(SeqCst) != version {
            return;
        }
        if settled {
            phase.record(open);
            phase.record(snapshot.active);
        } else if snapshot.active <= phase.max {
            // `open` was read before this evidence: it does not count.
            phase.settled.store(true, SeqCst);
            phase.record(snapshot.active);
        }
    }

    /// Brings the next max into force. The caller sees to it that there is one
    /// and that no two calls overlap.
    pub fn resize_to_next(&self) {
        let left = self.version.fetch_add(1, SeqCst);
        self.semaphore.set_max(self.phases[left / 2 + 1].max);
        self.version.fetch_add(1, SeqCst);
    }

    pub fn snapshot(&self) -> Snapshot {
        self.semaphore.snapshot()
    }

    /// Sends the waiting away, and whoever comes later.
    pub fn close(&self) {
        self.semaphore.close();
    }

    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }

    /// Each max that was in force, in order, with the highest active seen under
    /// it once it had settled: `None` if it was not seen settled.
    pub fn highest_by_max(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        let in_force = self.version.load(SeqCst) / 2 + 1;
        self.phases.iter().take(in_force).map(|phase| {
            let settled = phase.settled.load(SeqCst);
            (phase.max, settled.then(|| phase.highest.load(SeqCst)))
        })
    }

    /// True if more permits were held than the semaphore may have granted.
    pub fn went_above_max(&self) -> bool {
        self.highest_by_max()
            .any(|(max, highest)| highest.is_some_and(|highest| highest > max))
    }

    /// The phase of an even `version`.
    fn phase(&self, version: usize) -> Option<&Phase> {
        (version % 2 == 0).then(|| &self.phases[version / 2])
    }
}

impl Phase {
    fn record(&self, active: usize) {
        self.highest.fetch_max(active, SeqCst);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
