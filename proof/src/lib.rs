//! Tools that look at the source of dynaphore from outside. `PROOF.md` says what they
//! show, and how to run them.

pub mod memory;
pub mod source;
