//! Generations: is anybody still using the old one?
//!
//! | type | what it is |
//! |---|---|
//! | [`Tracker`] | the current generation: take a token, begin the next one |
//! | [`Token`] | says that somebody is still in its generation |
//! | [`Pending`], [`Drained`] | waits until a generation has no tokens any more |
//! | [`Swap`], [`Write`], [`Take`] | two copies of something: one is written while the other is read and reset |
//!
//! # Origin
//!
//! [swaparoo](https://github.com/zeebo/swaparoo), a Go package: two copies, and
//! tokens that are counted for each thread by itself. The protocol is written
//! afresh, for tokens that take no lock and no more than one read-modify-write.
//!
//! # Examples
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
//! use dynaphore::generation::Tracker;
//!
//! static TRACKER: Tracker = Tracker::new();
//! static CURRENT: AtomicUsize = AtomicUsize::new(0);
//!
//! // Whoever uses the current one:
//! let token = TRACKER.acquire();
//! let current = CURRENT.load(Relaxed);
//! drop(token);
//!
//! // Whoever replaces it:
//! CURRENT.store(current + 1, Relaxed);
//! TRACKER.increment().wait();
//! // Nobody uses the old one any more.
//! ```

mod barrier;
mod pending;
mod stripes;
mod swap;
mod tracker;

#[cfg(feature = "stats")]
pub(crate) use crate::thread_number::{number as thread_number, stripes};
pub(crate) use barrier::Meeting;
pub use pending::{Drained, Pending};
pub use swap::{Swap, Take, Write};
pub(crate) use tracker::ShortToken;
pub use tracker::{Token, Tracker};

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests;
