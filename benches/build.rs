//! Remembers the compiler's version for `RESULTS.md`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = env::var("RUSTC").expect("set by Cargo");
    let output = Command::new(compiler).arg("--version").output();
    let version = output.expect("the compiler runs").stdout;
    let version = String::from_utf8_lossy(&version);
    println!("cargo::rustc-env=COMPILER={}", version.trim());
}
