//! The semaphore as its callers see it. The algorithm is in [`word`] (who may
//! enter) and [`queue`] (who waits, and who is next).
//!
//! # Origin
//!
//! What a resize means is taken from dynaphore, a Go package; names and signatures
//! are tokio's. That max and active share one word, so that a resize is one write,
//! has been done by marusama/semaphore, for Go too. `Fairness::Eventual` does for a
//! semaphore what parking_lot's mutex does, after WebKit's. The line is this crate's.

use crate::sync::const_fn;

mod acquire;
#[cfg(all(feature = "rayon", not(loom)))]
mod ahead;
mod blocking;
mod builder;
mod ended;
mod extras;
mod owed;
mod permit;
mod queue;
mod read;
mod resize;
#[cfg(feature = "keyed")]
mod reuse;
mod rotate;
#[cfg(any(feature = "keyed", feature = "pool"))]
mod steps;
mod take;
mod timeout;
mod watch;
mod word;

/// What the lease pool builds on.
#[cfg(feature = "pool")]
pub(crate) mod inner {
    pub(crate) use super::{acquire::Attempt, owed::Held, steps::Rest, word::Take};
}

pub use acquire::{Acquire, AcquireOwned};
pub use builder::Builder;
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};
pub use queue::Fairness;
pub use read::Snapshot;
pub use rotate::{Resize, ResizeDrained};
pub use watch::{Idle, Settled};

#[cfg(feature = "stats")]
pub(crate) use ended::{End, Since};
use extras::{Extras, Wanted};
pub(crate) use owed::Held;
use queue::{Goal, Queue};
use watch::Watch;
use word::{MAX_PERMITS, Release, Word};

pub(crate) use queue::Policy;
pub(crate) use word::Take;
#[cfg(feature = "keyed")]
pub(crate) use {acquire::Attempt, blocking::acquire as block, steps::Rest};

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
    word: Word,
    queue: Queue,
    extras: Extras,
}

/// `n` as the word counts it.
#[track_caller]
pub(crate) const fn checked(n: usize) -> u32 {
    assert!(
        n <= Semaphore::MAX_PERMITS,
        "a semaphore may not have more than MAX_PERMITS permits (2147483647)"
    );
    n as u32
}

/// Making one.
impl Semaphore {
    /// The largest max, and the largest number of permits in one request:
    /// 2^31 - 1.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore::Semaphore::MAX_PERMITS, 2_147_483_647);
    /// ```
    pub const MAX_PERMITS: usize = MAX_PERMITS as usize;

    const_fn! {
        /// A semaphore with `max` permits, 0 to [`MAX_PERMITS`](Self::MAX_PERMITS).
        ///
        /// # Panics
        ///
        /// When `max` is larger than `MAX_PERMITS`.
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
            Self::with(checked(max), Policy::FIFO, Wanted::NOTHING)
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
        fn with(max: u32, policy: Policy, wanted: Wanted) -> Self {
            Self {
                word: Word::new(max),
                queue: Queue::new(policy),
                extras: Extras::new(wanted),
            }
        }
    }
}

/// Waiting for a state, and the end.
impl Semaphore {
    /// Waits until no more permits are out than max: until a shrink has taken
    /// full effect.
    ///
    /// Resolves when it finds `active <= max`, on a closed semaphore too. The
    /// [blocking form](Self::blocking_settled) is for threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// let held = semaphore.try_acquire_many(2).unwrap();
    /// semaphore.set_max(1);
    /// drop(held);
    /// semaphore.settled().await;
    /// # });
    /// ```
    pub fn settled(&self) -> Settled<'_> {
        Settled(Watch::new(self, Goal::Settled))
    }

    /// Waits until no permit is out.
    ///
    /// Resolves when it finds `active == 0`, on a closed semaphore too. A
    /// moment of idleness in busy traffic may pass unseen: to drain, first
    /// [`close`](Self::close) the semaphore or [set max](Self::set_max) to 0.
    /// The [blocking form](Self::blocking_idle) is for threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace.
    ///
    /// # Memory ordering
    ///
    /// All that the holders did before giving their permits back is visible
    /// when it resolves.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let semaphore = dynaphore::Semaphore::new(2);
    /// drop(semaphore.try_acquire());
    /// semaphore.close();
    /// semaphore.idle().await;
    /// # });
    /// ```
    pub fn idle(&self) -> Idle<'_> {
        Idle(Watch::new(self, Goal::Idle))
    }

    /// Refuses all further requests. Those that wait are told so; holders keep
    /// their permits and give them back as ever. Resizing still works, and does
    /// not open it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.word.close();
        self.queue.closed(&self.word);
    }

    /// Whether it is [closed](Self::close).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!dynaphore::Semaphore::new(1).is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.word.load().is_closed()
    }
}

/// What permits do at their beginning and their end.
impl Semaphore {
    /// Takes `n` permits, if the semaphore's fairness lets the caller.
    #[inline(always)]
    pub(crate) fn take(&self, n: u32) -> Take {
        match self.word.try_acquire(n, false) {
            Take::Spoken => self.take_beside_the_line(n),
            take => take,
        }
    }

    #[inline(never)]
    fn take_beside_the_line(&self, n: u32) -> Take {
        if self.queue.may_barge() {
            self.word.try_acquire(n, true)
        } else {
            Take::Spoken
        }
    }

    #[inline(always)]
    pub(crate) fn release(&self, Held { n, handed }: Held) {
        if n == 0 {
            return;
        }
        self.finish_release(self.word.release(n, handed), n);
    }

    #[inline(always)]
    fn finish_release(&self, release: Release, n: u32) {
        match release {
            Release::Quiet => {}
            Release::Reached => self.queue.reached(&self.word),
            Release::BackWithLine => self.queue.returned(&self.word),
            Release::HandOver => self.queue.hand_over(&self.word, n),
        }
    }

    fn forget_held(&self, n: u32) {
        if n > 0 {
            let before = self.word.forget_held(n);
            self.queue.resized(&self.word, before);
        }
    }
}
