//! A member's way to the server, and what is wrong with it.
//!
//! Each member is in a network namespace of its own where this program may make one, and a
//! packet in five is lost there: by `tc netem`, which also delays, or by `nft` where the kernel
//! has no netem. All ways go through a relay, which does what the network cannot.

use std::{
    io,
    net::Ipv4Addr,
    path::Path,
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

use super::{MEMBERS, Random};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Good,
    /// Slow, and a packet in five is lost.
    Bad,
    /// Nothing gets through.
    Cut,
}

/// What this machine lets the test do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Netem,
    Nft,
    /// No namespaces.
    Relay,
}

impl Network {
    /// Tries it out.
    pub fn of_this_machine() -> Self {
        let space = match Space::new(0, Self::Netem) {
            Ok(space) => space,
            Err(error) => {
                println!("no network namespaces ({error}): relays lose and hold up what is sent");
                return Self::Relay;
            }
        };
        if space.set(Condition::Bad).is_ok() {
            println!("network namespaces; delay and loss by tc netem");
            return Self::Netem;
        }
        drop(space);
        match Space::new(0, Self::Nft).and_then(|space| space.set(Condition::Bad)) {
            Ok(()) => {
                println!("network namespaces; loss by nft, delay by relays (no netem here)");
                Self::Nft
            }
            Err(error) => {
                println!("neither netem nor nft ({error}): relays lose and hold up what is sent");
                Self::Relay
            }
        }
    }
}

fn run(line: &str) -> io::Result<()> {
    let words: Vec<_> = line.split(' ').collect();
    let done = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()?;
    match done.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{line}: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        ))),
    }
}

/// A network namespace, with a link to the one in which the relays are.
struct Space {
    name: String,
    link: String,
    host: Ipv4Addr,
    by: Network,
}

impl Space {
    fn new(index: usize, by: Network) -> io::Result<Self> {
        let id = process::id();
        // Four of the addresses that are for tests of networks (RFC 2544): others in each
        // process, for two tests may run at once.
        let first = 4 * ((id * MEMBERS as u32 + index as u32) % (1 << 15));
        let address = |n| Ipv4Addr::from_bits(0xc612_0000 + first + n);
        let (host, inside) = (address(1), address(2));
        let space = Self {
            name: format!("dynaphore-{id}-{index}"),
            link: format!("dy{id}n{index}"),
            host,
            by,
        };
        let Self { name, link, .. } = &space;
        run(&format!("ip netns add {name}"))?;
        // From here on, dropping it cleans up.
        run(&format!(
            "ip link add {link} type veth peer name way netns {name}"
        ))?;
        run(&format!("ip addr add {host}/30 dev {link}"))?;
        run(&format!("ip link set {link} up"))?;
        run(&format!("ip -n {name} addr add {inside}/30 dev way"))?;
        run(&format!("ip -n {name} link set way up"))?;
        Ok(space)
    }

    fn set(&self, condition: Condition) -> io::Result<()> {
        let inside = format!("ip netns exec {}", self.name);
        if self.by == Network::Netem {
            let how = match condition {
                Condition::Good => "delay 0ms",
                Condition::Bad => "delay 20ms 15ms loss 20%",
                Condition::Cut => "loss 100%",
            };
            run(&format!(
                "tc qdisc replace dev {} root netem {how}",
                self.link
            ))?;
            return run(&format!(
                "{inside} tc qdisc replace dev way root netem {how}"
            ));
        }
        let how = match condition {
            Condition::Good => "accept",
            Condition::Bad => "numgen random mod 5 0 drop",
            Condition::Cut => "drop",
        };
        let chain =
            |hook| format!("add chain ip way {hook} {{ type filter hook {hook} priority 0 ; }}");
        run(&format!(
            "{inside} nft add table ip way ; {} ; {} ; flush table ip way ; \
             add rule ip way input {how} ; add rule ip way output {how}",
            chain("input"),
            chain("output"),
        ))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = run(&format!("ip netns del {}", self.name));
        let _ = run(&format!("ip link del {}", self.link));
    }
}

/// One member's way.
pub struct Way {
    store: String,
    relay: Arc<Relay>,
    space: Option<Space>,
    network: Network,
}

impl Way {
    pub async fn new(index: usize, server: &str, network: Network) -> io::Result<Self> {
        let space = match network {
            Network::Relay => None,
            by => Some(Space::new(index, by)?),
        };
        let host = space
            .as_ref()
            .map_or(Ipv4Addr::LOCALHOST, |space| space.host);
        let listener = TcpListener::bind((host, 0)).await?;
        let way = Self {
            store: format!("redis://{}", listener.local_addr()?),
            relay: Arc::default(),
            space,
            network,
        };
        tokio::spawn(relay(listener, server.to_owned(), Arc::clone(&way.relay)));
        Ok(way)
    }

    /// Where the server is for this member.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Starts `program` where this way begins.
    pub fn command(&self, program: &Path) -> Command {
        let Some(space) = &self.space else {
            return Command::new(program);
        };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &space.name]).arg(program);
        command
    }

    pub fn set(&self, condition: Condition) -> io::Result<()> {
        let bad = condition == Condition::Bad;
        self.relay
            .slow
            .store(bad && self.network != Network::Netem, Relaxed);
        let alone = self.network == Network::Relay;
        self.relay.loses.store(bad && alone, Relaxed);
        self.relay
            .cut
            .store(condition == Condition::Cut && alone, Relaxed);
        self.space
            .as_ref()
            .map_or(Ok(()), |space| space.set(condition))
    }
}

/// What the relay does to what it carries.
#[derive(Default)]
struct Relay {
    slow: AtomicBool,
    /// A part in five is held up for as long as TCP needs to send a lost one again.
    loses: AtomicBool,
    cut: AtomicBool,
}

async fn relay(listener: TcpListener, server: String, way: Arc<Relay>) {
    let mut seed = 0;
    while let Ok((inner, _)) = listener.accept().await {
        let Ok(outer) = TcpStream::connect(&server).await else {
            continue;
        };
        let _ = (inner.set_nodelay(true), outer.set_nodelay(true));
        let (from_member, to_member) = inner.into_split();
        let (from_server, to_server) = outer.into_split();
        for (from, to) in [(from_member, to_server), (from_server, to_member)] {
            seed += 1;
            tokio::spawn(carry(from, to, Arc::clone(&way), Random(seed)));
        }
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Arc<Relay>,
    mut random: Random,
) {
    let mut part = [0; 1400];
    while let Ok(n @ 1..) = from.read(&mut part).await {
        if way.slow.load(Relaxed) {
            sleep(Duration::from_millis(5 + random.below(30))).await;
        }
        while way.loses.load(Relaxed) && random.below(5) == 0 {
            sleep(Duration::from_millis(200)).await;
        }
        while way.cut.load(Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
        if to.write_all(&part[..n]).await.is_err() {
            return;
        }
    }
}
