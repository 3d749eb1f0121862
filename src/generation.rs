//! Generations: is anybody still using the old one?
//!
//! | type | what it is |
//! |---|---|
//! | [`Tracker`] | the current generation: take a token, begin the next one |
//! | [`Token`] | says that somebody is still in its generation |
//! | [`Pending`], [`Drained`] | waits until a generation has no tokens any more |
//! | [`Swap`], [`Write`], [`Take`] | two copies of something: one is written while the other is read and reset |

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
