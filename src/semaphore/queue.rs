//! Who waits, and who is next.
//!
//! A waiter stands *in line* and is handed its permits in exact order, or it *competes*:
//! it listens for permits that come back, and whoever comes first has them. Under `Fifo`
//! all stand in line. Under `Barging` requests for one permit compete, and those for
//! several stand in line. Under `Eventual` a request for one competes until it has
//! waited for the bound; then it joins the line, and nobody passes that. One that is
//! overdue may have been woken and not have come, while some permits came back: until it
//! comes, a newcomer that asks for one permit takes it only if enough are left for all that
//! compete.
//!
//! # The line
//!
//! A waiter is in line, *aside* (it asked for more than max), or it has been *told* its
//! verdict. All moves happen under one lock. Nobody takes the lock unless somebody
//! waits, or the caller itself is about to.
//!
//! | who | moves what |
//! |---|---|
//! | arrival that does not fit | enters the line, sets QUEUED if it was empty |
//! | releaser that saw QUEUED | hands its permits to the front, as far as they go |
//! | resizer that saw QUEUED or an aside waiter | lets rejoin, grants what fits; changes max under the lock if it saw one aside before |
//! | front that needs more than max | is moved aside by whoever looks |
//! | closer | sets CLOSED under the lock, tells everybody in line and aside `Closed` |
//! | waiter that gives up | takes itself out; one from the front serves its successor |
//!
//! # Why no wake-up is lost
//!
//! 1. *Line against release.* The first in line sets QUEUED by a read-modify-write that
//!    fails if the permits are there after all (E). A releaser gives back by a
//!    read-modify-write (R). If R comes first, E sees the permits and the arrival does
//!    not wait. If E comes first, R returns QUEUED, and the releaser takes the lock and
//!    grants. Later arrivals find QUEUED set and nothing to win.
//! 2. *Two holders of the lock.* Whoever made room while QUEUED was set takes the lock
//!    afterwards. So if a grant under the lock found no room, the one who has made room
//!    since comes in later and looks again.
//! 3. *Clearing.* QUEUED is cleared under the lock, in the step of the word that grants
//!    the last in line its permits, or gives the last ones back with the line empty.
//!    Enqueuing is under the same lock, so no clear can miss it. One who competes does
//!    not take the lock: see 5.
//! 4. *What does not show in the word.* Those aside, those who watch, and (for `Eventual`
//!    and `Barging`) that there is a line. Each publishes its counter (C), then reads the
//!    word by a read-modify-write (W), and stays only if that still says wait. Whoever
//!    changes the word by a read-modify-write (X) looks at the counter afterwards. If X
//!    comes before W, W sees the change. If W comes before X, X acquires what W released,
//!    and sees C. An aside waiter may leave its counter for the line while a resizer looks:
//!    whoever moved it looks at the word after that. A closer always looks.
//! 5. *Competing.* A waiter listens (L), which ends with a fence, and then looks at the
//!    word (W). If a permit is free, it tries for it at once. If QUEUED is not set, it sets
//!    that by a read-modify-write, and looks at what this returns. A releaser gives back by
//!    a read-modify-write (R). If that found QUEUED, it notifies as many as permits are
//!    free (N), which begins with a fence. If the fence of L is first, the waiter is
//!    notified; if that of N is, W sees R. If R did not find QUEUED, it comes before the
//!    write that set it, and whoever reads or makes that write sees R. A clear of QUEUED is
//!    followed by a fence and a look whether anybody listens; if so, QUEUED is set again,
//!    and N follows. If L's fence comes after that one, W sees the clear. A waiter that
//!    comes in vain listens again and looks again, so what came back meanwhile is not lost
//!    on it. One that leaves with a notification it has not used passes it on.
//!
//!    (a) *What is left to others.* Under `Eventual` a newcomer may leave a permit that is
//!    free to those that compete. It is counted among them by a read-modify-write, and
//!    leaves as many as that found. One of those that is served is counted no more by a
//!    read-modify-write too. If that is first, nothing was left to it. If not, it sees the
//!    newcomer's count, and notifies as many as permits are still free.
//! 6. *One who does not come.* A notified waiter may be on a thread that is busy. Permits
//!    that come back after that notify nobody else while they are as few as those
//!    notified. After [`NOTIFY_ANOTHER_AFTER`] such releases one more is notified.
//! 7. *Cancel against grant.* Both happen under the lock. A waiter that finds itself
//!    gone from the line reads its verdict and, when granted, gives the permits back by
//!    the ordinary way. One that was at the front lets the new front be looked at, since
//!    a light waiter may fit where a heavy one did not.
//! 8. *Verdict against waker.* A waiter leaves the line, and its newest waker with it, in
//!    the critical section that publishes its verdict. One that comes to register and is
//!    not there any more reads the verdict.
//!
//! # Order
//!
//! Arrival is the moment of the first poll that does not succeed. The line's permits go
//! to the front only, all that it needs at once, so the order is exact: no later arrival
//! passes, whatever is cancelled in between. The one exception is a request for more than
//! max, which cannot be served. It steps aside when it has reached the front, and goes
//! back to where its ticket belongs when max allows, in the step that raises max. (One
//! that steps aside while a growth is under way may be passed by who comes in that
//! moment, but by nobody who is in line already.) During a pause, with max 0, nobody
//! steps aside: there is nobody to be held up.
//!
//! # Another order
//!
//! With a discipline (`order.rs`) the next in line may be the newest, and whoever has waited
//! for too long leaves, told so. A *look* at the clock decides both: in `serve`, under the
//! lock, before anybody is served. Between looks nothing moves. So all arguments hold with
//! "front" read as "next", but one: an arrival may be the next, and fit where the one before
//! it did not. Therefore it looks too when it is in line, like a releaser of no permits.
//!
//! # Why a line that has gone holds up nobody
//!
//! A newcomer that finds QUEUED is refused by the word alone, so nobody may learn that
//! the line has gone before the word says so.
//!
//! 1. A waiter learns that it has left from `served`, which is written at the end of a
//!    critical section, or under the lock; one that gives up returns after its critical
//!    section. `waiting` is written there too, with Release, and read with Acquire. Wakers
//!    run later still. QUEUED is right by then.
//! 2. The word says by `active` that the last in line has been granted. It says in the
//!    same step that there is no line (argument 3 above).
//! 3. A front that needs more than max is moved aside in the critical section that brought
//!    it there or, if no permit was free then, in that of whoever frees one, or lowers
//!    max, before that call returns.
//!
//! An arrival is in line from the step that sets QUEUED, a moment before it is counted.
//! Where waiters compete, QUEUED alone refuses nobody: there `reserved` says what a newcomer
//! must leave, by a figure that is written in the same critical section.
//!
//! # A bound on how many wait
//!
//! `max_waiting` asks more than the counters of the arguments above say: how many wait in
//! all. Where it is set, both kinds of waiters begin to wait under the lock, and look at
//! the sum there. Whoever leaves only makes the sum smaller. One that finds no place tries
//! once more for its permits, sets no QUEUED and waits for nothing, so no argument above
//! is about it. One that competed and joins the line moves its count under the lock.
//!
//! # Wakers
//!
//! Wakers are cloned, woken and dropped with the lock free, so one that calls back into
//! the semaphore works like any other caller. A waker that panics keeps nobody else from
//! being woken; the panic goes on when all is done and nobody can lose a permit by it.
//!
//! # Where event-listener parks waiters, and where not
//!
//! Those who compete and those who watch wait on an `Event` (`event.rs`). Those who stand
//! in line do not: that was measured (`handoff_mt` and `handoff_ct`, with prototypes that
//! were in `benches` up to commit 78cce3c; ratios to tokio in runs on several machines,
//! which differ more than the runs do):
//!
//! | | two workers | one thread |
//! |---|---|---|
//! | this line | 0.61 to 0.91 | 0.71 to 0.83 |
//! | a waiting array of eight `Event` lanes | 0.64 to 1.01 | 1.02 to 1.10 |
//! | this line with an `Event` for each waiter | 1.06 to 1.35 | 1.18 to 1.48 |
//!
//! A wait on an `Event` locks its mutex three to five times; a wait in line locks twice.
//! The line is exact after cancellations, and knows weights.

