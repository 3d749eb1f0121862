//! The semaphores under test, and what a workload can ask of one.
//!
//! A subject is a type that is never built: it names a semaphore and maps the
//! traits below onto it. A subject implements what its semaphore offers, so
//! that a workload it cannot do does not compile for it. What an acquire
//! returns is a permit that is held until it is dropped.
//!
//! What maps a call onto a subject's is `#[inline]` where it is no future: whether
//! it lands in the workload's loop must not depend on how the compiler happens to
//! divide this crate.

use std::sync::Arc;

use crate::table::{
    Column, Row,
    Value::{Count, Figure, Text},
    figure, name,
};

/// A subject and its calls, each for a semaphore of the given name.
macro_rules! subject {
    (
        $(#[$doc:meta])* $subject:ident, $name:literal: $type:ty;
        new($permits:ident) $new:expr $(, size($sized:ident) $future:expr)?;
        $($call:ident($($argument:ident),+) $does:expr;)*
    ) => {
        $(#[$doc])*
        pub struct $subject;

        impl $crate::subject::Subject for $subject {
            const NAME: &'static str = $name;
            type Semaphore = $type;

            fn semaphore($permits: usize) -> $type {
                $new
            }

            $(fn acquire_future_bytes() -> Option<usize> {
                let $sized = Self::semaphore(1);
                Some(size_of_val(&$future))
            })?
        }

        $(subject!(@$call $subject, $type, ($($argument),+) $does);)*
    };
    (@try_acquire $subject:ident, $type:ty, ($semaphore:ident) $does:expr) => {
        impl $crate::subject::TryAcquire for $subject {
            #[inline]
            fn try_acquire($semaphore: &$type) -> Option<impl Sized> {
                $does
            }
        }
    };
    (@acquire $subject:ident, $type:ty, ($semaphore:ident) $does:expr) => {
        impl $crate::subject::AsyncAcquire for $subject {
            async fn acquire($semaphore: &$type) -> impl Send {
                $does
            }
        }
    };
    (@acquire_owned $subject:ident, $type:ty, ($semaphore:ident) $does:expr) => {
        impl $crate::subject::OwnedAcquire for $subject {
            async fn acquire_owned($semaphore: &std::sync::Arc<$type>) -> impl Send + 'static {
                $does
            }
        }
    };
    (@acquire_many $subject:ident, $type:ty, ($semaphore:ident, $n:ident) $does:expr) => {
        impl $crate::subject::WeightedAcquire for $subject {
            async fn acquire_many($semaphore: &$type, $n: u32) -> impl Send {
                $does
            }
        }
    };
    (@acquire_blocking $subject:ident, $type:ty, ($semaphore:ident) $does:expr) => {
        impl $crate::subject::BlockingAcquire for $subject {
            #[inline]
            fn acquire_blocking($semaphore: &$type) -> impl Sized {
                $does
            }
        }
    };
    (@resize $subject:ident, $type:ty, ($semaphore:ident, $from:ident, $to:ident) $does:expr) => {
        impl $crate::subject::Resize for $subject {
            fn resize($semaphore: &$type, $from: usize, $to: usize) {
                $does
            }
        }
    };
}

mod condvar;
mod figures;
mod floor;
mod keyed;
mod pool;
mod semaphores;
mod services;
mod trackers;

pub use self::condvar::ParkingLotCondvar;
pub use self::figures::Renders;
pub use self::floor::Floor;
pub use self::keyed::{Bare, DashmapTokio, Keyed, Lockable};
pub use self::pool::Leases;
pub use self::semaphores::{
    AsyncLock, Asyncband, Dynaphore, DynaphoreBarging, DynaphoreEventual, DynaphoreFleet,
    DynaphoreGenerations, DynaphoreStats, Tokio,
};
pub use self::services::{DynaphoreStatic, Limits};
pub use self::trackers::{
    ArcSwapLoad, CrossbeamEpoch, CrossbeamSharded, EPOCH, ParkingLotRwLock, Replaces, StdRwLock,
    Tokens, Tracks,
};

/// The subject that `vs_tokio` divides by, where there are no keys.
pub const TOKIO: &str = <Tokio as Subject>::NAME;
/// The subject that `vs_floor` divides by, where there are no keys.
pub const FLOOR: &str = <Floor as Subject>::NAME;

/// Those that stand for tokio: one of them at most takes part in a workload.
pub const BY_TOKIO: &[&str] = &[TOKIO, DashmapTokio::NAME];
/// Those that stand for the floor, likewise.
pub const FLOORS: &[&str] = &[FLOOR, Bare::NAME];

/// A semaphore under test.
pub trait Subject: 'static {
    /// The name in the output.
    const NAME: &'static str;
    /// What is shared between those who acquire.
    type Semaphore: Send + Sync + 'static;

    /// A semaphore with `permits` free permits.
    fn semaphore(permits: usize) -> Self::Semaphore;

    /// Bytes of the future that waits for one permit, where there is one.
    fn acquire_future_bytes() -> Option<usize> {
        None
    }
}

