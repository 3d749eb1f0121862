//! The primitives that the algorithms stand on: the standard library's, or without it those
//! of `bare.rs`, or loom's or shuttle's when the crate is built with `--cfg dynaphore_loom`
//! or `--cfg dynaphore_shuttle`.

use alloc::boxed::Box;
pub(crate) use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

#[cfg(not(feature = "std"))]
mod bare;
#[cfg(dynaphore_shuttle)]
mod schedule;
#[cfg(dynaphore_shuttle)]
pub(crate) use self::schedule::{Condvar, Instant, statics};

#[cfg(not(feature = "std"))]
pub(crate) use self::bare::no_threads;

/// What there is if there are no models.
#[allow(unused_imports, unused_macros)] // Each choice of features uses its part of it.
mod unmodelled {
    #[cfg(not(feature = "std"))]
    pub(crate) use super::bare::*;
    pub(crate) use core::sync::atomic::fence;
    #[cfg(feature = "std")]
    pub(crate) use std::{
        sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
        thread, thread_local,
        time::Instant,
    };

    #[cfg(target_has_atomic = "64")]
    pub(crate) use core::sync::atomic::AtomicU64;
    // Made of what the kernel or a lock gives; without std `bare.rs` has one.
    #[cfg(all(feature = "std", not(target_has_atomic = "64")))]
    pub(crate) use portable_atomic::AtomicU64;

    #[cfg(target_has_atomic = "ptr")]
    pub(crate) use {
        alloc::sync::Arc,
        core::sync::atomic::{AtomicBool, AtomicUsize},
    };
    // Where the processor cannot compare and swap.
    #[cfg(not(target_has_atomic = "ptr"))]
    pub(crate) use {
        portable_atomic::{AtomicBool, AtomicUsize},
        portable_atomic_util::Arc,
    };

    /// Under shuttle each schedule has its own.
    macro_rules! statics {
        ($($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
            $($(#[$meta])* static $name: $type = $value;)*
        };
    }
    pub(crate) use statics;
}
use self::unmodelled::OnceLock;
#[cfg(not(any(dynaphore_loom, dynaphore_shuttle)))]
pub(crate) use self::unmodelled::*;
/// At which models do not look.
pub(crate) use self::unmodelled::{
    Arc, AtomicU64 as Unmodelled64, AtomicUsize as UnmodelledUsize, Mutex as UnmodelledMutex,
    PoisonError,
};

#[cfg(dynaphore_loom)]
use loom as models;
#[cfg(any(dynaphore_loom, dynaphore_shuttle))]
pub(crate) use models::{
    lazy_static,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, fence},
    },
    thread, thread_local,
};
#[cfg(dynaphore_shuttle)]
use shuttle as models;

/// A boxed value that is made when it is first needed, so that whoever never
/// needs it pays for a pointer and a flag only.
// shuttle needs none of its own: it switches at its own primitives only, so the
// value is made in one step. Under loom, which would miss what orders that, it is made at once.
pub(crate) struct Lazy<T: ?Sized>(OnceLock<Box<T>>);

impl<T: ?Sized> Lazy<T> {
    #[cfg(not(dynaphore_loom))]
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    #[cfg(dynaphore_loom)]
    pub(crate) fn with(value: Box<T>) -> Self {
        Self(OnceLock::from(value))
    }

    /// The value, if anybody has needed it so far.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get().map(|value| &**value)
    }

    /// The value, made by `make` now if this is the first time.
    #[inline]
    pub(crate) fn force_with(&self, make: fn() -> Box<T>) -> &T {
        self.0.get_or_init(make)
    }
}

impl<T: Default> Lazy<T> {
    #[cfg(dynaphore_loom)]
    pub(crate) fn new() -> Self {
        Self::with(Box::default())
    }

    /// The value, made now if this is the first time.
    pub(crate) fn force(&self) -> &T {
        self.force_with(Box::default)
    }
}

impl<T: Default> Default for Lazy<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Time since it was made, by what there is to tell it.
pub(crate) enum Clock {
    #[cfg(feature = "std")]
    Runs(std::time::Instant),
    /// Each look at it takes a step.
    Steps(Unmodelled64),
}

