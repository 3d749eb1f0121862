//! The example `crawl`, run as the program that it is.
#![cfg(feature = "keyed")]

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

/// Runs the example, which `cargo test` builds before it runs any test. (With
/// `--test crawl` it does not: add `--examples` after changing the example.)
fn crawl(arguments: &[&str]) -> Output {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    let example = EXAMPLE.get_or_init(find_example);
    let output = Command::new(example).args(arguments).output();
    output.expect("it was built")
}

fn find_example() -> PathBuf {
    // This is TARGET/PROFILE/deps/crawl-HASH.
    let this = env::current_exe().expect("a path");
    let profile = this.ancestors().nth(2).expect("cargo put it there");
    let example = profile.join(format!("examples/crawl{}", env::consts::EXE_SUFFIX));
    if !example.exists() {
        // This test alone was asked for.
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args(["build", "--example", "crawl", "--target-dir"]);
        build.arg(profile.parent().expect("cargo put it there"));
        assert!(build.status().expect("cargo is there").success());
    }
    example
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
