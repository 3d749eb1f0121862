//! Those who can tell when nobody uses the old one any more.

use std::sync::{Arc, RwLock};

use arc_swap::ArcSwap;
use crossbeam_utils::sync::ShardedLock;
use dynaphore::generation::Tracker;

/// A tracker under test. What `hold` returns is held until it is dropped.
pub trait Tracks: 'static {
    /// The name in the output.
    const NAME: &'static str;
    /// What is shared.
    type Shared: Send + Sync + 'static;

    /// A new one.
    fn shared() -> Self::Shared;

    /// Says that somebody is there.
    fn hold(shared: &Self::Shared) -> impl Sized;
}

/// Can replace the old one, and wait until nobody uses that.
pub trait Replaces: Tracks {
    /// Does both.
    fn replace(shared: &Self::Shared);
}

/// `dynaphore::generation::Tracker`: take a token; increment and wait.
pub struct Tokens;
/// `crossbeam_epoch`: pin. It frees what is old some time, and nobody can wait
/// for that.
pub struct CrossbeamEpoch;
/// `std::sync::RwLock`: read; write.
pub struct StdRwLock;
/// `parking_lot::RwLock`: read; write.
pub struct ParkingLotRwLock;
/// `crossbeam_utils::sync::ShardedLock`: read; write.
pub struct CrossbeamSharded;
/// `arc_swap::ArcSwap`: load; store, which does not wait for those who have
/// loaded the old one, but sees to it that they own it.
pub struct ArcSwapLoad;

/// The subject that `vs_epoch` divides by.
pub const EPOCH: &str = CrossbeamEpoch::NAME;

impl Tracks for Tokens {
    const NAME: &'static str = "dynaphore";
    type Shared = Tracker;

    fn shared() -> Tracker {
        Tracker::new()
    }

    #[inline]
    fn hold(shared: &Tracker) -> impl Sized {
        shared.acquire()
    }
}

impl Replaces for Tokens {
    #[inline]
    fn replace(shared: &Tracker) {
        shared.increment().wait();
    }
}

impl Tracks for CrossbeamEpoch {
    const NAME: &'static str = "crossbeam_epoch";
    type Shared = ();

    fn shared() {}

    #[inline]
    fn hold((): &()) -> impl Sized {
        crossbeam_epoch::pin()
    }
}

impl Tracks for ArcSwapLoad {
    const NAME: &'static str = "arc_swap";
    type Shared = ArcSwap<u64>;

    fn shared() -> ArcSwap<u64> {
        ArcSwap::from_pointee(0)
    }

    #[inline]
    fn hold(shared: &ArcSwap<u64>) -> impl Sized {
        shared.load()
    }
}

impl Replaces for ArcSwapLoad {
    #[inline]
    fn replace(shared: &ArcSwap<u64>) {
        shared.store(Arc::new(1));
    }
}

macro_rules! lock {
    ($subject:ident, $name:literal, $lock:ty, $ended:expr) => {
        impl Tracks for $subject {
            const NAME: &'static str = $name;
            type Shared = $lock;

            fn shared() -> $lock {
                <$lock>::new(0)
            }

            #[inline]
            fn hold(shared: &$lock) -> impl Sized {
                $ended(shared.read())
            }
        }

        impl Replaces for $subject {
            #[inline]
            fn replace(shared: &$lock) {
                *$ended(shared.write()) += 1;
            }
        }
    };
}

lock!(StdRwLock, "std_rwlock", RwLock<u64>, Result::unwrap);
lock!(
    ParkingLotRwLock,
    "parking_lot_rwlock",
    parking_lot::RwLock<u64>,
    std::convert::identity
);
lock!(
    CrossbeamSharded,
    "sharded_lock",
    ShardedLock<u64>,
    Result::unwrap
);
