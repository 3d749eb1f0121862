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

/// The subject that `vs_epoch` divides by.
pub const EPOCH: &str = CrossbeamEpoch::NAME;

/// A tracker, what is shared, and its calls.
macro_rules! tracker {
    (
        $(#[$doc:meta])* $tracker:ident, $name:literal: $shared:ty = $new:expr;
        hold($held:ident) $hold:expr;
        $(replace($old:ident) $replace:expr;)?
    ) => {
        $(#[$doc])*
        pub struct $tracker;

        impl Tracks for $tracker {
            const NAME: &'static str = $name;
            type Shared = $shared;

            fn shared() -> $shared {
                $new
            }

            #[inline]
            fn hold($held: &$shared) -> impl Sized {
                $hold
            }
        }

        $(impl Replaces for $tracker {
            #[inline]
            fn replace($old: &$shared) {
                $replace
            }
        })?
    };
}

tracker! {
    /// `dynaphore::generation::Tracker`: take a token; increment and wait.
    Tokens, "dynaphore": Tracker = Tracker::new();
    hold(shared) shared.acquire();
    replace(shared) shared.increment().wait();
}
tracker! {
    /// `crossbeam_epoch`: pin. It frees what is old some time, and nobody can wait
    /// for that.
    CrossbeamEpoch, "crossbeam_epoch": () = ();
    hold(_shared) crossbeam_epoch::pin();
}
tracker! {
    /// `std::sync::RwLock`: read; write.
    StdRwLock, "std_rwlock": RwLock<u64> = RwLock::new(0);
    hold(shared) shared.read().unwrap();
    replace(shared) *shared.write().unwrap() += 1;
}
tracker! {
    /// `parking_lot::RwLock`: read; write.
    ParkingLotRwLock, "parking_lot_rwlock":
        parking_lot::RwLock<u64> = parking_lot::RwLock::new(0);
    hold(shared) shared.read();
    replace(shared) *shared.write() += 1;
}
tracker! {
    /// `crossbeam_utils::sync::ShardedLock`: read; write.
    CrossbeamSharded, "sharded_lock": ShardedLock<u64> = ShardedLock::new(0);
    hold(shared) shared.read().unwrap();
    replace(shared) *shared.write().unwrap() += 1;
}
tracker! {
    /// `arc_swap::ArcSwap`: load; store, which does not wait for those who have
    /// loaded the old one, but sees to it that they own it.
    ArcSwapLoad, "arc_swap": ArcSwap<u64> = ArcSwap::from_pointee(0);
    hold(shared) shared.load();
    replace(shared) shared.store(Arc::new(1));
}
