//! The lease pool against the model, on what libFuzzer comes up with.
//!
//! Built without `--cfg fuzzing` it prints and replays the files that it is
//! given: `cargo run -p dynaphore-fuzz --bin pool -- fuzz/artifacts/pool/crash-...`

#![cfg_attr(fuzzing, no_main)]

use dynaphore_fuzz::pool::{Script, run};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(&Script::decode(bytes)));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        let script = Script::decode(&std::fs::read(&path)?);
        println!("{}: {script:#?}", path.display());
        run(&script);
    }
    Ok(())
}
