//! What can be sent, shared and unwound past, held at compile time.

use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    sync::atomic::AtomicUsize,
};

use dynaphore::{future::*, generation::*, *};

const fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

const _: () = {
    everywhere::<Semaphore>();
    everywhere::<SemaphorePermit<'_>>();
    everywhere::<OwnedSemaphorePermit>();
    everywhere::<Acquire<'_>>();
    everywhere::<AcquireOwned>();
    everywhere::<AcquireUntil<'_, ()>>();
    everywhere::<AcquireOwnedUntil<()>>();
    everywhere::<Settled<'_>>();
    everywhere::<Idle<'_>>();
    everywhere::<Resize<'_>>();
    everywhere::<ResizeDrained<'_>>();
    everywhere::<Lent>();
    everywhere::<Borrowed>();
    everywhere::<Builder>();
    everywhere::<Fairness>();
    everywhere::<Order>();
    everywhere::<Snapshot>();
    everywhere::<Unclaimed>();
    everywhere::<AcquireError>();
    everywhere::<TryAcquireError>();
    everywhere::<AcquireTimeoutError>();
    everywhere::<SetMaxError>();
    everywhere::<Tracker>();
    everywhere::<Token<'_>>();
    everywhere::<Pending<'_>>();
    everywhere::<Drained<'_>>();
    everywhere::<Swap<AtomicUsize>>();
    everywhere::<Write<'_, AtomicUsize>>();
};

#[cfg(feature = "keyed")]
const _: () = {
    everywhere::<KeyedSemaphore<String>>();
    everywhere::<KeyedPermit<'_, String>>();
    everywhere::<OwnedKeyedPermit<String>>();
    everywhere::<KeyedAcquire<'_, '_, String, str>>();
    everywhere::<KeyedAcquireOwned<String, &str>>();
    everywhere::<KeyedAcquireUntil<KeyedAcquireOwned<String, &str>, ()>>();
    everywhere::<KeyedBuilder<String>>();
    everywhere::<error::KeyedAcquireError>();
    everywhere::<error::KeyedTryAcquireError>();
    everywhere::<error::KeyedAcquireTimeoutError>();
};

/// Futures without a name, in a task that owns the keyed semaphore.
#[cfg(feature = "keyed")]
#[allow(dead_code)]
fn keyed_watches(keyed: std::sync::Arc<KeyedSemaphore<String>>) -> impl Send + 'static {
    async move {
        keyed.settled("a").await;
        keyed.idle("a").await;
        keyed.all_settled().await;
        keyed.all_idle().await;
    }
}

#[cfg(feature = "pool")]
const _: () = {
    everywhere::<LeasePool<String>>();
    everywhere::<Lease<String>>();
    everywhere::<AcquireLease<String>>();
    everywhere::<Stopped<'_>>();
    everywhere::<Counts>();
    everywhere::<error::LeaseError>();
    everywhere::<error::TryLeaseError>();
    everywhere::<error::LeaseTimeoutError>();
};

#[cfg(feature = "stream")]
const _: () = everywhere::<Leases<String>>();

#[cfg(feature = "stats")]
const _: () = {
    everywhere::<Stats<'_>>();
    everywhere::<Interval>();
    everywhere::<LongWait>();
    everywhere::<Times>();
};

#[cfg(feature = "rayon")]
const _: () = {
    const fn shared<T: Send + Sync>() {}

    shared::<throttle::Throttle>();
    shared::<throttle::ScopeThrottle<'_>>();
};

#[cfg(all(feature = "rayon", feature = "keyed"))]
const _: () = {
    everywhere::<throttle::KeyedSource<'_, String, str>>();
    everywhere::<throttle::OwnedKeyedSource<String>>();
};
