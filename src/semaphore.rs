//! The semaphore. `core.rs` says what it consists of; the algorithm is in `word.rs` (who
//! may enter), `line.rs` and `queue.rs` (who waits, and who is next). All other files are
//! calls that stand on these, in the order in which a caller meets them.
//!
//! # Origin
//!
//! What a resize means is taken from dynaphore, a Go package; names and signatures are
//! tokio's. That max and active share one word, so that a resize is one write, has been
//! done by marusama/semaphore, for Go too. `Fairness::Eventual` does for a semaphore what
//! Go's and async-lock's mutexes do. The line is this crate's.

// In the order in which a caller reads of them, which is rustdoc's.
mod core;

mod builder;

mod acquire;

#[cfg(feature = "std")]
mod blocking;

mod resize;

mod snapshot;

#[cfg(any(feature = "keyed", feature = "pool"))]
mod internal;
mod lend;
mod line;
mod optional;
mod order;
#[cfg(feature = "stats")]
mod pace;
mod packed;
mod permit;
mod queue;
mod request;
#[cfg(feature = "stats")]
mod stats;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
mod throttled;
#[cfg(feature = "stats")]
mod times;
#[cfg(dynaphore_shuttle)]
#[doc(hidden)]
#[path = "../proof/spin/trace.rs"]
pub mod trace;
mod word;

pub use self::{
    acquire::{Acquire, AcquireOwned, AcquireOwnedUntil, AcquireUntil},
    builder::Builder,
    core::Semaphore,
    lend::{Borrowed, Lent},
    order::{Fairness, Order},
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    request::Unclaimed,
    resize::{Idle, Resize, ResizeDrained, Settled},
    snapshot::Snapshot,
};
#[cfg(feature = "stats")]
pub use self::{
    stats::{Interval, LongWait, Stats},
    times::Times,
};

#[cfg(any(feature = "keyed", feature = "pool"))]
pub(crate) use self::{acquire::Attempt, packed::Held, word::Take};
#[cfg(feature = "keyed")]
pub(crate) use self::{
    blocking::block,
    core::{checked, try_checked},
    internal::Rest,
    order::Policy,
};
#[cfg(any(feature = "keyed", feature = "pool"))]
pub(crate) use self::{queue::Goal, resize::Watch};
