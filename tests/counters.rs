//! The example `counters`, run as the program that it is.
#![cfg(unix)]

#[path = "common/example.rs"]
mod example;

use std::process::{Command, Output};

fn counters(arguments: &[&str]) -> Output {
    let mut counters = Command::new(example::find("counters"));
    counters.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn no_increment_is_lost_or_counted_twice() {
    let run = counters(&["1", "3"]);
    let lines = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{lines}{}", text(&run.stderr));
    assert!(lines.contains("3 threads, 1000 counters"), "{lines}");
    assert!(lines.contains(" taken, 0 counters wrong"), "{lines}");
}

#[test]
fn bad_arguments_are_refused() {
    for arguments in [
        &["soon"][..],
        &["1", "-1"],
        &["0", "0", "0"],
        &["99999999999"],
    ] {
        let run = counters(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(
            text(&run.stderr).contains("usage: counters"),
            "{arguments:?}"
        );
    }
}

#[test]
fn help_is_no_error() {
    for help in ["-h", "--help"] {
        let run = counters(&[help]);
        assert_eq!(run.status.code(), Some(0), "{help}");
        assert!(text(&run.stdout).contains("usage: counters"), "{help}");
    }
}
