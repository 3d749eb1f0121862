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
//! | [`Builder`], [`Fairness`] | how to make one, and who gets a permit first |
//! | [`SemaphorePermit`], [`OwnedSemaphorePermit`] | permits, given back on drop |
//! | [`Snapshot`] | what a semaphore looked like at one moment |
//! | [`AcquireError`], [`TryAcquireError`], [`AcquireTimeoutError`] | why there is no permit |
//! | [`Acquire`], [`AcquireOwned`], [`Settled`], [`Idle`] | the futures |
//! | [`rayon`] | throttled jobs in rayon's pools (feature `rayon`) |
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
//! - `tokio`: the blocking calls panic inside a tokio runtime, as tokio's own
//!   do. Without it they block the worker that calls them.
//! - `rayon`: [jobs and parallel iterators](rayon) that wait for their permits
//!   without blocking a worker.

#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

mod error;
#[cfg(all(feature = "rayon", not(loom)))]
pub mod rayon;
mod semaphore;
mod sync;

pub use error::{AcquireError, AcquireTimeoutError, TryAcquireError};
pub use semaphore::{
    Acquire, AcquireOwned, Builder, Fairness, Idle, OwnedSemaphorePermit, Semaphore,
    SemaphorePermit, Settled, Snapshot,
};

/// What can be sent, shared and unwound past, held at compile time.
const _: () = {
    use std::panic::{RefUnwindSafe, UnwindSafe};

    const fn everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

    #[cfg(not(loom))]
    {
        everywhere::<Semaphore>();
        everywhere::<SemaphorePermit<'_>>();
        everywhere::<OwnedSemaphorePermit>();
        everywhere::<Acquire<'_>>();
        everywhere::<AcquireOwned>();
        everywhere::<Settled<'_>>();
        everywhere::<Idle<'_>>();
    }
    #[cfg(all(feature = "rayon", not(loom)))]
    {
        const fn shared<T: Send + Sync>() {}

        shared::<rayon::Throttle>();
        shared::<rayon::ScopeThrottle<'_>>();
    }
    everywhere::<Snapshot>();
    everywhere::<AcquireError>();
    everywhere::<TryAcquireError>();
    everywhere::<AcquireTimeoutError>();
};
