//! The example `crawl`, run as the program that it is.
#![cfg(feature = "keyed")]

#[path = "common/example.rs"]
mod example;

use std::process::{Command, Output};

fn crawl(arguments: &[&str]) -> Output {
    let mut crawl = Command::new(example::find("crawl"));
    crawl.args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_server_never_sees_more_than_is_allowed() {
    for options in [
        ["--per-host=4", "--then=1", "--total=12"],
        ["--per-host=2", "--then=6", "--total=5"],
        ["--per-host=3", "--then=3", "--total=100"],
    ] {
        let output = crawl(&[&options[..], &["--hosts=4", "--pages=40", "--delay=2"]].concat());
        let table = text(&output);
        assert_eq!(output.status.code(), Some(0), "{options:?}\n{table}");
        assert!(table.contains("host-3.example"), "{table}");
        assert!(!table.contains("EXCESS"), "{table}");
    }
}

#[test]
fn one_page_and_one_host() {
    let output = crawl(&["--hosts=1", "--pages=1", "--total=1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn the_check_finds_who_asks_for_no_permits() {
    let output = crawl(&["--lawless", "--hosts=2", "--pages=40", "--delay=20"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("EXCESS"), "{}", text(&output));
}

#[cfg(unix)]
#[test]
fn it_takes_the_descriptors_that_it_needs() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 64; exec \"$0\" \"$@\""]);
    shell.arg(example::find("crawl"));
    shell.args(["--hosts=2", "--pages=60", "--delay=50"]);
    let output = shell
        .args(["--per-host=60", "--total=120"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}{errors}", text(&output));
}

#[test]
fn bad_arguments_are_told_so() {
    for bad in [
        ["--total=0"],
        ["--hosts=x"],
        ["--fast"],
        ["--delay=99999999"],
    ] {
        let output = crawl(&bad);
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: crawl"));
    }
    assert_eq!(crawl(&["--help"]).status.code(), Some(0));
}
