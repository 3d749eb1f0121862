//! How many tokens are out, counted where the threads do not meet.
//!
//! # A stripe
//!
//! | count | written by | how |
//! |---|---|---|
//! | `came` | the thread that owns the stripe, counting in | read-modify-write |
//! | `left` | the same, counting out | plain load and store |
//! | `added` | everybody else who counts in here | read-modify-write |
//! | `removed` | everybody else who counts out here | read-modify-write |
//!
//! `came + added - left - removed` tokens of this stripe are out, modulo 2^64. A
//! token is counted out in the stripe in which it was counted in, by whichever
//! thread.
//!
//! A count-in must be followed by a fence (`tracker.rs`, argument 1). It is a
//! read-modify-write because that is one already: on most processors it costs no
//! more than the fence alone. It would have to wait for the count-out right before it if
//! that were a store to the same place, which is why `came` and `left` are two.
//!
//! # Why zero is a proof
//!
//! A count-out always happens after the count-in of the same token. The scan
//! reads `removed` and `left` first, both with Acquire, then `came` and `added`; all
//! that is written to the first two is written with Release, and counts out.
//! So of each count-out that it has seen it has also seen the count-in. What it
//! computes is thus at least the number of tokens that it has seen come and not
//! go; if that is zero, all that it has seen come are gone, and all that their
//! holders did is visible to the scanner.
//!
//! A [copy](Stripes::copy) is counted in the same stripe, while the original is
//! alive: in another one the scan could pass before the copy comes, and reach
//! the original's after it has gone.
//!
//! # Several phases
//!
//! There are [`RING`] counts of each kind, one for each phase that may still have
//! tokens (`tracker.rs`).

use alloc::boxed::Box;
use core::{num::NonZeroU16, sync::atomic::compiler_fence};

use crossbeam_utils::CachePadded;

use super::barrier;
use crate::{
    sync::{Acquire, AtomicU64, Lazy, Relaxed, Release, SeqCst, fence_for_loom},
    thread_number::{self, NUMBERS, stripes},
};

/// Phases whose tokens can be told apart, a power of two. With more, a holder
/// may lag behind by more increments before those after it have to be counted
/// together. The models take the smallest that works.
pub(super) const RING: usize = if cfg!(dynaphore_loom) { 2 } else { 4 };

/// Where in the ring a phase is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingIndex(pub(super) u8);

impl RingIndex {
    #[inline(always)]
    pub(super) const fn of(phase: u64) -> Self {
        Self((phase % RING as u64) as u8)
    }

    /// How many phases it is from the last one that was counted here to `now`.
    pub(super) const fn age(self, now: u64) -> u64 {
        now.wrapping_sub(self.0 as u64) % RING as u64
    }

    /// Below [`RING`], also for the compiler.
    #[inline(always)]
    pub(super) const fn get(self) -> usize {
        self.0 as usize % RING
    }
}

type Counts = [AtomicU64; RING];

#[derive(Default)]
pub(super) struct Stripe {
    own: CachePadded<Own>,
    shared: CachePadded<Shared>,
}

/// A cache line.
#[derive(Default)]
struct Own {
    came: Counts,
    left: Counts,
}

#[derive(Default)]
struct Shared {
    added: Counts,
    removed: Counts,
}

