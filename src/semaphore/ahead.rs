//! Taking permits ahead of the line, for a request on which somebody waits who has
//! permits himself: whoever is first in line may need those.
//!
//! To the line it is as if they had never come back: what is taken was free, so it was
//! too little for the first in line, and whoever gives it back looks after the line
//! as always.

use std::sync::Arc;

use super::{
    OwnedSemaphorePermit, Semaphore, SemaphorePermit,
    ended::{End, Since},
    owed::{Held, Owed},
    word::Take,
};

impl Semaphore {
    /// Takes `n` permits if so many are free, or `over` max, as after a shrink. False for
    /// none, for which nobody waits, and if it is closed.
    pub(crate) fn take_ahead(&self, n: u32, over: bool) -> bool {
        let taken = match over {
            true => self.word.acquire_over(n),
            false => self.word.try_acquire(n, true),
        };
        n > 0 && taken == Take::Acquired
    }

    fn owe_ahead(&self, n: u32, over: bool) -> Option<Owed> {
        self.take_ahead(n, over).then(|| {
            self.ended(End::Acquired, Since::NEVER);
            self.hand_out(Held::taken(n))
        })
    }

    /// As [`take_ahead`](Self::take_ahead).
    pub(crate) fn acquire_ahead(&self, n: u32, over: bool) -> Option<SemaphorePermit<'_>> {
        let owed = self.owe_ahead(n, over)?;
        Some(SemaphorePermit::owing(self, owed))
    }

    /// As [`take_ahead`](Self::take_ahead).
    pub(crate) fn acquire_ahead_owned(
        self: Arc<Self>,
        n: u32,
        over: bool,
    ) -> Option<OwnedSemaphorePermit> {
        let owed = self.owe_ahead(n, over)?;
        Some(OwnedSemaphorePermit::owing(self, owed))
    }
}
