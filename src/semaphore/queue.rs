//! Who waits, and who is next.
//!
//! # States
//!
//! A waiter is *in line*, *aside* (it asked for more than max), *watching* (it
//! waits for `active == 0` or `active <= max`), or it has been *told* its
//! verdict and is in none of the three any more. All moves happen under one
//! lock, which also guards the word's QUEUED bit; whenever the lock is free,
//! QUEUED is set exactly if the line is not empty (after a close, at the
//! latest when it has been told to everybody). Nobody takes the lock
//! unless somebody waits or the caller itself is about to.
//!
//! | who | moves what |
//! |---|---|
//! | arrival that does not fit | enters the line, sets QUEUED if it was empty |
//! | releaser that saw QUEUED | hands its permits to the front, as far as they go |
//! | resizer that saw QUEUED or an aside waiter | lets rejoin, grants what fits; changes max under the lock if it saw one aside before |
//! | front that needs more than max | is moved aside by whoever looks |
//! | closer | tells everybody in line and aside `Closed` |
//! | waiter that gives up | takes itself out; one from the front serves its successor |
//! | releaser that made the word idle or settled | tells the watchers |
//!
//! # Why no wake-up is lost
//!
//! 1. *Line against release.* The first in line sets QUEUED by a
//!    read-modify-write that fails if the permits are there after all (E). A
//!    releaser gives back by a read-modify-write (R). If R comes first, E sees
//!    the permits and the arrival does not wait. If E comes first, R returns
//!    QUEUED, and the releaser takes the lock and grants. Later arrivals find
//!    QUEUED set and nothing to win.
//! 2. *Two holders of the lock.* Whoever made room while QUEUED was set takes
//!    the lock *afterwards*. So if a grant under the lock still found no room,
//!    the one who has made room since comes in later and looks again. The same
//!    goes for a second in line that was looked at together with the first:
//!    both are judged, and granted, by one step of the word.
//! 3. *Clearing.* QUEUED is cleared under the lock, in the step of the word that
//!    grants the last in line its permits, or gives the last ones back with the
//!    line empty. Enqueuing is under the same lock, so there is no clear that an
//!    enqueue could miss. (Two are served in one step only where a third is
//!    behind them, so QUEUED stays.)
//! 4. *Aside and watchers.* They do not show in the word. Each publishes its
//!    counter (C), then reads the word by a read-modify-write (W) and stays
//!    only if that still says wait. Whoever changes the word by a
//!    read-modify-write (X) looks at the counter afterwards. If X comes before
//!    W, W sees the change. If W comes before X, X acquires what W released,
//!    and sees C.
//!    That an aside waiter has left by then is no matter to a resizer: whoever
//!    let it rejoin looks at the word after that. A closer cannot tell it from
//!    one that has been served, and always takes the lock.
//! 5. *Cancel against grant.* Both happen under the lock. A waiter that finds
//!    itself gone from the line reads its verdict and, when granted, gives the
//!    permits back by the ordinary way. One that was at the front lets the new
//!    front be looked at, since a light waiter may fit where a heavy one did
//!    not.
//! 6. *Verdict against waker.* A waiter leaves the line, and its newest waker
//!    with it, in the same critical section that publishes its verdict. One
//!    that comes to register and is not there any more reads the verdict.
//!
//! # Order
//!
//! Arrival is the moment of the first poll that does not succeed. Permits go to
//! the front only, all that it needs at once, so the order is exact: no later
//! arrival passes, whatever is cancelled in between. The one exception is a
//! request for more than max, which cannot be served: it steps aside when it
//! has reached the front and goes back to where its ticket belongs when max
//! allows, in the same step that raises max. (One that steps aside while a
//! growth is under way may be passed by who comes in that moment, but by nobody
//! who is in line already.) During a pause, with max 0, nobody steps aside: there
//! is nobody to be held up. And a rayon job may go ahead of the line (`ahead.rs`).
//!
//! # Why a line that has gone holds up nobody
//!
//! A newcomer that finds QUEUED is refused by the word alone, so nobody may
//! learn that the line has gone before the word says so.
//!
//! 1. A waiter learns that it has left from `served`, which is written at the end
//!    of a critical section, or under the lock; one that gives up returns after
//!    its critical section. `waiting` is written there too, with Release, and read
//!    with Acquire. Wakers run later still. QUEUED is right by then.
//! 2. The word says by `active` that the last in line has been granted. It says in
//!    the same step that there is no line (argument 3 above).
//! 3. A front that needs more than max is moved aside in the critical section that
//!    brought it there or, if no permit was free then, in that of whoever frees
//!    one, or lowers max, before that call returns.
//!
//! An arrival is in line from the step that sets QUEUED, a moment before it is
//! counted. Where waiters compete, the bound of `Eventual` may pass between the
//! steps by which the last takes its permits and clears QUEUED: who counts permits
//! may see that, who reads `waiting` does not.
//!
//! # Wakers
//!
//! Wakers are cloned, woken and dropped with the lock free, so one that calls
//! back into the semaphore works like any other caller. A waker that panics
//! keeps nobody else from being woken; the panic goes on when all is done and
//! nobody can lose a permit by it.
//!
//! This is the line of `Fairness::Fifo`. What differs in the other modes is in
//! `compete.rs`.
//!
//! # Why no waiting array, and no event-listener
//!
//! Both were measured (`compare --only parking_mt --only parking_ct`, ratios to
//! tokio in runs on several machines, which differ more than the runs do):
//!
//! | | two workers | one thread |
//! |---|---|---|
//! | this queue | 0.61 to 0.91 | 0.71 to 0.83 |
//! | a waiting array of eight `Event` lanes | 0.64 to 1.01 | 1.02 to 1.10 |
//! | this queue with an `Event` for each waiter | 1.06 to 1.35 | 1.18 to 1.48 |
//!
//! A wait on an `Event` locks its mutex five times, and wakers run inside that
//! lock, so one that calls back or panics there cannot be contained. Here a wait
//! locks twice, and exact order, cancellation in place and weights come for
//! nothing.

