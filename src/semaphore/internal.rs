//! What keyed semaphores and lease pools ask of a semaphore that other callers cannot.
//!
//! *Calls in two steps*, for a caller with a lock of its own: the word changes while that
//! lock is held, and those who wait are served when it is free again, since serving runs
//! wakers. No protocol is split by this. Each call is one write of the word, and the serving
//! that it may ask for can come at any later time (`queue.rs`, arguments 1, 2 and 4).
//!
//! *Semaphores that come and go*, used again without an allocation (`keyed/table.rs` has
//! what that gives).
//!
//! *Permits ahead of the line*, for jobs whose callers have permits already (`rayon/call.rs`).

#[cfg(any(feature = "keyed", feature = "pool"))]
use std::convert::Infallible;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
use std::{ops::Deref, sync::Arc};

use super::core::Semaphore;
#[cfg(any(
    feature = "keyed",
    feature = "pool",
    all(feature = "rayon", not(dynaphore_loom))
))]
use super::packed::Held;
#[cfg(any(feature = "keyed", feature = "pool"))]
use super::word::Release;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
use super::{
    acquire::Attempt,
    core::checked,
    outcome::{Outcome, Since},
    packed::Packed,
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    word::{Calm, Take},
};
#[cfg(feature = "keyed")]
use super::{
    fairness::Policy,
    optional::{Optional, Options},
    queue::{Goal, Queue},
    word::Word,
};
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
use crate::TryAcquireError;

#[cfg(any(feature = "keyed", feature = "pool"))]
/// What is left of a call.
#[must_use = "somebody may wait for it"]
pub(crate) enum Rest {
    Nothing,
    Released(Release, u32),
    /// Max is another: somebody may be let in by that, or told.
    Resized,
    Closed,
}

#[cfg(any(feature = "keyed", feature = "pool"))]
impl Rest {
    fn resized(concerned: bool) -> Self {
        if concerned {
            Self::Resized
        } else {
            Self::Nothing
        }
    }

    #[cfg(feature = "keyed")]
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

#[cfg(any(feature = "keyed", feature = "pool"))]
impl Semaphore {
    /// The first step of giving permits back. If nothing is left of it, some
    /// are still out.
    #[inline]
    pub(crate) fn begin_release(&self, Held { n, handed }: Held) -> Rest {
        match self.word.release(n, handed) {
            Release::Quiet => Rest::Nothing,
            release => Rest::Released(release, n),
        }
    }

    /// The first step of changing max. `max` is checked. Returns the one that
    /// it replaces, too.
    pub(crate) fn begin_set_max(&self, max: u32) -> (u32, Rest) {
        let change = |aside| Ok::<_, Infallible>(self.word.set_max(max, aside));
        let Ok((before, concerned)) = self.queue.begin_resize(&self.word, change);
        (before.max(), Rest::resized(concerned))
    }

    /// The first step of closing.
    pub(crate) fn begin_close(&self) -> Rest {
        self.word.close();
        Rest::Closed
    }

    /// The first step of letting permits go for good: max goes down with
    /// active.
    #[cfg(feature = "pool")]
    pub(crate) fn begin_forget(&self, held: Held) -> Rest {
        let before = self.word.forget_held(held.n);
        Rest::resized(self.queue.is_concerned(before))
    }

    /// The second step of each.
    #[inline]
    pub(crate) fn finish(&self, rest: Rest) {
        match rest {
            Rest::Nothing => {}
            Rest::Released(release, n) => self.finish_release(release, n),
            Rest::Resized => self.queue.hand_over(&self.word, 0),
            Rest::Closed => self.queue.closed(&self.word),
        }
    }
}

/// For keyed semaphores, which make and drop semaphores all the time.
#[cfg(feature = "keyed")]
impl Semaphore {
    /// A semaphore with `active` permits out; they fit into `max`.
    #[inline]
    pub(crate) fn with_active(max: u32, active: u32, policy: Policy) -> Self {
        Self {
            word: Word::with_active(max, active),
            queue: Queue::new(policy),
            optional: Optional::new(Options::NOTHING),
        }
    }

