//! What all who wait for one semaphore share: the line behind its lock, and the
//! figures that are read without it. The critical sections of the protocol are
//! here; the numbered arguments that they cite are in `queue.rs`.

use std::task::Waker;

use crossbeam_utils::CachePadded;

use super::{
    Verdict,
    line::{Line, Ticket},
    wakes::Wakes,
};
use crate::{
    semaphore::word::{Take, Word},
    sync::{Acquire, AtomicU64, AtomicUsize, Clock, Mutex, MutexGuard, Relaxed, Release},
};

// In order: the first two and the line's first fields change with every wait,
// the others hardly ever, and share no cache line with those.
#[derive(Default)]
#[repr(C)]
pub(super) struct Shared {
    /// The line's figure by which a waiter reads its verdict without a lock.
    pub(super) served: AtomicU64,
    /// In line or aside. For readers only.
    pub(super) waiting: AtomicUsize,
    pub(super) line: Mutex<Line>,
    pub(super) calm: CachePadded<Calm>,
}

#[derive(Default)]
pub(super) struct Calm {
    pub(super) closed_at: AtomicU64,
    pub(super) stragglers: AtomicUsize,
    /// Aside. Whoever has changed max looks here.
    pub(super) aside: AtomicUsize,
    /// Watching. Whoever has made the word idle or settled looks here.
    pub(super) watching: AtomicUsize,
    /// When nobody may pass the first in line any more (`compete.rs`).
    pub(super) due: AtomicU64,
    pub(super) clock: Clock,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Line> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.line
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes the figures say what the line says.
    pub(super) fn publish(&self, line: &mut Line) {
        // A write to a cache line that everybody reads costs.
        let figures = line.figures();
        if line.published != Some(figures) {
            line.published = Some(figures);
            self.calm.closed_at.store(figures.closed_at.0, Relaxed);
            self.calm.aside.store(figures.aside, Relaxed);
            self.calm.watching.store(figures.watching, Relaxed);
            self.calm.due.store(figures.due, Relaxed);
            // ORDERING: Release, pairs with the Acquire in `verdict`.
            self.calm.stragglers.store(figures.stragglers, Release);
        }
        // ORDERING: Release, pairs with the Acquire in `Queue::waiting`: who reads
        // that nobody waits sees QUEUED cleared, and the figures above.
        self.waiting.store(line.len() + line.aside(), Release);
        // ORDERING: Release, pairs with the Acquire in `verdict`: a waiter that
        // reads its grant sees what its releaser did, and the figures above.
        self.served.store(line.served().0, Release);
    }

    /// What the holder of `ticket` has been told.
    pub(super) fn verdict(&self, ticket: Ticket) -> Verdict {
        // ORDERING: Acquire, twice, pairs with the Releases in `publish`. Who
        // was a straggler has been below `served` for long: what says that it
        // is granted, not that it steps aside, is that there are no stragglers
        // any more.
        if ticket.0 >= self.served.load(Acquire) {
            Verdict::Waiting
        } else if self.calm.stragglers.load(Acquire) > 0 {
            self.lock().look_up(ticket)
        } else if ticket.0 >= self.calm.closed_at.load(Relaxed) {
            Verdict::Closed
        } else {
            Verdict::Granted
        }
    }

    /// Makes `waker` the one that `find` finds for `ticket`. Says whether it
    /// found one.
    pub(super) fn register(
        &self,
        ticket: Ticket,
        waker: &Waker,
        find: impl Fn(&mut Line, Ticket) -> Option<&mut Option<Waker>>,
    ) -> bool {
        match find(&mut self.lock(), ticket) {
            None => return false,
            Some(Some(known)) if known.will_wake(waker) => return true,
            Some(_) => {}
        }
        // Cloning and dropping a waker may run foreign code: not in the lock.
        // Declared before the guard, so dropped after it.
        let mut newest = Some(waker.clone());
        let mut line = self.lock();
        let Some(known) = find(&mut line, ticket) else {
            return false;
        };
        std::mem::swap(known, &mut newest);
        line.uncall(ticket);
        true
    }

