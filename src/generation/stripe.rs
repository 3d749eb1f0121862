//! How many tokens are out, counted where the threads do not meet.
//!
//! # A stripe
//!
//! | count | written by | how |
//! |---|---|---|
//! | `local` | the thread that owns the stripe | plain load and store |
//! | `added` | everybody else who counts in here | read-modify-write |
//! | `removed` | everybody else who counts out here | read-modify-write |
//!
//! `local + added - removed` tokens of this stripe are out, modulo 2^64:
//! `local` may fall below zero. A token is counted out in the stripe in which
//! it was counted in, by whichever thread.
//!
//! # Why zero is a proof
//!
//! A count-out always happens after the count-in of the same token. The scan
//! reads `removed` first, then `local`, both with Acquire, then `added`; all that is
//! written to the first two is written with Release. So of each
//! count-out that it has seen, in `removed` or `local`, it has also seen the
//! count-in: in `local`, since that is read after `removed`, or in `added`, which
//! is read last. What it computes is thus at least the number of tokens that it
//! has seen come and not go; if that is zero, all that it has seen come are
//! gone, and all that their holders did is visible to the scanner.
//!
//! A [copy](Stripes::copy) is counted in the same stripe, while the original is
//! alive: in another one the scan could pass before the copy comes, and reach
//! the original's after it has gone.
//!
//! # Several turns
//!
//! There are [`RING`] counts of each kind, one for each turn that may still have
//! tokens (`drain.rs`).

use std::{array, num::NonZeroU16, sync::OnceLock};

use crossbeam_utils::CachePadded;

use super::thread::{self, NUMBERS};
use crate::sync::{Acquire, AtomicU64, Lazy, Relaxed, Release, SeqCst, fence};

/// Turns whose tokens can be told apart, a power of two. With more, a holder
/// may lag behind by more increments before those after it have to be counted
/// together. The models take the smallest that works.
pub(super) const RING: usize = if cfg!(loom) { 2 } else { 4 };

/// Where in the ring a turn is counted.
#[inline]
pub(super) const fn position(turn: u64) -> usize {
    turn as usize % RING
}

type Counts = [AtomicU64; RING];

fn counts() -> Counts {
    array::from_fn(|_| AtomicU64::new(0))
}

pub(super) struct Stripe {
    local: CachePadded<Counts>,
    shared: CachePadded<Shared>,
}

struct Shared {
    added: Counts,
    removed: Counts,
}

impl Stripe {
    fn new() -> Self {
        Self {
            local: CachePadded::new(counts()),
            shared: CachePadded::new(Shared {
                added: counts(),
                removed: counts(),
            }),
        }
    }

    /// Counts a token out that was counted in at `place`, which is here.
    #[inline]
    pub(super) fn count_out(&self, place: Place, position: usize) {
        if place.is_own() {
            let local = &self.local[position];
            let out = local.load(Relaxed).wrapping_sub(1);
            // ORDERING: Release, pairs with the Acquire in `is_empty`.
            local.store(out, Release);
        } else {
            self.count_out_elsewhere(position);
        }
    }

    #[inline(never)]
    fn count_out_elsewhere(&self, position: usize) {
        // ORDERING: Release, pairs with the Acquire in `is_empty`. Those that
        // follow carry it on.
        self.shared.removed[position].fetch_add(1, Release);
    }

    fn is_empty(&self, position: usize) -> bool {
        let Self { local, shared } = self;
        // ORDERING: Acquire, twice, pairs with the Releases of those who count
        // out, and in this order: see above. Nobody counts out in `added`.
        let removed = shared.removed[position].load(Acquire);
        let local = local[position].load(Acquire);
        let added = shared.added[position].load(Relaxed);
        local.wrapping_add(added) == removed
    }
}

/// The stripe in which a token is counted, so that an `Option` of it is no
/// larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) NonZeroU16);

impl Place {
    /// Enough for all of them.
    pub(super) const BITS: u32 = (NUMBERS + 1).next_power_of_two().ilog2();

    #[inline]
    fn new(stripe: usize) -> Self {
        // There are far fewer stripes. No panic: it would cost registers.
        Self(NonZeroU16::MIN.saturating_add(stripe as u16))
    }

    #[inline]
    pub(super) fn stripe(self) -> usize {
        usize::from(self.0.get()) - 1
    }

    /// Does the stripe belong to the calling thread?
    #[inline]
    pub(super) fn is_own(self) -> bool {
        thread::number() == self.stripe()
    }
}

/// All stripes of a tracker, allocated when the first token is taken.
pub(super) struct Stripes(Lazy<[Stripe]>);

impl Stripes {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(Lazy::new())
    }

    /// Made at once.
    #[cfg(loom)]
    pub(super) fn of(stripes: usize) -> Self {
        Self(Lazy::with((0..stripes).map(|_| Stripe::new()).collect()))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.get().map_or(0, <[Stripe]>::len)
    }

    /// Counts a token in, and fences: no load that the caller does afterwards
    /// comes before that.
    #[inline]
    pub(super) fn count_in(&self, position: usize) -> (&Stripe, Place) {
        let stripes = self.0.force_with(make);
        let number = thread::number();
        let Some(stripe) = stripes.get(number) else {
            return count_in_shared(stripes, number, position);
        };
        let local = &stripe.local[position];
        // ORDERING: Release, pairs with the Acquire in `is_empty`: who reads this
        // does not read the count-outs that it follows, and is to see by it what
        // they would have shown. (A plain store continues no release sequence.)
        local.store(local.load(Relaxed).wrapping_add(1), Release);
        // ORDERING: SeqCst, pairs with the fences in `drain.rs` and in
        // `Tracker::increment`.
        fence(SeqCst);
        (stripe, Place::new(number))
    }

    /// Counts one more token in, beside one that is alive.
    pub(super) fn copy(&self, place: Place, position: usize) {
        // Relaxed: the original is counted out after this.
        self.at(place).shared.added[position].fetch_add(1, Relaxed);
    }

    /// Are all tokens gone that were counted at `position`, as far as they can
    /// be seen? The caller has seen to it that those that matter can.
    pub(super) fn is_empty(&self, position: usize) -> bool {
        self.0
            .get()
            .is_none_or(|stripes| stripes.iter().all(|stripe| stripe.is_empty(position)))
    }

    /// The stripe of a token.
    #[inline]
    pub(super) fn at(&self, place: Place) -> &Stripe {
        let stripes = self.0.get().expect("a token has been counted in");
        &stripes[place.stripe()]
    }
}

/// For a thread that owns no stripe.
#[inline(never)]
fn count_in_shared(stripes: &[Stripe], number: usize, position: usize) -> (&Stripe, Place) {
    let number = number % stripes.len();
    let stripe = &stripes[number];
    stripe.shared.added[position].fetch_add(1, Relaxed);
    // ORDERING: as in `count_in`.
    fence(SeqCst);
    (stripe, Place::new(number))
}

#[cold]
fn make() -> Box<[Stripe]> {
    (0..stripes()).map(|_| Stripe::new()).collect()
}

/// Two for each thread that can run at once: more threads than that are about
/// in most programs, and each that finds no stripe of its own has to share.
pub(crate) fn stripes() -> usize {
    if cfg!(loom) {
        return 1;
    }
    // Asking reads files, so it is done once.
    static THREADS: OnceLock<usize> = OnceLock::new();
    let threads =
        *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    (2 * threads).min(NUMBERS)
}
