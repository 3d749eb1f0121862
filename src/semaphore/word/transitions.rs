//! How the word changes, and what each change says to the one who made it.

use super::{CLOSED, MAX_PERMITS, QUEUED, State};
use crate::{
    generation::Meeting,
    sync::{AcqRel, Acquire, AtomicU64, Relaxed, const_fn},
};

/// What became of a request for permits.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Acquired,
    /// The permits are not there.
    Full,
    /// The permits are there, and somebody stands in line.
    Spoken,
    /// More than max: nobody's release can make it fit.
    TooLarge,
    Closed,
}

/// What giving permits back has led to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// They are back, and that is all.
    Quiet,
    /// They are back, and the semaphore has become idle or settled by it.
    Reached,
    /// They are back, and a line has formed meanwhile.
    BackWithLine,
    /// They are still the caller's: there is a line to hand them to.
    HandOver,
}

/// Raising max would have passed [`MAX_PERMITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// The atomic word with its transitions.
pub(crate) struct Word(AtomicU64);

impl Word {
    const_fn! {
        /// An open, idle word. The caller has checked `max`.
        pub(crate) fn new(max: u32) -> Self {
            Self(AtomicU64::new(State::open(max).0))
        }
    }

    /// An open word with `active` permits out; they fit into `max`.
    #[cfg(feature = "keyed")]
    #[inline]
    pub(crate) fn lent(max: u32, active: u32) -> Self {
        Self(AtomicU64::new(State::open(max).plus_active(active).0))
    }

    /// The word as it is now.
    #[inline]
    pub(crate) fn load(&self) -> State {
        // ORDERING: pairs with the read-modify-writes below: who reads a count
        // also sees what led to it.
        State(self.0.load(Acquire))
    }

    /// The word as it was a moment ago, for whoever looks again and again and
    /// concludes nothing about what others did.
    #[cfg(all(feature = "rayon", not(loom)))]
    #[inline]
    pub(crate) fn peek(&self) -> State {
        State(self.0.load(Relaxed))
    }

    /// Takes `n` permits if they are there and nobody stands in line, or the
    /// caller may `barge`. None are always there.
    #[inline]
    pub(crate) fn try_acquire(&self, n: u32, barge: bool) -> Take {
        let mut now = State(self.0.load(Relaxed));
        loop {
            if now.is_closed() {
                return Take::Closed;
            }
            if n == 0 {
                return Take::Acquired;
            }
            if now.is_queued() || !now.fits(n) {
                if !now.fits(n) {
                    return Take::Full;
                }
                if !barge {
                    return Take::Spoken;
                }
            }
            match self.exchange(now, now.plus_active(n)) {
                Ok(()) => return Take::Acquired,
                Err(changed) => now = changed,
            }
        }
    }

    /// Takes `n` permits whether they are there or not: more may be out than max then, as
    /// after a shrink.
    #[cfg(all(feature = "rayon", not(loom)))]
    pub(crate) fn acquire_over(&self, n: u32) -> Take {
        let step = |now: State| {
            let fits = n <= MAX_PERMITS - now.active();
            (fits && !now.is_closed()).then(|| now.plus_active(n))
        };
        match self.update(step) {
            Ok(_) => Take::Acquired,
            Err(now) if now.is_closed() => Take::Closed,
            Err(_) => Take::Full,
        }
    }

    /// Gives `n` permits back, unless there is a line to hand them to.
    ///
    /// A look at the word before the write saves two writes when there is a
    /// line, and costs a sixth of an acquire and release when there is none:
    /// `look` says which is more likely.
    #[inline]
    pub(crate) fn release(&self, n: u32, look: bool) -> Release {
        if look && State(self.0.load(Relaxed)).is_queued() {
            return Release::HandOver;
        }
        let before = self.give_back(n);
        if before.is_queued() {
            return Release::BackWithLine;
        }
        let after = before.with_active(before.active() - n);
        if after.active() == 0 || (after.is_settled() && !before.is_settled()) {
            Release::Reached
        } else {
            Release::Quiet
        }
    }

    /// Gives `n` permits back, come what may. Returns the word as it was.
    #[inline]
    pub(crate) fn give_back(&self, n: u32) -> State {
        // ORDERING: Release, for whoever acquires these permits in `exchange`;
        // Acquire, to see what the enqueuer or watcher published before the
        // read-modify-write that this one follows.
        State(self.0.fetch_sub(u64::from(n), AcqRel))
    }

    /// For the lock's holder: takes `n` permits, or says that somebody stands
    /// in line from now on.
    pub(crate) fn acquire_or_queue(&self, n: u32) -> Take {
        let mut now = self.load();
        loop {
            if now.is_closed() {
                return Take::Closed;
            }
            if now.is_too_large(n) {
                return Take::TooLarge;
            }
            let (next, taken) = if now.fits(n) {
                (now.plus_active(n), Take::Acquired)
            } else {
                (now.with_queued(true), Take::Full)
            };
            match self.exchange(now, next) {
                Ok(()) => return taken,
                Err(changed) => now = changed,
            }
        }
    }

    /// For the lock's holder: hands `returned` permits, which the caller still
    /// holds, on to a waiter that needs `need`, the difference coming from or
    /// going to the word. Writes nothing when there is no difference. Refuses if
    /// the smallest request aside, of `aside` permits, has become possible: it
    /// may come before this one.
    pub(crate) fn hand_over(&self, returned: u32, need: u32, aside: Option<u32>) -> Take {
        let mut now = self.load();
        loop {
            let left = match now.without(returned, need, aside) {
                Ok(left) => left,
                Err(found) => return found,
            };
            if need == returned {
                return Take::Acquired;
            }
            match self.exchange(now, left.plus_active(need)) {
                Ok(()) => return Take::Acquired,
                Err(changed) => now = changed,
            }
        }
    }