impl Clock {
    /// Not in models, where a schedule must be all that decides.
    #[cfg(feature = "std")]
    const RUNS: bool = cfg!(not(any(
        test,
        dynaphore_loom,
        dynaphore_shuttle,
        all(target_family = "wasm", target_os = "unknown")
    )));

    /// A microsecond, where nothing tells the time and under shuttle. In unit tests it stands
    /// still until a test moves it. loom knows no time.
    const STEP: u64 = if cfg!(any(dynaphore_loom, all(test, not(dynaphore_shuttle)))) {
        0
    } else {
        1_000
    };

    pub(crate) fn nanos(&self) -> u64 {
        match self {
            // Over 500 years.
            #[cfg(feature = "std")]
            Self::Runs(since) => since.elapsed().as_nanos() as u64,
            Self::Steps(nanos) => nanos.fetch_add(Self::STEP, Relaxed),
        }
    }

    #[cfg(test)]
    pub(crate) fn set(&self, to: u64) {
        if let Self::Steps(nanos) = self {
            nanos.store(to, Relaxed);
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        #[cfg(feature = "std")]
        if Self::RUNS {
            return Self::Runs(std::time::Instant::now());
        }
        Self::Steps(Unmodelled64::default())
    }
}

/// Follows a SeqCst read-modify-write that is to be a fence, too: loom takes it for
/// an AcqRel one.
#[inline(always)]
pub(crate) fn fence_for_loom() {
    #[cfg(dynaphore_loom)]
    fence(SeqCst);
}

/// A `const fn`, but for loom, whose atomics cannot be made in one.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($args:tt)*) -> $ret:ty $body:block) => {
        #[cfg(not(dynaphore_loom))]
        $(#[$meta])* $vis const fn $name($($args)*) -> $ret $body
        #[cfg(dynaphore_loom)]
        $(#[$meta])* $vis fn $name($($args)*) -> $ret $body
    };
}
pub(crate) use const_fn;

/// Says how interrupts are masked, for a program whose interrupt handlers use the same
/// semaphores as what they interrupt. It is for builds without the feature `std`; with it
/// nothing is changed.
///
/// Calls that take no lock need it not: `try_acquire` and its kin, `snapshot`, and what gives
/// permits back while nobody waits; but the first permit of a semaphore with
/// [generations](crate::Builder::generations), and the first token of a
/// [`Tracker`](crate::generation::Tracker), do. All others hold a lock that spins when it is taken: for a
/// few dozen instructions, or some for each who waits, as in [`close`](crate::Semaphore::close)
/// or when max grows. A handler that has interrupted its holder would spin for ever. So `mask`
/// is called before a lock is taken, and `unmask`, with what that has returned, when it is free
/// again. Where the processor compares and swaps, but has no atomics of 64 bits (thumbv7m,
/// riscv32imac), these are such a lock, and every call masks. In a program with a scheduler that
/// preempts, and no handlers, the two may keep other tasks of the same core from running. They
/// are called in pairs, which may nest.
///
/// Whoever waits allocates, and so does whoever gives a permit back to one that waits under
/// [`Barging`](crate::Fairness::Barging) or [`Eventual`](crate::Fairness::Eventual). Handlers that
/// do so need an allocator that they may use.
///
/// To be called once, before there is anything to interrupt: the first call is the one that
/// counts. Says whether it was this one; with `std` none does.
///
/// # Examples
///
/// On a Cortex-M with one core (`platform-tests` runs this, in an emulator):
///
/// ```ignore
/// use cortex_m::{interrupt, register::primask};
///
/// fn mask() -> usize {
///     let were_on = primask::read().is_active();
///     interrupt::disable();
///     usize::from(were_on)
/// }
///
/// fn unmask(were_on: usize) {
///     if were_on == 1 {
///         // SAFETY: they were on before.
///         unsafe { interrupt::enable() }
///     }
/// }
///
/// dynaphore::mask_interrupts_with(mask, unmask);
/// ```
pub fn mask_interrupts_with(mask: fn() -> usize, unmask: fn(usize)) -> bool {
    #[cfg(not(feature = "std"))]
    return bare::mask_with(mask, unmask);
    // A lock that is taken puts the thread to sleep.
    #[cfg(feature = "std")]
    {
        let _ = (mask, unmask);
        false
    }
}
