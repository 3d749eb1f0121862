//! The lease pool in lockstep with a plain model, as the semaphore is.

mod driver;
mod model;
mod script;

pub use driver::run;
pub use script::{Op, Script};

/// What leases are of.
pub(crate) type Key = u8;

/// How many keys there are.
pub(crate) const KEYS: Key = 5;