impl Stripe {
    /// Counts a token in. For the thread that owns it.
    #[inline(always)]
    fn count_in_plainly(&self, index: RingIndex) {
        let came = &self.own.came[index.get()];
        came.store(came.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Counts a token out that was counted in here.
    #[inline(always)]
    pub(super) fn count_out(&self, counter: CounterId) {
        if counter.stripe.is_own() {
            // Nobody else writes here.
            let left = &self.own.left[counter.index.get()];
            let one_more = left.load(Relaxed).wrapping_add(1);
            // ORDERING: Release, pairs with the Acquire in `is_empty`.
            left.store(one_more, Release);
        } else {
            self.count_out_elsewhere(counter.index);
        }
    }

    #[inline(never)]
    fn count_out_elsewhere(&self, index: RingIndex) {
        // ORDERING: Release, pairs with the Acquire in `is_empty`. Those that
        // follow carry it on.
        self.shared.removed[index.get()].fetch_add(1, Release);
    }

    fn is_empty(&self, index: RingIndex) -> bool {
        let Self { own, shared } = self;
        let at = index.get();
        // ORDERING: Acquire, twice, pairs with the Releases of those who count
        // out, and in this order: see above. Nobody counts out in the others.
        let removed = shared.removed[at].load(Acquire);
        let left = own.left[at].load(Acquire);
        let came = own.came[at].load(Relaxed);
        let added = shared.added[at].load(Relaxed);
        came.wrapping_add(added) == left.wrapping_add(removed)
    }
}

/// The stripe in which a token is counted, so that an `Option` of it is no
/// larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StripeId(pub(super) NonZeroU16);

impl StripeId {
    /// Enough for all of them.
    pub(super) const BITS: u32 = (NUMBERS + 1).next_power_of_two().ilog2();

    #[inline]
    fn new(stripe: usize) -> Self {
        // There are far fewer stripes. No panic: it would cost registers.
        Self(NonZeroU16::MIN.saturating_add(stripe as u16))
    }

    #[inline]
    pub(super) fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }

    /// Does the stripe belong to the calling thread?
    #[inline(always)]
    pub(super) fn is_own(self) -> bool {
        // A thread without a number owns nothing.
        thread_number::known() == self.index()
    }
}

/// The counter in which a token is counted. Whoever has it must count it out there.
#[must_use = "the generation never drains unless this is given back"]
#[derive(Clone, Copy, Debug)]
pub(super) struct CounterId {
    pub(super) stripe: StripeId,
    pub(super) index: RingIndex,
}

/// All stripes of a tracker, allocated when the first token is taken.
pub(super) struct Stripes(Lazy<[Stripe]>);

impl Stripes {
    #[cfg(not(dynaphore_loom))]
    pub(super) const fn new() -> Self {
        Self(Lazy::new())
    }

    /// Made at once.
    #[cfg(dynaphore_loom)]
    pub(super) fn new() -> Self {
        Self::of(1)
    }

    #[cfg(dynaphore_loom)]
    pub(super) fn of(stripes: usize) -> Self {
        Self(Lazy::with(
            (0..stripes).map(|_| Stripe::default()).collect(),
        ))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.get().map_or(0, <[Stripe]>::len)
    }

    /// Counts a token in, by a SeqCst operation.
    #[inline(always)]
    pub(super) fn count_in(&self, index: RingIndex) -> (&Stripe, StripeId) {
        let stripes = self.0.force_with(make);
        let number = thread_number::known();
        let Some(stripe) = stripes.get(number) else {
            return count_in_elsewhere(stripes, index);
        };
        if barrier::is_on() {
            stripe.count_in_plainly(index);
            // What is read next is not read before.
            compiler_fence(SeqCst);
        } else {
            // ORDERING: SeqCst, pairs with the fences in `heavy_fence`.
            stripe.own.came[index.get()].fetch_add(1, SeqCst);
            fence_for_loom();
        }
        (stripe, StripeId::new(number))
    }

    /// Counts one more token in, beside one that is alive.
    pub(super) fn copy(&self, counter: CounterId) {
        // Relaxed: the original is counted out after this.
        let shared = &self.at(counter.stripe).shared;
        shared.added[counter.index.get()].fetch_add(1, Relaxed);
    }

    /// Are all tokens gone that were counted at `index`, as far as they can
    /// be seen? The caller has seen to it that those that matter can.
    pub(super) fn is_empty(&self, index: RingIndex) -> bool {
        self.0
            .get()
            .is_none_or(|stripes| stripes.iter().all(|stripe| stripe.is_empty(index)))
    }

    /// The stripe of a token.
    #[inline]
    pub(super) fn at(&self, id: StripeId) -> &Stripe {
        let stripes = self.0.get().expect("a token has been counted in");
        &stripes[id.index()]
    }
}

/// For a thread that owns no stripe, or does not know so far.
#[inline(never)]
fn count_in_elsewhere(stripes: &[Stripe], index: RingIndex) -> (&Stripe, StripeId) {
    let number = thread_number::number() % stripes.len();
    let stripe = &stripes[number];
    // ORDERING: as in `count_in`.
    stripe.shared.added[index.get()].fetch_add(1, SeqCst);
    fence_for_loom();
    (stripe, StripeId::new(number))
}

#[cold]
fn make() -> Box<[Stripe]> {
    // Acquirers ask which way to count in only after this.
    barrier::prepare();
    (0..stripes()).map(|_| Stripe::default()).collect()
}
