//! The example `tunnels`, run as the program that it is.
#![cfg(all(unix, feature = "pool"))]

#[path = "common/example.rs"]
mod example;

use std::process::{Command, Output};

fn tunnels(arguments: &[&str]) -> Output {
    let mut tunnels = Command::new(example::find("tunnels"));
    tunnels.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn connections_follow_the_targets_through_a_death_and_a_return() {
    // The patience turns a hang into a failure, and no more.
    let run = tunnels(&["--patience", "60"]);
    let (lines, errors) = (text(&run.stdout), text(&run.stderr));
    assert_eq!(run.status.code(), Some(0), "{lines}{errors}");
    let steps = lines.lines().filter(|line| line.starts_with("--")).count();
    assert_eq!(lines.matches("so it is").count(), steps, "{lines}");
    for shown in ["alpha 6/6/6", "gamma 4/4/4", "alpha 1/1/1", "gamma 3/3/3"] {
        assert!(lines.contains(shown), "no {shown} in {lines}");
    }
}

#[test]
fn connections_that_nobody_keeps_are_missed() {
    // Five cannot do the work of six, however long it takes.
    let run = tunnels(&["--agents", "5", "--patience", "0.5"]);
    let errors = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{errors}");
    assert!(errors.contains("[3, 2, 1] belong"), "{errors}");
}

#[test]
fn bad_arguments_are_refused() {
    for arguments in [
        &["--fast"][..],
        &["--agents", "many"],
        &["--agents", "10001"],
        &["--patience", "-1"],
    ] {
        let run = tunnels(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(
            text(&run.stderr).contains("usage: tunnels"),
            "{arguments:?}"
        );
    }
}

#[test]
fn help_is_no_error() {
    for help in ["-h", "--help"] {
        let run = tunnels(&[help]);
        assert_eq!(run.status.code(), Some(0), "{help}");
        assert!(text(&run.stdout).contains("usage: tunnels"), "{help}");
    }
}
