//! Tests that may hang in a way that no thread survives: each runs in a process
//! of its own, which is killed if it does not end.

use std::{
    any, env,
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take. No outcome depends on it but that of a hang.
const PATIENCE: Duration = Duration::from_secs(300);

const CHILD: &str = "DYNAPHORE_TEST_CHILD";

/// Runs `test`, the body of the test called `name`, in a process of its own.
pub fn in_child<T: FnOnce()>(name: &str, test: T) {
    if env::var(CHILD).is_ok_and(|child| child == name) {
        return test();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([path::<T>(), "--exact", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, name);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Read meanwhile: who fills a pipe waits.
    let said = reader(child.stdout.take().unwrap());
    let complained = reader(child.stderr.take().unwrap());
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            let (said, complained) = (said.join().unwrap(), complained.join().unwrap());
            panic!("{name} hangs: {said}{complained}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let status = child.wait().unwrap();
    let (said, complained) = (said.join().unwrap(), complained.join().unwrap());
    assert!(status.success(), "{name} fails: {said}{complained}");
    assert!(said.contains("1 passed"), "{name} was not run: {said}");
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The name of the test whose body this is, with that of its module: a closure's type is
/// named after the function in which it stands.
fn path<T>() -> &'static str {
    let (_crate, path) = any::type_name::<T>().split_once("::").unwrap();
    path.trim_end_matches("::{{closure}}")
}
