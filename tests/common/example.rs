//! The examples, as programs to run.

use std::{
    env::{self, consts::EXE_SUFFIX},
    path::PathBuf,
    process::Command,
};

/// The example of that name, which `cargo test` builds before it runs any test.
/// (With `--test NAME` it does not: `cargo build --examples` after changing it.)
pub fn find(name: &str) -> PathBuf {
    // This is TARGET/PROFILE/deps/TEST-HASH.
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).expect("cargo put it there");
    let example = profile.join(format!("examples/{name}{EXE_SUFFIX}"));
    if !example.exists() {
        // This test alone was asked for.
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args(["build", "--example", name, "--target-dir"]);
        build.arg(profile.parent().expect("it is in a target directory"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
    }
    example
}
