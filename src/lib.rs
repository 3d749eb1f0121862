//! A counting semaphore whose maximum can be changed while it is in use.
//!
//! It limits how much a program does at once: connections, open files, memory,
//! requests. Async tasks and blocking threads stand in one FIFO line, it needs
//! no runtime, and it takes the place of `tokio::sync::Semaphore` by changing
//! one `use` line.
//!
//! | type | what it is |
//! |---|---|
//! | [`Semaphore`] | the semaphore: take, resize, read, wait for a state, close |
//! | [`Builder`], [`Fairness`], [`Order`] | how to make one, and who gets a permit first |
//! | [`SemaphorePermit`], [`OwnedSemaphorePermit`] | permits, given back on drop |
//! | [`Lent`], [`Borrowed`] | permits that are lent to what their holder waits for |
//! | [`Snapshot`] | what a semaphore looked like at one moment |
//! | [`Unclaimed`] | what has been granted and not been taken |
//! | [`Resize`] | a resize that can be waited for, until all older permits are back |
//! | [`AcquireError`], [`TryAcquireError`], [`AcquireTimeoutError`] | why there is no permit |
//! | [`SetMaxError`] | why max is what it was |
//! | [`mask_interrupts_with`] | for interrupt handlers, in a program without the standard library |
//! | [`mod@error`] | all errors, those of keys and leases too |
//! | [`mod@future`] | the futures that the calls return, for who has to name them |
//! | [`generation::Tracker`] | tells when nobody uses the old one of something any more |
//! | [`generation::Swap`] | counters and the like, read and reset as one while traffic goes on |
#![cfg_attr(
    feature = "stats",
    doc = "| [`Stats`], [`Interval`], [`Times`] | how requests ended and how long they waited, interval by interval |",
    doc = "| [`LongWait`] | what is told of a wait that is long |"
)]
#![cfg_attr(
    feature = "keyed",
    doc = "| [`KeyedSemaphore`], [`KeyedBuilder`] | a semaphore for each key |",
    doc = "| [`ToKey`] | by what keys are looked up |",
    doc = "| [`KeyedPermit`], [`OwnedKeyedPermit`] | permits of a key |"
)]
#![cfg_attr(
    feature = "pool",
    doc = "| [`LeasePool`], [`Lease`], [`Counts`] | leases of keys, each key with a target of its own |"
)]
#![cfg_attr(
    feature = "rayon",
    doc = "| [`throttle`] | throttled jobs and parallel iterators in rayon's pools |"
)]
//!
//! # Examples
//!
//! ```
//! use dynaphore::Semaphore;
//!
//! static CONNECTIONS: Semaphore = Semaphore::new(100);
//!
//! let permit = CONNECTIONS.blocking_acquire()?;
//! // Under load: no more than ten from now on. Who is in stays in.
//! CONNECTIONS.set_max(10);
//! assert_eq!(CONNECTIONS.snapshot().active, 1);
//! drop(permit);
//! # Ok::<(), dynaphore::AcquireError>(())
//! ```
//!
//! # Features
//!
//! What is behind one carries a badge that says so, here and at each item, on docs.rs.
//!
//! - `std`, on by default, and switched on by each of the others but `serde`: calls that block,
//!   and clocks. Brings event-listener. What is there without it is said below.
//! - `keyed`, on by default: `KeyedSemaphore`. Brings equivalent, hashbrown and triomphe.
//! - `pool`, on by default: `LeasePool`, leases of keys. Brings hashbrown.
//! - `stream`: `LeasePool::leases`, a stream. Brings futures-core.
//! - `stats`: `Semaphore::stats`, for semaphores that are built to keep them.
//!   Brings histogram.
//! - `tokio`: `Builder::refuse_blocking_in_runtime`, for semaphores whose blocking calls
//!   panic inside a tokio runtime, as tokio's own do. The others block the worker that
//!   calls them. Brings tokio.
//! - `serde`: `Snapshot` and its parts, `Interval`, `Fairness` and `Order` can be serialized. Brings serde.
//! - `rayon`: jobs and parallel iterators that wait for their permits without
//!   blocking a worker. Brings rayon.
//! - `membarrier`: on Linux, tokens of a generation are taken without a fence, and
//!   whoever waits for them makes a system call. Brings rustix.
//!
//! # Without the standard library
//!
//! With `default-features = false` the crate needs `core` and `alloc` only: everything above
//! but calls that block, keys, leases, statistics and rayon. It brings spin. What differs:
//!
//! - *Time.* Nothing tells it. To [`Fairness::Eventual`] and [`Builder::overdue`], and to a
//!   future that waits for a generation, each look at it takes a microsecond. The bound of a
//!   wait is any future: [`Semaphore::acquire_until`]. (On wasm32-unknown-unknown that is so
//!   with `std`, too.)
//! - *The lock* of those who wait spins, for a few dozen instructions or some for each of them.
//!   Calls that need not wait and wake nobody take none. Where interrupt handlers, or tasks of a
//!   scheduler that preempts, share a semaphore with what they interrupt, the program says how
//!   they are kept away meanwhile: [`mask_interrupts_with`].
//! - *Panics* cannot be caught: one that comes out of a waker aborts the program.
//! - *Threads* are not told apart. Tokens of all threads are counted in one place, so they
//!   slow each other down.
//! - *Atomics.* Where the target has none of 64 bits, portable-atomic makes them: by a lock that
//!   spins, for which interrupts are masked too, if it can compare and swap, as thumbv7m. Where it
//!   cannot, as thumbv6m, whoever builds the program says how portable-atomic does that, by its
//!   feature `critical-section` or the cfg `portable_atomic_unsafe_assume_single_core`. There `Arc` is portable-atomic-util's, and no
//!   method can be called on one: [`SemaphorePermit::into_owned`] makes owned permits in place
//!   of `acquire_owned` and its kin.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    docsrs,
    doc(auto_cfg(hide(dynaphore_loom, dynaphore_shuttle, target_has_atomic = "ptr")))
)]
#![cfg_attr(not(feature = "std"), no_std)]
// What only calls that block need.
#![cfg_attr(not(feature = "std"), allow(dead_code))]
#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

