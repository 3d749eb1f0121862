//! The semaphore itself: what it consists of, and how permits leave it and come back.
//! The algorithm is in [`word`](super::word) (who may enter) and [`queue`](super::queue)
//! (who waits, and who is next).

use core::mem;

use super::{
    fairness::Policy,
    optional::{Optional, Options},
    outcome::{Outcome, Since},
    packed::{Held, Packed, Start},
    queue::Queue,
    word::{MAX_PERMITS, Release, Take, Word},
};
use crate::{error::SetMaxError, foreign::Deferred, generation::ShortToken, sync::const_fn};

/// A counting semaphore whose maximum can be changed at any moment.
///
/// It hands out up to [`max`](Self::max) permits at once. Who wants one takes
/// it with a call that [fails](Self::try_acquire), [waits as a
/// future](Self::acquire) or [blocks the thread](Self::blocking_acquire) when
/// there is none; dropping the permit gives it back.
///
/// # Fairness
///
/// First in, first out, exactly: nobody who arrives later passes a waiter, and
/// a request for many permits is not starved by requests for few. One for more
/// than max cannot be served: it waits beside the line, holds up nobody, and
/// takes its old place again once max allows it.
///
/// # Resizing
///
/// Shrinking takes effect at once: permits beyond the new max that nobody holds
/// are gone when [`set_max`](Self::set_max) returns, holders keep theirs, and
/// nobody enters until active is below max. Growing admits exactly the waiters
/// that now fit. A max of zero is a pause.
///
/// # Memory ordering
///
/// What a holder did before it gave a permit back is visible to whoever gets
/// that permit next, handed over or not. With a max of C, the k-th release
/// happens before the (k+C)-th acquire returns, as for sends to and receives
/// from a Go channel with C places.
///
/// # Locks
///
/// While nobody waits, every call is a few atomic operations on one word: no
/// lock (but one in [`close`](Self::close), if anybody ever waited), and no heap
/// allocation. Who has to wait, and whoever serves them, hold a lock for a few
/// instructions. No waker runs inside it: a waker may call any method of the
/// semaphore, when it is cloned, woken or dropped. If one panics, all others are
/// woken and no permit is lost; then the panic goes on in whoever woke it, unless
/// that one is panicking already.
///
/// # Examples
///
/// ```
/// use dynaphore::Semaphore;
///
/// let semaphore = Semaphore::new(2);
/// let one = semaphore.try_acquire().unwrap();
/// let two = semaphore.try_acquire().unwrap();
/// assert!(semaphore.try_acquire().is_err());
///
/// assert_eq!(semaphore.set_max(1), 2);
/// drop(one);
/// assert!(semaphore.try_acquire().is_err(), "one is out, and one is all");
/// drop(two);
/// assert!(semaphore.try_acquire().is_ok());
/// ```
pub struct Semaphore {
    pub(super) word: Word,
    pub(super) queue: Queue,
    pub(super) optional: Optional,
}

/// `n` as the word counts it.
#[inline]
#[track_caller]
pub(crate) const fn checked(n: usize) -> u32 {
    assert!(
        n <= Semaphore::MAX_PERMITS,
        "a semaphore may not have more than MAX_PERMITS permits (2147483647)"
    );
    n as u32
}

/// `n` as the word counts it, for who does not want a panic.
pub(crate) const fn try_checked(n: usize) -> Result<u32, SetMaxError> {
    if n <= Semaphore::MAX_PERMITS {
        Ok(n as u32)
    } else {
        Err(SetMaxError::TooManyPermits)
    }
}

/// Making one.
impl Semaphore {
    /// The largest max, and the largest number of permits in one request:
    /// 2^31 - 1.
    ///
    /// So a permit for each byte bounds memory up to 2 GiB. For more, let one stand for a
    /// KiB, which goes up to 2 TiB: `Semaphore::new(budget / 1024)`, and
    /// `acquire_many(bytes.div_ceil(1024))` for each buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Semaphore::MAX_PERMITS, 2_147_483_647);
    /// ```
    pub const MAX_PERMITS: usize = MAX_PERMITS as usize;