    /// For one that nobody else can reach: gets it ready for
    /// [`set_counts`](Self::set_counts). Permits that are out are void. `false` if it has
    /// been closed.
    #[inline]
    pub(crate) fn recycle(&mut self) -> bool {
        !self.word.load().is_closed() && self.queue.recycle()
    }

    /// Makes it as [`with_active`](Self::with_active) does, but for the policy.
    #[inline]
    pub(crate) fn set_counts(&mut self, max: u32, active: u32) {
        self.word = Word::with_active(max, active);
    }

    /// Is the state one that somebody watches for?
    pub(crate) fn meets(&self, goal: Goal) -> bool {
        goal.is_met(self.word.load())
    }

    /// How many permits are out, read by a write: whoever changes the word later
    /// also sees what the caller did before.
    pub(crate) fn confirm_active(&self) -> u32 {
        self.word.confirm().active()
    }
}

#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
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

    /// [`try_acquire_many`](Self::try_acquire_many) on the library's own account: statistics
    /// count what is acquired, and not how often it was tried.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_quietly(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let packed = self
            .take_quietly(checked(n as usize))
            .map_err(Take::refusal)?;
        Ok(SemaphorePermit::from_packed(self, packed))
    }

    /// As [`acquire_quietly`](Self::acquire_quietly).
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_quietly_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let packed = self
            .take_quietly(checked(n as usize))
            .map_err(Take::refusal)?;
        Ok(OwnedSemaphorePermit::from_packed(self, packed))
    }

    fn pack_ahead(&self, n: u32, over: bool) -> Option<Packed> {
        self.take_ahead(n, over).then(|| {
            self.record(Outcome::Acquired, Since::NEVER);
            self.hand_out(Held::taken(n))
        })
    }

    /// Would one that had to wait be turned away now?
    pub(crate) fn is_full(&self) -> bool {
        let max_waiting = self.optional.max_waiting();
        max_waiting < u32::MAX && self.queue.waiting() >= max_waiting as usize
    }

    /// As [`take_ahead`](Self::take_ahead).
    pub(crate) fn acquire_ahead(&self, n: u32, over: bool) -> Option<SemaphorePermit<'_>> {
        let packed = self.pack_ahead(n, over)?;
        Some(SemaphorePermit::from_packed(self, packed))
    }

    /// As [`take_ahead`](Self::take_ahead).
    pub(crate) fn acquire_ahead_owned(
        self: Arc<Self>,
        n: u32,
        over: bool,
    ) -> Option<OwnedSemaphorePermit> {
        let packed = self.pack_ahead(n, over)?;
        Some(OwnedSemaphorePermit::from_packed(self, packed))
    }
}

/// For a place in line that does not keep the semaphore alive while nobody polls it.
#[cfg(all(feature = "keyed", feature = "rayon", not(dynaphore_loom)))]
impl<S: Deref<Target = Semaphore>> Attempt<S> {
    pub(crate) fn lets_go(&mut self) -> Option<S> {
        self.semaphore.take()
    }

    pub(crate) fn holds(&mut self, semaphore: S) {
        self.semaphore = Some(semaphore);
    }
}

/// What a holder wants to know again and again.
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
impl Semaphore {
    /// See [`is_still`](Self::is_still).
    #[inline]
    pub(crate) fn calm(&self) -> Option<Calm> {
        self.word.peek().calm()
    }

    /// Nothing has changed: one comparison that tells a holder that
    /// [`is_pressed`](Self::is_pressed) is still false. If it fails, that may be so for
    /// all that.
    #[inline]
    pub(crate) fn is_still(&self, calm: Calm) -> bool {
        self.word.peek().is_still(calm)
    }

    /// Should a holder that could go on give its permits back? More are out
    /// than max, or others than the caller's `own` requests wait, or it is
    /// closed.
    #[inline]
    pub(crate) fn is_pressed(&self, own: impl FnOnce() -> usize) -> bool {
        !self.word.peek().is_calm() && self.is_pressed_now(own())
    }

    #[cold]
    #[inline(never)]
    fn is_pressed_now(&self, own: usize) -> bool {
        let state = self.word.load();
        !state.is_settled()
            || state.is_closed()
            || (state.is_queued() && self.queue.waiting() > own)
    }
}