use std::task::Waker;

use crossbeam_utils::CachePadded;

use super::word::{State, Take, Word};
use crate::sync::{Acquire, Lazy, Relaxed, const_fn};

#[cfg(feature = "pool")]
mod back;
mod compete;
mod line;
mod policy;
#[cfg(feature = "keyed")]
mod reuse;
mod shared;
#[cfg(any(feature = "keyed", feature = "pool"))]
mod steps;
mod wakes;
mod watch;

use crate::foreign::Deferred;
pub(crate) use line::{Goal, Ticket, Verdict};
use line::{Line, Stood};
pub use policy::Fairness;
pub(crate) use policy::Policy;
use shared::Shared;

impl Goal {
    pub(crate) fn is_met(self, state: State) -> bool {
        match self {
            Goal::Settled => state.is_settled(),
            Goal::Idle => state.active() == 0,
        }
    }
}

/// The queue of one semaphore.
pub(crate) struct Queue {
    policy: Policy,
    /// Allocated when somebody waits for the first time.
    shared: Lazy<CachePadded<Shared>>,
}

impl Queue {
    const_fn! {
        pub(crate) fn new(policy: Policy) -> Self {
            Self {
                policy,
                shared: Lazy::new(),
            }
        }
    }

    pub(crate) fn fairness(&self) -> Fairness {
        self.policy.fairness
    }

    /// Do releasers hand their permits to waiters?
    pub(crate) fn hands_over(&self) -> bool {
        self.policy.is_fifo()
    }

    /// Waiters in line or aside; watchers do not count.
    pub(crate) fn waiting(&self) -> usize {
        // ORDERING: Acquire, pairs with the Release in `publish`: who learns that
        // nobody is in line is not refused for the sake of the line.
        self.shared
            .get()
            .map_or(0, |shared| shared.waiting.load(Acquire))
    }

    /// Takes `need` permits, or a place in line or aside.
    pub(crate) fn arrive(&self, word: &Word, need: u32, waker: &Waker) -> Arrival {
        let shared = self.shared.force();
        let waker = waker.clone();
        let due = self.due(shared);
        let mut line = shared.lock();
        let ticket = loop {
            if !line.is_empty() && !self.may_barge() {
                // One more is all that has changed: touch no other figure.
                shared
                    .waiting
                    .store(shared.waiting.load(Relaxed) + 1, Relaxed);
                return Arrival::Waits(line.push(need, due, waker));
            }
            match word.acquire_or_queue(need) {
                Take::Full | Take::Spoken => break line.push(need, due, waker),
                Take::TooLarge => {
                    // Argument 4: publish, then look by a write.
                    shared.calm.aside.store(line.aside() + 1, Relaxed);
                    let state = word.confirm();
                    if state.is_too_large(need) && !state.is_closed() {
                        break line.push_aside(need, due, waker);
                    }
                    shared.calm.aside.store(line.aside(), Relaxed);
                }
                Take::Acquired => return Arrival::Acquired(waker),
                Take::Closed => {
                    drop(line);
                    drop(waker);
                    return Arrival::Closed;
                }
            }
        };
        shared.publish(&mut line);
        Arrival::Waits(ticket)
    }

    /// Hands `returned` permits to the line: 0 for a resizer, or for a releaser
    /// whose permits are back in the word.
    #[inline(never)]
    pub(crate) fn hand_over(&self, word: &Word, mut returned: u32) {
        let shared = self.shared.force();
        let mut beside = None;
        let (first, left) = shared.serve_two(word, returned, &mut beside);
        let mut deferred = Deferred::default();
        if let Some(waker) = first {
            deferred.run(|| waker.wake());
        }
        if let Some(waker) = beside {
            deferred.run(|| waker.wake());
        }
        if let Some(left) = left {
            returned = left;
            shared
                .wake_while(|line, wakes| shared.serve(line, word, &mut returned, wakes))
                .finish_with(deferred)
                .resume();
        } else {
            deferred.resume();
        }
    }

