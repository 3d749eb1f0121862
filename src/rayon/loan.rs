//! Permits of a suspended job in the hands of another thread.

use std::sync::{Arc, PoisonError};

use super::{mailbox::Mailbox, source::Id};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Permits on loan, back when this is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    terms: Arc<Terms>,
    /// Whose permits they are.
    id: Id,
    permits: u32,
}

impl Loan {
    pub(super) fn new(terms: Arc<Terms>, id: Id, permits: u32) -> Self {
        Self { terms, id, permits }
    }

    pub(super) fn id(&self) -> Id {
        self.id
    }

    pub(super) fn permits(&self) -> u32 {
        self.permits
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let wanting = {
            let mut state = self.terms.lock();
            state.is_back = true;
            std::mem::take(&mut state.wanting)
        };
        self.terms.back.notify_all();
        for mailbox in wanting {
            mailbox.poke();
        }
    }
}

/// What lender and borrower share.
#[derive(Debug, Default)]
pub(super) struct Terms {
    state: Mutex<State>,
    back: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_back: bool,
    /// Told when it is.
    wanting: Vec<Arc<Mailbox>>,
}

impl Terms {
    pub(super) fn is_back(&self) -> bool {
        self.lock().is_back
    }

    /// Blocks until the loan is back.
    pub(super) fn wait(&self) {
        let state = self.lock();
        let wait = self.back.wait_while(state, |state| !state.is_back);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    /// Has `mailbox` told when the loan is back. False if it is.
    pub(super) fn want(&self, mailbox: &Arc<Mailbox>) -> bool {
        let mut state = self.lock();
        if !state.is_back {
            state.wanting.push(Arc::clone(mailbox));
        }
        !state.is_back
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