    const_fn! {
        /// A semaphore with `max` permits, 0 to [`MAX_PERMITS`](Self::MAX_PERMITS). Zero is a
        /// pause; no limit is [`unlimited`](Self::unlimited).
        ///
        /// # Panics
        ///
        /// When `max` is larger than `MAX_PERMITS`. For a number from outside there is
        /// [`try_builder`](Self::try_builder).
        ///
        /// # Examples
        ///
        /// ```
        /// static GATE: dynaphore::Semaphore = dynaphore::Semaphore::new(8);
        /// assert_eq!(GATE.max(), 8);
        /// ```
        #[must_use]
        #[track_caller]
        pub fn new(max: usize) -> Self {
            Self::with(checked(max), Policy::FIFO, Options::NOTHING)
        }
    }

    const_fn! {
        /// The same as [`new`](Self::new), under the name that tokio's has.
        ///
        /// # Panics
        ///
        /// When `max` is larger than `MAX_PERMITS`.
        ///
        /// # Examples
        ///
        /// ```
        /// static GATE: dynaphore::Semaphore = dynaphore::Semaphore::const_new(8);
        /// assert_eq!(GATE.max(), 8);
        /// ```
        #[must_use]
        #[track_caller]
        pub fn const_new(max: usize) -> Self {
            Self::new(max)
        }
    }

    const_fn! {
        /// A semaphore that makes nobody wait, for where a limit is wanted only sometimes:
        /// [`MAX_PERMITS`](Self::MAX_PERMITS) permits. It counts them all the same, and
        /// [`set_max`](Self::set_max) limits it at any time.
        ///
        /// A max of zero is something else: a pause, in which everybody waits until it is
        /// raised.
        ///
        /// # Examples
        ///
        /// ```
        /// use dynaphore::Semaphore;
        ///
        /// static REQUESTS: Semaphore = Semaphore::unlimited();
        /// let one = REQUESTS.try_acquire()?;
        /// assert_eq!(REQUESTS.active(), 1);
        ///
        /// REQUESTS.set_max(1);
        /// assert!(REQUESTS.try_acquire().is_err());
        /// # Ok::<(), dynaphore::TryAcquireError>(())
        /// ```
        #[must_use]
        pub fn unlimited() -> Self {
            Self::new(Self::MAX_PERMITS)
        }
    }

    const_fn! {
        pub(super) fn with(max: u32, policy: Policy, options: Options) -> Self {
            Self {
                word: Word::new(max),
                queue: Queue::new(policy),
                optional: Optional::new(options),
            }
        }
    }
}

/// What permits do at their beginning and their end.
impl Semaphore {
    /// Takes `n` permits, if the semaphore's fairness lets the caller.
    #[inline(always)]
    pub(crate) fn take(&self, n: u32) -> Take {
        self.word.try_acquire(n, || self.queue.reserved())
    }

    #[inline(always)]
    pub(crate) fn release(&self, Held { n, handed }: Held) {
        if n == 0 {
            return;
        }
        self.finish_release(self.word.release(n, handed), n);
    }

    #[inline(always)]
    pub(super) fn finish_release(&self, release: Release, n: u32) {
        match release {
            Release::Quiet => {}
            Release::Reached => self.queue.reached(&self.word),
            Release::BackWithLine => self.queue.returned(&self.word),
            Release::HandOver => self.queue.hand_over(&self.word, n),
        }
    }

    pub(super) fn forget_held(&self, n: u32) {
        if n > 0 {
            let before = self.word.forget_held(n);
            self.queue.resized(&self.word, before);
        }
    }
}

/// What a permit consists of, taken and given back.
impl Semaphore {
    /// Takes `n` permits, if the semaphore's fairness lets the caller. What is
    /// packed means nothing if it does not.
    #[inline(always)]
    pub(super) fn take_packed(&self, n: u32) -> (Take, Packed) {
        if self.optional.keeps_generations() {
            self.take_with_token(n)
        } else {
            (self.take(n), Packed::new(Held::taken(n), None))
        }
    }