    /// What `serve` does, for the usual line and no more than two waiters, in a
    /// fraction of the time. Gives the waker of the first, and that of the second
    /// in `beside`. The number is what is left to serve with, unless all is done.
    pub(super) fn serve_two(
        &self,
        word: &Word,
        returned: u32,
        beside: &mut Option<Waker>,
    ) -> (Option<Waker>, Option<u32>) {
        let mut line = self.lock();
        let first = match line.front() {
            Some(need) if line.is_plain() => need,
            _ => return (None, Some(returned)),
        };
        // If one permit goes where one is needed, there is none to spare: the
        // second did not fit before, and by argument 2 whoever makes room looks
        // at it afterwards. Do not even touch its place.
        let exact = (returned, first) == (1, 1);
        // The last in line must clear QUEUED (argument 3), so this leaves it.
        let second = if exact { None } else { line.second_of_three() };
        // In a plain line nobody stands aside.
        let (found, next) = match second {
            None => (word.hand_over(returned, first, None), Take::Spoken),
            Some(second) => word.hand_over_to_two(returned, first, second),
        };
        match found {
            Take::Acquired => {}
            Take::Full => {
                if returned > 0 {
                    let _ = word.give_back(returned);
                }
                return (None, None);
            }
            _ => return (None, Some(returned)),
        }
        let waker = line.grant_plain_front();
        if next == Take::Acquired {
            *beside = line.grant_plain_front();
        }
        // Who was looked at and did not fit waits, by argument 2 again.
        let mut more = false;
        if !exact && next != Take::Full {
            let next = line.front().unwrap_or(0);
            let state = word.load();
            if state.is_too_large(next) {
                self.clear_the_way(&mut line, word);
                return (waker, Some(0));
            }
            more = state.fits(next);
        }
        // The line is not empty: who reads that learns nothing about QUEUED.
        self.waiting.store(line.len(), Relaxed);
        // ORDERING: as in `publish`. One store tells both.
        self.served.store(line.served().0, Release);
        (waker, more.then_some(0))
    }

    /// Serves the line from the front, with `returned` permits that the caller
    /// still holds and with what the word has; gives back what is left over.
    /// Stops early when `wakes` is full. Says whether it is done.
    pub(super) fn serve(
        &self,
        line: &mut Line,
        word: &Word,
        returned: &mut u32,
        wakes: &mut Wakes,
    ) -> bool {
        if line.aside() > 0 && line.rejoin(word.load().max()) {
            // Releasers must take the lock from here on, argument 1.
            word.set_queued();
        }
        loop {
            let Some(need) = line.front() else {
                word.clear_queued(*returned);
                break;
            };
            if wakes.is_full() {
                self.clear_the_way(line, word);
                return false;
            }
            let last = line.len() == 1;
            let found = if last {
                word.hand_over_to_last(*returned, need, line.least_aside())
            } else {
                word.hand_over(*returned, need, line.least_aside())
            };
            match found {
                Take::Acquired => {
                    *returned = 0;
                    wakes.push(line.grant_front());
                    if last {
                        break;
                    }
                }
                Take::TooLarge => self.step_aside(line, word),
                // max has grown since. QUEUED is set: somebody is in line.
                Take::Spoken => {
                    line.rejoin(word.load().max());
                }
                // Full: the front goes on waiting. Closed: the closer will
                // come and tell everybody.
                Take::Full | Take::Closed => {
                    if *returned > 0 {
                        let _ = word.give_back(*returned);
                    }
                    break;
                }
            }
        }
        *returned = 0;
        self.tell_watchers(line, word, wakes);
        self.publish(line);
        !wakes.is_full()
    }

    /// The first in line needs more than max.
    fn step_aside(&self, line: &mut Line, word: &Word) {
        line.step_aside();
        // Argument 4: publish, then look by a write. The other figures are not
        // for anybody to read before QUEUED says the same.
        self.calm.aside.store(line.aside(), Relaxed);
        line.published = None;
        line.rejoin(word.confirm().max());
    }

    /// Lets go of the line in the middle: those who have been served may come
    /// at once, and must not be held up by somebody who needs more than max.
    #[cold]
    fn clear_the_way(&self, line: &mut Line, word: &Word) {
        while line
            .front()
            .is_some_and(|need| word.load().is_too_large(need))
        {
            self.step_aside(line, word);
        }
        if line.is_empty() {
            word.clear_queued(0);
        }
        self.publish(line);
    }

    pub(super) fn tell_watchers(&self, line: &mut Line, word: &Word, wakes: &mut Wakes) {
        if line.watching() == 0 {
            return;
        }
        let state = word.load();
        while !wakes.is_full() {
            match line.tell_watcher(|goal| goal.is_met(state)) {
                None => return,
                told => wakes.push(told),
            }
        }
    }

    /// Runs `step` under the lock until it is done, waking between the steps.
    pub(super) fn wake_while(&self, mut step: impl FnMut(&mut Line, &mut Wakes) -> bool) -> Wakes {
        let mut wakes = Wakes::default();
        loop {
            let done = step(&mut self.lock(), &mut wakes);
            wakes.wake();
            if done {
                return wakes;
            }
        }
    }
}
