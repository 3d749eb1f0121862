//! What the keyed semaphore must do: a plain model of a semaphore for each key,
//! and a plain count of those who need it.

use std::{collections::BTreeMap, task::Poll};

use dynaphore::{Snapshot, TryAcquireError};

use super::Script;
use crate::{
    model::{Answer, Id, Model, WakerId, Want},
    script::Mode,
};

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Closed,
    TooManyKeys,
    Busy,
}

/// What becomes of a request that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    Holds,
    Waits,
}

struct Key {
    line: Model,
    /// Permits, and futures that wait or do not know that they do not.
    users: usize,
    /// The latter.
    waiters: usize,
    overridden: bool,
}

pub(super) struct Keyed {
    default_max: usize,
    max_keys: usize,
    max_waiters: usize,
    closed: bool,
    keys: BTreeMap<u8, Key>,
    /// How often wakers were woken for keys that are gone.
    wakes: Vec<usize>,
}

impl Keyed {
    pub(super) fn new(script: &Script) -> Self {
        Self {
            default_max: script.max,
            max_keys: script.max_keys,
            max_waiters: script.max_waiters,
            closed: false,
            keys: BTreeMap::new(),
            wakes: Vec::new(),
        }
    }

    pub(super) fn try_acquire(&mut self, key: u8, n: usize) -> Result<(), Refusal> {
        self.enter(key, n, 0).map(|_| ())
    }

    /// Takes permits, or counts a waiter in.
    pub(super) fn acquire(&mut self, key: u8, n: usize) -> Result<Entered, Refusal> {
        self.enter(key, n, self.max_waiters)
    }

    fn enter(&mut self, key: u8, n: usize, max_waiters: usize) -> Result<Entered, Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if !self.keys.contains_key(&key) {
            if n > self.default_max && max_waiters == 0 {
                return Err(Refusal::Busy);
            }
            self.make(key).map_err(|()| Refusal::TooManyKeys)?;
        }
        let entry = self.keys.get_mut(&key).expect("made if it was not there");
        let entered = match entry.line.take(n) {
            Ok(()) => Entered::Holds,
            Err(TryAcquireError::Closed) => return Err(Refusal::Closed),
            Err(_) if entry.waiters >= max_waiters => return Err(Refusal::Busy),
            Err(_) => {
                entry.waiters += 1;
                Entered::Waits
            }
        };
        entry.users += 1;
        Ok(entered)
    }

    fn make(&mut self, key: u8) -> Result<(), ()> {
        if self.keys.len() >= self.max_keys {
            return Err(());
        }
        let mut line = Model::new(Mode::Fifo, self.default_max);
        line.wakes = vec![0; self.wakes.len()];
        if self.closed {
            line.close();
        }
        let new = Key {
            line,
            users: 0,
            waiters: 0,
            overridden: false,
        };
        self.keys.insert(key, new);
        Ok(())
    }

    /// Changes the key, which must be in use, and forgets it if that is over.
    fn change<T>(&mut self, key: u8, change: impl FnOnce(&mut Key) -> T) -> T {
        let entry = self.keys.get_mut(&key).expect("in use");
        let value = change(entry);
        if entry.users == 0 && !entry.overridden {
            for (sum, wakes) in self.wakes.iter_mut().zip(&entry.line.wakes) {
                *sum += wakes;
            }
            self.keys.remove(&key);
        }
        value
    }

    /// A waiter that has been counted in.
    pub(super) fn poll(&mut self, key: u8, id: Id, n: usize, waker: WakerId) -> Poll<Answer> {
        self.change(key, |entry| {
            let polled = entry.line.poll(id, Want::Permits(n), waker);
            if let Poll::Ready(answer) = polled {
                entry.waiters -= 1;
                entry.users -= usize::from(answer == Answer::Closed);
            }
            polled
        })
    }

    pub(super) fn cancel(&mut self, key: u8, id: Id, n: usize) {
        self.change(key, |entry| {
            entry.line.cancel(id, Want::Permits(n));
            entry.waiters -= 1;
            entry.users -= 1;
        });
    }

    pub(super) fn release(&mut self, key: u8, n: usize) {
        self.change(key, |entry| {
            entry.line.release(n);
            entry.users -= 1;
        });
    }

    pub(super) fn split(&mut self, key: u8) {
        self.change(key, |entry| entry.users += 1);
    }

    pub(super) fn merge(&mut self, key: u8) {
        self.change(key, |entry| entry.users -= 1);
    }

    /// `None`: refused, there are too many keys.
    pub(super) fn set_max(&mut self, key: u8, n: usize) -> Option<usize> {
        if !self.keys.contains_key(&key) {
            self.make(key).ok()?;
        }
        self.change(key, |entry| {
            entry.overridden = true;
            entry.line.set_max(n)
        })
    }

    pub(super) fn clear_max(&mut self, key: u8) -> Option<usize> {
        if !self.keys.get(&key)?.overridden {
            return None;
        }
        let default_max = self.default_max;
        self.change(key, |entry| {
            entry.overridden = false;
            entry.line.set_max(default_max)
        })
    }

    pub(super) fn set_default(&mut self, n: usize) -> usize {
        for entry in self.keys.values_mut().filter(|entry| !entry.overridden) {
            entry.line.set_max(n);
        }
        std::mem::replace(&mut self.default_max, n)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.keys.values_mut().for_each(|entry| entry.line.close());
    }
}

/// Reading.
impl Keyed {
    pub(super) fn default_max(&self) -> usize {
        self.default_max
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn snapshot(&self, key: u8) -> Snapshot {
        let absent = crate::model::snapshot(self.default_max, 0, 0, self.closed);
        self.keys
            .get(&key)
            .map_or(absent, |entry| entry.line.snapshot())
    }

    /// Of the keys in use, in order.
    pub(super) fn snapshots(&self) -> Vec<(u8, Snapshot)> {
        let entries = self.keys.iter();
        entries
            .map(|(key, entry)| (*key, entry.line.snapshot()))
            .collect()
    }

    pub(super) fn add_waker(&mut self) {
        self.wakes.push(0);
        for entry in self.keys.values_mut() {
            entry.line.wakes.push(0);
        }
    }

    pub(super) fn wakes(&self) -> Vec<usize> {
        self.sum(self.wakes.clone(), |line| line.wakes.clone())
    }

    pub(super) fn registered(&self) -> Vec<usize> {
        self.sum(vec![0; self.wakes.len()], Model::registered)
    }

    fn sum(&self, mut sums: Vec<usize>, of: impl Fn(&Model) -> Vec<usize>) -> Vec<usize> {
        for entry in self.keys.values() {
            for (sum, value) in sums.iter_mut().zip(of(&entry.line)) {
                *sum += value;
            }
        }
        sums
    }
}
