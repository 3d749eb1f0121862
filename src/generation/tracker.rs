//! The tracker and its tokens: the protocol. Counts are in `stripes.rs`, increments and
//! waiting in `pending.rs`.
//!
//! # Words
//!
//! The *generation* is what callers see: a number that each increment raises by
//! one. A *phase* is a stretch of time in which tokens are counted at the same
//! place, `phase % RING`, of a ring of counts. Usually an increment also begins a
//! phase. It cannot while somebody holds a token of the phase that was counted
//! where the next one would be; then whoever waits for that generation begins
//! the phase as soon as that has drained.
//!
//! # States
//!
//! | who | moves what |
//! |---|---|
//! | acquirer | reads the phase, counts itself in at its place, reads the generation and the phase again; if the phase has moved, counts itself out and tries again |
//! | holder | counts itself out; if its phase is over, looks for waiters |
//! | incrementer | generation + 1, fence, reads the phase T: this is what its `Pending` waits for; begins phase T + 1 if that is possible |
//! | waiter for phase T | begins phase T + 1 if nobody has; done when all phases up to T have drained |
//! | whoever begins a phase | reads the phase T, fence, finds the counts of phase T + 1 - RING at zero, moves the phase from T to T + 1 |
//!
//! # Why no token is overlooked
//!
//! A count-in (a read-modify-write), the acquirer's looks at generation and phase,
//! the beginning of a phase, and the fences of all others are SeqCst, so they all
//! have one order. If a count-in comes before a fence there, loads after the fence
//! see it. If a fence comes before a count-in, the SeqCst loads after the count-in
//! see what was written before the fence. (C++20, atomics.order 4. loom knows
//! SeqCst fences only, so there the count-in is followed by one.)
//!
//! 1. *Count-in against scan.* A scan for phase U first reads a phase after U,
//!    then fences (S). An acquirer that gets a token of phase U has counted itself
//!    in (A) before a load that returned U. Were S first, that load would have
//!    returned the later phase. So A is first, and the scan sees the count-in.
//!    `stripes.rs` shows why a scan that then finds zero is proof that the token
//!    has gone, and that what its holder did is visible.
//! 2. *Token against increment.* The incrementer fences (I) between its write
//!    of the generation and its read of the phase, T. A token of a generation up
//!    to the one that it ended was made by an acquirer that read the generation
//!    after A and did not see the write. So A is before I. Before A is the
//!    write by which the token's phase began, since the acquirer had read that
//!    phase. So the incrementer sees it: T is that phase or a later one.
//! 3. *A phase that has drained stays so.* Nobody gets a token of a phase that is
//!    over, since its second read of the phase would differ. (A latecomer may
//!    count itself in for a moment, and out again. A scan that sees it takes it
//!    for a token, which is no harm.) Phase T + RING begins only after phase T has
//!    drained. So who reads a phase RING or more after its own is done, and a
//!    zero remains proof when the phase has moved meanwhile.
//!
//! # Why no wake-up is lost
//!
//! 4. *Late count-out against waiter.* A waiter counts itself among the waiters, listens
//!    to the event, fences (W), and scans. A holder whose phase is over counts itself out, fences (H), and
//!    looks whether somebody waits. If H is first, the scan sees the count-out.
//!    If W is first, the holder sees the waiter; if it also finds the place
//!    empty, it notifies all that listen, and who needs more listens again. If two leave at once, the one whose fence is later sees both go.
//!    The place may count again by then, for phase T + RING. Then it is whoever
//!    has begun that phase who wakes: it fences (B) after it has moved the phase,
//!    and looks whether somebody waits. If W is before B, it sees the waiter; if
//!    B is first, the waiter reads a phase by which its own has drained.
//! 5. *The window.* A holder does not fence before it looks whether its phase is
//!    over. Its count-out may still be on the way to other cores when it reads
//!    the phase, then the phase ends, a waiter listens and scans, and
//!    neither sees the other. An exact hand-shake needs a fence in each release
//!    (Attiya et al., "Laws of Order", POPL 2011), which is half of what a
//!    token costs. But a store is on its way for some nanoseconds, or
//!    microseconds at worst (Morrison and Afek, "Temporally Bounding TSO for
//!    Fence-Free Asymmetric Synchronization", ASPLOS 2015), and an interrupt
//!    between the two does not lengthen that. So waiters look again by
//!    themselves: a future for a while (`WINDOW` in `pending.rs`) after it has
//!    begun to listen or the phase has moved, a thread after sleeps that become
//!    longer and longer. This concerns how soon a waiter goes on, never whether
//!    it may.
//!
//! # Progress
//!
//! `acquire` is lock-free: it starts again only if a phase has begun meanwhile;
//! while none does, it is wait-free. `increment` is wait-free. Dropping a token
//! is wait-free, unless it is the last of a generation that somebody waits for:
//! then it takes the lock of the event. The first `acquire` on a
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

