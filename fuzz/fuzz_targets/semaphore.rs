//! The semaphore against the model, on what libFuzzer comes up with.
//!
//! Built without `--cfg fuzzing` it prints and replays the files that it is
//! given: `cargo run -p dynaphore-fuzz --bin semaphore -- \
//! fuzz/artifacts/semaphore/crash-...`

#![cfg_attr(fuzzing, no_main)]

use dynaphore_fuzz::Script;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dynaphore_fuzz::run(&Script::decode(bytes)));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    dynaphore_fuzz::replay(std::env::args_os().skip(1), Script::decode)
}
