//! The tracker: the protocol, and the acquirer's, holder's and incrementer's part
//! in it. Turns are in `drain.rs`, counts in `stripe.rs`, waiting in
//! `pending.rs`, tokens of permits in `along.rs`.
//!
//! # Words
//!
//! The *generation* is what callers see: a number that each increment raises by
//! one. A *turn* is a stretch of time in which tokens are counted at the same
//! place, `turn % RING`, of a ring of counts. Usually an increment also begins a
//! turn. It cannot while somebody holds a token of the turn that was counted
//! where the next one would be; then whoever waits for that generation begins
//! the turn as soon as that has drained.
//!
//! # States
//!
//! | who | moves what |
//! |---|---|
//! | acquirer | reads the turn, counts itself in at its place, reads the generation and the turn again; if the turn has moved, counts itself out and tries again |
//! | holder | counts itself out; if its turn is over, looks for waiters |
//! | incrementer | generation + 1, fence, reads the turn T: this is what its `Pending` waits for; begins turn T + 1 if that is possible |
//! | waiter for turn T | begins turn T + 1 if nobody has; done when all turns up to T have drained |
//! | whoever begins a turn | reads the turn T, fence, finds the counts of turn T + 1 - RING at zero, moves the turn from T to T + 1 |
//!
//! # Why no token is overlooked
//!
//! A count-in (a read-modify-write), the acquirer's looks at generation and turn,
//! the beginning of a turn, and the fences of all others are SeqCst, so they all
//! have one order. If a count-in comes before a fence there, loads after the fence
//! see it. If a fence comes before a count-in, the SeqCst loads after the count-in
//! see what was written before the fence. (C++20, atomics.order 4. loom knows
//! SeqCst fences only, so there the count-in is followed by one.)
//!
//! 1. *Count-in against scan.* A scan for turn U first reads a turn after U,
//!    then fences (S). An acquirer that gets a token of turn U has counted itself
//!    in (A) before a load that returned U. Were S first, that load would have
//!    returned the later turn. So A is first, and the scan sees the count-in.
//!    `stripe.rs` shows why a scan that then finds zero is proof that the token
//!    has gone, and that what its holder did is visible.
//! 2. *Token against increment.* The incrementer fences (I) between its write
//!    of the generation and its read of the turn, T. A token of a generation up
//!    to the one that it ended was made by an acquirer that read the generation
//!    after A and did not see the write. So A is before I. Before A is the
//!    write by which the token's turn began, since the acquirer had read that
//!    turn. So the incrementer sees it: T is that turn or a later one.
//! 3. *A turn that has drained stays so.* Nobody gets a token of a turn that is
//!    over, since its second read of the turn would differ. (A latecomer may
//!    count itself in for a moment, and out again. A scan that sees it takes it
//!    for a token, which is no harm.) Turn T + RING begins only after turn T has
//!    drained. So who reads a turn RING or more after its own is done, and a
//!    zero remains proof when the turn has moved meanwhile.
//!
//! # Why no wake-up is lost
//!
//! 4. *Late count-out against waiter.* A waiter enters the list, fences (W),
//!    and scans. A holder whose turn is over counts itself out, fences (H), and
//!    looks whether somebody waits. If H is first, the scan sees the count-out.
//!    If W is first, the holder sees the waiter; if it also finds the place
//!    empty, it wakes everybody in the list, and who needs more comes back to
//!    it. If two leave at once, the one whose fence is later sees both go.
//!    The place may count again by then, for turn T + RING. Then it is whoever
//!    has begun that turn who wakes: it fences (B) after it has moved the turn,
//!    and looks whether somebody waits. If W is before B, it sees the waiter; if
//!    B is first, the waiter reads a turn by which its own has drained.
//! 5. *The window.* A holder does not fence before it looks whether its turn is
//!    over. Its count-out may still be on the way to other cores when it reads
//!    the turn, then the turn ends, a waiter enters the list and scans, and
//!    neither sees the other. An exact hand-shake needs a fence in each release
//!    (Attiya et al., "Laws of Order", POPL 2011), which is half of what a
//!    token costs. But a store is on its way for some nanoseconds, or
//!    microseconds at worst (Morrison and Afek, "Temporally Bounding TSO for
//!    Fence-Free Asymmetric Synchronization", ASPLOS 2015), and an interrupt
//!    between the two does not lengthen that. So waiters look again by
//!    themselves: a future for a while (`WINDOW` in `pending.rs`) after it has
//!    entered the list or the turn has moved, a thread after sleeps that become
//!    longer and longer. This concerns how soon a waiter goes on, never whether
//!    it may.
//!
//! # Progress
//!
//! `acquire` is lock-free: it starts again only if a turn has begun meanwhile;
//! while none does, it is wait-free. `increment` is wait-free. Dropping a token
//! is wait-free, unless it is the last of a generation that somebody waits for:
//! then it takes the lock of the list of wakers. The first `acquire` on a
//! tracker allocates, and another that comes in that moment waits for it. Wakers
//! are cloned, woken and dropped with the lock free.
//!
//! # What a token costs
//!
//! One read-modify-write of a place that no other thread writes, and one plain
//! store. Of the ways to count in, measured by `compare --only token_1t` and
//! `token_2t` as parts of `crossbeam_epoch::pin` and its drop: a read-modify-write
//! 0.80 and 0.68; a store and a fence (`lock or` on x86-64) 0.90 and 0.77; the
//! same with one count for both ways 0.92 and 0.78. Without any fence it is 0.19 and
//! 0.11 (0.27 and 0.21 on another machine, where the first is 0.70 and 0.50): what
//! the feature `membarrier` gives, for an increment and wait of 300 to 490 ns in place
//! of 35 to 70, and of microseconds where threads are running (`barrier.rs`).
//!
//! # Why no event-listener
//!
//! It runs wakers inside its lock, so that one that calls back or panics there
//! cannot be contained, and for the semaphore's line it was measured slower
//! than a list of our own (`semaphore/queue.rs`). Here nobody stands in line:
//! whoever waits is told when there is something new, all at once.