/// The README's examples, compiled with the crate's own.
#[cfg(all(
    doctest,
    feature = "keyed",
    feature = "pool",
    feature = "rayon",
    feature = "stats"
))]
#[doc = include_str!("../README.md")]
struct Readme;

extern crate alloc;

pub mod error;
#[cfg_attr(not(feature = "std"), path = "event/bare.rs")]
mod event;
mod foreign;
pub mod generation;
#[cfg(feature = "keyed")]
mod keyed;
mod park;
#[cfg(feature = "pool")]
mod pool;
mod semaphore;
mod sync;
#[cfg(feature = "std")]
mod thread_number;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
pub mod throttle;

pub use error::{AcquireError, AcquireTimeoutError, SetMaxError, TryAcquireError};
#[cfg(feature = "keyed")]
pub use keyed::{KeyedBuilder, KeyedPermit, KeyedSemaphore, OwnedKeyedPermit, ToKey};
#[cfg(feature = "pool")]
pub use pool::{Counts, Lease, LeasePool};
#[cfg(dynaphore_shuttle)]
#[doc(hidden)]
pub use semaphore::trace;
pub use semaphore::{
    Borrowed, Builder, Fairness, Lent, Order, OwnedSemaphorePermit, Resize, Semaphore,
    SemaphorePermit, Snapshot, Unclaimed,
};
#[cfg(feature = "stats")]
pub use semaphore::{Interval, LongWait, Stats, Times};
pub use sync::mask_interrupts_with;
#[cfg(not(feature = "std"))]
use sync::no_threads as thread_number;

/// The futures that the calls return, and the stream of leases, for who has to name them.
pub mod future {
    #[cfg(feature = "keyed")]
    pub use crate::keyed::{KeyedAcquire, KeyedAcquireOwned, KeyedAcquireUntil};
    #[cfg(feature = "stream")]
    pub use crate::pool::Leases;
    #[cfg(feature = "pool")]
    pub use crate::pool::{AcquireLease, Stopped};
    pub use crate::semaphore::{
        Acquire, AcquireOwned, AcquireOwnedUntil, AcquireUntil, Idle, ResizeDrained, Settled,
    };
}
#[allow(unused_imports)] // Each choice of features uses its part of it.
use future::*;
