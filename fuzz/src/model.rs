//! What the semaphore must do, written with neither threads nor speed in mind.
//!
//! Who waits for permits stands in line, in the order of the first poll, and is handed
//! them. Who needs more than max, and has come to the front, keeps its place there and is
//! passed over. In the modes where waiters compete, requests for one permit are not in
//! that line but listen (`compete.rs`). So do those who wait for a state, in all modes.

use std::{
    collections::{HashMap, VecDeque},
    task::Poll,
};

use dynaphore::{Semaphore, Snapshot, TryAcquireError};

pub(crate) use crate::event::{Id, WakerId};
use crate::{event::Event, script::Mode};

mod compete;

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

/// One in line.
struct Waiter {
    id: Id,
    need: usize,
    newest: WakerId,
    /// Passed over.
    aside: bool,
}

pub(crate) struct Model {
    mode: Mode,
    max: usize,
    active: usize,
    closed: bool,
    /// In the order of arrival.
    line: VecDeque<Waiter>,
    competing: Event,
    /// Releases that notified nobody, since the last that did.
    passed: usize,
    /// Those that wait until it is settled, and until it is idle.
    watchers: [Event; 2],
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
            line: VecDeque::new(),
            competing: Event::default(),
            passed: 0,
            watchers: Default::default(),
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
        if let Some(waiter) = self.line.iter_mut().find(|waiter| waiter.id == id) {
            waiter.newest = newest;
            return Poll::Pending;
        }
        if self.competing.has(id) {
            return self.come(id, newest);
        }
        if self.watchers(want).has(id) {
            return self.watch(id, want, newest);
        }
        match want {
            Want::Permits(n) => match self.take(n) {
                Ok(()) => return Poll::Ready(Answer::Granted),
                Err(TryAcquireError::Closed) => return Poll::Ready(Answer::Closed),
                Err(TryAcquireError::NoPermits) if self.competes(n) => {
                    self.competing.listen(id, newest);
                }
                Err(_) => self.enter_line(id, n, newest),
            },
            _ if self.is_met(want) => return Poll::Ready(Answer::Granted),
            _ => self.watchers(want).listen(id, newest),
        }
        Poll::Pending
    }

    /// A call that blocks for no time: it takes what is there, or waits and gives up.
    pub(crate) fn block(&mut self, id: Id, n: usize, waker: WakerId) -> Poll<Answer> {
        let polled = self.poll(id, Want::Permits(n), waker);
        if polled.is_pending() {
            self.cancel(id, Want::Permits(n));
        }
        polled
    }

    fn enter_line(&mut self, id: Id, need: usize, newest: WakerId) {
        // Behind a line that nobody may pass, it is not in the way before it is first.
        let aside = self.is_too_large(need) && !self.is_line_kept();
        self.line.push_back(Waiter {
            id,
            need,
            newest,
            aside,
        });
    }

    /// The future is dropped before it has returned an answer.
    pub(crate) fn cancel(&mut self, id: Id, want: Want) {
        self.competing.cancel(id, &mut self.wakes);
        for event in &mut self.watchers {
            event.cancel(id, &mut self.wakes);
        }
        let was_front = self.front().is_some_and(|at| self.line[at].id == id);
        self.line.retain(|waiter| waiter.id != id);
        if was_front {
            self.make_room();
        }
        if let (Some(Answer::Granted), Want::Permits(n)) = (self.told.remove(&id), want) {
            self.release(n);
        }
    }

    pub(crate) fn release(&mut self, n: usize) {
        if n > 0 {
            self.active -= n;
            self.make_room();
        }
    }

    pub(crate) fn forget_held(&mut self, n: usize) {
        if n > 0 {
            self.active -= n;
            self.max = self.max.saturating_sub(n);
            self.make_room();
        }
    }

    /// `None`: refused, it is too large.
    pub(crate) fn set_max(&mut self, max: usize) -> Option<usize> {
        if max > Semaphore::MAX_PERMITS {
            return None;
        }
        let before = self.max;
        self.max = max;
        self.make_room();
        Some(before)
    }

    /// `None`: refused, max would be too large.
    pub(crate) fn add_permits(&mut self, n: usize) -> Option<()> {
        self.set_max(self.max.saturating_add(n)).map(drop)
    }

    pub(crate) fn forget_permits(&mut self, n: usize) -> usize {
        let gone = n.min(self.available());
        self.max -= gone;
        if gone > 0 {
            self.make_room();
        }
        gone
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        while let Some(waiter) = self.line.pop_front() {
            self.tell(&waiter, Answer::Closed);
        }
        self.notify_closed();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        snapshot(
            self.max,
            self.active,
            self.line.len() + self.competing.len(),
            self.closed,
        )
    }

    /// What somebody who comes now could take.
    pub(crate) fn available(&self) -> usize {
        if self.is_line_kept() { 0 } else { self.free() }
    }

    /// How often the semaphore must hold a clone of each waker: once for each
    /// future that waits and was polled with it last. One in line that has been
    /// told does not wait any more; one that listens waits until it comes.
    pub(crate) fn registered(&self) -> Vec<usize> {
        let mut clones = vec![0; self.wakes.len()];
        let in_line = self.line.iter().map(|waiter| waiter.newest);
        let watching = self.watchers.iter().flat_map(Event::wakers);
        for waker in in_line.chain(self.competing.wakers()).chain(watching) {
            clones[waker] += 1;
        }
        clones
    }

    /// Futures that have not been polled since they were woken.
    pub(crate) fn is_awake(&self, id: Id) -> bool {
        let mut events = self.watchers.iter().chain([&self.competing]);
        self.told.contains_key(&id) || events.any(|event| event.is_notified(id))
    }

    fn free(&self) -> usize {
        self.max.saturating_sub(self.active)
    }

    fn fits(&self, need: usize) -> bool {
        need <= self.free()
    }

    /// Would it not fit even if nobody held a permit? During a pause nobody is in the way.
    fn is_too_large(&self, need: usize) -> bool {
        need > self.max && self.max > 0
    }

    /// Is somebody in line whom nobody may pass?
    fn is_line_kept(&self) -> bool {
        self.mode.keeps_the_line() && self.front().is_some()
    }

    /// The first in line that is not passed over.
    fn front(&self) -> Option<usize> {
        self.line.iter().position(|waiter| !waiter.aside)
    }

    /// What comes of any change that may let somebody in.
    fn make_room(&mut self) {
        self.serve_line();
        self.notify();
    }

    /// Grants all that fits, strictly from the front.
    fn serve_line(&mut self) {
        if self.closed {
            return;
        }
        for waiter in &mut self.line {
            waiter.aside &= waiter.need > self.max;
        }
        while let Some(at) = self.front() {
            let need = self.line[at].need;
            if self.is_too_large(need) {
                self.line[at].aside = true;
            } else if self.fits(need) {
                self.active += need;
                if let Some(waiter) = self.line.remove(at) {
                    self.tell(&waiter, Answer::Granted);
                }
            } else {
                break;
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
        self.wakes[waiter.newest] += 1;
    }
}

/// What a semaphore looks like.
pub(crate) fn snapshot(max: usize, active: usize, waiting: usize, closed: bool) -> Snapshot {
    let mut snapshot = Snapshot::default();
    (snapshot.max, snapshot.active) = (max, active);
    (snapshot.waiting, snapshot.closed) = (waiting, closed);
    snapshot
}
