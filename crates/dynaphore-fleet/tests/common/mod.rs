//! A Redis server for a test or an example, and waiting for something without a clock.
//!
//! `REDIS_SERVER` names another program for it, such as `valkey-server`.
#![allow(dead_code)]

use std::{
    env, fmt,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dynaphore_fleet::FleetError;

/// Turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of its own, on loopback, that ends with this.
pub struct Server {
    child: Child,
    port: u16,
    arguments: Vec<String>,
}

impl Server {
    /// # Panics
    ///
    /// When there is no `redis-server`: `apt-get install redis-server`.
    pub fn start(arguments: &[&str]) -> Self {
        Self::try_start(arguments).expect("redis-server is needed: apt-get install redis-server")
    }

    pub fn try_start(arguments: &[&str]) -> io::Result<Self> {
        let port = port()?;
        let arguments: Vec<_> = arguments.iter().map(|&a| a.to_owned()).collect();
        let child = spawn(port, &arguments)?;
        let mut server = Self {
            child,
            port,
            arguments,
        };
        server.wait();
        Ok(server)
    }

    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn address_for(&self, user: &str) -> String {
        format!("redis://{user}@127.0.0.1:{}", self.port)
    }

    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(self.address())
            .unwrap()
            .get_connection()
            .unwrap()
    }

    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it with all it knows, and starts an empty one.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(self.port, &self.arguments).unwrap();
        self.wait();
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "redis-server has ended"
            );
            assert!(start.elapsed() < PATIENCE, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.child.try_wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.child.stdout.take().map(io::read_to_string);
            eprintln!("redis-server on port {}: {ended:?}, {said:?}", self.port);
        }
    }
}

/// A free port below those that the kernel gives to who connects: so nobody else has it
/// while the server starts again, not even one who tries to connect to it.
fn port() -> io::Result<u16> {
    let mut last = Err(io::Error::other("no port"));
    for _ in 0..100 {
        let any = RandomState::new().build_hasher().finish();
        last = TcpListener::bind(("127.0.0.1", 10_000 + (any % 22_000) as u16));
        if last.is_ok() {
            break;
        }
    }
    Ok(last?.local_addr()?.port())
}

fn spawn(port: u16, arguments: &[String]) -> io::Result<Child> {
    Command::new(env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into()))
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
}

/// What is ended with this process.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a line to standard output. Whoever closes that has seen what he wanted.
pub fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let why = format!("standard output: {error}");
            Err(io::Error::new(error.kind(), why))
        }
        _ => Ok(()),
    }
}

/// Asks again where a machine under load has taken longer than a lease lets a member wait.
pub async fn answered<T>(
    mut ask: impl AsyncFnMut() -> Result<T, FleetError>,
) -> Result<T, FleetError> {
    let start = Instant::now();
    loop {
        match ask().await {
            Err(FleetError::Store(error)) if error.may_pass() && start.elapsed() < PATIENCE => {}
            answer => return answer,
        }
    }
}

/// Polls until it holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
