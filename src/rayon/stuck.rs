//! Finds out when nested calls wait for each other.
//!
//! A call that starves (it has jobs set aside, none of them runs, and it stands
//! in line) is noted here with the permits of the jobs beneath it on its thread.
//! Those jobs cannot go on before the call returns. So if
//!
//! 1. the permits of the jobs noted are all that are out of their semaphore,
//! 2. each of the calls noted needs more than are free, and
//! 3. more than any of those jobs has, so that no loan will do,
//!
//! then nobody is left who could give a permit back: each waits for the others,
//! and one of them is refused, whose jobs give theirs back as its panic unwinds.
//!
//! This is not refused too often: a call strikes itself out before it does
//! anything else, so that all that are noted wait while the lock is held, and a
//! permit that one of them has been granted, or that anybody else holds, is out
//! and breaks 1. As for a call that is hopeless by itself, what is said holds for
//! the max of this moment; not during a pause, which is meant to end.
//!
//! It is looked at by whoever comes last, and again every [`LOOK`], since a permit
//! that somebody else gives back, and that is not enough for anybody, tells nobody.
//! Only calls that starve on top of throttled jobs of the same semaphore come here,
//! and wait there: not the keepers of scopes, which do not [stay](super::posts).

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use super::{
    mailbox::Mailbox,
    source::{Id, Source},
};
use crate::sync::{Mutex, MutexGuard, statics, thread::ThreadId};

/// How often to look.
pub(super) const LOOK: Duration = Duration::from_millis(50);

statics! {
    /// The calls that starve.
    static STUCK: Mutex<Vec<Stuck>> = Mutex::new(Vec::new());
}

struct Stuck {
    id: Id,
    need: u32,
    thread: ThreadId,
    held: Arc<[u32]>,
    /// Whose call it is.
    mailbox: Arc<Mailbox>,
}

/// What the jobs hold that cannot go on before a call returns.
#[derive(Clone, Debug)]
pub(super) struct Beneath {
    pub(super) id: Id,
    pub(super) thread: ThreadId,
    /// The lowest first.
    pub(super) held: Arc<[u32]>,
}

impl Beneath {
    /// Notes that the call of `mailbox` starves. `None` if that made all wait for
    /// each other: the call is not noted, and is to be refused.
    pub(super) fn note(
        &self,
        source: &impl Source,
        need: u32,
        mailbox: &Arc<Mailbox>,
    ) -> Option<Noted> {
        let own = Stuck {
            id: self.id,
            need,
            thread: self.thread,
            held: Arc::clone(&self.held),
            mailbox: Arc::clone(mailbox),
        };
        let mut stuck = lock();
        if is_deadlock(&own, &stuck, source) {
            return None;
        }
        stuck.push(own);
        Some(Noted(Arc::clone(mailbox)))
    }

    /// All that is held, as a number to tell.
    pub(super) fn sum(&self) -> u64 {
        self.held.iter().map(|&held| u64::from(held)).sum()
    }
}

/// Do `own` and those that are noted wait for each other?
fn is_deadlock(own: &Stuck, noted: &[Stuck], source: &impl Source) -> bool {
    let (max, active) = source.max_and_active();
    if max == 0 || source.is_closed() {
        return false;
    }
    // Of two calls on one thread the upper one has the jobs of the lower one
    // beneath it, too.
    let mut threads: HashMap<ThreadId, &[u32]> = HashMap::new();
    let others = || noted.iter().filter(|stuck| stuck.id == own.id);
    let ours = || others().chain([own]);
    for Stuck { thread, held, .. } in ours() {
        let longest = threads.entry(*thread).or_default();
        if longest.len() < held.len() {
            *longest = held;
        }
    }
    let held = || threads.values().flat_map(|held| held.iter());
    let out: u64 = held().map(|&held| u64::from(held)).sum();
    let most = held().copied().max().unwrap_or(0) as usize;
    let too_few = most.max(max.saturating_sub(active));
    out == active as u64 && ours().all(|stuck| stuck.need as usize > too_few)
}

/// A call that is noted, until this is dropped.
pub(super) struct Noted(Arc<Mailbox>);

impl Drop for Noted {
    fn drop(&mut self) {
        lock().retain(|stuck| !Arc::ptr_eq(&stuck.mailbox, &self.0));
    }
}

fn lock() -> MutexGuard<'static, Vec<Stuck>> {
    // A push or a removal leaves nothing half done.
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is said to the one that is refused.
pub(super) fn message(need: u32, held: u64, max: usize) -> String {
    format!(
        "a throttled job that needs {need} permits is nested in others that hold {held}, and all \
         others of the semaphore's {max} that are out are held by jobs that wait in the same way: \
         they would wait for each other for ever"
    )
}
