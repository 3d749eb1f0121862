//! The packed word: everything that decides who may enter, in one `AtomicU64`.
//!
//! ```text
//!  63       62       61 .............. 31  30 .............. 0
//! +--------+--------+--------------------+--------------------+
//! | CLOSED | QUEUED | max (31 bits)      | active (31 bits)   |
//! +--------+--------+--------------------+--------------------+
//! ```
//!
//! `active` counts the permits that are out, `max` how many may be. After a
//! shrink `active` may exceed `max`: that *is* the debt, and it is paid by
//! permits coming back, so there is no second counter to keep in step.
//!
//! `QUEUED` says that somebody waits. While it is set nobody enters by this word
//! alone, and whoever gives permits back looks after those who wait. `queue.rs` has
//! the protocol.
//! `CLOSED` is set once and never cleared.
//!
//! Every change is one atomic read-modify-write, so all changes of one
//! semaphore have one order, and one load is a consistent picture. All shifts
//! and masks are in this file.

use core::fmt;

#[cfg(dynaphore_shuttle)]
use super::trace::AtomicU64;
#[cfg(not(dynaphore_shuttle))]
use crate::sync::AtomicU64;
use crate::sync::{AcqRel, Acquire, Relaxed, const_fn};

/// The largest `max`, and the largest count in one request.
pub(crate) const MAX_PERMITS: u32 = (1 << MAX_SHIFT) - 1;

const MAX_SHIFT: u32 = 31;
const QUEUED: u64 = 1 << 62;
const CLOSED: u64 = 1 << 63;
const COUNT: u64 = MAX_PERMITS as u64;

