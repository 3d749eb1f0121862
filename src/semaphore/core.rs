//! The semaphore itself: what it consists of, and how permits leave it and come back.
//! The algorithm is in [`word`](super::word) (who may enter) and [`queue`](super::queue)
//! (who waits, and who is next).

use super::{
    optional::{Optional, Options},
    order::Policy,
    packed::Held,
    queue::Queue,
    request::{Outcome, Since},
    word::{MAX_PERMITS, Release, Take, Word},
};
use crate::{error::SetMaxError, foreign::Deferred, park::assert_may_block, sync::const_fn};

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

/// What its builder asked for.
impl Semaphore {
    /// Panics inside a tokio runtime, where the builder asked for that.
    #[inline]
    #[track_caller]
    pub(crate) fn assert_may_block(&self) {
        assert_may_block(self.optional.options.refuse_in_runtime);
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

    // Everything rare is out of line, and what it is given fits into registers.
    #[inline(never)]
    fn count(&self, outcome: Outcome, since: Since) {
        if let Some(counters) = self.optional.counters() {
            counters.count(outcome, since, &self.queue);
        }
    }

    /// A request begins to wait.
    pub(super) fn begins_to_wait(&self) -> Since {
        let counters = self.optional.counters();
        counters.map_or(Since::NEVER, |counters| {
            counters.begins_to_wait(&self.queue)
        })
    }
}
