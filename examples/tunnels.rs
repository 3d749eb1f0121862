//! Keeps so many connections open to each of several endpoints, as an agent that
//! serves through proxies does. How many is a target that changes while it runs;
//! an endpoint dies and comes back meanwhile:
//!
//! ```text
//! cargo run --release --example tunnels
//! cargo run --release --example tunnels -- --agents 20 --patience 5
//! ```
//!
//! The endpoints are real: TCP servers on the loopback, each of which counts the
//! connections that it has itself. Agents take the next lease of any endpoint
//! that has too few, open a connection to it, and keep that open as long as they
//! hold the lease. They know neither the targets nor each other. A line is
//! printed whenever the figures change: for each endpoint the target, the leases
//! that are out, and the connections that the server has.
//!
//! Exit status: 0 when the connections came to what the targets say after each
//! change, 1 when they did not within the patience or the lines cannot be written,
//! 2 for bad arguments. With
//! fewer agents than connections are wanted they never do: try `--agents 5`.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use dynaphore::{Lease, LeasePool};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    select,
    task::JoinSet,
    time::{sleep, timeout},
};

const USAGE: &str = "usage: tunnels [--agents N] [--patience SECONDS]\n";

/// More would only take memory: a dozen have something to do.
const MOST_AGENTS: usize = 10_000;

/// How long an agent waits after a connection has failed.
const BACKOFF: Duration = Duration::from_millis(50);

/// How often a connection is used, and its target looked at.
const HEARTBEAT: Duration = Duration::from_millis(20);

/// How often the figures are looked at.
const GLANCE: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            // Nothing is left to do when nobody reads the help.
            let _ = io::stdout().write_all(USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let _ = write!(io::stderr(), "tunnels: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "tunnels: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    agents: usize,
    /// How long the connections may take to come to what the targets say.
    patience: Duration,
}

/// Reads the command line. `None` if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;

    let mut options = Options {
        agents: 16,
        patience: Duration::from_secs(10),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("agents") => {
                options.agents = parser.value()?.parse()?;
                if options.agents > MOST_AGENTS {
                    return Err(format!("there are at most {MOST_AGENTS} agents").into());
                }
            }
            Long("patience") => {
                let seconds = parser.value()?.parse()?;
                options.patience = Duration::try_from_secs_f64(seconds)
                    .map_err(|error| lexopt::Error::Custom(error.into()))?;
            }
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// The story. Each step is over when the servers have what they should.
async fn run(options: &Options) -> Result<(), String> {
    let mut endpoints = [
        Endpoint::new("alpha").await.map_err(unexpected)?,
        Endpoint::new("beta").await.map_err(unexpected)?,
        Endpoint::new("gamma").await.map_err(unexpected)?,
    ];
    let [alpha, beta, gamma] = [0, 1, 2].map(|at: usize| endpoints[at].address);
    let pool = LeasePool::new();
    let mut agents = JoinSet::new();
    for _ in 0..options.agents {
        agents.spawn(agent(pool.clone()));
    }
    let mut watch = Watch::new(&pool, options.patience)?;

    pool.set(alpha, 3);
    pool.set(beta, 2);
    pool.set(gamma, 1);
    watch
        .until("start with 3, 2 and 1", &endpoints, [3, 2, 1])
        .await?;

    pool.set(alpha, 6);
    watch
        .until("alpha raised to 6", &endpoints, [6, 2, 1])
        .await?;

    endpoints[1].die().await;
    watch.until("beta dies", &endpoints, [6, 0, 1]).await?;

    pool.set(gamma, 4);
    watch
        .until("gamma raised to 4, beta still dead", &endpoints, [6, 0, 4])
        .await?;

    endpoints[1].live().map_err(unexpected)?;
    watch
        .until("beta comes back", &endpoints, [6, 2, 4])
        .await?;

    pool.set(alpha, 1);
    watch
        .until("alpha lowered to 1", &endpoints, [1, 2, 4])
        .await?;

    pool.set(gamma, 0);
    pool.set(gamma, 3);
    watch
        .until("gamma paused and resumed with 3", &endpoints, [1, 2, 3])
        .await?;

    pool.set(beta, 0);
    watch.until("beta paused", &endpoints, [1, 0, 3]).await?;

    pool.stop();
    watch.until("the end", &endpoints, [0, 0, 0]).await?;
    timeout(options.patience, pool.idle())
        .await
        .map_err(|_| "leases are left after the end")?;
    while let Some(agent) = agents.join_next().await {
        agent.map_err(|error| format!("an agent: {error}"))?;
    }
    Ok(())
}

fn unexpected(error: io::Error) -> String {
    format!("an endpoint: {error}")
}

/// Works for whichever endpoint has too few, until the end.
async fn agent(pool: LeasePool<SocketAddr>) {
    while let Ok(lease) = pool.acquire().await {
        select! {
            // Whether it has failed or is not wanted any more: the next one.
            _ = tunnel(lease) => {}
            () = pool.stopped() => {}
        }
    }
}

/// Keeps a connection open for as long as the lease is wanted and it holds.
async fn tunnel(mut lease: Lease<SocketAddr>) -> io::Result<()> {
    let mut connection = match TcpStream::connect(*lease.key()).await {
        Ok(connection) => connection,
        Err(error) => {
            // With the lease in hand, so that nobody else tries meanwhile.
            sleep(BACKOFF).await;
            return Err(error);
        }
    };
    let mut echo = [0];
    loop {
        connection.write_all(b"!").await?;
        connection.read_exact(&mut echo).await?;
        sleep(HEARTBEAT).await;
        // However many ask, no more go than are too many.
        lease = match lease.release_excess() {
            Some(lease) => lease,
            None => return Ok(()),
        };
    }
}

/// A server that counts its connections.
struct Endpoint {
    name: &'static str,
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    /// While it lives.
    server: JoinSet<()>,
}

impl Endpoint {
    async fn new(name: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut endpoint = Self {
            name,
            address: listener.local_addr()?,
            open: Arc::default(),
            server: JoinSet::new(),
        };
        endpoint.serve(listener);
        Ok(endpoint)
    }

    fn serve(&mut self, listener: TcpListener) {
        let open = Arc::clone(&self.open);
        self.server.spawn(async move {
            // Dropped with this task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(echo(connection, Counted::new(&open)));
            }
        });
    }

    /// Cuts all connections, and takes no more.
    async fn die(&mut self) {
        self.server.shutdown().await;
    }

    /// Comes back at the same address.
    fn live(&mut self) -> io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        // Connections of the former life may linger in the system.
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        self.serve(socket.listen(64)?);
        Ok(())
    }
}