use core::{
    mem,
    task::{Poll, Waker},
};

use crossbeam_utils::CachePadded;

#[cfg(dynaphore_shuttle)]
use super::trace::{Mutex, MutexGuard};
use super::{
    line::{Figures, Line, Removed, Task, Ticket, Verdict},
    order::{Fairness, Policy},
    word::{State, Take, Word},
};
#[cfg(not(dynaphore_shuttle))]
use crate::sync::{Mutex, MutexGuard};
use crate::{
    event::{Event, Listener},
    foreign::Deferred,
    sync::{
        AcqRel, Acquire, AtomicBool, AtomicU64, AtomicUsize, Clock, Lazy, Relaxed, Release, SeqCst,
        const_fn, fence,
    },
};

/// So many releases in a row may find that all those notified have not come, before one
/// more is notified.
const NOTIFY_ANOTHER_AFTER: usize = 32;

/// So many, before a newcomer looks whether one of them is overdue: a look at the clock.
const LATE_AFTER: usize = 8;

/// The queue of one semaphore.
pub(crate) struct Queue {
    policy: Policy,
    /// Allocated when somebody waits for the first time.
    shared: Lazy<CachePadded<Shared>>,
}

// In order: the first two and the line's first fields change with every wait, the
// others hardly ever, and share no cache line with those.
#[derive(Default)]
#[repr(C)]
struct Shared {
    /// The line's figure by which a waiter reads its verdict without a lock.
    served: AtomicU64,
    /// In line or aside. For readers only.
    waiting: AtomicUsize,
    line: Mutex<Line>,
    read_mostly: CachePadded<ReadMostly>,
    competing: CachePadded<Competing>,
}

#[derive(Default)]
struct ReadMostly {
    closed_at: AtomicU64,
    stragglers: AtomicUsize,
    /// Aside. Whoever has changed max looks here.
    aside: AtomicUsize,
    /// Somebody is in line whom nobody may pass under `Eventual`.
    line: AtomicBool,
    /// Those who wait for each [`Goal`].
    watchers: [Watchers; 3],
    clock: Lazy<Clock>,
}

/// Those who wait for a state of the word rather than for permits.
#[derive(Default)]
struct Watchers {
    /// How many do. Whoever has made the word idle or settled looks here.
    count: AtomicUsize,
    event: Event,
}

// The last two are hints, whatever they say. So they are std's in models too, where a look
// at them would only multiply the schedules.
#[derive(Default)]
struct Competing {
    /// How many do.
    count: AtomicUsize,
    event: Event,
    /// Releases that found nobody to notify, since the last that did. Some may be missed.
    passed: crate::sync::UnmodelledUsize,
    /// When the last that was served came, or the first, by the clock of `Eventual`.
    oldest: crate::sync::Unmodelled64,
}

/// A state of the word that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// `active <= max`
    Settled,
    /// `active == 0`
    Idle,
    #[cfg(feature = "pool")]
    Closed,
}

impl Goal {
    /// Those that permits which come back may meet.
    const BY_RELEASE: [Self; 2] = [Self::Settled, Self::Idle];

    pub(crate) fn is_met(self, state: State) -> bool {
        match self {
            Self::Settled => state.is_settled(),
            Self::Idle => state.active() == 0,
            #[cfg(feature = "pool")]
            Self::Closed => state.is_closed(),
        }
    }
}

/// One that waits.
pub(crate) enum Waiter {
    InLine(Ticket),
    Competing {
        listener: Listener,
        /// When it came, by the clock of `Eventual`.
        since: u64,
    },
}

/// Who comes into the line.
#[derive(Clone, Copy)]
enum Entrant {
    Arrives {
        max_waiting: u32,
    },
    /// It is counted among those who compete.
    Competed,
}

/// What has become of an arrival.
#[must_use]
pub(crate) enum Arrival {
    /// It has its permits. The panic is for the caller to resume.
    Acquired(Deferred),
    Closed,
    /// As many wait as may.
    TooMany,
    Waits(Waiter),
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

    /// Do all stand in line?
    pub(crate) fn is_fifo(&self) -> bool {
        self.policy.is_fifo()
    }

    /// Does a grant belong to a task?
    pub(crate) fn grants_to_tasks(&self) -> bool {
        self.policy.by_task()
    }