    /// The same for the last in line: with it goes QUEUED, in the same step. A
    /// function of its own, since a parameter of `hand_over` cost `handoff_ct` 4 %.
    pub(crate) fn hand_over_to_last(&self, returned: u32, need: u32, aside: Option<u32>) -> Take {
        let mut now = self.load();
        loop {
            let left = match now.without(returned, need, aside) {
                Ok(left) => left,
                Err(found) => return found,
            };
            match self.exchange(now, left.plus_active(need).with_queued(false)) {
                Ok(()) => return Take::Acquired,
                Err(changed) => now = changed,
            }
        }
    }

    /// The same for the `first` in line and, if that fits then, for the `second`
    /// in the same step. Says what has become of each; nobody stands aside, and
    /// neither is the last.
    pub(crate) fn hand_over_to_two(&self, returned: u32, first: u32, second: u32) -> (Take, Take) {
        let mut now = self.load();
        loop {
            if now.is_closed() {
                return (Take::Closed, Take::Closed);
            }
            if now.is_too_large(first) {
                return (Take::TooLarge, Take::Full);
            }
            let left = now.with_active(now.active() - returned);
            if !left.fits(first) {
                return (Take::Full, Take::Full);
            }
            let one = left.plus_active(first);
            let (next, beside) = if one.fits(second) {
                (one.plus_active(second), Take::Acquired)
            } else if one.is_too_large(second) {
                (one, Take::TooLarge)
            } else {
                (one, Take::Full)
            };
            if next == now {
                return (Take::Acquired, beside);
            }
            match self.exchange(now, next) {
                Ok(()) => return (Take::Acquired, beside),
                Err(changed) => now = changed,
            }
        }
    }

    /// For the lock's holder: the line is not empty any more.
    pub(crate) fn set_queued(&self) {
        // ORDERING: as in `confirm`.
        self.0.fetch_or(QUEUED, AcqRel);
    }

    /// For the lock's holder, with an empty line: gives `returned` permits
    /// back and lets arrivals in by the word again, in one step.
    pub(crate) fn clear_queued(&self, returned: u32) {
        let _ =
            self.update(|now| Some(now.with_active(now.active() - returned).with_queued(false)));
    }

    /// The word as it is now, read by a write: whoever changes it later also
    /// sees what the caller published before.
    pub(crate) fn confirm(&self) -> State {
        // ORDERING: Release, for the later read-modify-write of a releaser or
        // resizer, which then sees the caller's counters; Acquire, to see
        // what came before. Two read-modify-writes of one word have an order,
        // so no fence is needed.
        State(self.0.fetch_or(0, AcqRel))
    }

    /// Replaces max. If the smallest request aside, of `aside` permits, becomes
    /// possible, somebody stands in line from now on; only the lock's holder
    /// may say that there is one. Returns the word as it was.
    pub(crate) fn set_max(&self, max: u32, aside: Option<u32>) -> State {
        self.update(|now| Some(now.resized(max, aside)))
            .unwrap_or_else(|now| now)
    }

    /// Raises max by `n`, otherwise like `set_max`.
    pub(crate) fn raise_max(&self, n: u32, aside: Option<u32>) -> Result<State, Overflow> {
        self.update(|now| {
            let max = now.max() + n;
            (max <= MAX_PERMITS).then(|| now.resized(max, aside))
        })
        .map_err(|_| Overflow)
    }

    /// Lowers max by `n` permits, or by those that are available. Returns by
    /// how many.
    pub(crate) fn forget_available(&self, n: u32, barge: bool) -> u32 {
        self.update(|now| match now.available(barge).min(n) {
            0 => None,
            gone => Some(now.with_max(now.max() - gone)),
        })
        .map_or(0, |before| before.available(barge).min(n))
    }

    /// Takes `n` permits that the caller holds out of the count for good: max
    /// goes down with active, but not below zero. Returns the word as it was.
    pub(crate) fn forget_held(&self, n: u32) -> State {
        self.update(|now| {
            Some(
                now.with_active(now.active() - n)
                    .with_max(now.max().saturating_sub(n)),
            )
        })
        .unwrap_or_else(|now| now)
    }

    /// Refuses whoever comes from now on.
    pub(crate) fn close(&self) {
        // ORDERING: as for every other write, so that none breaks the chain of
        // those before it for those after it.
        self.0.fetch_or(CLOSED, AcqRel);
    }

    /// Moves the word by `step` until that succeeds or `step` declines. Gives
    /// back the word before the move, or the one that made `step` decline.
    fn update(&self, step: impl Fn(State) -> Option<State>) -> Result<State, State> {
        let mut now = self.load();
        loop {
            let next = step(now).ok_or(now)?;
            match self.exchange(now, next) {
                Ok(()) => return Ok(now),
                Err(changed) => now = changed,
            }
        }
    }

    #[inline]
    fn exchange(&self, from: State, to: State) -> Result<(), State> {
        // ORDERING: Acquire, to see what every earlier releaser did, whose
        // read-modify-writes this one follows; Release, because the word's
        // later readers learn from it what this caller published before.
        self.0
            .compare_exchange_weak(from.0, to.0, AcqRel, Relaxed)
            .map(drop)
            .map_err(State)
    }
}

/// Tokens of permits are counted in before the write that takes the permit.
impl Meeting for Word {
    fn meet(&self) {
        let _ = self.confirm();
    }
}