use std::{fmt, sync::atomic::compiler_fence};

use crossbeam_utils::CachePadded;

use super::{
    Pending, Token,
    along::{Meeting, meet},
    barrier,
    manners::Manners,
    stripe::{Position, Stripe, Stripes},
    token::Mark,
    waiters::Waiters,
};
use crate::sync::{AcqRel, Acquire, AtomicU64, SeqCst, const_fn};

/// Tells when nobody uses the old one any more.
///
/// Who uses something takes a [`Token`] first; it belongs to the current
/// generation. Who has replaced that something calls [`increment`](Self::increment)
/// and waits for the [`Pending`] it gets: when that is over, no token of the old
/// generation is alive, so nobody uses the old one. Neither holds the other up:
/// tokens are handed out all the time, those of the new generation too.
///
/// # Progress
///
/// `acquire` takes no lock. It is lock-free, and wait-free while nobody calls
/// `increment` or waits; `increment` is wait-free. The first `acquire`
/// allocates some counters for each core; threads count in counters of their
/// own, so they do not slow each other down.
///
/// # Exactness
///
/// A wait never ends early. It may be prolonged by newer tokens in two cases:
/// by those that were taken while `increment` ran, and, if tokens of the
/// generations before are still alive at that time (of the third before it, or
/// of an older one), by those that are taken until the wait finds them gone.
/// Newer ones that come after that never prolong it.
///
/// # Memory ordering
///
/// All that a holder did before dropping its token is visible to who has waited
/// for that generation. What somebody did before `increment` is visible to all
/// tokens of the new generation.
///
/// # Examples
///
/// ```
/// use dynaphore::generation::Tracker;
///
/// static TRACKER: Tracker = Tracker::new();
///
/// let token = TRACKER.acquire();
/// let pending = TRACKER.increment();
/// assert!(!pending.is_drained());
/// let newer = TRACKER.acquire();
/// drop(token);
/// pending.wait(); // not for `newer`
/// assert_eq!((pending.generation(), newer.generation()), (0, 1));
/// ```
pub struct Tracker {
    pub(super) words: Words,
    pub(super) stripes: Stripes,
    /// In a cache line that acquirers do not read.
    pub(super) waiting: CachePadded<Waiting>,
    #[cfg(loom)]
    exact: bool,
}

/// What every acquirer reads, in one cache line.
#[repr(align(16))]
pub(super) struct Words {
    /// Wraps around, if callers should ever get that far.
    pub(super) generation: AtomicU64,
    /// Starts at zero, so it does not wrap around in this millennium.
    pub(super) turn: AtomicU64,
}

/// What only those who increment and wait write.
pub(super) struct Waiting {
    pub(super) waiters: Waiters,
    /// All turns below have drained: not the only place that says so.
    pub(super) drained: AtomicU64,
    pub(super) manners: Manners,
}

impl Waiting {
    const_fn! {
        fn new() -> Self {
            Self {
                waiters: Waiters::new(),
                drained: AtomicU64::new(0),
                manners: Manners::new(),
            }
        }
    }
}

impl Tracker {
    const_fn! {
        /// A tracker in generation 0, without tokens.
        ///
        /// # Examples
        ///
        /// ```
        /// use dynaphore::generation::Tracker;
        ///
        /// static TRACKER: Tracker = Tracker::new();
        /// assert_eq!(TRACKER.generation(), 0);
        /// ```
        #[must_use]
        pub fn new() -> Self {
            Self::starting_at(0)
        }
    }