    /// Changes max by `change`, and lets in whom that lets in. `change` is told
    /// the smallest request that stands aside.
    pub(crate) fn resize<E>(
        &self,
        word: &Word,
        change: impl Fn(Option<u32>) -> Result<State, E>,
    ) -> Result<State, E> {
        match self.shared.get() {
            Some(shared) if shared.calm.aside.load(Relaxed) > 0 => {
                // Under the lock, or newcomers would slip in between the growth
                // and the return of those aside to the line.
                let mut changed = None;
                let wakes = shared.wake_while(|line, wakes| {
                    changed.get_or_insert_with(|| change(line.least_aside()));
                    shared.serve(line, word, &mut 0, wakes)
                });
                wakes.finish().resume();
                changed.expect("changed in the first step")
            }
            _ => {
                let before = change(None)?;
                self.resized(word, before);
                Ok(before)
            }
        }
    }

    /// Max was changed, by a write that found `before`.
    pub(crate) fn resized(&self, word: &Word, before: State) {
        if self.is_concerned(before) {
            self.hand_over(word, 0);
        }
    }

    /// Does a change of max from `before` matter to anybody who waits?
    fn is_concerned(&self, before: State) -> bool {
        self.shared.get().is_some_and(|shared| {
            before.is_queued()
                || shared.calm.aside.load(Relaxed) > 0
                || shared.calm.watching.load(Relaxed) > 0
        })
    }

    /// The word became idle or settled.
    #[inline]
    pub(crate) fn reached(&self, word: &Word) {
        if self.is_watched() {
            self.hand_over(word, 0);
        }
    }

    /// Does anybody wait for it to become idle or settled?
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        let shared = self.shared.get();
        shared.is_some_and(|shared| shared.calm.watching.load(Relaxed) > 0)
    }

    /// The word was closed.
    pub(crate) fn closed(&self, word: &Word) {
        // Not even the counter tells that there is nobody: one that stood aside
        // may be on its way into the line, counted in neither.
        let Some(shared) = self.shared.get() else {
            return;
        };
        let wakes = shared.wake_while(|line, wakes| {
            while !wakes.is_full() {
                match line.refuse_one() {
                    Some(waker) => wakes.push(waker),
                    None => {
                        word.clear_queued(0);
                        break;
                    }
                }
            }
            shared.publish(line);
            !wakes.is_full()
        });
        wakes.finish().resume();
    }

    /// What the holder of `ticket` has been told.
    #[inline]
    pub(crate) fn verdict(&self, ticket: Ticket) -> Verdict {
        self.shared.force().verdict(ticket)
    }

    /// Makes `waker` the one that is woken. Says what the holder of `ticket`
    /// has been told by then, or has won where waiters compete. The panic is
    /// for the caller to resume, when it has done what the verdict asks for.
    pub(crate) fn wait_on(
        &self,
        word: &Word,
        ticket: Ticket,
        need: u32,
        waker: &Waker,
    ) -> (Verdict, Deferred) {
        let shared = self.shared.force();
        if !shared.register(ticket, waker, Line::waker_mut) {
            (shared.verdict(ticket), Deferred::default())
        } else if self.hands_over() {
            (Verdict::Waiting, Deferred::default())
        } else {
            self.compete(word, ticket, need)
        }
    }

    /// Takes a waiter that gives up out; its ticket is void afterwards, also
    /// when a waker panics. Says what it had been told before; what was granted
    /// is the caller's to give back.
    pub(crate) fn cancel(&self, word: &Word, ticket: Ticket) -> Verdict {
        let shared = self.shared.force();
        let verdict = shared.verdict(ticket);
        if verdict != Verdict::Waiting {
            return verdict;
        }
        // Outlives the lock: dropping a waker may run foreign code.
        let mut removed = None;
        let mut wakes = shared.wake_while(|line, wakes| {
            match removed.get_or_insert_with(|| line.remove(ticket)) {
                None => return true,
                Some((Stood::Elsewhere, _)) if self.hands_over() => shared.publish(line),
                Some(_) => return shared.serve(line, word, &mut 0, wakes),
            }
            true
        });
        let Some((_, waker)) = removed.flatten() else {
            return shared.verdict(ticket);
        };
        wakes.discard(waker);
        wakes.finish().resume();
        Verdict::Waiting
    }
}

/// What has become of an arrival.
#[must_use]
pub(crate) enum Arrival {
    /// It has its permits, and the caller the waker that is not needed.
    Acquired(Waker),
    Closed,
    Waits(Ticket),
}
