//! The example `checksum`, run as the program that it is.
//!
//! Exit status 3 is not shown here: it takes a semaphore that breaks its word.
#![cfg(unix)]

#[path = "checksum/tree.rs"]
mod tree;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use tree::{Tree, checksum};

/// The SHA-256 of nothing, of `abc`, and of a million times `a` (FIPS 180-2).
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

#[test]
fn lists_every_file_sorted_by_the_bytes_of_its_path() {
    let tree = Tree::new("sorted");
    for name in ["a/b", "a.b", "a-b", ".hidden", "B", "a/c/d", "\u{e9}"] {
        tree.file(name, "abc");
    }
    let names = ["./.hidden", "./B", "./a-b", "./a.b", "./a/b", "./a/c/d"];
    let mut expected: String = names.map(|name| format!("{ABC}  {name}\n")).concat();
    expected += &format!("{ABC}  ./\u{e9}\n");

    let run = tree.run(&[]);
    assert_eq!(run.listed(), expected);
    assert_eq!(run.status, 0);
}

#[test]
fn hashes_files_of_no_bytes_and_of_many_chunks() {
    let tree = Tree::new("lengths");
    tree.file("empty", "");
    tree.file("million", "a".repeat(1_000_000));
    let expected = format!("{EMPTY}  ./empty\n{MILLION}  ./million\n");
    assert_eq!(tree.run(&[]).listed(), expected);
}

#[test]
fn escapes_names_that_would_break_a_line() {
    let tree = Tree::new("escapes");
    for name in ["a\nb", "c\\d", "e\rf", "g\th"] {
        tree.file(name, "abc");
    }
    let expected =
        format!("\\{ABC}  ./a\\nb\n\\{ABC}  ./c\\\\d\n\\{ABC}  ./e\\rf\n{ABC}  ./g\th\n");
    assert_eq!(tree.run(&[]).listed(), expected);
}

#[test]
fn prints_what_sha256sum_prints() {
    let tree = Tree::new("same");
    let names = odd_names(&tree);
    let paths = names.iter().map(|name| Path::new(".").join(name));
    let Some(theirs) = tree.output(Command::new("sha256sum").arg("--").args(paths)) else {
        return;
    };
    assert_eq!(tree.run(&[]).stdout, theirs.stdout);
}