/// One value of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    /// For traces, which see it before it is one.
    #[cfg(dynaphore_shuttle)]
    pub(super) const fn of(word: u64) -> Self {
        Self(word)
    }

    const fn open(max: u32) -> Self {
        Self((max as u64) << MAX_SHIFT)
    }

    /// Permits that are out.
    pub(crate) const fn active(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    /// Permits that may be out.
    pub(crate) const fn max(self) -> u32 {
        ((self.0 >> MAX_SHIFT) & COUNT) as u32
    }

    pub(crate) const fn is_queued(self) -> bool {
        self.0 & QUEUED != 0
    }

    pub(crate) const fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Permits that are not out, but for those that are `reserved` for whoever waits.
    pub(crate) const fn available(self, reserved: u32) -> u32 {
        if self.is_queued() {
            self.free().saturating_sub(reserved)
        } else {
            self.free()
        }
    }

    /// Permits that are not out.
    pub(crate) const fn free(self) -> u32 {
        self.max().saturating_sub(self.active())
    }

    /// Would `n` not fit even if nobody held a permit? During a pause nothing
    /// fits, and nobody is held up by whoever is first in line.
    pub(crate) const fn is_too_large(self, n: u32) -> bool {
        n > self.max() && self.max() > 0
    }

    /// No more permits are out than may be.
    pub(crate) const fn is_settled(self) -> bool {
        self.active() <= self.max()
    }

    /// Open, nobody in line, and no more permits out than may be.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    #[inline]
    pub(crate) const fn is_calm(self) -> bool {
        self.0 < QUEUED && self.0 & COUNT <= self.0 >> MAX_SHIFT
    }

    /// Both counts are at most 2^31 - 1, so the sum cannot overflow.
    pub(crate) const fn fits(self, n: u32) -> bool {
        self.active() + n <= self.max()
    }

    /// `n` more are out; they fit. One addition: it stands between a load and a
    /// write that waits for it.
    const fn plus_active(self, n: u32) -> Self {
        Self(self.0 + n as u64)
    }

    /// What it is when `returned` come back for a waiter that needs `need`: it
    /// fits then. Or what stands against it, the smallest request `aside` included.
    #[inline]
    fn without(self, returned: u32, need: u32, aside: Option<u32>) -> Result<Self, Take> {
        if self.is_closed() {
            return Err(Take::Closed);
        }
        if aside.is_some_and(|least| least <= self.max()) {
            return Err(Take::Spoken);
        }
        if self.is_too_large(need) {
            return Err(Take::TooLarge);
        }
        let left = self.with_active(self.active() - returned);
        if left.fits(need) {
            Ok(left)
        } else {
            Err(Take::Full)
        }
    }

    const fn with_active(self, active: u32) -> Self {
        Self(self.0 & !COUNT | active as u64)
    }

    const fn with_max(self, max: u32) -> Self {
        Self(self.0 & !(COUNT << MAX_SHIFT) | (max as u64) << MAX_SHIFT)
    }

    fn resized(self, max: u32, aside: Option<u32>) -> Self {
        let rejoins = aside.is_some_and(|need| need <= max);
        self.with_max(max).with_queued(self.is_queued() || rejoins)
    }

    const fn with_queued(self, queued: bool) -> Self {
        if queued {
            Self(self.0 | QUEUED)
        } else {
            Self(self.0 & !QUEUED)
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("max", &self.max())
            .field("active", &self.active())
            .field("queued", &self.is_queued())
            .field("closed", &self.is_closed())
            .finish()
    }
}

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
    pub(crate) fn with_active(max: u32, active: u32) -> Self {
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
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    #[inline]
    pub(crate) fn peek(&self) -> State {
        State(self.0.load(Relaxed))
    }

    /// Takes `n` permits if they are there, `reserved` for whoever waits not included: that
    /// is asked only where somebody does. None are always there.
    #[inline]
    pub(crate) fn try_acquire(&self, n: u32, reserved: impl Fn() -> u32) -> Take {
        let mut now = State(self.0.load(Relaxed));
        loop {
            if now.is_closed() {
                // ORDERING: Acquire, pairs with `close`: who is refused sees what
                // the closer did before. The first look was Relaxed.
                let _ = self.load();
                return Take::Closed;
            }
            if n == 0 {
                return Take::Acquired;
            }
            if now.is_queued() || !now.fits(n) {
                if !now.fits(n) {
                    return Take::Full;
                }
                if now.available(reserved()) < n {
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
    /// after a shrink. False if it is closed, or the count would overflow.
    #[cfg(all(feature = "rayon", not(dynaphore_loom)))]
    pub(crate) fn acquire_over(&self, n: u32) -> bool {
        self.update(|now| {
            let fits = n <= MAX_PERMITS - now.active();
            (fits && !now.is_closed()).then(|| now.plus_active(n))
        })
        .is_ok()
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
    /// going to the word. With the `last` one QUEUED goes in the same step. Writes
    /// nothing when nothing changes. Refuses if the smallest request aside, of
    /// `aside` permits, has become possible: it may come before this one.
    #[inline]
    pub(crate) fn hand_over(
        &self,
        returned: u32,
        need: u32,
        last: bool,
        aside: Option<u32>,
    ) -> Take {
        let mut now = self.load();
        loop {
            let left = match now.without(returned, need, aside) {
                Ok(left) => left.plus_active(need),
                Err(found) => return found,
            };
            let next = if last { left.with_queued(false) } else { left };
            if next == now {
                return Take::Acquired;
            }
            match self.exchange(now, next) {
                Ok(()) => return Take::Acquired,
                Err(changed) => now = changed,
            }
        }
    }

    /// Somebody waits from now on. Returns the word as it was.
    pub(crate) fn set_queued(&self) -> State {
        // ORDERING: as in `confirm`.
        State(self.0.fetch_or(QUEUED, AcqRel))
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
    pub(crate) fn forget_available(&self, n: u32, reserved: u32) -> u32 {
        self.update(|now| match now.available(reserved).min(n) {
            0 => None,
            forgotten => Some(now.with_max(now.max() - forgotten)),
        })
        .map_or(0, |before| before.available(reserved).min(n))
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
        // Acquire on failure: the caller may return because of what it finds.
        self.0
            .compare_exchange_weak(from.0, to.0, AcqRel, Acquire)
            .map(drop)
            .map_err(State)
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_touch_each_other() {
        let full = State::open(MAX_PERMITS)
            .with_active(MAX_PERMITS)
            .with_queued(true);
        assert_eq!((full.max(), full.active()), (MAX_PERMITS, MAX_PERMITS));
        assert!(full.is_queued() && !full.is_closed());
        let none = full.with_max(0).with_active(0).with_queued(false);
        assert_eq!(none, State::open(0));
    }

    #[test]
    fn a_refused_request_changes_nothing() {
        let word = Word::new(3);
        assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
        let before = word.load();
        assert_eq!(word.try_acquire(2, || u32::MAX), Take::Full);
        assert_eq!(word.load(), before);
    }

    #[test]
    fn what_is_reserved_is_asked_only_where_somebody_waits() {
        let word = Word::new(2);
        let asked = || unreachable!("nobody waits");
        assert_eq!(word.try_acquire(1, asked), Take::Acquired);
        assert_eq!(word.try_acquire(2, asked), Take::Full);
    }

    #[test]
    fn nothing_is_too_large_during_a_pause() {
        let word = Word::new(0);
        assert_eq!(word.acquire_or_queue(1), Take::Full);
        assert_eq!(word.hand_over(0, 1, true, None), Take::Full);
        let _ = word.set_max(1, None);
        assert_eq!(word.hand_over(0, 2, true, None), Take::TooLarge);
    }

    #[test]
    fn a_closed_word_hands_nothing_over() {
        let word = Word::new(1);
        assert_eq!(word.acquire_or_queue(1), Take::Acquired);
        assert_eq!(word.acquire_or_queue(1), Take::Full);
        word.close();
        assert_eq!(word.hand_over(1, 1, true, None), Take::Closed);
        assert_eq!(word.load().active(), 1);
    }

    #[test]
    fn the_largest_request_does_not_wrap() {
        let word = Word::new(MAX_PERMITS);
        assert_eq!(word.try_acquire(MAX_PERMITS, || u32::MAX), Take::Acquired);
        assert_eq!(word.try_acquire(MAX_PERMITS, || u32::MAX), Take::Full);
        assert_eq!(word.raise_max(1, None), Err(Overflow));
    }

    #[test]
    fn handing_over_the_same_number_writes_nothing() {
        let word = Word::new(1);
        assert_eq!(word.acquire_or_queue(1), Take::Acquired);
        assert_eq!(word.acquire_or_queue(1), Take::Full);
        let before = word.load();
        assert_eq!(word.hand_over(1, 1, false, None), Take::Acquired);
        assert_eq!(word.load(), before);
    }

    #[test]
    fn with_the_last_goes_the_line_in_the_same_step() {
        for (returned, need, active) in [(1, 1, 2), (2, 1, 1), (0, 1, 3)] {
            let word = Word::new(3);
            assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
            let _ = word.set_queued();
            let found = word.hand_over(returned, need, true, None);
            assert_eq!(found, Take::Acquired);
            assert_eq!(word.load().active(), active);
            assert!(!word.load().is_queued());
        }
        let word = Word::new(3);
        let _ = word.set_queued();
        let before = word.load();
        assert_eq!(word.hand_over(0, 4, true, None), Take::TooLarge);
        assert_eq!(word.hand_over(0, 1, true, Some(3)), Take::Spoken);
        assert_eq!(word.load(), before);
    }

    #[test]
    fn nothing_is_handed_over_while_in_debt() {
        let word = Word::new(3);
        assert_eq!(word.acquire_or_queue(3), Take::Acquired);
        assert_eq!(word.set_max(1, None).max(), 3);
        assert_eq!(word.hand_over(1, 1, false, None), Take::Full);
        assert_eq!(word.hand_over(3, 1, false, None), Take::Acquired);
        assert_eq!(word.load().active(), 1);
    }

    #[test]
    fn a_release_tells_who_must_be_told() {
        let word = Word::new(2);
        assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
        assert_eq!(word.release(1, true), Release::Quiet);
        assert_eq!(word.release(1, true), Release::Reached);
        assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
        let _ = word.set_max(1, None);
        assert_eq!(word.release(1, true), Release::Reached);
        let _ = word.set_queued();
        assert_eq!(word.release(1, true), Release::HandOver);
        assert_eq!(word.load().active(), 1);
        assert_eq!(word.release(1, false), Release::BackWithLine);
        assert_eq!(word.load().active(), 0);
    }

    #[test]
    fn a_growth_that_lets_somebody_rejoin_shuts_out_newcomers_in_one_step() {
        let word = Word::new(1);
        let _ = word.set_max(4, Some(5));
        assert!(!word.load().is_queued());
        let _ = word.raise_max(1, Some(5));
        assert!(word.load().is_queued());
        assert_eq!(word.try_acquire(1, || u32::MAX), Take::Spoken);
    }

    #[test]
    fn forgetting_held_permits_stops_at_zero() {
        let word = Word::new(5);
        assert_eq!(word.try_acquire(5, || u32::MAX), Take::Acquired);
        let _ = word.set_max(2, None);
        let _ = word.forget_held(3);
        assert_eq!((word.load().max(), word.load().active()), (0, 2));
    }

    #[test]
    fn every_change_of_max_keeps_the_flags() {
        let word = Word::new(4);
        let _ = word.set_queued();
        word.close();
        let _ = word.set_max(9, None);
        let _ = word.raise_max(1, None);
        assert_eq!(
            word.forget_available(2, u32::MAX),
            0,
            "spoken for by the line"
        );
        word.clear_queued(0);
        assert_eq!(word.forget_available(2, u32::MAX), 2);
        assert!(word.load().is_closed() && !word.load().is_queued());
        assert_eq!(word.load().max(), 8);
    }

    #[test]
    #[cfg(feature = "rayon")]
    fn permits_that_are_taken_over_max_stop_at_the_largest_count() {
        let word = Word::new(1);
        assert!(word.acquire_over(MAX_PERMITS - 1));
        assert!(!word.acquire_over(2));
        assert!(word.acquire_over(1));
        assert_eq!(word.load().active(), MAX_PERMITS);
        assert!(!word.acquire_over(1));
        let closed = Word::new(1);
        closed.close();
        assert!(!closed.acquire_over(1));
    }

    #[test]
    #[cfg(feature = "rayon")]
    fn a_word_is_calm_while_nothing_stands_against_it() {
        let word = Word::new(1);
        assert_eq!(word.try_acquire(1, || u32::MAX), Take::Acquired);
        assert!(
            word.load().is_calm(),
            "open, nobody in line, no more out than max"
        );
        let _ = word.set_max(0, None);
        assert!(!word.load().is_calm(), "in debt");
        let _ = word.set_max(1, None);
        let _ = word.set_queued();
        assert!(!word.load().is_calm(), "somebody is in line");
        let _ = word.set_max(0, None);
        let _ = word.give_back(1);
        assert!(!word.load().is_calm(), "somebody is in line of a pause");
        word.clear_queued(0);
        word.close();
        assert!(!word.load().is_calm(), "closed");
    }
}
