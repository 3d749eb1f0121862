//! What the pool must do, written with neither threads nor speed in mind.
//!
//! All that wait stand in one list in the order of their first poll. While there
//! are more places than requests that have been told of one, the first is told.
//! One that comes and finds no place goes back to where it stood.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    task::Poll,
};

use dynaphore::{Counts, LeasePool, error::TryLeaseError};

use super::Key;
use crate::{
    event::Event,
    model::{Id, WakerId},
};

/// What a future waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Lease,
    Idle,
    Stopped,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A lease of this key, with this number.
    Lease(Key, u64),
    /// The state that was waited for.
    Met,
    /// No lease, ever again.
    Refused,
}

/// What a future will learn when it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// To come for a place; it is the so many-th that ever waited.
    Come(usize),
    Now(Answer),
}

/// A future that wants a lease, has been polled, and has not been told anything.
struct Waiter {
    id: Id,
    /// The so many-th that ever waited.
    rank: usize,
    newest: WakerId,
}

#[derive(Default)]
pub(crate) struct Model {
    /// Those that are wanted or held.
    keys: BTreeMap<Key, Counts>,
    /// Those with a place, in the order of their turns.
    turns: VecDeque<Key>,
    stopped: bool,
    next_id: u64,
    next_rank: usize,
    /// Those that want leases, by rank.
    waiters: Vec<Waiter>,
    /// Those that wait until it is idle, and until it is stopped.
    watchers: [Event; 2],
    told: HashMap<Id, Told>,
    /// How often each waker has been woken so far.
    pub(crate) wakes: Vec<usize>,
}

impl Model {
    /// `None`: refused, all targets together would be too large.
    pub(crate) fn set(&mut self, key: Key, target: usize) -> Option<usize> {
        let now = self.counts(key);
        let share = |counts: &Counts| counts.target.max(counts.active);
        let others = self.keys.iter().filter(|&(other, _)| *other != key);
        let others: usize = others.map(|(_, counts)| share(counts)).sum();
        let mut next = now;
        next.target = target;
        if share(&next) > LeasePool::<Key>::MAX_LEASES - others {
            return None;
        }
        self.change(key, next);
        Some(now.target)
    }

    pub(crate) fn try_acquire(&mut self) -> Result<Answer, TryLeaseError> {
        if self.stopped {
            Err(TryLeaseError::Stopped)
        } else if self.is_free() && self.waiters.is_empty() {
            Ok(self.pick().expect("a place is free"))
        } else {
            Err(TryLeaseError::NoLease)
        }
    }

    pub(crate) fn release(&mut self, key: Key) {
        let mut counts = self.counts(key);
        counts.active -= 1;
        self.change(key, counts);
    }