    // Everything rare is out of line, and what it is given fits into registers.
    #[inline(never)]
    fn take_with_token(&self, n: u32) -> (Take, Packed) {
        let (found, held) = (self.take(n), Held::taken(n));
        let packed = match found {
            Take::Acquired => self.pack_with_token(held),
            _ => Packed::new(held, None),
        };
        (found, packed)
    }

    /// For permits of the caller, who loses them if a waker panics that this wakes.
    #[inline(always)]
    fn pack_with_token(&self, held: Held) -> Packed {
        struct GivesBack<'a>(&'a Semaphore, Held);

        impl Drop for GivesBack<'_> {
            fn drop(&mut self) {
                self.0.release(self.1);
            }
        }

        let gives_back = GivesBack(self, held);
        let token = self.optional.generations().acquire_short();
        mem::forget(gives_back);
        Packed::new(held, Some(token))
    }

    /// What a permit of the caller consists of. Its request has been counted.
    #[inline(always)]
    pub(super) fn hand_out(&self, held: Held) -> Packed {
        let packed = if self.optional.keeps_generations() {
            self.hand_out_with_token(held)
        } else {
            Packed::new(held, None)
        };
        self.hand_out_packed(packed, false)
    }

    #[inline(never)]
    fn hand_out_with_token(&self, held: Held) -> Packed {
        self.pack_with_token(held)
    }

    /// `packed` is the caller's. Its request is counted here if it was granted `at_once`.
    #[inline(always)]
    pub(super) fn hand_out_packed(&self, packed: Packed, at_once: bool) -> Packed {
        if self.optional.keeps_stats() {
            self.hand_out_timed(packed, at_once)
        } else {
            packed
        }
    }

    #[inline(never)]
    fn hand_out_timed(&self, packed: Packed, at_once: bool) -> Packed {
        if self.optional.keeps_generations() || !packed.may_be_timed() {
            if at_once {
                self.optional
                    .count(Outcome::Acquired, Since::NEVER, &self.queue);
            }
            return packed;
        }
        match self.optional.hand_out(at_once) {
            Some(start) => packed.timed(start),
            None => packed,
        }
    }

    fn is_timed(&self, packed: &Packed) -> bool {
        packed.has_more() && !self.optional.keeps_generations()
    }

    /// The permits in it.
    pub(super) fn held(&self, packed: &Packed) -> Held {
        if self.is_timed(packed) {
            packed.held_timed()
        } else {
            packed.held_untimed()
        }
    }

    /// Leaves it untimed.
    fn take_start(&self, packed: &mut Packed) -> Option<Start> {
        self.is_timed(packed).then(|| {
            let start = packed.start();
            *packed = Packed::new(packed.held_timed(), None);
            start
        })
    }

    /// What was timed from `start` on goes on in `packed`, if there is room in that.
    fn keep_start(&self, packed: &mut Packed, start: Option<Start>) {
        match start {
            Some(start) if packed.may_be_timed() => *packed = packed.by_value().timed(start),
            Some(start) => self.optional.ends(start),
            None => {}
        }
    }

    /// All that a permit consists of comes back.
    #[inline(always)]
    pub(super) fn take_back(&self, packed: &mut Packed) {
        if packed.has_more() {
            self.take_back_with_more(packed.by_value());
        } else {
            self.release(packed.held_untimed());
        }
    }

    #[inline(never)]
    fn take_back_with_more(&self, packed: Packed) {
        if self.optional.keeps_generations() {
            self.take_back_with_token(packed);
        } else {
            // Both wake, and a waker that panics keeps neither from being done.
            let mut deferred = Deferred::default();
            deferred.run(|| self.optional.ends(packed.start()));
            deferred.run(|| self.release(packed.held_timed()));
            deferred.resume();
        }
    }

    #[inline]
    fn take_back_with_token(&self, packed: Packed) {
        let Some(token) = packed.token() else {
            return;
        };
        let Held { n, handed } = packed.held_untimed();
        let released = if n == 0 {
            Release::Quiet
        } else {
            self.word.release(n, handed)
        };
        // The last one out makes it idle: nothing to do but for watchers.
        if released == Release::Quiet || released == Release::Reached && !self.queue.is_watched() {
            self.optional.generations().release(token);
        } else {
            self.take_back_loudly(released, n, token);
        }
    }

    #[inline(never)]
    fn take_back_loudly(&self, released: Release, n: u32, token: ShortToken) {
        let mut deferred = Deferred::default();
        deferred.run(|| self.finish_release(released, n));
        deferred.run(|| self.optional.generations().release(token));
        deferred.resume();
    }

    /// Max goes down by the permits in `packed`, which has none after that.
    pub(super) fn forget(&self, packed: &mut Packed) {
        let start = self.take_start(packed);
        let mut deferred = Deferred::default();
        deferred.run(|| self.forget_held(packed.take_held().n));
        if let Some(start) = start {
            deferred.run(|| self.optional.ends(start));
        }
        deferred.resume();
    }

    /// Puts `other` into `packed`. Of the tokens it keeps the older:
    /// whoever waits for its generation waits for the younger as well.
    pub(super) fn merge(&self, packed: &mut Packed, other: &mut Packed) {
        let (start, theirs) = (self.take_start(packed), self.take_start(other));
        let mut held = packed.take_held();
        held.merge(other.take_held());
        let (mut token, mut younger) = (packed.take_token(), other.take_token());
        if let (Some(token), Some(younger)) = (&mut token, &mut younger) {
            if self.optional.generations().is_older(younger, token) {
                mem::swap(token, younger);
            }
        }
        *packed = Packed::new(held, token);
        if let Some(younger) = younger {
            self.optional.generations().release(younger);
        }
        // One word has room for one start.
        if let (Some(_), Some(theirs)) = (start, theirs) {
            self.optional.ends(theirs);
        }
        self.keep_start(packed, start.or(theirs));
    }

    /// Adds to `packed` until it is `n` permits, or no more are available.
    pub(super) fn extend(&self, packed: &mut Packed, n: usize) {
        let mut missing = n.saturating_sub(self.held(packed).n as usize);
        loop {
            let some = missing.min(self.available_permits());
            if some == 0 {
                return;
            }
            match self.take_packed(some as u32) {
                (Take::Acquired, mut more) => {
                    self.merge(packed, &mut more);
                    missing -= some;
                }
                // Somebody was quicker, or it is for those in line. Half of it may be had.
                _ => missing = some / 2,
            }
        }
    }

    /// Takes `n` permits out of `packed`, if there are so many.
    pub(super) fn split(&self, packed: &mut Packed, n: usize) -> Option<Packed> {
        let mut held = self.held(packed);
        let part = held.split(n)?;
        let start = self.take_start(packed);
        let token = packed.token();
        let copy = token
            .as_ref()
            .map(|token| self.optional.generations().copy(token));
        *packed = Packed::new(held, token);
        self.keep_start(packed, start);
        Some(Packed::new(part, copy))
    }

    /// The generation in which it was handed out.
    pub(super) fn generation_of(&self, packed: &Packed) -> Option<u64> {
        if self.is_timed(packed) {
            return None;
        }
        let token = packed.token()?;
        Some(self.optional.generations().generation_of(&token))
    }
}

/// What its builder asked for.
impl Semaphore {
    /// Panics inside a tokio runtime, where the builder asked for that.
    #[inline]
    #[track_caller]
    pub(crate) fn assert_may_block(&self) {
        self.optional.assert_may_block();
    }

    /// A request has ended that began to wait at `since`.
    #[inline(always)]
    pub(super) fn record(&self, outcome: Outcome, since: Since) {
        if self.optional.keeps_stats() {
            self.count(outcome, since);
        }
    }

    /// The same where more is to be done: whoever takes an interval may be woken, and panic.
    #[inline]
    pub(super) fn record_first(&self, outcome: Outcome, since: Since, deferred: &mut Deferred) {
        if self.optional.keeps_stats() {
            deferred.run(|| self.count(outcome, since));
        }
    }

    #[inline(never)]
    fn count(&self, outcome: Outcome, since: Since) {
        self.optional.count(outcome, since, &self.queue);
    }

    /// A request begins to wait.
    pub(super) fn begins_to_wait(&self) -> Since {
        self.optional.now(&self.queue)
    }
}
