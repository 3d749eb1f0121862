//! Finds out that a pool stands still.
//!
//! A call that needs more than the jobs leave that are suspended on other threads may
//! be nested in one of those, by way of a plain job that was stolen: then they wait
//! for each other for ever, and the call is to be refused. Or it may have nothing to do
//! with them, and has only to wait. Whose a plain job is rayon does not tell. But if no
//! worker of the pool goes on, and all permits that are out are those of jobs on their
//! stacks, then nobody is left who could give one back.
//!
//! So each worker that has nothing else to do comes here and stays until all are
//! there. That is one *round*; it fails if one does not come within some time. A full
//! round does not say that nobody goes on: a worker may have come before another one
//! finished what it waits for. It goes back to its job as soon as it is let go. So
//! another round is called before: a worker that has nothing to go on with comes to
//! that at once, before it can take on anything else. One that does go on can get
//! anywhere only by itself, since the others are held, and come back only when it waits
//! for something that lies on their stacks: of that there is less each time. After
//! [so many](ROUNDS) full rounds in which the permits were always the same, nobody goes
//! on.
//!
//! A keeper of a scope may lie on something that could ([`posts`]). So those leave
//! between two rounds, and the rounds without any count.
//!
//! Standing still lasts, unless somebody from outside ends it. So it is told to the
//! keeper that has asked, wherever that may be by then.

use std::{
    mem,
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{asks::Asks, frames, mailbox::Mailbox, posts, refusals, source::Id};
use crate::sync::{
    Condvar, Mutex, MutexGuard, statics,
    thread::{self, ThreadId},
};

/// How many full rounds it takes: more than the jobs on a pool's stacks are likely to
/// end one after the other, each as soon as the one before has ended on another stack.
const ROUNDS: u32 = if cfg!(shuttle) { 4 } else { 64 };

/// After how many it is given up.
const MOST: u32 = 4 * ROUNDS;

statics! {
    /// There is one: two would wait for each other's workers.
    static TAKEN: Mutex<bool> = Mutex::new(false);
}

/// Takes place now. Over when all workers have been there, or one has not come.
#[derive(Debug)]
pub(super) struct Census {
    id: Id,
    mailbox: Arc<Mailbox>,
    /// How long the workers stay.
    stay: Duration,
    /// How many there had been before.
    refusals: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    round: u32,
    /// Those of this round.
    workers: Vec<ThreadId>,
    sum: Sum,
    /// How many keepers there are on the stacks that are to leave.
    relieved: usize,
    /// What came of the full round before, and of how many in a row.
    before: Sum,
    full: u32,
    over: bool,
    /// Until it is told.
    asks: Option<Asks>,
}

/// What is on the stacks of some workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Permits of jobs.
    pub(super) held: u64,
    /// How many of the jobs have lent theirs.
    pub(super) lent: usize,
    /// How many jobs run under those of others.
    pub(super) borrowed: usize,
    /// Keepers that have left, and cannot be taken off before what is on top of them.
    pub(super) left: usize,
}

/// No worker of a pool goes on.
#[derive(Debug)]
pub(super) struct Standstill {
    /// How many permits are those of jobs on their stacks.
    pub(super) held: u64,
    pub(super) workers: Vec<ThreadId>,
    /// As long as there have been no more refusals than these.
    pub(super) refusals: u64,
    /// What was asked for before.
    pub(super) asks: Asks,
}

impl Census {
    /// `None` while there is another one, or a refusal has not come through. `mailbox`
    /// is told if all stand still.
    pub(super) fn new(id: Id, mailbox: Arc<Mailbox>, stay: Duration) -> Option<Arc<Self>> {
        // Before any worker is called: whoever is served later has asked here.
        let asks = Asks::now();
        let refusals = refusals::count()?;
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return None;
        }
        *taken = true;
        Some(Arc::new(Self {
            id,
            mailbox,
            stay,
            refusals,
            state: Mutex::new(State {
                asks: Some(asks),
                ..State::default()
            }),
            changed: Condvar::new(),
        }))
    }

    /// Calls the workers of this thread's pool.
    pub(super) fn call(self: Arc<Self>) {
        rayon::spawn_broadcast(move |_| self.attend());
    }

    /// Run by a worker with nothing to do.
    fn attend(self: &Arc<Self>) {
        let own = frames::sum(self.id);
        let (relieved, left) = posts::relieve_all();
        let mut state = self.lock();
        if state.over {
            return;
        }
        let round = state.round;
        state.workers.push(thread::current().id());
        state.sum.held += own.held;
        state.sum.lent += own.lent;
        state.sum.borrowed += own.borrowed;
        state.sum.left += left;
        state.relieved += relieved;
        if state.workers.len() < rayon::current_num_threads() {
            let waits = |state: &mut State| !state.over && state.round == round;
            let waited = self.changed.wait_timeout_while(state, self.stay, waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.round == round {
                // Somebody has not come.
                state.end();
            }
        } else if state.end_round() {
            drop(state);
            Arc::clone(self).call();
            state = self.lock();
            state.begin_round();
        } else {
            state.end();
            let asks = state.asks.take().filter(|_| state.full == ROUNDS);
            if let Some(asks) = asks {
                self.mailbox.count(Standstill {
                    held: state.sum.held,
                    workers: mem::take(&mut state.workers),
                    refusals: self.refusals,
                    asks,
                });
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// All workers are there. True if there is to be another round.
    fn end_round(&mut self) -> bool {
        // A loan on its way to a job may end what looks like a standstill.
        let is_full = self.relieved == 0 && self.sum.lent == self.sum.borrowed;
        let is_same = self.full == 0 || self.sum == self.before;
        self.full = if is_full && is_same { self.full + 1 } else { 0 };
        self.before = self.sum;
        self.full < ROUNDS && self.round < MOST
    }

    /// It is over. Somebody else may take one though the workers have not all heard
    /// that: who has reason to has heard from all of them after this.
    fn end(&mut self) {
        if !mem::replace(&mut self.over, true) {
            *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        }
    }

    fn begin_round(&mut self) {
        self.round += 1;
        self.workers.clear();
        self.sum = Sum::default();
        self.relieved = 0;
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        // If no worker ever came.
        self.lock().end();
    }
}
