//! What keepers wait for, in all lines: whether somebody may be served soon for whom
//! others wait. Whoever is to be refused looks here; the others only write, when they
//! begin and when they take a place in line.

use std::sync::{Arc, PoisonError};

use super::{mailbox::Mailbox, source::Id};
use crate::sync::{Mutex, MutexGuard, statics, thread::ThreadId};

statics! {
    static KEEPERS: Mutex<Vec<Listed>> = Mutex::new(Vec::new());
}

#[derive(Debug)]
struct Listed {
    keeper: Arc<Mailbox>,
    spot: Spot,
    ask: Ask,
}

/// Where a keeper lies, or has lain before it was sent elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) worker: ThreadId,
    /// How many keepers lie on that worker's stack, up to this one.
    pub(super) depth: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// It is about to look, or a loan may come.
    Unknown,
    Nothing,
    /// For so many permits, and nobody lends them.
    Line(Id, u32),
}

/// A keeper is listed until this is dropped.
#[derive(Debug)]
pub(super) struct Entry(Arc<Mailbox>);

impl Entry {
    /// Of the keeper with that mailbox.
    pub(super) fn new(keeper: &Arc<Mailbox>, spot: Spot) -> Self {
        lock().push(Listed {
            keeper: Arc::clone(keeper),
            spot,
            ask: Ask::Unknown,
        });
        Self(Arc::clone(keeper))
    }

    pub(super) fn move_to(&self, spot: Spot) {
        self.change(|listed| listed.spot = spot);
    }

    pub(super) fn set(&self, ask: Ask) {
        self.change(|listed| listed.ask = ask);
    }

    /// Does no keeper in line lie on top of it?
    pub(super) fn is_topmost(&self) -> bool {
        let keepers = lock();
        let own = keepers[self.find(&keepers)].spot;
        !keepers.iter().any(|other| {
            other.spot.worker == own.worker
                && other.spot.depth > own.depth
                && matches!(other.ask, Ask::Line(..))
        })
    }

    fn change(&self, change: impl FnOnce(&mut Listed)) {
        let mut keepers = lock();
        let at = self.find(&keepers);
        change(&mut keepers[at]);
    }

    fn find(&self, keepers: &[Listed]) -> usize {
        let own = |listed: &Listed| Arc::ptr_eq(&listed.keeper, &self.0);
        keepers.iter().position(own).expect("listed until then")
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let own = {
            let mut keepers = lock();
            let at = self.find(&keepers);
            keepers.swap_remove(at)
        };
        drop(own);
    }
}

/// What was asked for at one moment.
#[derive(Debug)]
pub(super) struct Asks(Vec<(Arc<Mailbox>, ThreadId, Ask)>);

impl Asks {
    pub(super) fn now() -> Self {
        let keepers = lock();
        let ask = |own: &Listed| (Arc::clone(&own.keeper), own.spot.worker, own.ask);
        Self(keepers.iter().map(ask).collect())
    }

    /// Did all others of these `workers` who asked for anything wait for permits of
    /// `id`, and each for more than are `free`? One that waits for others may be served
    /// by somebody outside.
    pub(super) fn others_need_more(
        &self,
        keeper: &Arc<Mailbox>,
        workers: &[ThreadId],
        id: Id,
        free: usize,
    ) -> bool {
        self.0.iter().all(|(other, worker, ask)| {
            Arc::ptr_eq(other, keeper)
                || !workers.contains(worker)
                || match *ask {
                    Ask::Unknown => false,
                    Ask::Nothing => true,
                    Ask::Line(of, need) => of == id && need as usize > free,
                }
        })
    }
}

fn lock() -> MutexGuard<'static, Vec<Listed>> {
    // A push, a removal and an assignment leave nothing half done.
    KEEPERS.lock().unwrap_or_else(PoisonError::into_inner)
}