use core::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    ops::Range,
    sync::atomic::compiler_fence,
};

use crossbeam_utils::CachePadded;

use super::{
    barrier::{self, heavy_fence},
    stripes::{CounterId, RING, RingIndex, Stripe, StripeId, Stripes},
};
use crate::{
    event::Event,
    sync::{AcqRel, Acquire, AtomicU64, AtomicUsize, Relaxed, SeqCst, const_fn, fence},
};

/// Tells when nobody uses the old one any more.
///
/// Who uses something takes a [`Token`] first; it belongs to the current
/// generation. Who has replaced that something calls [`increment`](Self::increment)
/// and waits for the [`Pending`](super::Pending) it gets: when that is over, no token of the old
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
/// # Signal handlers and `fork`
///
/// With `std` a signal handler may call [`generation`](Self::generation) and nothing else: to
/// take or drop a token is a plain load and store of a count of this thread, and one that the
/// handler interrupts could lose what the handler counts. Without, tokens are counted by
/// read-modify-writes, and an interrupt handler may take and drop them
/// ([masked](crate::mask_interrupts_with)).
///
/// After a fork the child counts the tokens that were out in the parent as its own. Those of
/// threads that it does not have are never given back, so it should begin with a tracker of
/// its own.
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
    #[cfg(dynaphore_loom)]
    exact: bool,
}

/// What every acquirer reads, in one cache line.
#[repr(align(16))]
pub(super) struct Words {
    /// Wraps around, if callers should ever get that far.
    pub(super) generation: AtomicU64,
    /// Starts at zero, so it does not wrap around in this millennium.
    pub(super) phase: AtomicU64,
}

/// What only those who increment and wait write.
pub(super) struct Waiting {
    /// That something has drained, or a phase has begun.
    pub(super) event: Event,
    /// How many listen for that, or are about to. Only a fence before a look makes a zero
    /// mean something.
    pub(super) waiters: AtomicUsize,
    /// All phases below have drained: not the only place that says so.
    pub(super) drained: AtomicU64,
}

impl Waiting {
    const_fn! {
        fn new() -> Self {
            Self {
                event: Event::new(),
                waiters: AtomicUsize::new(0),
                drained: AtomicU64::new(0),
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

    const_fn! {
        pub(super) fn starting_at(generation: u64) -> Self {
            Self {
                words: Words {
                    generation: AtomicU64::new(generation),
                    phase: AtomicU64::new(0),
                },
                stripes: Stripes::new(),
                waiting: CachePadded::new(Waiting::new()),
                #[cfg(dynaphore_loom)]
                exact: false,
            }
        }
    }

    /// One with so many stripes; `exact` closes the window of argument 5 by a
    /// fence, so that waiters need not look again by themselves.
    #[cfg(dynaphore_loom)]
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
        #[cfg(dynaphore_loom)]
        if self.exact {
            return true;
        }
        barrier::is_on()
    }

    /// The current generation: how often [`increment`](Self::increment) was
    /// called, modulo 2^64. The last of these calls may not have returned so far, and what
    /// waits for its end waits for the tokens that are taken until then, too
    /// ([exactness](Self#exactness)).
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
        let (generation, counter, stripe) = self.enter();
        Token {
            tracker: self,
            stripe,
            generation,
            counter,
        }
    }

    /// Counts the caller in. Says in which generation, and where.
    #[inline(always)]
    pub(super) fn enter(&self) -> (u64, CounterId, &Stripe) {
        let Words { generation, phase } = &self.words;
        loop {
            // ORDERING: SeqCst here and below, arguments 1 and 2, pairs with the
            // fences in `increment` and `are_empty`. Acquire, pairs with the
            // Releases in `increment` and `begin_next`.
            let now = phase.load(SeqCst);
            let index = RingIndex::of(now);
            let (stripe, id) = self.stripes.count_in(index);
            let counter = CounterId { stripe: id, index };
            let generation = generation.load(SeqCst);
            if phase.load(SeqCst) == now {
                return (generation, counter, stripe);
            }
            self.retract(counter);
        }
    }

    /// The phase has moved while the caller counted itself in.
    #[cold]
    pub(super) fn retract(&self, counter: CounterId) {
        self.stripes.at(counter.stripe).count_out(counter);
        self.left_late(counter);
    }

    #[inline(always)]
    pub(super) fn leave(&self, counter: CounterId, stripe: &Stripe) {
        stripe.count_out(counter);
        // The window is no wider than the machine makes it.
        compiler_fence(SeqCst);
        #[cfg(dynaphore_loom)]
        if self.exact {
            // ORDERING: argument 5, what it would take to be exact. Pairs with the
            // fence in `are_empty`.
            crate::sync::fence(SeqCst);
        }
        // If the phase is RING after its own, whoever has begun it has waked.
        if RingIndex::of(self.phase()) != counter.index {
            self.left_late(counter);
        }
    }
}

/// Phases: when a generation has drained, and when the next phase may begin.
impl Tracker {
    /// The current phase.
    #[inline]
    pub(super) fn phase(&self) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `begin_next`: what has
        // drained for somebody else has drained for the caller.
        self.words.phase.load(Acquire)
    }

