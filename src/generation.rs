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

mod along;
mod barrier;
mod drain;
mod manners;
mod pending;
mod stripe;
mod swap;
mod take;
mod thread;
mod token;
mod tracker;
mod waiters;

pub(crate) use along::Meeting;
pub use pending::{Drained, Pending};
#[cfg(feature = "stats")]
pub(crate) use stripe::stripes;
pub use swap::{Swap, Write};
pub use take::Take;
#[cfg(feature = "stats")]
pub(crate) use thread::number as thread_number;
pub(crate) use token::ShortToken;
pub use token::Token;
pub use tracker::Tracker;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
