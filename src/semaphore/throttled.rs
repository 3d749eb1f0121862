//! What throttled rayon jobs ask of a semaphore that other callers cannot: permits ahead of
//! the line, for jobs whose callers have permits already (`throttle/call.rs`), a place in line
//! that is given up unnoticed or keeps nothing alive, and a quick look at whether a holder may
//! go on.

use std::{ops::Deref, sync::Arc};

use super::{
    acquire::Attempt,
    core::{Semaphore, checked},
    packed::Held,
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    request::{Outcome, Since},
    word::Take,
};
use crate::TryAcquireError;

impl Semaphore {
    /// Does whoever is woken in line have its permits, unless this was closed?
    pub(crate) fn hands_over(&self) -> bool {
        self.queue.hands_over()
    }

    /// Takes `n` permits ahead of those who wait, if so many are free, or `over` max, as
    /// after a shrink. False for none, and if it is closed.
    ///
    /// To the line it is as if they had never come back: what is taken was too little for
    /// the first, and whoever gives it back looks after the line as always.
    pub(crate) fn take_ahead(&self, n: u32, over: bool) -> bool {
        let take = || match over {
            true => self.word.acquire_over(n),
            false => self.word.try_acquire(n, || 0) == Take::Acquired,
        };
        n > 0 && take()
    }

    /// Would one that had to wait be turned away now?
    pub(crate) fn is_full(&self) -> bool {
        let max_waiting = self.optional.options.max_waiting;
        max_waiting < u32::MAX && self.queue.waiting() >= max_waiting as usize
    }
}

macro_rules! permit {
    ($permit:ident $(<$lifetime:lifetime>)?, $handle:ty) => {
        impl $(<$lifetime>)? $permit $(<$lifetime>)? {
            /// [`try_acquire_many`](Semaphore::try_acquire_many) on the library's own account:
            /// statistics count what is acquired, and not how often it was tried.
            #[inline]
            #[track_caller]
            pub(crate) fn taken(semaphore: $handle, n: u32) -> Result<Self, TryAcquireError> {
                let packed = semaphore.take_quietly(checked(n as usize));
                Ok(Self::from_packed(semaphore, packed.map_err(Take::refusal)?))
            }

            /// [`Semaphore::take_ahead`].
            pub(crate) fn taken_ahead(semaphore: $handle, n: u32, over: bool) -> Option<Self> {
                semaphore.take_ahead(n, over).then(|| {
                    semaphore.record(Outcome::Acquired, Since::NEVER);
                    Self::new((semaphore, Held::taken(n)))
                })
            }
        }
    };
}

permit!(SemaphorePermit<'a>, &'a Semaphore);
permit!(OwnedSemaphorePermit, Arc<Semaphore>);

impl<S: Deref<Target = Semaphore>> Attempt<S> {
    /// The library asked on its own account, and does not need it any more.
    pub(crate) fn withdraw(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.cancel(waiter, Outcome::Withdrawn);
        }
    }

    /// The semaphore, for one that waits, which does not keep it alive any more. It keeps its
    /// place in line, and is to be polled or dropped [with](Self::holds) the semaphore again,
    /// if that is still there.
    pub(crate) fn lets_go(&mut self) -> Option<S> {
        self.semaphore.take()
    }

    /// The opposite.
    pub(crate) fn holds(&mut self, semaphore: S) {
        self.semaphore = Some(semaphore);
    }
}

/// What a holder wants to know again and again.
impl Semaphore {
    /// May a holder go on for certain? One load tells.
    #[inline]
    pub(crate) fn is_calm(&self) -> bool {
        self.word.peek().is_calm()
    }

    /// Should a holder that could go on give its permits back? More are out than max, or
    /// others than the caller's `own` requests wait, or it is closed.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_pressed(&self, own: usize) -> bool {
        let state = self.word.load();
        !state.is_settled()
            || state.is_closed()
            || (state.is_queued() && self.queue.waiting() > own)
    }
}
