//! The primitives that the algorithms stand on: the standard library's, or without it those
//! of `bare.rs`, or loom's or shuttle's when the crate is built with `--cfg dynaphore_loom`
//! or `--cfg dynaphore_shuttle`.

use alloc::boxed::Box;

#[cfg(not(feature = "std"))]
mod bare;
mod clock;
mod mask;
#[cfg(dynaphore_shuttle)]
mod schedule;

pub(crate) use self::clock::Clock;
pub use self::mask::mask_interrupts_with;

/// What models do not look at.
#[cfg(not(feature = "std"))]
pub(crate) use self::bare::{Mutex as UnmodelledMutex, PoisonError};
#[cfg(feature = "std")]
pub(crate) use std::sync::{Mutex as UnmodelledMutex, PoisonError};

/// Where the processor cannot compare and swap, portable-atomic's.
#[cfg(target_has_atomic = "ptr")]
pub(crate) use alloc::sync::Arc;
#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use portable_atomic_util::Arc;

/// Atomics at which models do not look. Where the processor has none, they are made of what
/// the kernel, a lock or the program gives.
#[cfg(not(any(feature = "std", target_has_atomic = "64")))]
pub(crate) use self::bare::AtomicU64 as Unmodelled64;
#[cfg(target_has_atomic = "64")]
pub(crate) use core::sync::atomic::AtomicU64 as Unmodelled64;
#[cfg(target_has_atomic = "ptr")]
pub(crate) use core::sync::atomic::AtomicUsize as UnmodelledUsize;
#[cfg(all(feature = "std", not(target_has_atomic = "64")))]
pub(crate) use portable_atomic::AtomicU64 as Unmodelled64;
#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use portable_atomic::AtomicUsize as UnmodelledUsize;

#[cfg(not(any(dynaphore_loom, dynaphore_shuttle)))]
mod unmodelled {
    pub(crate) use super::{Unmodelled64 as AtomicU64, UnmodelledUsize as AtomicUsize};
    #[cfg(target_has_atomic = "ptr")]
    pub(crate) use core::sync::atomic::AtomicBool;
    pub(crate) use core::sync::atomic::fence;
    #[cfg(not(target_has_atomic = "ptr"))]
    pub(crate) use portable_atomic::AtomicBool;

    #[cfg(not(feature = "std"))]
    pub(crate) use super::bare::{Mutex, MutexGuard};
    #[cfg(feature = "std")]
    pub(crate) use std::{
        sync::{Mutex, MutexGuard},
        thread,
    };
}
#[cfg(not(any(dynaphore_loom, dynaphore_shuttle)))]
pub(crate) use self::unmodelled::*;

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

/// What only the module `rayon` needs, which is not there under loom.
#[cfg(all(feature = "rayon", not(any(dynaphore_loom, dynaphore_shuttle))))]
pub(crate) use std::{sync::Condvar, thread_local, time::Instant};

#[cfg(all(feature = "rayon", dynaphore_shuttle))]
pub(crate) use schedule::{Condvar, Instant};

pub(crate) use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

#[cfg(not(feature = "std"))]
use self::bare::OnceLock;
#[cfg(feature = "std")]
use std::sync::OnceLock;

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

/// Statics. Under shuttle each schedule has its own.
#[cfg(all(feature = "rayon", not(any(dynaphore_loom, dynaphore_shuttle))))]
macro_rules! statics {
    ($($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$meta])* static $name: $type = $value;)*
    };
}
#[cfg(all(feature = "rayon", dynaphore_shuttle))]
macro_rules! statics {
    ($($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
        $crate::sync::lazy_static! { $($(#[$meta])* static ref $name: $type = $value;)* }
    };
}
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
pub(crate) use statics;

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