/// Can refuse at once.
pub trait TryAcquire: Subject {
    /// One permit, or none when all are held.
    fn try_acquire(semaphore: &Self::Semaphore) -> Option<impl Sized>;
}

/// Can be awaited.
pub trait AsyncAcquire: Subject {
    /// Waits for one permit.
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = impl Send> + Send;
}

/// Has permits that borrow nothing.
pub trait OwnedAcquire: Subject {
    /// Waits for one permit.
    fn acquire_owned(
        semaphore: &Arc<Self::Semaphore>,
    ) -> impl Future<Output = impl Send + 'static> + Send;
}

/// Has requests for several permits at once.
pub trait WeightedAcquire: Subject {
    /// Waits for `n` permits.
    fn acquire_many(semaphore: &Self::Semaphore, n: u32) -> impl Future<Output = impl Send> + Send;
}

/// Can block a thread.
pub trait BlockingAcquire: Subject {
    /// Blocks for one permit.
    fn acquire_blocking(semaphore: &Self::Semaphore) -> impl Sized;
}

/// Can change how many permits there are while in use.
pub trait Resize: Subject {
    /// Changes the number of permits from `from` to `to`. Peers that know no
    /// maximum add or remove the difference.
    fn resize(semaphore: &Self::Semaphore, from: usize, to: usize);
}

/// Bytes of a subject's types.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The subject's name.
    pub subject: &'static str,
    /// An idle semaphore, without what it may allocate when first waited for.
    pub semaphore_bytes: usize,
    /// The future that waits for one permit, where there is one.
    pub acquire_future_bytes: Option<usize>,
}

/// Measures each subject, in the order of the output.
pub const SIZES: &[fn() -> Size] = &[
    size::<Dynaphore>,
    size::<DynaphoreEventual>,
    size::<DynaphoreBarging>,
    size::<DynaphoreGenerations>,
    size::<DynaphoreStats>,
    size::<Tokio>,
    size::<AsyncLock>,
    size::<Asyncband>,
    size::<ParkingLotCondvar>,
    size::<Floor>,
    size::<DashmapTokio>,
    size::<Lockable>,
    size::<Bare>,
];

fn size<S: Subject>() -> Size {
    Size {
        subject: S::NAME,
        semaphore_bytes: size_of_val(&S::semaphore(1)),
        acquire_future_bytes: S::acquire_future_bytes(),
    }
}

/// The workload name of the lines about sizes.
pub const SIZE: &str = "size";

impl Row for Size {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "bytes", 16, |_| Text(SIZE)),
        name("subject", "subject", 20, |o| Text(o.subject)),
        figure("semaphore_bytes", "idle semaphore", 15, |o| {
            Count(o.semaphore_bytes as i64)
        }),
        figure("acquire_future_bytes", "acquire future", 20, |o| {
            o.acquire_future_bytes
                .map_or(Figure(None, 0, 0), |bytes| Count(bytes as i64))
        }),
    ];
}