    /// Have the tokens of `phase`, and of those before it, all gone, for good? If
    /// not, some are out, or it looks so. If `phase` is still the current one, this
    /// begins the next, as soon as that is possible. Goes round again only when the
    /// current phase has moved.
    pub(super) fn drain(&self, phase: u64) -> bool {
        let mut now = self.phase();
        loop {
            let ahead = now - phase;
            // ORDERING: Acquire, pairs with the Release in `fetch_max` below:
            // who reads that the phase has drained sees what its holders did.
            let drained = self.waiting.drained.load(Acquire);
            if ahead >= RING as u64 || phase < drained {
                // Argument 3.
                return true;
            }
            if ahead == 0 {
                self.begin_next(now);
            } else if self.are_empty(drained..phase + 1, now) {
                // Or a latecomer could make it look otherwise again.
                self.waiting.drained.fetch_max(phase + 1, AcqRel);
                return true;
            }
            let later = self.phase();
            if later == now {
                return false;
            }
            now = later;
        }
    }

    /// Begins the phase after `now`, if `now` is the current one and the phase
    /// that was counted where the next one will be has drained.
    pub(super) fn begin_next(&self, now: u64) {
        let next = now + 1;
        // ORDERING: as in `drain`.
        let drained = self.waiting.drained.load(Acquire);
        let before = next.saturating_sub(RING as u64 - 1);
        if drained >= before || self.are_empty(drained..before, now) {
            // ORDERING: SeqCst for argument 2. Release, for whoever reads the new
            // phase: what this thread has seen of the counts' end, that one
            // sees. Acquire, so that it passes on what came before. If it
            // fails, somebody else has done it.
            let phase = &self.words.phase;
            let begun = phase.compare_exchange(now, next, SeqCst, Relaxed);
            if begun.is_ok() {
                // ORDERING: argument 4, B. Pairs with the fence in `are_empty`.
                fence(SeqCst);
                if self.has_waiters() {
                    self.waiting.event.notify_all().resume();
                }
            }
        }
    }

    /// Have these `phases` drained, none of which may have tokens that began at
    /// `now` or later? The earliest that can still be told apart comes RING - 1
    /// before `now`.
    fn are_empty(&self, phases: Range<u64>, now: u64) -> bool {
        // ORDERING: argument 1: after the load that has returned `now`, before
        // the scan. Pairs with the read-modify-write in `count_in`.
        heavy_fence();
        let earliest = (now + 1).saturating_sub(RING as u64);
        (phases.start.max(earliest)..phases.end)
            .all(|phase| self.stripes.is_empty(RingIndex::of(phase)))
    }

    /// A token has gone whose phase is over: tells those who wait if it was the
    /// last one.
    #[cold]
    pub(super) fn left_late(&self, counter: CounterId) {
        // ORDERING: argument 4, H: after the count-out, before the look for
        // waiters. Pairs with the fence in `are_empty`, and with this one of
        // others who leave.
        fence(SeqCst);
        if self.has_waiters() && self.stripes.is_empty(counter.index) {
            self.waiting.event.notify_all().resume();
        }
    }

    fn has_waiters(&self) -> bool {
        self.waiting.waiters.load(Relaxed) > 0
    }
}

/// The tokens themselves.
impl Tracker {
    /// [`acquire`](Self::acquire) for a permit that has been taken.
    #[inline(always)]
    pub(crate) fn acquire_short(&self) -> ShortToken {
        let (generation, counter, _) = self.enter();
        ShortToken::new(generation, counter)
    }

    /// Gives back what [`acquire_short`](Self::acquire_short) or
    /// [`copy`](Self::copy) has returned.
    #[inline(always)]
    pub(crate) fn release(&self, token: ShortToken) {
        let counter = token.counter();
        self.leave(counter, self.stripes.at(counter.stripe));
    }

    /// One more token of the same generation.
    pub(crate) fn copy(&self, token: &ShortToken) -> ShortToken {
        self.stripes.copy(token.counter());
        token.counted_again()
    }