async fn echo(mut connection: TcpStream, _counted: Counted) {
    let (mut from, mut to) = connection.split();
    // How it ends is all the same here.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

/// One connection more, as long as it is there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Prints the figures as they change, and waits for the right ones.
struct Watch<'a> {
    pool: &'a LeasePool<SocketAddr>,
    patience: Duration,
    start: Instant,
    last: String,
}

impl<'a> Watch<'a> {
    fn new(pool: &'a LeasePool<SocketAddr>, patience: Duration) -> Result<Self, String> {
        say(format_args!("seconds  target/leases/connections"))?;
        Ok(Self {
            pool,
            patience,
            start: Instant::now(),
            last: String::new(),
        })
    }

    async fn until(
        &mut self,
        step: &str,
        endpoints: &[Endpoint; 3],
        expected: [usize; 3],
    ) -> Result<(), String> {
        say(format_args!("-- {step}"))?;
        let start = Instant::now();
        loop {
            let open = endpoints.each_ref().map(|end| end.open.load(Relaxed));
            self.print(endpoints, &open)?;
            if open == expected {
                return say(format_args!("   so it is, after {:.0?}", start.elapsed()));
            }
            if start.elapsed() > self.patience {
                return Err(format!(
                    "{step}: the servers have {open:?} connections where {expected:?} belong"
                ));
            }
            sleep(GLANCE).await;
        }
    }

    fn print(&mut self, endpoints: &[Endpoint; 3], open: &[usize; 3]) -> Result<(), String> {
        let mut line = String::new();
        for (endpoint, open) in endpoints.iter().zip(open) {
            let counts = self.pool.counts(&endpoint.address);
            let (name, target, active) = (endpoint.name, counts.target, counts.active);
            // Writing to a string cannot fail.
            let _ = write!(line, "   {name} {target}/{active}/{open}");
        }
        if line != self.last {
            let seconds = self.start.elapsed().as_secs_f64();
            say(format_args!("{seconds:7.3}{line}"))?;
            self.last = line;
        }
        Ok(())
    }
}

/// Writes a line to standard output. Whoever closes that has seen what he wanted: the
/// story goes on without him.
fn say(line: fmt::Arguments<'_>) -> Result<(), String> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}
