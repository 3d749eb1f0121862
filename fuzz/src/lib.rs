//! dynaphore's semaphore in lockstep with a plain model.
//!
//! A [`Script`] is a sequence of calls. [`run`] makes them one by one, on one
//! thread, through the public API and on the model alike, and compares after
//! each call what it returned, who was woken and how often, and all that can
//! be read. Scripts come from libFuzzer (`fuzz_targets/`), from the corpus
//! (`tests/replay.rs`) and from proptest (`tests/properties.rs`).
//!
//! | module | what it is |
//! |---|---|
//! | `script` | the calls, and how bytes spell them |
//! | `model` | what must come of them |
//! | `driver` | makes the calls and compares |
//! | `handles` | permits and futures, borrowing and owning alike |
//! | [`keyed`] | the same for the keyed semaphore |
//! | `wakers` | wakers that count |
//! | [`pool`] | the same for the lease pool, with script, model and driver of its own |

#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

mod driver;
mod handles;
pub mod keyed;
mod model;
pub mod pool;
mod script;
mod wakers;

pub use driver::run;
pub use script::{Op, Script, With};