#[test]
fn sha256sum_accepts_the_list() {
    let tree = Tree::new("accepted");
    let names = odd_names(&tree);
    tree.file("large", "large".repeat(100_000));
    let run = tree.run(&[]);
    fs::write(tree.path("../sums"), &run.stdout).unwrap();
    let Some(checked) = tree.output(Command::new("sha256sum").args(["-c", "../sums"])) else {
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(run.summary().files, names.len() + 1);
}

#[test]
fn names_paths_as_reached_through_the_directory_given() {
    let tree = Tree::new("given");
    tree.file("sub/file", "abc");
    for (dir, path) in [
        ("sub", "sub/file"),
        ("sub/", "sub/file"),
        ("./sub", "./sub/file"),
        ("../tree/sub", "../tree/sub/file"),
    ] {
        assert_eq!(tree.run(&[dir]).listed(), format!("{ABC}  {path}\n"));
    }
}

#[test]
fn takes_a_directory_whose_name_is_not_utf8_or_begins_with_a_dash() {
    let tree = Tree::new("dash");
    let dir = OsStr::from_bytes(b"-\xff");
    if !tree.takes(&Path::new(dir).join("file"), "abc") {
        return;
    }
    let output = tree.output(checksum().arg("--").arg(dir)).unwrap();
    assert_eq!(output.stdout, [ABC.as_bytes(), b"  -\xff/file\n"].concat());
}

#[test]
fn hashes_a_file_given_as_the_directory() {
    let tree = Tree::new("file");
    tree.file("file", "abc");
    assert_eq!(tree.run(&["file"]).listed(), format!("{ABC}  file\n"));
}

#[test]
fn follows_a_link_given_as_the_directory() {
    let tree = Tree::new("root-link");
    tree.file("sub/file", "abc");
    tree.link("sub", "link");
    assert_eq!(tree.run(&["link"]).listed(), format!("{ABC}  link/file\n"));
}

#[test]
fn does_not_follow_links_to_directories() {
    let tree = Tree::new("directory-link");
    tree.file("sub/file", "abc");
    tree.link("sub", "link");
    tree.link("..", "sub/up");
    let run = tree.run(&[]);
    assert_eq!(run.listed(), format!("{ABC}  ./sub/file\n"));
    assert_eq!(run.status, 0);
}

#[test]
fn hashes_a_link_to_a_file_under_its_own_path() {
    let tree = Tree::new("file-link");
    tree.file("file", "abc");
    tree.link("file", "link");
    let expected = format!("{ABC}  ./file\n{ABC}  ./link\n");
    assert_eq!(tree.run(&[]).listed(), expected);
}

#[test]
fn passes_over_fifos_and_sockets() {
    let tree = Tree::new("special");
    tree.file("file", "abc");
    let _socket = UnixListener::bind(tree.path("socket")).unwrap();
    tree.link("socket", "link-to-socket");
    // Without mkfifo the socket must do.
    if tree.output(Command::new("mkfifo").arg("fifo")).is_some() {
        tree.link("fifo", "link-to-fifo");
    }
    let run = tree.run(&[]);
    assert_eq!(run.listed(), format!("{ABC}  ./file\n"));
    assert_eq!(run.status, 0);
}

#[test]
fn reports_a_dangling_link_and_goes_on() {
    let tree = Tree::new("dangling");
    tree.file("file", "abc");
    tree.link("nowhere", "dang\nling");
    assert_reports(&tree, "./dang\\nling");
}

#[test]
fn reports_an_unreadable_file_and_goes_on() {
    let tree = Tree::new("unreadable");
    tree.file("file", "abc");
    let path = tree.file("secret", "abc");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same.
    if fs::read(&path).is_err() {
        assert_reports(&tree, "./secret");
    }
}

#[test]
fn reports_an_unreadable_directory_and_goes_on() {
    let tree = Tree::new("closed");
    tree.file("file", "abc");
    let path = tree.path("secret");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&path).is_err() {
        assert_reports(&tree, "./secret");
    }
    // Else it could not be removed.
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn reports_a_file_that_fails_while_it_is_read_and_goes_on() {
    let tree = Tree::new("fails");
    tree.file("file", "abc");
    // Opens, also for root, but nobody has anything at address 0.
    tree.link("/proc/self/mem", "link");
    assert_reports(&tree, "./link");
}

#[test]
#[cfg(target_os = "linux")]
fn reports_a_file_that_vanishes_and_goes_on() {
    let tree = Tree::new("vanishes");
    // One entry stands for the open directory and goes when the walk closes it.
    let run = tree.run(&["--max", "1", "/proc/self/fdinfo"]);
    assert!(run.failures()[0].starts_with("checksum: /proc/self/fdinfo/"));
    assert!(run.listed().contains("  /proc/self/fdinfo/2\n"));
    assert_eq!(run.status, 1);
}

#[test]
fn reports_a_directory_that_is_not_there() {
    let run = Tree::new("missing").run(&["missing"]);
    assert!(run.failures()[0].starts_with("checksum: missing: "));
    assert_eq!((run.status, run.summary().files), (1, 0));
}

#[test]
fn sums_up_files_and_bytes_on_the_only_line_of_standard_error() {
    let tree = Tree::new("summary");
    tree.file("a", "abc");
    tree.file("b", "defgh");
    let run = tree.run(&["--max", "3"]);
    assert_eq!(run.stderr.lines().count(), 1);
    let summary = run.summary();
    assert_eq!((summary.files, summary.bytes), (2, 8));
    assert_eq!(summary.maxima[0].0, 3);
}

#[test]
fn many_workers_share_one_permit() {
    let tree = Tree::new("one");
    equal_files(&tree, 100);
    let run = tree.run(&["--max", "1", "--workers", "32"]);
    assert_eq!(run.summary().maxima, [(1, Some(1))]);
    assert_eq!(run.status, 0);
}

#[test]
fn each_max_is_kept_while_it_is_in_force() {
    let tree = Tree::new("kept");
    equal_files(&tree, 100);
    let resizes = "1@20%,5@40%,2@62.5%";
    let run = tree.run(&["--max", "8", "--workers", "16", "--resize", resizes]);
    let summary = run.summary();
    assert_eq!(summary.order(), [8, 1, 5, 2]);
    for (max, highest) in summary.maxima {
        // Some file lies wholly within each: at most eight overlap two of them.
        let highest = highest.unwrap();
        assert!((1..=max).contains(&highest), "{highest} of {max}");
    }
    assert_eq!(run.status, 0);
}

#[test]
fn the_list_does_not_depend_on_workers_or_max() {
    let tree = Tree::new("alike");
    equal_files(&tree, 50);
    let one = tree.run(&["--max", "1", "--workers", "1"]);
    let many = tree.run(&["--max=4", "--workers=9", "--resize=1@10%, 7@.5%, 3@99.9%"]);
    assert_eq!(one.listed(), many.listed());
}

#[test]
fn resizes_are_made_by_percentage_and_equal_ones_as_given() {
    let tree = Tree::new("order");
    equal_files(&tree, 10);
    let run = tree.run(&["--max=1", "--resize=9@100%,5@50%", "--resize=4@50%,3@0%"]);
    assert_eq!(run.summary().order(), [1, 3, 5, 4, 9]);
}

#[test]
fn every_resize_is_made_when_there_are_no_bytes() {
    let tree = Tree::new("no-bytes");
    tree.file("empty", "");
    for dir in [".", "missing"] {
        let run = tree.run(&["--max=1", "--resize=2@50%,3@100%", dir]);
        assert_eq!(run.summary().order(), [1, 2, 3]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_resize_is_made_when_a_file_has_fewer_bytes_than_it_claims() {
    let file = Path::new("/sys/devices/system/cpu/online");
    if !fs::metadata(file).is_ok_and(|metadata| metadata.len() > 1000) {
        return;
    }
    let tree = Tree::new("fewer");
    tree.link(file, "link");
    let run = tree.run(&["--max=1", "--resize=2@90%,3@100%"]);
    assert_eq!(run.summary().order(), [1, 2, 3]);
}

#[test]
fn bad_arguments_are_refused_with_usage() {
    let tree = Tree::new("bad");
    tree.file("file", "abc");
    let resizes = [
        "",
        ",",
        "2",
        "2@",
        "2@5",
        "2@%",
        "@5%",
        "2@-1%",
        "2@101%",
        "2@nan%",
        "2@1e1%",
        "2@5%,",
        "0@5%",
        "-1@5%",
        "x@5%",
        "2@5%%",
        "2147483648@5%",
    ];
    let resizes = resizes.map(|list| vec!["--resize", list]);
    let others = [
        &["--max", "0"] as &[_],
        &["--max", "x"],
        &["--max", "2147483648"],
        &["--max"],
        &["--workers", "0"],
        &["--workers", "-1"],
        &["--unknown"],
        &["-x"],
        &["one", "two"],
    ];
    for arguments in resizes.iter().map(Vec::as_slice).chain(others) {
        let run = tree.run(arguments);
        assert_eq!(run.status, 2, "{arguments:?}");
        assert!(run.stderr.starts_with("checksum: "), "{arguments:?}");
        assert!(run.stderr.contains("\nUsage: checksum "), "{arguments:?}");
        assert!(run.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_is_printed_on_standard_output() {
    let run = Tree::new("help").run(&["--help"]);
    assert!(run.listed().starts_with("Usage: checksum "));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
}

#[test]
fn ends_quietly_when_nobody_reads_the_list() {
    let tree = Tree::new("pipe");
    equal_files(&tree, 10);
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let stdout = Stdio::from(OwnedFd::from(writer));
    let output = tree.output(checksum().stdout(stdout)).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}

/// Expects one line about `path`, and `file` listed all the same.
fn assert_reports(tree: &Tree, path: &str) {
    let run = tree.run(&[]);
    let failures = run.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].starts_with(&format!("checksum: {path}: ")));
    assert_eq!(run.listed(), format!("{ABC}  ./file\n"));
    assert_eq!(run.status, 1);
}

/// Makes files with names that are hard on a list, and returns those that the
/// file system takes, sorted.
fn odd_names(tree: &Tree) -> Vec<&'static OsStr> {
    let mut names = [
        b"new\nline" as &[u8],
        b"back\\slash",
        b"\\",
        b"carriage\rreturn",
        b"tab\tbed",
        b"  two  spaces ",
        b"-dash",
        b"*star",
        b"quotes'\"",
        b"bell\x07",
        b"\xff\xfe",
    ]
    .map(OsStr::from_bytes)
    .to_vec();
    names.retain(|name| tree.takes(Path::new(name), "odd"));
    names.sort();
    names
}

fn equal_files(tree: &Tree, count: usize) {
    for index in 0..count {
        tree.file(&format!("{index:03}"), [b'x'; 1000]);
    }
}
