//! What the examples do when their output goes nowhere, and when threads are short.
#![cfg(all(
    target_os = "linux",
    feature = "keyed",
    feature = "pool",
    feature = "rayon"
))]

mod common;
#[path = "common/example.rs"]
mod example;

use std::{
    fs::OpenOptions,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Output, Stdio},
};

const EXAMPLES: [(&str, &[&str]); 4] = [
    ("checksum", &["src"]),
    ("counters", &["0"]),
    ("crawl", &["--hosts=2", "--pages=2", "--delay=1"]),
    ("tunnels", &["--patience=60"]),
];

fn run(name: &str, arguments: &[&str], stdout: Stdio) -> Output {
    let mut example = Command::new(example::find(name));
    example.current_dir(env!("CARGO_MANIFEST_DIR"));
    example.args(arguments).stdout(stdout).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    for (name, arguments) in EXAMPLES {
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        let ended = run(name, arguments, OwnedFd::from(writer).into());
        let errors = errors(&ended);
        assert!(!errors.contains("panicked"), "{name}: {errors}");
        // Of `checksum` the list is what was asked for.
        let expected = i32::from(name == "checksum");
        assert_eq!(ended.status.code(), Some(expected), "{name}: {errors}");
    }
}

#[test]
fn a_full_device_is_said_once_and_is_a_failure() {
    for (name, arguments) in EXAMPLES {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = run(name, arguments, full.into());
        let errors = errors(&ended);
        assert_eq!(ended.status.code(), Some(1), "{name}: {errors}");
        assert!(!errors.contains("panicked"), "{name}: {errors}");
        let complaints = errors.matches("standard output: ").count();
        assert_eq!(complaints, 1, "{name}: {errors}");
    }
}

#[test]
fn help_for_nobody_is_no_panic() {
    for (name, _) in EXAMPLES {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let errors = errors(&run(name, &["--help"], full.into()));
        assert!(!errors.contains("panicked"), "{name}: {errors}");
    }
}

#[test]
fn counters_without_threads_ends() {
    let counters = example::find("counters");
    let ended = common::watchdog(move || {
        let mut shell = Command::new("sh");
        // Room for a few stacks and no more.
        shell.args(["-c", "ulimit -v 200000; exec \"$0\" 1 100000"]);
        shell.arg(counters).output().unwrap()
    });
    let errors = errors(&ended);
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(errors.contains("counters: a thread: "), "{errors}");
}

/// A pool of so many looks for work in quadratic time, for minutes.
#[test]
fn checksum_with_too_many_workers_ends() {
    let ended = common::watchdog(|| run("checksum", &["--workers=20000", "src"], Stdio::piped()));
    assert_eq!(ended.status.code(), Some(0), "{}", errors(&ended));
}
