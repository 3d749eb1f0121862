//! Finds out that a pool stands still.
//!
//! A call that needs more than the jobs leave that are suspended on some other
//! thread may be nested in those, by way of a plain job that was stolen: then they
//! wait for each other for ever, and the call is to be refused. Or it may have
//! nothing to do with them, and has only to wait. Whose a plain job is rayon does
//! not tell. But if all workers of the pool wait at one moment, none of them has
//! anything to do, and all permits that are out are those of jobs on their stacks,
//! then nobody is left who could give one back.
//!
//! So each worker that has nothing else to do comes here and stays until all are
//! there, and the keeper has looked how many permits are out; or until some time has
//! passed, since one that is busy does not come. Who asks for this has been told
//! that there is reason to, and does so seldom.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{frames, mailbox::Mailbox, source::Id};
use crate::sync::{Condvar, Mutex, MutexGuard, statics};

statics! {
    /// There is one: two would wait for each other's workers.
    static TAKEN: Mutex<bool> = Mutex::new(false);
}

/// Takes place now. Over when all workers have been there.
#[derive(Debug)]
pub(super) struct Census {
    id: Id,
    mailbox: Arc<Mailbox>,
    /// How long the workers stay.
    stay: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    workers: usize,
    sum: Sum,
    over: bool,
}

/// What is on the stacks of some workers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// Permits of jobs.
    pub(super) held: u64,
    /// How many of the jobs have lent theirs.
    pub(super) lent: usize,
    /// How many jobs run under those of others.
    pub(super) borrowed: usize,
}

impl Census {
    /// `None` while there is another one.
    pub(super) fn new(id: Id, mailbox: Arc<Mailbox>, stay: Duration) -> Option<Arc<Self>> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return None;
        }
        *taken = true;
        Some(Arc::new(Self {
            id,
            mailbox,
            stay,
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Run by a worker with nothing to do.
    pub(super) fn attend(self: &Arc<Self>) {
        let own = frames::sum(self.id);
        let mut state = self.lock();
        if state.over {
            return;
        }
        let sum = &mut state.sum;
        sum.held += own.held;
        sum.lent += own.lent;
        sum.borrowed += own.borrowed;
        state.workers += 1;
        if state.workers == rayon::current_num_threads() {
            // A loan on its way to a job may end what looks like a standstill.
            if state.sum.lent != state.sum.borrowed {
                drop(state);
                return self.end();
            }
            self.mailbox.count(state.sum.held, Arc::downgrade(self));
        }
        let stays = |state: &mut State| !state.over;
        drop(self.changed.wait_timeout_while(state, self.stay, stays));
        self.end();
    }

    /// Lets the workers go.
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// May somebody have moved since?
    pub(super) fn is_over(&self) -> bool {
        self.lock().over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}
