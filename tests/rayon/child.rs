//! Tests that may hang in a way that no thread survives: each runs in a process
//! of its own, which is killed if it does not end.

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take. No outcome depends on it but that of a hang.
const PATIENCE: Duration = Duration::from_secs(60);

const CHILD: &str = "DYNAPHORE_TEST_CHILD";

/// Runs `test`, the body of the test called `name` in whatever module, in a process
/// of its own.
pub fn in_child(name: &str, test: impl FnOnce()) {
    if env::var(CHILD).is_ok_and(|child| child == name) {
        return test();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&path(name), "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, name).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{name} hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name} fails: {said}");
    assert!(said.contains("1 passed"), "{name} was not run: {said}");
}

/// The name of a test with that of the module in which it stands.
fn path(name: &str) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args([name, "--list"]).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|path| path.rsplit("::").next() == Some(name));
    let path = tests.next().expect("no test has this name");
    assert_eq!(tests.next(), None, "{name} is in two modules");
    path.to_owned()
}
