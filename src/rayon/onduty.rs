//! Which runners cannot go on.
//!
//! The keeper of a scope is a job of that scope, which any thread may come by
//! while it waits for something else. What is beneath it then cannot go on before
//! the keeper leaves, and that may be the runners of its own crew, or of another
//! one whose keeper lies on top of its own runners in turn. Whoever counts on such
//! a runner waits until the keeper goes elsewhere ([`posts`](super::posts)), and
//! nobody knows whether that is of use. So a runner beneath a keeper does not count as one that
//! runs jobs: a crew of which all are, starves.

use std::{
    cell::RefCell,
    marker::PhantomData,
    sync::{Arc, PoisonError},
};

use super::mailbox::Mailbox;
#[cfg(shuttle)]
use crate::sync::WithBorrow as _;
use crate::sync::{Mutex, MutexGuard, thread_local};

/// What is known of a crew beyond its lifetime.
#[derive(Debug, Default)]
pub(super) struct Roll(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Runners beneath a keeper.
    blocked: usize,
    /// The crew's own.
    keeper: Option<Arc<Mailbox>>,
}

/// A runner on this thread's stack.
struct Runner {
    roll: Arc<Roll>,
    blocked: bool,
}

thread_local! {
    /// The topmost last.
    static RUNNERS: RefCell<Vec<Runner>> = const { RefCell::new(Vec::new()) };
}

impl Roll {
    /// The crew has another keeper from now on, or none.
    pub(super) fn set_keeper(&self, keeper: Option<Arc<Mailbox>>) {
        let before = std::mem::replace(&mut self.lock().keeper, keeper);
        drop(before);
    }

    /// How many runners cannot go on. Of any change for the worse after the keeper
    /// is set, it is told.
    pub(super) fn blocked(&self) -> usize {
        self.lock().blocked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A number and a pointer.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A runner of the crew is on this thread until this is dropped.
#[derive(Debug)]
pub(super) struct OnDuty {
    /// Of one thread.
    not_send: PhantomData<*const ()>,
}

impl OnDuty {
    pub(super) fn new(roll: &Arc<Roll>) -> Self {
        let roll = Arc::clone(roll);
        let runner = Runner {
            roll,
            blocked: false,
        };
        RUNNERS.with_borrow_mut(|runners| runners.push(runner));
        Self {
            not_send: PhantomData,
        }
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        let runner = RUNNERS.with_borrow_mut(Vec::pop);
        debug_assert!(runner.is_some_and(|runner| !runner.blocked));
    }
}

/// All runners on this thread are beneath a keeper until this is dropped.
#[derive(Debug)]
pub(super) struct Blocked {
    /// Those that were not before: from this one on.
    first: usize,
    not_send: PhantomData<*const ()>,
}

impl Blocked {
    pub(super) fn new() -> Self {
        let (first, told) = RUNNERS.with_borrow_mut(|runners| {
            let first = runners.iter().take_while(|runner| runner.blocked).count();
            let mut told = Vec::new();
            for runner in &mut runners[first..] {
                runner.blocked = true;
                let mut state = runner.roll.lock();
                state.blocked += 1;
                told.extend(state.keeper.clone());
            }
            (first, told)
        });
        for mailbox in told {
            mailbox.tell();
        }
        Self {
            first,
            not_send: PhantomData,
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        RUNNERS.with_borrow_mut(|runners| {
            for runner in &mut runners[self.first..] {
                runner.blocked = false;
                runner.roll.lock().blocked -= 1;
            }
        });
    }
}