    #[cfg(not(loom))]
    pub(super) const fn starting_at(generation: u64) -> Self {
        Self {
            words: Words {
                generation: AtomicU64::new(generation),
                turn: AtomicU64::new(0),
            },
            stripes: Stripes::new(),
            waiting: CachePadded::new(Waiting::new()),
        }
    }

    #[cfg(loom)]
    fn starting_at(generation: u64) -> Self {
        Self {
            words: Words {
                generation: AtomicU64::new(generation),
                turn: AtomicU64::new(0),
            },
            stripes: Stripes::of(1),
            waiting: CachePadded::new(Waiting::new()),
            exact: false,
        }
    }

    /// One with so many stripes; `exact` closes the window of argument 5 by a
    /// fence, so that waiters need not look again by themselves.
    #[cfg(loom)]
    #[doc(hidden)]
    pub fn modelled(stripes: usize, exact: bool) -> Self {
        Self {
            stripes: Stripes::of(stripes),
            exact,
            ..Self::new()
        }
    }

    /// Is there no window (argument 5)?
    pub(super) fn is_exact(&self) -> bool {
        #[cfg(loom)]
        if self.exact {
            return true;
        }
        barrier::is_on()
    }

    /// The current generation: how often [`increment`](Self::increment) was
    /// called, modulo 2^64.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let _ = tracker.increment();
    /// assert_eq!(tracker.generation(), 1);
    /// ```
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `increment`.
        self.words.generation.load(Acquire)
    }

    /// A token of the current generation. Takes no lock and never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let token = tracker.acquire();
    /// assert_eq!(token.generation(), tracker.generation());
    /// ```
    #[inline(always)]
    pub fn acquire(&self) -> Token<'_> {
        let (generation, mark, stripe) = self.enter();
        Token::new(self, stripe, generation, mark)
    }

    /// Counts the caller in. Says in which generation, and where.
    #[inline(always)]
    pub(super) fn enter(&self) -> (u64, Mark, &Stripe) {
        let Words { generation, turn } = &self.words;
        loop {
            // ORDERING: SeqCst here and below, arguments 1 and 2, pairs with the
            // fences in `increment` and `are_empty`. Acquire, pairs with the
            // Releases in `increment` and `begin_next`.
            let now = turn.load(SeqCst);
            let position = Position::of(now);
            let (stripe, place) = self.stripes.count_in(position);
            let mark = Mark { place, position };
            let generation = generation.load(SeqCst);
            if turn.load(SeqCst) == now {
                return (generation, mark, stripe);
            }
            self.retract(mark);
        }
    }

    /// The turn has moved while the caller counted itself in.
    #[cold]
    pub(super) fn retract(&self, mark: Mark) {
        self.stripes.at(mark.place).count_out(mark);
        self.left_late(mark);
    }

    #[inline(always)]
    pub(super) fn leave(&self, mark: Mark, stripe: &Stripe) {
        stripe.count_out(mark);
        // The window is no wider than the machine makes it.
        compiler_fence(SeqCst);
        #[cfg(loom)]
        if self.exact {
            // ORDERING: argument 5, what it would take to be exact. Pairs with the
            // fence in `are_empty`.
            crate::sync::fence(SeqCst);
        }
        // If the turn is RING after its own, whoever has begun it has waked.
        if Position::of(self.turn()) != mark.position {
            self.left_late(mark);
        }
    }

    /// Begins a new generation, and returns what tells when the old one has
    /// drained. Never waits. It may be called from many threads at once, and
    /// again before the last generation has drained.
    ///
    /// # Panics
    ///
    /// When the waker of somebody who waits does, after all have been woken. The new
    /// generation has begun then; the next increment waits for both.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let (first, second) = (tracker.increment(), tracker.increment());
    /// assert_eq!((first.generation(), second.generation()), (0, 1));
    /// second.wait();
    /// first.wait();
    /// ```
    #[must_use = "does not wait for the old generation"]
    pub fn increment(&self) -> Pending<'_> {
        self.increment_meeting(None)
    }

    /// [`increment`](Self::increment) where tokens also ride along.
    pub(super) fn increment_meeting<'a>(&'a self, meeting: Option<&'a dyn Meeting>) -> Pending<'a> {
        // ORDERING: Release, for tokens of the new generation, which see what
        // the caller did; Acquire, so that it passes on what came before.
        let generation = self.words.generation.fetch_add(1, AcqRel);
        // ORDERING: argument 2. Pairs with the read-modify-write in `count_in`.
        meet(meeting);
        let turn = self.turn();
        self.begin_next(turn, meeting);
        Pending::new(self, meeting, generation, turn)
    }
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("generation", &self.generation())
            .field("stripes", &self.stripes.len())
            .field("waiting", &self.waiting.waiters.waiting())
            .finish_non_exhaustive()
    }
}