    /// The generation of `token`, if its [age](ShortToken::age) is what that says. One
    /// look at the generation, so that an increment meanwhile does not matter.
    pub(crate) fn generation_of(&self, token: &ShortToken) -> u64 {
        let now = self.generation();
        now.wrapping_sub(token.age(now))
    }

    /// Does whoever waits for `other` to go wait for `token` anyway? Both are held.
    pub(crate) fn is_older(&self, token: &ShortToken, other: &ShortToken) -> bool {
        // One look each, or `other` might age meanwhile. The phases come first: they
        // say which drains first, and since tokens that are held are of less than
        // RING phases, where they are counted tells which.
        let (phase, generation) = (self.phase(), self.generation());
        let age = |token: &ShortToken| (token.counter().index.age(phase), token.age(generation));
        age(token) > age(other)
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
            .field("waiting", &self.waiting.waiters.load(Relaxed))
            .finish_non_exhaustive()
    }
}

/// Says that somebody is still in a [generation](Self::generation): as long as
/// it lives, nobody who waits for that generation gets past.
///
/// Made by [`Tracker::acquire`], and given back by dropping it, on any thread.
/// On the one that took it, that is a store and a load.
///
/// # Examples
///
/// ```
/// use dynaphore::generation::Tracker;
///
/// let tracker = Tracker::new();
/// let token = tracker.acquire();
/// let pending = tracker.increment();
/// assert!(!pending.is_drained());
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(token));
///     pending.wait();
/// });
/// ```
#[must_use = "a token that is dropped at once holds nothing up"]
pub struct Token<'a> {
    tracker: &'a Tracker,
    /// Known to the tracker too. But to look it up again on drop was measured to
    /// cost.
    stripe: &'a Stripe,
    generation: u64,
    counter: CounterId,
}

impl Token<'_> {
    #[inline]
    pub(super) fn counter(&self) -> CounterId {
        self.counter
    }

    /// The generation that it was taken in, which cannot drain while it lives.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let token = tracker.acquire();
    /// let _ = tracker.increment();
    /// assert_eq!((token.generation(), tracker.generation()), (0, 1));
    /// ```
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(dynaphore_loom)]
impl Token<'_> {
    /// One more of the same generation: what permits do when they are split.
    #[doc(hidden)]
    pub fn copied(&self) -> Self {
        self.tracker.stripes.copy(self.counter);
        Self { ..*self }
    }
}

impl Drop for Token<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.tracker.leave(self.counter, self.stripe);
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

/// Bits of a [`CounterId`] in a [`ShortToken`]: the stripe, and above it the index.
const COUNTER_BITS: u32 = StripeId::BITS + RING.ilog2();

/// A token in four bytes, also within an `Option`, to be a part of a permit: it
/// does not know its tracker, and of its generation only the lowest bits.
/// Whoever has it must call [`Tracker::release`].
#[must_use = "the generation never drains unless this is given back"]
#[derive(Debug)]
pub(crate) struct ShortToken(NonZeroU32);

impl ShortToken {
    /// How many generations it can tell apart: a million or more.
    const GENERATIONS: u64 = 1 << (u32::BITS - COUNTER_BITS);

    #[inline]
    pub(super) fn new(generation: u64, counter: CounterId) -> Self {
        let lowest = (generation % Self::GENERATIONS) as u32;
        let index = u32::from(counter.index.0) << StripeId::BITS;
        Self(NonZeroU32::from(counter.stripe.0) | index | lowest << COUNTER_BITS)
    }

    /// For [`from_bits`](Self::from_bits): never zero.
    #[inline]
    pub(crate) fn into_bits(self) -> u32 {
        self.0.get()
    }

    /// What [`into_bits`](Self::into_bits) was called on.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }

    #[inline(always)]
    pub(super) fn counter(&self) -> CounterId {
        let bits = self.0.get();
        let stripe = NonZeroU16::new((bits & ((1 << StripeId::BITS) - 1)) as u16);
        CounterId {
            // Never zero, and one is no less right than a panic.
            stripe: StripeId(stripe.unwrap_or(NonZeroU16::MIN)),
            index: RingIndex::of(u64::from(bits >> StripeId::BITS)),
        }
    }

    /// Another one, which has been counted in.
    pub(super) fn counted_again(&self) -> Self {
        Self(self.0)
    }

    /// How many generations it is from its own to `now`, modulo what it can tell
    /// apart.
    pub(super) fn age(&self, now: u64) -> u64 {
        let lowest = u64::from(self.0.get() >> COUNTER_BITS);
        now.wrapping_sub(lowest) % Self::GENERATIONS
    }
}
