//! The primitives that the algorithms stand on: the standard library's, or
//! loom's or shuttle's when the crate is built with `--cfg dynaphore_loom` or
//! `--cfg dynaphore_shuttle`.

#[cfg(not(any(dynaphore_loom, dynaphore_shuttle)))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, fence},
    },
    thread,
};

#[cfg(not(any(dynaphore_loom, dynaphore_shuttle)))]
pub(crate) use Unmodelled64 as AtomicU64;

#[cfg(dynaphore_loom)]
pub(crate) use loom::{
    lazy_static,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, fence},
    },
    thread, thread_local,
};

#[cfg(dynaphore_shuttle)]
pub(crate) use shuttle::{
    lazy_static,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, fence},
    },
    thread, thread_local,
};

/// An `AtomicU64` at which models do not look. Where the processor has none, it is made of
/// what the kernel or a lock gives.
#[cfg(not(target_has_atomic = "64"))]
pub(crate) use portable_atomic::AtomicU64 as Unmodelled64;
#[cfg(target_has_atomic = "64")]
pub(crate) use std::sync::atomic::AtomicU64 as Unmodelled64;

/// What only the module `rayon` needs, which is not there under loom.
#[cfg(all(feature = "rayon", not(any(dynaphore_loom, dynaphore_shuttle))))]
pub(crate) use std::{sync::Condvar, thread_local, time::Instant};

#[cfg(all(feature = "rayon", dynaphore_shuttle))]
pub(crate) use schedule::{Condvar, Instant};

#[cfg(dynaphore_shuttle)]
mod schedule;

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// A boxed value that is made when it is first needed, so that whoever never
/// needs it pays for a pointer and a flag only.
// shuttle needs none of its own: it switches at its own primitives only, so the
// value is made in one step.
#[cfg(not(dynaphore_loom))]
pub(crate) struct Lazy<T: ?Sized>(std::sync::OnceLock<Box<T>>);

#[cfg(not(dynaphore_loom))]
impl<T: ?Sized> Lazy<T> {
    pub(crate) const fn new() -> Self {
        Self(std::sync::OnceLock::new())
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

#[cfg(not(dynaphore_loom))]
impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(dynaphore_loom))]
impl<T: Default> Lazy<T> {
    /// The value, made now if this is the first time.
    pub(crate) fn force(&self) -> &T {
        self.force_with(Box::default)
    }
}

/// loom has no `OnceLock`: there the value is made at once.
#[cfg(dynaphore_loom)]
pub(crate) struct Lazy<T: ?Sized>(Box<T>);

#[cfg(dynaphore_loom)]
impl<T: Default> Default for Lazy<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(dynaphore_loom)]
impl<T: Default> Lazy<T> {
    pub(crate) fn new() -> Self {
        Self(Box::default())
    }

    pub(crate) fn force(&self) -> &T {
        &self.0
    }
}

#[cfg(dynaphore_loom)]
impl<T: ?Sized> Lazy<T> {
    pub(crate) fn with(value: Box<T>) -> Self {
        Self(value)
    }

    pub(crate) fn get(&self) -> Option<&T> {
        Some(&self.0)
    }

    pub(crate) fn force_with(&self, _: fn() -> Box<T>) -> &T {
        &self.0
    }
}

/// Time since it was made.
#[cfg(not(any(
    test,
    dynaphore_loom,
    dynaphore_shuttle,
    all(target_family = "wasm", target_os = "unknown")
)))]
pub(crate) struct Clock(std::time::Instant);

#[cfg(not(any(
    test,
    dynaphore_loom,
    dynaphore_shuttle,
    all(target_family = "wasm", target_os = "unknown")
)))]
impl Default for Clock {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(not(any(
    test,
    dynaphore_loom,
    dynaphore_shuttle,
    all(target_family = "wasm", target_os = "unknown")
)))]
impl Clock {
    pub(crate) fn nanos(&self) -> u64 {
        // Over 500 years.
        self.0.elapsed().as_nanos() as u64
    }
}

/// loom knows no time: it stands still.
#[cfg(dynaphore_loom)]
#[derive(Default)]
pub(crate) struct Clock;

#[cfg(dynaphore_loom)]
impl Clock {
    pub(crate) fn nanos(&self) -> u64 {
        0
    }
}

/// In unit tests it stands still until a test moves it.
#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
#[derive(Default)]
pub(crate) struct Clock(AtomicU64);

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
impl Clock {
    pub(crate) fn nanos(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, nanos: u64) {
        self.0.store(nanos, Relaxed);
    }
}

/// Under shuttle, where a schedule must be all that decides, and where std has no clock,
/// each look at it takes a microsecond.
#[cfg(any(
    dynaphore_shuttle,
    all(not(test), target_family = "wasm", target_os = "unknown")
))]
#[derive(Default)]
pub(crate) struct Clock(AtomicU64);

#[cfg(any(
    dynaphore_shuttle,
    all(not(test), target_family = "wasm", target_os = "unknown")
))]
impl Clock {
    pub(crate) fn nanos(&self) -> u64 {
        self.0.fetch_add(1_000, Relaxed)
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
