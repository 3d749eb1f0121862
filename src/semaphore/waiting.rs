//! Who waits at this moment, and since when.
//!
//! There is no thread that watches them. Whoever begins to wait, ends to, or asks for the
//! longest wait has just looked at the clock and comes here; so it also finds those who have
//! waited for longer than somebody wants to be told of.
//!
//! The lock is held by those only. What is told runs when it is free, and so does the look for
//! grants that nobody has taken, which takes the line's lock.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{queue::Queue, snapshot::Unclaimed};
use crate::foreign::Deferred;

type Tell = Arc<dyn Fn(LongWait) + Send + Sync>;

/// Somebody has waited for long: what [`Stats::warn_after`](crate::Stats::warn_after) tells.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore::LongWait;
///
/// let semaphore = dynaphore::Semaphore::builder(1).stats(true).build();
/// semaphore.stats().warn_after(Duration::from_secs(5), |wait: LongWait| {
///     eprintln!("{} wait for a job, one for {:?}", wait.waiting, wait.waited);
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongWait {
    /// For how long.
    pub waited: Duration,
    /// How many requests waited when that was noticed, itself included, whatever their number
    /// of permits.
    pub waiting: usize,
    /// What had been granted and not been taken, a moment later: one who keeps it is who the
    /// others wait for. `None` unless the semaphore
    /// [grants to tasks](crate::Builder::grant_to_tasks).
    pub unclaimed: Option<Unclaimed>,
}

#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each began, in nanoseconds. No two are equal.
    begun: BTreeSet<u64>,
    warning: Option<Warning>,
    /// All that began up to then have been told of, or began before anybody asked.
    told: Option<u64>,
}

struct Warning {
    after: u64,
    tell: Tell,
}

/// Those who are to be told of, when the lock is free.
#[must_use]
#[derive(Default)]
struct Late(Option<(Tell, Vec<Duration>, usize)>);

impl Late {
    fn tell(self, queue: &Queue) {
        let Some((tell, waits, waiting)) = self.0 else {
            return;
        };
        let unclaimed = Unclaimed::of(queue);
        // Somebody is about to get permits, or to give them up: it must go on, whatever panics.
        let mut panics = Deferred::default();
        for waited in waits {
            let wait = LongWait {
                waited,
                waiting,
                unclaimed,
            };
            panics.run(|| tell(wait));
        }
        // It may be the last.
        panics.run(|| drop(tell));
    }
}

impl State {
    fn look(&mut self, now: u64) -> Late {
        let Some(Warning { after, tell }) = &self.warning else {
            return Late::default();
        };
        let first = self.told.map_or(0, |told| told + 1);
        // Longer than that.
        let Some(last) = now.checked_sub(after.saturating_add(1)) else {
            return Late::default();
        };
        if first > last || self.begun.first().is_none_or(|&begun| begun > last) {
            return Late::default();
        }
        let late = self.begun.range(first..=last);
        let waits: Vec<_> = late
            .map(|begun| Duration::from_nanos(now - begun))
            .collect();
        self.told = Some(last);
        let waiting = self.begun.len();
        Late((!waits.is_empty()).then(|| (Arc::clone(tell), waits, waiting)))
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One begins to wait, `now`. Returns by what it is known.
    pub(super) fn begins(&self, now: u64, queue: &Queue) -> u64 {
        let mut state = self.lock();
        // Whoever was held up on its way here has not been told of.
        let mut begun = state.told.map_or(now, |told| now.max(told + 1));
        while !state.begun.insert(begun) {
            begun += 1;
        }
        let late = state.look(now);
        drop(state);
        late.tell(queue);
        begun
    }

    /// One waits no longer.
    pub(super) fn ends(&self, begun: u64, now: u64, queue: &Queue) {
        let mut state = self.lock();
        let late = state.look(now);
        state.begun.remove(&begun);
        drop(state);
        late.tell(queue);
    }

    /// How many nanoseconds the first has waited.
    pub(super) fn longest(&self, now: u64, queue: &Queue) -> Option<u64> {
        let mut state = self.lock();
        let longest = state.begun.first().map(|begun| now.saturating_sub(*begun));
        let late = state.look(now);
        drop(state);
        late.tell(queue);
        longest
    }

    /// `tell` is told of all that wait for longer than `after` from now on.
    pub(super) fn warn_after(&self, after: Duration, tell: Tell) {
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let before = self.lock().warning.replace(Warning { after, tell });
        // With the lock free: what it holds is the caller's.
        drop(before);
    }
}
