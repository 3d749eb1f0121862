//! tokio's own published tests of its semaphore, run against this one.
//!
//! Their source comes from the tokio package that cargo has fetched for this
//! build; nothing of it is kept here. They are copied into a package of their
//! own, with `tokio::sync` replaced by `dynaphore` where it names what a
//! semaphore consists of, and run by a child cargo.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// They ask for 6 000 000 000 permits: more than `MAX_PERMITS` is here.
const SKIPPED: [&str; 2] = ["merge_many_permits", "merge_many_permits_owned"];

/// tokio's names for what this crate replaces.
const NAMES: [&str; 5] = [
    "AcquireError",
    "OwnedSemaphorePermit",
    "SemaphorePermit",
    "Semaphore",
    "TryAcquireError",
];

const MANIFEST: &str = r#"[package]
name = "tokio-suite"
version = "0.0.0"
edition = "2021"
publish = false

[workspace]

# What the tests ask for by `cfg`.
[features]
default = ["full", "sync"]
full = []
sync = []

[dependencies]
bytes = "1"
dynaphore = { path = '@dynaphore@', features = ["tokio"] }
futures = { version = "0.3", default-features = false, features = ["std", "executor", "async-await"] }
tokio = { version = "1.54", features = ["full"] }
tokio-test = "0.4"
"#;

/// The child cargo, at `command` in the package of tokio's tests.
fn cargo(package: &Path, command: &str) -> Command {
    // The same folder as this build's, where what they depend on is built.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([command, "--offline", "--target-dir"])
        .arg(target)
        .current_dir(package);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("cargo starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}\n{errors}");
    text
}

/// Where the source of tokio lies.
fn tokio(package: &Path) -> PathBuf {
    // A line for each package that was built, or was built already.
    let built = output(cargo(package, "build").arg("--message-format=json"));
    let tokio = built.lines().find(|line| line.contains("#tokio@1."));
    // A JSON parser would be too much for one path.
    let manifest = tokio.and_then(|line| line.split_once(r#""manifest_path":""#));
    let (path, _) = manifest
        .and_then(|(_, rest)| rest.split_once('"'))
        .expect("a path");
    PathBuf::from(path.replace(r"\\", r"\"))
        .parent()
        .expect("a folder")
        .to_owned()
}

/// `text` with this crate's types for tokio's, which must be in there.
fn rewritten(text: &str) -> String {
    let mut text = text.to_owned();
    let before = text.clone();
    for name in NAMES {
        text = text.replace(
            &format!("tokio::sync::{name}"),
            &format!("dynaphore::{name}"),
        );
    }
    // One file names the semaphore together with others.
    text = text.replace(
        "RwLock, Semaphore},\n};",
        "RwLock},\n};\nuse dynaphore::Semaphore;",
    );
    assert_ne!(
        text, before,
        "there is nothing to put this crate's types in for"
    );
    refusing(&text)
}

/// What tokio's semaphores always do inside a runtime, ours are told to do.
fn refusing(text: &str) -> String {
    let mut tests = text.split("in_async_context()");
    let first = tests.next().unwrap_or_default().to_owned();
    tests.fold(first, |text, test| {
        let ours = "Semaphore::builder(1).refuse_blocking_in_runtime(true).build()";
        text + "in_async_context()" + &test.replacen("Semaphore::new(1)", ours, 1)
    })
}

/// Writes a file of the package, unless it is the same: then nothing is built
/// again.
fn put(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    if fs::read_to_string(&path).ok().as_deref() != Some(text) {
        fs::write(path, text).expect("it can be written");
    }
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The package, with nothing in it.
fn package() -> PathBuf {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tokio-suite");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    put(
        package.join("Cargo.toml"),
        &MANIFEST.replace("@dynaphore@", env!("CARGO_MANIFEST_DIR")),
    );
    put(package.join("src/lib.rs"), "");
    // All that it depends on is in there, in the versions that are built.
    fs::copy(ours.join("Cargo.lock"), package.join("Cargo.lock")).expect("a lock file");
    package
}

/// Runs one file of tokio's tests. Returns how many have passed.
fn run(package: &Path, file: &str, filter: &[&str]) -> usize {
    let mut test = cargo(package, "test");
    let said = output(test.args(["--test", file, "--"]).args(filter));
    let passed = said
        .split(" passed;")
        .next()
        .and_then(|text| text.split_whitespace().last());
    let passed = passed.and_then(|passed| passed.parse().ok());
    passed.unwrap_or_else(|| panic!("no result in\n{said}"))
}

#[test]
fn tokios_own_tests_pass() {
    let package = package();
    let tokio = tokio(&package);
    for file in [
        "sync_semaphore",
        "sync_semaphore_owned",
        "sync_panic",
        "async_send_sync",
    ] {
        let path = format!("tests/{file}.rs");
        put(package.join(&path), &rewritten(&read(tokio.join(&path))));
    }
    let support = "tests/support/panic.rs";
    put(package.join(support), &read(tokio.join(support)));

    let mut all = vec!["--exact"];
    for name in SKIPPED {
        all.extend(["--skip", name]);
    }
    // As many as tokio 1.54 has on a 64-bit machine: none is left out unseen.
    assert!(run(&package, "sync_semaphore", &all) >= 32);
    assert!(run(&package, "sync_semaphore_owned", &all) >= 10);
    assert!(run(&package, "sync_panic", &["semaphore"]) >= 2);
    // No tests but assertions about types: that it compiles is what counts.
    assert_eq!(run(&package, "async_send_sync", &[]), 0);
}
