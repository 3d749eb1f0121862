//! dynaphore's semaphore in lockstep with a plain model.
//!
//! A [`Script`] is a sequence of calls. [`run`] makes them one by one, on one
//! thread, through the public API and on the model alike, and compares after
//! each call what it returned, who was woken and how often, and all that can
//! be read. Scripts come from libFuzzer (`fuzz_targets/`), from the corpus
//! (`tests/replay.rs`) and from proptest (`tests/properties.rs`).
//!
//! A script has a [`Mode`]: a fairness, with a bound of zero or without end, so
//! that time decides nothing. The model says exactly what the semaphore does:
//! on one thread it has no choice. A bound that is over in the middle of a
//! script is not covered.
//!
//! | target, corpus | modes |
//! |---|---|
//! | `semaphore` | `Fifo` |
//! | `competing` | the others, named by the first byte |
//!
//! | module | what it is |
//! |---|---|
//! | `script` | the calls, and how bytes spell them |
//! | `model` | what must come of them; in `compete`, who is notified |
//! | `event` | those who listen, for the models |
//! | `driver` | makes the calls, and in `compare` compares |
//! | `handles` | permits and futures, borrowing and owning alike |
//! | [`keyed`] | the same for the keyed semaphore |
//! | `wakers` | wakers that count |
//! | [`pool`] | the same for the lease pool, with script, model and driver of its own |

#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

mod driver;
mod event;
mod handles;
pub mod keyed;
mod model;
pub mod pool;
mod script;
mod wakers;

use std::{ffi::OsString, fs, io};

pub use driver::run;
pub use script::{Mode, Op, Script, With};

/// Prints and runs the scripts in files that the fuzzer has written.
///
/// # Errors
///
/// When a file cannot be read.
///
/// # Panics
///
/// When the semaphore and the model disagree.
pub fn replay(
    paths: impl IntoIterator<Item = OsString>,
    decode: impl Fn(&[u8]) -> Script,
) -> io::Result<()> {
    for path in paths {
        let script = decode(&fs::read(&path)?);
        println!("{}: {script:#?}", path.display());
        run(&script);
    }
    Ok(())
}