    pub(crate) fn poll(&mut self, id: Id, want: Want, newest: WakerId) -> Poll<Answer> {
        match self.told.remove(&id) {
            Some(Told::Now(answer)) => return Poll::Ready(answer),
            Some(Told::Come(_)) if self.stopped => {
                self.serve();
                return Poll::Ready(Answer::Refused);
            }
            Some(Told::Come(rank)) => {
                if let Some(answer) = self.pick() {
                    return Poll::Ready(answer);
                }
                self.wait(id, rank, newest);
                self.serve();
                return Poll::Pending;
            }
            None => {}
        }
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| waiter.id == id) {
            waiter.newest = newest;
            return Poll::Pending;
        }
        let met = self.is_met(want);
        let watchers = self.watchers(want);
        if watchers.has(id) {
            return if watchers.come_for(id, newest, met) {
                Poll::Ready(Answer::Met)
            } else {
                Poll::Pending
            };
        }
        match want {
            Want::Lease => match self.try_acquire() {
                Ok(answer) => return Poll::Ready(answer),
                Err(TryLeaseError::Stopped) => return Poll::Ready(Answer::Refused),
                Err(_) => {}
            },
            _ if met => return Poll::Ready(Answer::Met),
            _ => {
                watchers.listen(id, newest);
                return Poll::Pending;
            }
        }
        let rank = self.next_rank;
        self.next_rank += 1;
        self.wait(id, rank, newest);
        Poll::Pending
    }

    /// The future is dropped before it has returned an answer.
    pub(crate) fn cancel(&mut self, id: Id) {
        self.waiters.retain(|waiter| waiter.id != id);
        for event in &mut self.watchers {
            event.cancel(id, &mut self.wakes);
        }
        self.told.remove(&id);
        self.serve();
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        for waiter in std::mem::take(&mut self.waiters) {
            self.tell(&waiter, Told::Now(Answer::Refused));
        }
        self.serve();
    }

    pub(crate) fn counts(&self, key: Key) -> Counts {
        self.keys.get(&key).copied().unwrap_or_default()
    }

    pub(crate) fn snapshot(&self) -> Vec<(Key, Counts)> {
        let all = self.keys.iter();
        all.map(|(&key, &counts)| (key, counts)).collect()
    }

    /// Leases, and requests that have been told to come for one.
    pub(crate) fn active(&self) -> usize {
        let leases: usize = self.keys.values().map(|counts| counts.active).sum();
        leases + self.on_their_way()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// How often the pool must hold a clone of each waker.
    pub(crate) fn registered(&self) -> Vec<usize> {
        let mut clones = vec![0; self.wakes.len()];
        let waiting = self.waiters.iter().map(|waiter| waiter.newest);
        let watching = self.watchers.iter().flat_map(Event::wakers);
        for waker in waiting.chain(watching) {
            clones[waker] += 1;
        }
        clones
    }

    fn watchers(&mut self, want: Want) -> &mut Event {
        &mut self.watchers[usize::from(want == Want::Stopped)]
    }

    fn on_their_way(&self) -> usize {
        let told = self.told.values();
        told.filter(|told| matches!(told, Told::Come(_))).count()
    }

    /// Is there a place that nobody has been told of?
    fn is_free(&self) -> bool {
        let places: usize = self.keys.values().map(Counts::missing).sum();
        places > self.on_their_way()
    }

    /// A lease of the key whose turn it is.
    fn pick(&mut self) -> Option<Answer> {
        let key = self.turns.pop_front()?;
        let counts = self.keys.get_mut(&key)?;
        counts.active += 1;
        if counts.missing() > 0 {
            self.turns.push_back(key);
        }
        self.next_id += 1;
        Some(Answer::Lease(key, self.next_id - 1))
    }

    fn change(&mut self, key: Key, next: Counts) {
        if next == Counts::default() {
            self.keys.remove(&key);
        } else {
            self.keys.insert(key, next);
        }
        if next.missing() == 0 {
            self.turns.retain(|&other| other != key);
        } else if !self.turns.contains(&key) {
            self.turns.push_back(key);
        }
        self.serve();
    }

    fn wait(&mut self, id: Id, rank: usize, newest: WakerId) {
        let at = self.waiters.partition_point(|other| other.rank < rank);
        self.waiters.insert(at, Waiter { id, rank, newest });
    }

    /// Tells those who can be told something.
    fn serve(&mut self) {
        while self.is_free() && !self.waiters.is_empty() {
            let first = self.waiters.remove(0);
            self.tell(&first, Told::Come(first.rank));
        }
        for want in [Want::Idle, Want::Stopped] {
            if self.is_met(want) {
                let at = usize::from(want == Want::Stopped);
                self.watchers[at].notify(usize::MAX, &mut self.wakes);
            }
        }
    }

    fn is_met(&self, want: Want) -> bool {
        match want {
            Want::Lease => false,
            Want::Idle => self.active() == 0,
            Want::Stopped => self.stopped,
        }
    }

    fn tell(&mut self, waiter: &Waiter, told: Told) {
        self.told.insert(waiter.id, told);
        self.wakes[waiter.newest] += 1;
    }
}
