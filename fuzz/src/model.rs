//! What the semaphore must do, written with neither threads nor speed in mind.
//!
//! All that wait for permits stand in one list in the order of their first
//! poll. Who needs more than max keeps its place there and is passed over.
//!
//! In the modes where waiters compete, the semaphore may choose between waking
//! a waiter and handing it its permits. There the model is told what it chose,
//! and whether it was free to (`compete.rs`).

use std::{
    collections::{HashMap, VecDeque},
    task::Poll,
};

use dynaphore::{Semaphore, Snapshot, TryAcquireError};

use crate::script::Mode;

mod compete;

/// Which future.
pub(crate) type Id = usize;

/// Which waker, counted from 0.
pub(crate) type WakerId = usize;

/// What a future waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Permits(usize),
    /// `active <= max`
    Settled,
    /// `active == 0`
    Idle,
}

/// What a future has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted,
    Closed,
}

/// A future that has been polled and not been told anything.
struct Waiter {
    id: Id,
    want: Want,
    newest: WakerId,
    /// Woken to compete, and not polled since.
    called: bool,
}

impl Waiter {
    /// How many permits it needs, if that is what it waits for.
    fn need(&self) -> Option<usize> {
        match self.want {
            Want::Permits(need) => Some(need),
            Want::Settled | Want::Idle => None,
        }
    }
}

pub(crate) struct Model {
    mode: Mode,
    max: usize,
    active: usize,
    closed: bool,
    /// The last call gave permits back.
    released: bool,
    /// Those that want permits, in the order of arrival.
    waiters: VecDeque<Waiter>,
    /// Those that wait for a state.
    watchers: VecDeque<Waiter>,
    /// The answers that nobody has picked up yet.
    told: HashMap<Id, Answer>,
    /// How often each waker has been woken so far.
    pub(crate) wakes: Vec<usize>,
}

impl Model {
    pub(crate) fn new(mode: Mode, max: usize) -> Self {
        Self {
            mode,
            max,
            active: 0,
            closed: false,
            released: false,
            waiters: VecDeque::new(),
            watchers: VecDeque::new(),
            told: HashMap::new(),
            wakes: Vec::new(),
        }
    }

    /// Takes permits if they are there and, where nobody may be passed, nobody
    /// stands in line for them.
    pub(crate) fn take(&mut self, n: usize) -> Result<(), TryAcquireError> {
        if self.closed {
            return Err(TryAcquireError::Closed);
        }
        if n > 0 {
            if n > self.available() {
                return Err(TryAcquireError::NoPermits);
            }
            self.active += n;
        }
        Ok(())
    }

    pub(crate) fn poll(&mut self, id: Id, want: Want, newest: WakerId) -> Poll<Answer> {
        if let Some(answer) = self.told.remove(&id) {
            return Poll::Ready(answer);
        }
        let known = self.everybody_mut().find(|waiter| waiter.id == id);
        if let Some(waiter) = known {
            waiter.newest = newest;
            waiter.called = false;
            return if self.wins(id) {
                Poll::Ready(Answer::Granted)
            } else {
                Poll::Pending
            };
        }
        let waiter = Waiter {
            id,
            want,
            newest,
            called: false,
        };
        match want {
            Want::Permits(n) => match self.take(n) {
                Ok(()) => return Poll::Ready(Answer::Granted),
                Err(TryAcquireError::Closed) => return Poll::Ready(Answer::Closed),
                Err(TryAcquireError::NoPermits) => self.waiters.push_back(waiter),
            },
            _ if self.is_met(want) => return Poll::Ready(Answer::Granted),
            _ => self.watchers.push_back(waiter),
        }
        Poll::Pending
    }

    /// The future is dropped before it has returned an answer.
    pub(crate) fn cancel(&mut self, id: Id, want: Want) {
        self.waiters.retain(|waiter| waiter.id != id);
        self.watchers.retain(|waiter| waiter.id != id);
        if let (Some(Answer::Granted), Want::Permits(n)) = (self.told.remove(&id), want) {
            return self.release(n);
        }
        self.serve();
    }

    pub(crate) fn release(&mut self, n: usize) {
        self.active -= n;
        self.released = n > 0;
        self.serve();
    }