    /// Does whoever is woken have its permits, unless the word was closed?
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    pub(crate) fn hands_over(&self) -> bool {
        self.is_fifo() && !self.policy.has_discipline()
    }

    /// How many free permits a newcomer must leave to those who wait.
    #[inline]
    pub(crate) fn reserved(&self) -> u32 {
        match self.policy.fairness {
            Fairness::Fifo => u32::MAX,
            Fairness::Barging => 0,
            Fairness::Eventual => self.reserved_under_eventual(),
        }
    }

    #[inline(never)]
    fn reserved_under_eventual(&self) -> u32 {
        self.shared.get().map_or(0, |shared| {
            self.reserved_beside(shared, shared.competing.count.load(Relaxed))
        })
    }

    /// How many free permits are for the line, or for `waiting` that compete, one of which is
    /// overdue.
    fn reserved_beside(&self, shared: &Shared, waiting: usize) -> u32 {
        if self.line_has_priority(shared) {
            return u32::MAX;
        }
        let passed = shared.competing.passed.load(Relaxed);
        if passed < LATE_AFTER || self.policy.by_task() || !self.is_overdue(shared) {
            return 0;
        }
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// How many free permits one that looks again must leave to the line.
    fn reserved_for_line(&self, shared: &Shared) -> u32 {
        if self.line_has_priority(shared) {
            u32::MAX
        } else {
            0
        }
    }

    /// Is somebody in line whom nobody may pass?
    fn line_has_priority(&self, shared: &Shared) -> bool {
        match self.policy.fairness {
            Fairness::Fifo => true,
            Fairness::Barging => false,
            // ORDERING: Acquire, pairs with the Release in `publish`: who reads that nobody
            // is in line may conclude that a free permit is not reserved for them.
            Fairness::Eventual => shared.read_mostly.line.load(Acquire),
        }
    }

    /// Has the one that competes for longest waited for the bound? Waiters are woken in
    /// the order of their arrival, more or less. So that one came when the last that was
    /// served came, or later.
    fn is_overdue(&self, shared: &Shared) -> bool {
        let oldest = shared.competing.oldest.load(Relaxed);
        self.now(shared).saturating_sub(oldest) >= self.policy.bound()
    }

    /// Those who wait for permits; watchers do not count.
    pub(crate) fn waiting(&self) -> usize {
        // ORDERING: Acquire, twice, pairs with the Releases in `publish` and `leave`: who
        // learns that nobody waits is not refused for the sake of the line.
        self.shared.get().map_or(0, |shared| {
            shared.waiting.load(Acquire) + shared.competing.count.load(Acquire)
        })
    }

    /// Those of them who ask for more than max. Nobody waits for them.
    #[cfg(feature = "stats")]
    pub(crate) fn aside(&self) -> usize {
        let shared = self.shared.get();
        shared.map_or(0, |shared| shared.read_mostly.aside.load(Relaxed))
    }

    /// Takes `need` permits, or a place among those who wait, if these are fewer than
    /// `max_waiting`.
    #[inline]
    pub(crate) fn arrive(
        &self,
        word: &Word,
        need: u32,
        max_waiting: u32,
        waker: &Waker,
    ) -> Arrival {
        if need > 1 || self.policy.bound() == 0 {
            self.enter_line(word, need, Entrant::Arrives { max_waiting }, waker)
        } else {
            self.begin_to_compete(word, max_waiting, waker)
        }
    }

    #[inline(never)]
    fn begin_to_compete(&self, word: &Word, max_waiting: u32, waker: &Waker) -> Arrival {
        let shared = self.shared.force();
        let since = self.now(shared);
        let listener = shared.competing.event.listen(waker);
        let others = shared.enter(max_waiting, since);
        let counted = others.is_some();
        let reserved = others.map_or_else(
            || self.reserved(),
            |others| self.reserved_beside(shared, others),
        );
        let verdict = self.look(word, shared, reserved, counted);
        if counted && verdict == Verdict::Waiting {
            return Arrival::Waits(Waiter::Competing { listener, since });
        }
        let mut deferred = Deferred::default();
        if counted {
            deferred.merge(self.leave_served(word, shared));
        }
        deferred.merge(self.leave(listener));
        if verdict == Verdict::Granted {
            return Arrival::Acquired(deferred);
        }
        deferred.resume();
        match verdict {
            Verdict::Closed => Arrival::Closed,
            _ => Arrival::TooMany,
        }
    }

    /// Takes `need` permits, or a place in line or aside.
    fn enter_line(&self, word: &Word, need: u32, entrant: Entrant, waker: &Waker) -> Arrival {
        let shared = self.shared.force();
        // Before the lock is taken, and dropped after it has been let go of: both may run
        // foreign code.
        let waker = waker.clone();
        let mut line = shared.lock();
        let mut now = if self.policy.has_discipline() {
            self.begin(shared, &mut line)
        } else {
            0
        };
        let mut has_looked = false;
        let ticket = loop {
            let is_full = match entrant {
                Entrant::Arrives { max_waiting } => shared.is_full(&line, max_waiting),
                Entrant::Competed => false,
            };
            if !is_full && !line.is_empty() && self.line_has_priority(shared) {
                // One more is all that has changed: touch no other figure.
                shared
                    .waiting
                    .store(shared.waiting.load(Relaxed) + 1, Relaxed);
                shared.has_come(entrant);
                return Arrival::Waits(Waiter::InLine(line.push(need, now, waker)));
            }
            let found = if is_full {
                match word.try_acquire(need, || self.reserved_for_line(shared)) {
                    Take::Full | Take::Spoken | Take::TooLarge => {
                        if has_looked || self.policy.discipline().overdue.is_never() {
                            return Arrival::TooMany;
                        }
                        // Some of these may be overdue.
                        drop(line);
                        self.hand_over(word, 0);
                        line = shared.lock();
                        now = self.begin(shared, &mut line);
                        has_looked = true;
                        continue;
                    }
                    found => found,
                }
            } else if self.is_fifo() {
                word.acquire_or_queue(need)
            } else {
                match word.try_acquire(need, || 0) {
                    Take::Full if !word.load().is_too_large(need) => {
                        // Argument 4: publish, then look by a write.
                        line.published = None;
                        shared.read_mostly.line.store(true, Relaxed);
                        word.acquire_or_queue(need)
                    }
                    Take::Full => Take::TooLarge,
                    found => found,
                }
            };
            match found {
                Take::Full | Take::Spoken => break line.push(need, now, waker),
                Take::TooLarge => {
                    // Argument 4 again.
                    line.published = None;
                    shared.read_mostly.aside.store(line.aside() + 1, Relaxed);
                    let state = word.confirm();
                    if state.is_too_large(need) && !state.is_closed() {
                        break line.push_aside(need, waker);
                    }
                }
                Take::Acquired => {
                    shared.publish(&mut line);
                    drop(line);
                    let mut deferred = Deferred::default();
                    deferred.run(|| drop(waker));
                    return Arrival::Acquired(deferred);
                }
                Take::Closed => {
                    shared.publish(&mut line);
                    return Arrival::Closed;
                }
            }
        };
        shared.publish(&mut line);
        shared.has_come(entrant);
        Arrival::Waits(Waiter::InLine(ticket))
    }

    /// One comes into a line with a discipline. The time.
    #[cold]
    fn begin(&self, shared: &Shared, line: &mut Line) -> u64 {
        let discipline = self.policy.discipline();
        // Under the lock: not for nothing.
        let now = if discipline.looks_at_clock() {
            shared.micros()
        } else {
            0
        };
        line.follow(discipline, now);
        now
    }

    /// What the holder of `ticket` has been told, with `waker` as the one that is woken.
    #[inline]
    pub(crate) fn poll_in_line(&self, word: &Word, ticket: Ticket, waker: &Waker) -> Verdict {
        let shared = self.shared.force();
        match self.hear(shared, ticket) {
            Verdict::Waiting if self.policy.by_task() => self.poll_by_task(word, ticket, waker),
            Verdict::Waiting if !shared.register(ticket, waker) => self.hear(shared, ticket),
            verdict => verdict,
        }
    }

    /// The same, where a grant belongs to a task.
    #[cold]
    fn poll_by_task(&self, word: &Word, ticket: Ticket, waker: &Waker) -> Verdict {
        let shared = self.shared.force();
        loop {
            if self.take_over(word, Some(ticket), waker) {
                return Verdict::Granted;
            }
            if shared.register(ticket, waker) {
                return Verdict::Waiting;
            }
            match self.hear(shared, ticket) {
                // It was granted, and another one has that by now.
                Verdict::Waiting => {}
                verdict => return verdict,
            }
        }
    }

    /// One is polled and would wait: in line with `ticket`, or competing for one permit if it
    /// has none. Takes what another one of its task has been granted: see `line/told.rs`.
    fn take_over(&self, word: &Word, ticket: Option<Ticket>, waker: &Waker) -> bool {
        let shared = self.shared.force();
        // Cloning a waker may run foreign code: not in the lock.
        let spare = waker.clone();
        // All that the line knows are clones, and clones may look different from their original.
        let task = Task::of(&spare);
        let mut spare = Some(spare);
        let mut taken = None;
        let mut deferred = shared.wake_while(|line, wakes| {
            let taken =
                taken.get_or_insert_with(|| Self::transfer(line, word, ticket, task, &mut spare));
            taken.is_none() || shared.serve(line, word, &mut 0, wakes, !self.is_fifo())
        });
        deferred.run(|| drop(spare));
        deferred.merge(self.notify(shared, word));
        let Some((need, known)) = taken.flatten() else {
            deferred.resume();
            return false;
        };
        deferred.run(|| drop(known));
        if deferred.resumes() {
            // The polled one waits nowhere any more, and does not learn that it has permits.
            let _ = word.give_back(need);
            deferred.merge(self.serve_all(word, 0));
        }
        deferred.resume();
        true
    }

    /// How many permits the polled one has now, and the waker that was known of it, if it has
    /// any.
    fn transfer(
        line: &mut Line,
        word: &Word,
        ticket: Option<Ticket>,
        task: Task,
        spare: &mut Option<Waker>,
    ) -> Option<(u32, Option<Waker>)> {
        let need = match ticket {
            // Nobody is put back into a line that has closed.
            None if word.load().is_closed() => return None,
            None => 1,
            Some(ticket) => line.need_of(ticket)?,
        };
        let grant = line.unclaimed_by(task).filter(|grant| grant.need >= need)?;
        let removed = ticket.and_then(|ticket| line.remove(ticket));
        line.take_back(grant, spare.take());
        // One is in line, if nobody was before.
        let _ = word.set_queued();
        let _ = word.give_back(grant.need - need);
        Some((need, removed.and_then(|removed| removed.waker)))
    }

    /// How many grants have not been claimed, and for how many microseconds the oldest.
    pub(crate) fn unclaimed(&self) -> Option<(usize, Option<u64>)> {
        if !self.policy.by_task() {
            return None;
        }
        let (count, since) = self.shared.get().map_or((0, None), |shared| {
            let (count, oldest) = shared.lock().unclaimed();
            (count, oldest.map(|at| shared.micros().saturating_sub(at)))
        });
        Some((count, since))
    }

    /// Would a poll have something new to say?
    #[cfg(feature = "std")]
    pub(crate) fn may_be_ready(&self, word: &Word, waiter: &Waiter) -> bool {
        match waiter {
            Waiter::InLine(ticket) => self.shared.force().verdict(*ticket) != Verdict::Waiting,
            Waiter::Competing { listener, .. } => {
                listener.is_woken() || (word.load().fits(1) && self.reserved() == 0)
            }
        }
    }

    /// One that competes has been woken, or looks for another reason. What it is told, with
    /// `waker` as the one that is woken. The panic is for the caller to resume, when it has
    /// done what the verdict asks for.
    #[inline(never)]
    pub(crate) fn compete(
        &self,
        word: &Word,
        waiter: &mut Waiter,
        waker: &Waker,
    ) -> (Verdict, Deferred) {
        let shared = self.shared.force();
        let mut verdict = Verdict::Waiting;
        while let (Verdict::Waiting, Waiter::Competing { listener, since }) =
            (verdict, &mut *waiter)
        {
            if listener.poll(waker).is_pending() {
                // Not notified, and a permit may be free all the same.
                if word.load().fits(1) && self.reserved() == 0 {
                    verdict = self.try_once(word, shared);
                }
                if verdict == Verdict::Waiting
                    && self.policy.by_task()
                    && self.take_over(word, None, waker)
                {
                    verdict = Verdict::Granted;
                }
                break;
            }
            // Its notification is used up by this:
            verdict = self.try_once(word, shared);
            if verdict != Verdict::Waiting {
                shared.competing.oldest.store(*since, Relaxed);
                break;
            }
            if self.now(shared).saturating_sub(*since) >= self.policy.bound() {
                return self.join_line(word, waiter, waker);
            }
            listener.listen_again(&shared.competing.event);
            verdict = self.look(word, shared, 0, true);
        }
        let deferred = if verdict == Verdict::Waiting {
            Deferred::default()
        } else {
            self.leave_served(word, shared)
        };
        (verdict, deferred)
    }

    /// One that competed has its verdict: argument 5a.
    fn leave_served(&self, word: &Word, shared: &Shared) -> Deferred {
        shared.leave();
        if self.policy.fairness == Fairness::Eventual && !self.line_has_priority(shared) {
            let free = word.load().free() as usize;
            if free > 0 {
                return shared.competing.event.notify(free).1;
            }
        }
        Deferred::default()
    }

    /// Argument 5: it listens; now it looks. A newcomer leaves `reserved`. One that does not
    /// wait only looks.
    fn look(&self, word: &Word, shared: &Shared, reserved: u32, waits: bool) -> Verdict {
        // Most find QUEUED set, and need not write the word that all others write.
        let mut state = word.load();
        if waits && !state.is_queued() {
            state = word.set_queued();
        }
        if state.is_closed() || state.available(reserved) > 0 {
            self.try_once(word, shared)
        } else {
            Verdict::Waiting
        }
    }

    fn try_once(&self, word: &Word, shared: &Shared) -> Verdict {
        match word.try_acquire(1, || self.reserved_for_line(shared)) {
            Take::Acquired => Verdict::Granted,
            Take::Closed => Verdict::Closed,
            Take::Full | Take::Spoken | Take::TooLarge => Verdict::Waiting,
        }
    }

    /// One that has waited for the bound competes no more.
    fn join_line(&self, word: &Word, waiter: &mut Waiter, waker: &Waker) -> (Verdict, Deferred) {
        let (verdict, deferred) = match self.enter_line(word, 1, Entrant::Competed, waker) {
            Arrival::Waits(place) => {
                *waiter = place;
                let verdict = match *waiter {
                    // The wake-up that brought it here may have told of a grant to its task.
                    Waiter::InLine(ticket) if self.policy.by_task() => {
                        self.poll_by_task(word, ticket, waker)
                    }
                    _ => Verdict::Waiting,
                };
                return (verdict, Deferred::default());
            }
            Arrival::Acquired(deferred) => (Verdict::Granted, deferred),
            Arrival::Closed => (Verdict::Closed, Deferred::default()),
            Arrival::TooMany => unreachable!("it waits already"),
        };
        let woken = self.leave_served(word, self.shared.force());
        (verdict, deferred.merged(woken))
    }

    /// In nanoseconds. There is no clock but for `Eventual`.
    fn now(&self, shared: &Shared) -> u64 {
        match self.policy.fairness {
            Fairness::Eventual => shared.read_mostly.clock.force().nanos(),
            Fairness::Fifo | Fairness::Barging => 0,
        }
    }

    /// Hands `returned` permits to those who wait: 0 for a resizer, or for a releaser
    /// whose permits are back in the word.
    #[inline(never)]
    pub(crate) fn hand_over(&self, word: &Word, returned: u32) {
        self.serve_all(word, returned).resume();
    }

    #[inline]
    fn serve_all(&self, word: &Word, mut returned: u32) -> Deferred {
        let shared = self.shared.force();
        shared
            .wake_while(|line, wakes| {
                shared.serve(line, word, &mut returned, wakes, !self.is_fifo())
            })
            .merged(self.notify(shared, word))
    }

    /// Permits came back to the word while somebody waited.
    pub(crate) fn returned(&self, word: &Word) {
        let shared = self.shared.force();
        // Where waiters compete there is no lock to take unless there is a line, or
        // QUEUED is left over from one who competed.
        let competes = !self.is_fifo() && !shared.read_mostly.line.load(Relaxed);
        if competes && shared.competing.count.load(Relaxed) > 0 {
            self.notify(shared, word).resume();
        } else {
            self.hand_over(word, 0);
        }
    }

    /// Notifies those who compete, and those who watch.
    #[inline]
    fn notify(&self, shared: &Shared, word: &Word) -> Deferred {
        if self.is_fifo() && !shared.is_watched() {
            return Deferred::default();
        }
        self.notify_some(shared, word)
    }

    #[inline(never)]
    fn notify_some(&self, shared: &Shared, word: &Word) -> Deferred {
        let mut deferred = Deferred::default();
        self.notify_competing(shared, word, &mut deferred);
        for goal in Goal::BY_RELEASE {
            deferred.merge(shared.notify_watchers(word, goal));
        }
        deferred
    }

    fn notify_competing(&self, shared: &Shared, word: &Word, deferred: &mut Deferred) {
        let Competing {
            count,
            event,
            passed,
            ..
        } = &*shared.competing;
        let n = if self.line_has_priority(shared) {
            // What is free is for the line. One that is overdue has to come and join it.
            usize::from(count.load(Relaxed) > 0 && self.is_overdue(shared))
        } else {
            word.load().free() as usize
        };
        if n == 0 {
            return;
        }
        let (notified, woken) = event.notify(n);
        deferred.merge(woken);
        // Argument 6.
        let before = passed.load(Relaxed);
        let mut after = if notified > 0 { 0 } else { before + 1 };
        // The one that does not come may be of the task of the one that waits.
        let patience = if self.policy.by_task() {
            0
        } else {
            NOTIFY_ANOTHER_AFTER
        };
        if after > patience {
            after = 0;
            deferred.merge(event.notify_one_more());
        }
        if after != before {
            passed.store(after, Relaxed);
        }
    }

    /// Changes max by `change`, and lets in whom that lets in. `change` is told the
    /// smallest request that stands aside.
    pub(crate) fn resize<E>(
        &self,
        word: &Word,
        change: impl FnOnce(Option<u32>) -> Result<State, E>,
    ) -> Result<State, E> {
        let (before, concerned) = self.begin_resize(word, change)?;
        if concerned {
            self.hand_over(word, 0);
        }
        Ok(before)
    }

    /// The first step of `resize`: runs no foreign code. Says what the word was before,
    /// and whether `hand_over` is left to do.
    pub(crate) fn begin_resize<E>(
        &self,
        word: &Word,
        change: impl FnOnce(Option<u32>) -> Result<State, E>,
    ) -> Result<(State, bool), E> {
        match self.shared.get() {
            Some(shared) if shared.read_mostly.aside.load(Relaxed) > 0 => {
                // Under the lock, or newcomers would slip in between the growth and the
                // return of those aside to the line.
                let mut line = shared.lock();
                let before = change(line.least_aside())?;
                shared.rejoin(&mut line, word);
                shared.publish(&mut line);
                Ok((before, true))
            }
            _ => {
                let before = change(None)?;
                Ok((before, self.is_concerned(before)))
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
    pub(crate) fn is_concerned(&self, before: State) -> bool {
        self.shared.get().is_some_and(|shared| {
            before.is_queued() || shared.read_mostly.aside.load(Relaxed) > 0 || shared.is_watched()
        })
    }

    /// The word became idle or settled.
    #[inline]
    pub(crate) fn reached(&self, word: &Word) {
        if self.is_watched() {
            self.notify(self.shared.force(), word).resume();
        }
    }

    /// Does anybody wait for it to become idle or settled?
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        let shared = self.shared.get();
        shared.is_some_and(|shared| shared.is_watched())
    }

    /// Closes the word, and tells all who wait.
    pub(crate) fn close(&self, word: &Word) {
        // Under the lock, so that a release which serves several is before it or after it.
        let line = self.shared.get().map(|shared| shared.lock());
        word.close();
        drop(line);
        self.closed(word);
    }

    /// The word was closed.
    pub(crate) fn closed(&self, word: &Word) {
        // Not even the counter tells that there is nobody: one that stood aside may be on
        // its way into the line, counted in neither.
        let Some(shared) = self.shared.get() else {
            return;
        };
        let mut deferred = shared.wake_while(|line, wakes| {
            while !wakes.is_full() {
                match line.refuse_one() {
                    Some(waker) => wakes.push(Some(waker)),
                    None => {
                        word.clear_queued(0);
                        break;
                    }
                }
            }
            shared.publish(line);
            !wakes.is_full()
        });
        if !self.is_fifo() {
            deferred.merge(shared.competing.event.notify_all());
        }
        #[cfg(feature = "pool")]
        deferred.merge(shared.notify_watchers(word, Goal::Closed));
        deferred.resume();
    }

    /// Takes a waiter that gives up out, also when a waker panics. Says what it had been
    /// told before; what was granted is the caller's to give back.
    pub(crate) fn cancel(&self, word: &Word, waiter: Waiter) -> Verdict {
        let shared = self.shared.force();
        let ticket = match waiter {
            Waiter::InLine(ticket) => ticket,
            Waiter::Competing { listener, .. } => {
                let mut woken = self.leave_served(word, shared);
                if listener.has_come() {
                    // And unwound before it could use its notification.
                    woken.merge(shared.competing.event.notify_one_more());
                }
                woken.merged(self.leave(listener)).resume();
                return Verdict::Waiting;
            }
        };
        let verdict = self.hear(shared, ticket);
        if verdict != Verdict::Waiting {
            return verdict;
        }
        let mut removed = None;
        let mut heard = None;
        let mut deferred = shared.wake_while(|line, wakes| {
            match removed.get_or_insert_with(|| line.remove(ticket)) {
                Some(removed) if removed.was_front => {
                    shared.serve(line, word, &mut 0, wakes, !self.is_fifo())
                }
                Some(_) => {
                    shared.publish(line);
                    true
                }
                // In the same critical section: what is told by name can be taken back.
                None if line.has_discipline() => {
                    heard = Some(line.hear(ticket));
                    true
                }
                None => true,
            }
        });
        let Some(Removed { was_front, waker }) = removed.flatten() else {
            deferred.resume();
            return heard.unwrap_or_else(|| shared.verdict(ticket));
        };
        // Dropping a waker may run foreign code: the lock is free.
        deferred.run(|| drop(waker));
        // One behind another has kept nothing from those who compete.
        if was_front {
            deferred.merge(self.notify(shared, word));
        }
        deferred.resume();
        Verdict::Waiting
    }

    /// What the holder of `ticket`, who will not ask again if it is the last word, has been
    /// told.
    #[inline(always)]
    fn hear(&self, shared: &Shared, ticket: Ticket) -> Verdict {
        if self.policy.has_discipline() {
            shared.hear_by_name(ticket)
        } else {
            shared.verdict(ticket)
        }
    }

    /// `waiter` has come. Where the line has a discipline it may be the next, or its task may
    /// have permits, and the time may have come for others. Says whether it has to be polled: an
    /// event wakes nobody who has not been.
    #[inline]
    pub(crate) fn look_after_arrival(&self, word: &Word, waiter: &Waiter) -> bool {
        let looks = self.policy.has_discipline();
        if looks && self.policy.discipline().looks_at_clock() {
            self.hand_over(word, 0);
        }
        looks || matches!(waiter, Waiter::Competing { .. })
    }

    /// One that competed gives its place up, and passes its notification on if it has not
    /// used it.
    pub(crate) fn leave(&self, listener: Listener) -> Deferred {
        listener.leave(&self.shared.force().competing.event)
    }

    /// Takes the `need` permits that the holder of `ticket` was granted, and lets it wait
    /// again where it stood. Does nothing, and says so, when the line has closed. For
    /// `Fifo` only.
    ///
    /// Argument 1 holds as for an arrival: QUEUED is set under the lock before the permits
    /// are offered to the line, and they are offered to it, front first, before anybody
    /// else sees them. A closer sets CLOSED before it takes the lock, so either it finds
    /// this waiter in line, or this finds it closed.
    #[cfg(feature = "pool")]
    pub(crate) fn put_back(&self, word: &Word, ticket: Ticket, need: u32, waker: &Waker) -> bool {
        let shared = self.shared.force();
        let mut newest = Some(waker.clone());
        let mut returned = need;
        let mut open = true;
        let mut deferred = shared.wake_while(|line, wakes| {
            if newest.is_some() {
                open = !word.load().is_closed();
                if !open {
                    return true;
                }
                line.put_back(ticket, need, newest.take());
                let _ = word.set_queued();
            }
            shared.serve(line, word, &mut returned, wakes, !self.is_fifo())
        });
        deferred.run(|| drop(newest));
        deferred.merge(self.notify(shared, word));
        deferred.resume();
        open
    }

    /// Waits for `goal`. `None` if it is met already.
    pub(crate) fn watch(&self, word: &Word, goal: Goal, waker: &Waker) -> Option<Listener> {
        let watchers = self.shared.force().watchers(goal);
        let listener = watchers.event.listen(waker);
        // Argument 4: publish, then look by a write.
        watchers.count.fetch_add(1, Relaxed);
        if goal.is_met(word.confirm()) {
            self.unwatch(goal, listener);
            return None;
        }
        Some(listener)
    }

    /// Polls one that watches: ready if `goal` is met now.
    pub(crate) fn poll_watch(
        &self,
        word: &Word,
        goal: Goal,
        listener: &mut Listener,
        waker: &Waker,
    ) -> Poll<()> {
        let watchers = self.shared.force().watchers(goal);
        while listener.poll(waker).is_ready() {
            if goal.is_met(word.load()) {
                return Poll::Ready(());
            }
            listener.listen_again(&watchers.event);
            if goal.is_met(word.confirm()) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// One that watched does not any more.
    pub(crate) fn unwatch(&self, goal: Goal, listener: Listener) {
        let watchers = self.shared.force().watchers(goal);
        watchers.count.fetch_sub(1, Relaxed);
        listener.leave(&watchers.event).resume();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.line
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The time, for a discipline.
    fn micros(&self) -> u64 {
        self.read_mostly.clock.force().nanos() / 1_000
    }

    fn watchers(&self, goal: Goal) -> &Watchers {
        &self.read_mostly.watchers[goal as usize]
    }

    /// Argument 4: the word has been changed before this look.
    fn notify_watchers(&self, word: &Word, goal: Goal) -> Deferred {
        let Watchers { count, event } = self.watchers(goal);
        if count.load(Relaxed) > 0 && goal.is_met(word.load()) {
            event.notify_all()
        } else {
            Deferred::default()
        }
    }

    fn is_watched(&self) -> bool {
        let count = |goal| self.watchers(goal).count.load(Relaxed);
        Goal::BY_RELEASE.into_iter().any(|goal| count(goal) > 0)
    }

    /// Do as many wait as may? Whoever begins to wait where there is a bound looks under
    /// the lock, and is counted before it lets go. So the bound is exact.
    fn is_full(&self, line: &Line, max_waiting: u32) -> bool {
        max_waiting < u32::MAX && {
            let competing = self.competing.count.load(Relaxed);
            line.len() + line.aside() + competing >= max_waiting as usize
        }
    }

    /// Counts one that begins to compete, unless as many wait as may. How many do beside it.
    fn enter(&self, max_waiting: u32, since: u64) -> Option<usize> {
        // Without a bound there is no lock to take.
        let line = (max_waiting < u32::MAX).then(|| self.lock());
        if line
            .as_ref()
            .is_some_and(|line| self.is_full(line, max_waiting))
        {
            return None;
        }
        let others = self.competing.count.fetch_add(1, Relaxed);
        if others == 0 {
            self.competing.oldest.store(since, Relaxed);
        }
        Some(others)
    }

    /// An entrant is in line now. Under the lock, so that nobody who asks for a place
    /// finds it counted twice.
    fn has_come(&self, entrant: Entrant) {
        if let Entrant::Competed = entrant {
            self.leave();
        }
    }

    /// One that competed does not any more.
    fn leave(&self) {
        // ORDERING: Release, pairs with the Acquire in `Queue::waiting`; Acquire, for argument
        // 5a: pairs with the fence of a newcomer that listens before it is counted.
        self.competing.count.fetch_sub(1, AcqRel);
    }

    /// Makes the figures say what the line says.
    fn publish(&self, line: &mut Line) {
        // A write to a cache line that everybody reads costs.
        let figures = line.figures();
        if line.published != Some(figures) {
            line.published = Some(figures);
            let Figures {
                closed_at,
                stragglers,
                aside,
                is_empty,
            } = figures;
            self.read_mostly.closed_at.store(closed_at.0, Relaxed);
            self.read_mostly.aside.store(aside, Relaxed);
            // ORDERING: Release, pairs with the Acquire in `line_has_priority`.
            self.read_mostly.line.store(!is_empty, Release);
            // ORDERING: Release, pairs with the Acquire in `verdict`.
            self.read_mostly.stragglers.store(stragglers, Release);
        }
        // ORDERING: Release, pairs with the Acquire in `Queue::waiting`: who reads that
        // nobody waits sees QUEUED cleared, and the figures above.
        self.waiting.store(line.len() + line.aside(), Release);
        // ORDERING: Release, pairs with the Acquire in `verdict`: a waiter that reads its
        // grant sees what its releaser did, and the figures above.
        self.served.store(line.served().0, Release);
    }

    /// What the holder of `ticket` has been told.
    #[inline]
    fn verdict(&self, ticket: Ticket) -> Verdict {
        // ORDERING: Acquire, twice, pairs with the Releases in `publish`. Who was a
        // straggler has been below `served` for long: what says that it is granted, not
        // that it steps aside, is that there are no stragglers any more.
        if ticket.0 >= self.served.load(Acquire) {
            Verdict::Waiting
        } else if self.read_mostly.stragglers.load(Acquire) > 0 {
            self.look_up(ticket)
        } else if ticket.0 >= self.read_mostly.closed_at.load(Relaxed) {
            Verdict::Closed
        } else {
            Verdict::Granted
        }
    }

    #[cold]
    fn look_up(&self, ticket: Ticket) -> Verdict {
        self.lock().look_up(ticket)
    }

    #[cold]
    fn hear_by_name(&self, ticket: Ticket) -> Verdict {
        self.lock().hear(ticket)
    }

    /// Makes `waker` the one that is woken for `ticket`. `false` if it does not wait.
    #[inline(never)]
    fn register(&self, ticket: Ticket, waker: &Waker) -> bool {
        match self.lock().waker_mut(ticket) {
            None => return false,
            Some(Some(known)) if known.will_wake(waker) => return true,
            Some(_) => {}
        }
        // Cloning and dropping a waker may run foreign code: not in the lock. Declared
        // before the guard, so dropped after it.
        let mut newest = Some(waker.clone());
        let mut line = self.lock();
        let Some(known) = line.waker_mut(ticket) else {
            return false;
        };
        mem::swap(known, &mut newest);
        true
    }

    /// Serves the line from the front, with `returned` permits that the caller still holds
    /// and with what the word has; gives back what is left over. Stops early when `wakes`
    /// is full. Says whether it is done.
    fn serve(
        &self,
        line: &mut Line,
        word: &Word,
        returned: &mut u32,
        wakes: &mut Wakes,
        competes: bool,
    ) -> bool {
        self.rejoin(line, word);
        if line.has_discipline() {
            self.look(line, wakes);
        }
        let mut done = true;
        loop {
            let Some(need) = line.front() else {
                word.clear_queued(*returned);
                break;
            };
            if wakes.is_full() {
                // Those who have been served may come at once, and must not be held up by
                // somebody who needs more than max.
                if word.load().is_too_large(need) {
                    self.step_aside(line, word);
                    continue;
                }
                done = false;
                break;
            }
            match word.hand_over(*returned, need, line.len() == 1, line.least_aside()) {
                Take::Acquired => {
                    *returned = 0;
                    wakes.push(line.grant_front());
                    // Whoever frees a permit comes here, argument 2.
                    if line.is_empty() || word.load().free() == 0 {
                        break;
                    }
                }
                Take::TooLarge => self.step_aside(line, word),
                // max has grown since. QUEUED is set: somebody is in line.
                Take::Spoken => {
                    line.rejoin(word.load().max());
                }
                // Full: the front goes on waiting. Closed: the closer will come and tell
                // everybody.
                Take::Full | Take::Closed => {
                    if *returned > 0 {
                        let _ = word.give_back(*returned);
                    }
                    break;
                }
            }
        }
        if line.is_empty() && competes {
            // Argument 5: the clear comes before this look.
            // ORDERING: SeqCst, pairs with the fence at the end of `Event::listen`.
            fence(SeqCst);
            if !self.competing.event.is_empty() {
                let _ = word.set_queued();
            }
        }
        self.publish(line);
        done
    }

    /// Looks at the clock, and tells those who have waited for too long, until `wakes` is
    /// full.
    #[cold]
    fn look(&self, line: &mut Line, wakes: &mut Wakes) {
        let now = self.micros();
        while !wakes.is_full() {
            let Some(waker) = line.look(now) else { break };
            wakes.push(Some(waker));
        }
    }

    /// Lets those aside whom max allows back into the line.
    fn rejoin(&self, line: &mut Line, word: &Word) {
        if line.aside() > 0 && line.rejoin(word.load().max()) {
            // Releasers must take the lock from here on, arguments 1 and 4.
            line.published = None;
            self.read_mostly.line.store(true, Relaxed);
            let _ = word.set_queued();
        }
    }

    /// The first in line needs more than max.
    fn step_aside(&self, line: &mut Line, word: &Word) {
        line.step_aside();
        // Argument 4: publish, then look by a write. The other figures are not for anybody
        // to read before QUEUED says the same.
        self.read_mostly.aside.store(line.aside(), Relaxed);
        line.published = None;
        line.rejoin(word.confirm().max());
    }

    /// Runs `step` under the lock until it is done, waking between the steps.
    fn wake_while(&self, mut step: impl FnMut(&mut Line, &mut Wakes) -> bool) -> Deferred {
        let mut wakes = Wakes::default();
        let mut deferred = Deferred::default();
        loop {
            let done = step(&mut self.lock(), &mut wakes);
            wakes.wake(&mut deferred);
            if done {
                // There are none left. The compiler would look for each.
                mem::forget(wakes);
                return deferred;
            }
        }
    }
}

/// Wakers on their way out of the lock. As many as one critical section may grant; then
/// it lets go, wakes, and comes back.
#[derive(Default)]
struct Wakes {
    wakers: [Option<Waker>; Self::MANY],
    len: usize,
}

impl Wakes {
    const MANY: usize = 8;

    fn is_full(&self) -> bool {
        self.len == Self::MANY
    }

    /// Adds one. There must be room.
    fn push(&mut self, waker: Option<Waker>) {
        self.wakers[self.len] = waker;
        self.len += 1;
    }

    /// Wakes them all, even if one panics.
    fn wake(&mut self, deferred: &mut Deferred) {
        for waker in self.wakers[..self.len].iter_mut().filter_map(Option::take) {
            deferred.run(|| waker.wake());
        }
        self.len = 0;
    }
}

/// What a keyed semaphore asks for.
#[cfg(feature = "keyed")]
impl Queue {
    /// For one that nobody else can reach, so that it can only be empty, and that has not
    /// been closed: makes it as good as new, but for the order of the tickets.
    #[inline]
    pub(crate) fn recycle(&mut self) {
        if let Some(shared) = self.shared.get() {
            shared.lock().recycle();
        }
    }
}

/// What unit tests look at.
#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
impl Queue {
    /// It is `nanos` by the clock of the line.
    pub(crate) fn at(&self, nanos: u64) {
        self.shared.force().read_mostly.clock.force().set(nanos);
    }

    /// Has anybody ever waited?
    pub(crate) fn is_used(&self) -> bool {
        self.shared.get().is_some()
    }

    /// How many have been told what they have not heard.
    pub(crate) fn told_by_name(&self) -> usize {
        self.shared.force().lock().told_by_name().0
    }

    /// For how many there is room in what is allocated.
    pub(crate) fn room(&self) -> usize {
        self.shared.force().lock().told_by_name().1
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests;