    pub(crate) fn forget_held(&mut self, n: usize) {
        self.active -= n;
        self.max = self.max.saturating_sub(n);
        self.serve();
    }

    /// `None`: refused, it is too large.
    pub(crate) fn set_max(&mut self, max: usize) -> Option<usize> {
        if max > Semaphore::MAX_PERMITS {
            return None;
        }
        let before = self.max;
        self.max = max;
        // In every mode those that fit now have theirs when it returns.
        self.hand_over();
        self.serve();
        Some(before)
    }

    /// `None`: refused, max would be too large.
    pub(crate) fn add_permits(&mut self, n: usize) -> Option<()> {
        self.set_max(self.max.saturating_add(n)).map(drop)
    }

    pub(crate) fn forget_permits(&mut self, n: usize) -> usize {
        let gone = n.min(self.available());
        self.max -= gone;
        gone
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        while let Some(waiter) = self.waiters.pop_front() {
            self.tell(&waiter, Answer::Closed);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            max: self.max,
            active: self.active,
            waiting: self.waiters.len(),
            closed: self.closed,
        }
    }

    /// What somebody who comes now could take.
    pub(crate) fn available(&self) -> usize {
        if !self.mode.competes() && self.front().is_some() {
            0
        } else {
            self.max.saturating_sub(self.active)
        }
    }

    /// How often the semaphore must hold a clone of each waker: once for each
    /// future that waits, was polled with it last, and has not been called.
    pub(crate) fn registered(&self) -> Vec<usize> {
        let mut clones = vec![0; self.wakes.len()];
        for waiter in self.waiters.iter().chain(&self.watchers) {
            clones[waiter.newest] += usize::from(!waiter.called);
        }
        clones
    }

    /// Futures that have not been polled since they were woken.
    pub(crate) fn is_awake(&self, id: Id) -> bool {
        let called = |waiter: &Waiter| waiter.id == id && waiter.called;
        self.told.contains_key(&id) || self.waiters.iter().any(called)
    }

    /// Does another than `id` wait with this waker?
    pub(crate) fn waits_with(&self, waker: WakerId, id: Id) -> bool {
        let mut everybody = self.waiters.iter().chain(&self.watchers);
        everybody.any(|waiter| waiter.newest == waker && waiter.id != id)
    }

    fn everybody_mut(&mut self) -> impl Iterator<Item = &mut Waiter> {
        self.waiters.iter_mut().chain(&mut self.watchers)
    }

    /// The first waiter that max allows, and what it needs.
    fn front(&self) -> Option<(usize, usize)> {
        let needs = self.waiters.iter().map(Waiter::need).enumerate();
        needs
            .filter_map(|(at, need)| Some((at, need?)))
            .find(|&(_, need)| need <= self.max)
    }

    fn fits(&self, need: usize) -> bool {
        self.active + need <= self.max
    }

    /// What comes of any change where the semaphore has no choice.
    fn serve(&mut self) {
        if !self.mode.competes() {
            self.hand_over();
            self.tell_watchers();
        }
    }

    /// Grants all that fits, strictly from the front.
    fn hand_over(&mut self) {
        while self.grant_front() {}
    }

    /// Grants the front what it needs, if that fits.
    fn grant_front(&mut self) -> bool {
        let Some((at, need)) = self.front().filter(|&(_, need)| self.fits(need)) else {
            return false;
        };
        self.active += need;
        if let Some(waiter) = self.waiters.remove(at) {
            self.tell(&waiter, Answer::Granted);
        }
        true
    }

    fn tell_watchers(&mut self) {
        for watcher in std::mem::take(&mut self.watchers) {
            if self.is_met(watcher.want) {
                self.tell(&watcher, Answer::Granted);
            } else {
                self.watchers.push_back(watcher);
            }
        }
    }

    fn is_met(&self, want: Want) -> bool {
        match want {
            Want::Permits(_) => false,
            Want::Settled => self.active <= self.max,
            Want::Idle => self.active == 0,
        }
    }

    fn tell(&mut self, waiter: &Waiter, answer: Answer) {
        self.told.insert(waiter.id, answer);
        // Who has been called is awake, and has left no waker.
        self.wakes[waiter.newest] += usize::from(!waiter.called);
    }
}
