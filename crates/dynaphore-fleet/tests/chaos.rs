//! Eight processes, and all that can go wrong; a probe counts what is held meanwhile.
//!
//! ```sh
//! cargo test -p dynaphore-fleet --features redis-tests --test chaos                    # 9 s
//! cargo test -p dynaphore-fleet --features redis-tests --test chaos -- --seconds 60
//! ```
//!
//! Members are killed, and stand still for half a lease to three. Each one's way to the
//! server is through a relay of its own, which delays, holds up one part in five as long
//! as TCP needs to send a lost one again, and for 5 s lets nothing through (what was sent
//! comes late then). The server starts again with nothing; max is 64, 8, 64 every 2 s.
//! With libfaketime, one member's clock is ten minutes ahead and one runs 5 % too fast.
//! The relays stand in for network namespaces and `tc netem`: they need no rights and no
//! part of the kernel.
//!
//! # What the probe holds against the fleet
//!
//! The max in force: max, or a larger one before it, until the server counts no more than
//! max. Three things are not promised, and an earlier probe took the first two for faults:
//!
//! - What a member holds that has stood still for longer than lease and grace. A machine
//!   under load may send `SIGCONT` late, or let a process wait. So members say every
//!   20 ms that they run, and one that has been silent for the grace is not counted until
//!   it runs and has another fence, or has had a lease to find out that it is late.
//! - A change of max without an answer: it may be made later. The bound stays for a lease
//!   and a grace.
//! - That a server which has come back empty counts all: not before a lease and a grace
//!   after its first report.
//!
//! Fails if the probe ever saw more than the max in force, or if the shares do not add up
//! to max once it is quiet.

mod common;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs, io,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use common::Server;
use dynaphore_fleet::{Fleet, FleetSnapshot, Options, Redis};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

const MEMBERS: usize = 8;
const TASKS: usize = 12;
const MAX: usize = 64;
const LEASE: Duration = Duration::from_secs(1);
/// Longer than a member stands still, and one lease more: so what it has stays counted.
const GRACE: Duration = Duration::from_secs(4);
const PARTITION: Duration = Duration::from_secs(5);
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("no runtime");
    let done = runtime.block_on(async {
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => chaos(9).await,
            ["--seconds", seconds] => chaos(seconds.parse()?).await,
            ["--member", store, probe] => member(store, probe).await.map(|()| true),
            _ => Err("usage: chaos [--seconds N]".into()),
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(2)
        }
    }
}

/// A member, however often it takes.
async fn joined(store: &str) -> Result<Fleet, Failure> {
    loop {
        let options = Options::new(MAX).lease(LEASE).grace(GRACE);
        match Fleet::join(Redis::new(store)?, "chaos", options).await {
            Ok(fleet) => return Ok(fleet),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

type Socket = Arc<tokio::sync::Mutex<TcpStream>>;

/// Works until it is killed.
async fn member(store: &str, probe: &str) -> Result<(), Failure> {
    let fleet = joined(store).await?;
    let socket = TcpStream::connect(probe).await?;
    socket.set_nodelay(true)?;
    let socket: Socket = Arc::new(tokio::sync::Mutex::new(socket));
    let semaphore = Arc::clone(fleet.semaphore());
    let mut running = Vec::new();
    let ears = Arc::clone(&socket);
    running.push(tokio::spawn(async move {
        loop {
            let mut text = vec![b'.'];
            text.extend(fleet.fence().to_be_bytes());
            tell(&ears, &text).await?;
            sleep(Duration::from_millis(20)).await;
        }
    }));
    for _ in 0..TASKS {
        let (semaphore, socket) = (Arc::clone(&semaphore), Arc::clone(&socket));
        running.push(tokio::spawn(async move {
            while let Ok(permit) = semaphore.acquire().await {
                // Counted after it is taken, and out of the count before it is back.
                tell(&socket, b"+").await?;
                sleep(Duration::from_millis(10)).await;
                tell(&socket, b"-").await?;
                drop(permit);
            }
            Ok::<(), io::Error>(())
        }));
    }
    for task in running {
        task.await??;
    }
    Ok(())
}

/// Tells the probe, and waits until it is counted.
async fn tell(socket: &Socket, what: &[u8]) -> io::Result<()> {
    let mut socket = socket.lock().await;
    socket.write_all(what).await?;
    socket.read_u8().await.map(drop)
}

/// A member, as the probe hears it.
struct Heard {
    held: usize,
    fence: u64,
    last: Instant,
    /// It was silent for so long that nothing is promised for it, with this fence. Until
    /// then, unless it is silent again.
    excused: Option<(u64, Instant)>,
}

/// What is held under permits, and the max in force.
struct Seen {
    members: BTreeMap<u64, Heard>,
    taken: u64,
    in_force: usize,
    most: usize,
    excused: usize,
    wrong: Vec<String>,
    begin: Instant,
    /// The last events, for the report of a failure.
    log: Vec<String>,
}

impl Seen {
    fn log(&mut self, event: impl Into<String>) {
        let at = self.begin.elapsed().as_secs_f64();
        self.log.push(format!("{at:8.3} s  {}", event.into()));
    }

    fn hear(&mut self, number: u64, what: u8, fence: Option<u64>) {
        let now = Instant::now();
        let one = self.members.entry(number).or_insert(Heard {
            held: 0,
            fence: fence.unwrap_or(0),
            last: now,
            excused: None,
        });
        let silent = now - one.last;
        if silent >= GRACE {
            one.excused = Some((one.fence, now + LEASE));
            self.excused += 1;
        }
        one.last = now;
        one.fence = fence.unwrap_or(one.fence);
        if one
            .excused
            .is_some_and(|(fence, until)| one.fence != fence || now >= until)
        {
            one.excused = None;
        }
        match what {
            b'+' => {
                one.held += 1;
                self.taken += 1;
            }
            b'-' => one.held = one.held.saturating_sub(1),
            _ => {}
        }
        if silent >= GRACE {
            self.log(format!("member {number} was silent for {silent:.1?}"));
        }
        self.check(now);
    }

    fn check(&mut self, now: Instant) {
        let promised = |one: &&Heard| one.excused.is_none() && now - one.last < GRACE;
        let all = self.members.values().filter(promised).map(|m| m.held).sum();
        self.most = self.most.max(all);
        if all > self.in_force {
            let held: Vec<_> = self.members.iter().map(|(n, m)| (*n, m.held)).collect();
            let text = format!("{all} are held, {} may be: {held:?}", self.in_force);
            if self.wrong.len() < 20 {
                self.log(format!("WRONG: {text}"));
                self.wrong.push(text);
            }
        }
    }
}

async fn probe(listener: TcpListener, seen: Arc<Mutex<Seen>>) {
    let mut number = 0;
    while let Ok((mut socket, _)) = listener.accept().await {
        number += 1;
        let seen = Arc::clone(&seen);
        let _ = socket.set_nodelay(true);
        tokio::spawn(async move {
            while let Ok(what) = socket.read_u8().await {
                let fence = match what {
                    b'.' => socket.read_u64().await.ok(),
                    _ => None,
                };
                seen.lock().unwrap().hear(number, what, fence);
                if socket.write_all(&[what]).await.is_err() {
                    break;
                }
            }
            seen.lock().unwrap().members.remove(&number);
        });
    }
}

/// How one member's way to the server is.
#[derive(Default)]
struct Way {
    bad: AtomicBool,
    cut: AtomicBool,
}

/// Numbers that look random: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

async fn relay(listener: TcpListener, server: String, way: Arc<Way>) {
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

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Arc<Way>, mut random: Random) {
    let mut part = [0; 1400];
    while let Ok(n @ 1..) = from.read(&mut part).await {
        if way.bad.load(Relaxed) {
            sleep(Duration::from_millis(5 + random.below(30))).await;
            while random.below(5) == 0 {
                sleep(Duration::from_millis(200)).await;
            }
        }
        while way.cut.load(Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
        if to.write_all(&part[..n]).await.is_err() {
            return;
        }
    }
}

/// A process that ends with this.
struct Process(Child);

impl Process {
    fn start(index: usize, store: &str, probe: &str) -> Result<Self, Failure> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--member", store, probe]);
        if Path::new(FAKETIME).exists() && index < 2 {
            command.env("LD_PRELOAD", FAKETIME);
            match index {
                0 => command
                    .env("FAKETIME", "+10m")
                    .env("DONT_FAKE_MONOTONIC", "1"),
                _ => command.env("FAKETIME", "+0 x1.05"),
            };
        }
        // It is killed, so what it says then is of no use.
        Ok(Self(command.stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // What libfaketime leaves behind when it is killed.
        for file in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{file}{}", self.0.id()));
        }
    }
}

fn signal(process: u32, signal: &str) -> io::Result<()> {
    let done = Command::new("kill")
        .args([signal, &process.to_string()])
        .status()?;
    done.success()
        .then_some(())
        .ok_or_else(|| io::Error::other("kill"))
}

async fn chaos(seconds: u64) -> Result<bool, Failure> {
    let mut server = Server::try_start(&[]).map_err(|error| format!("redis-server: {error}"))?;
    let address = server.address();
    let plain = address.trim_start_matches("redis://").to_owned();
    if !Path::new(FAKETIME).exists() {
        println!("no libfaketime ({FAKETIME}): all clocks are right");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let listens = listener.local_addr()?.to_string();
    let seen = Arc::new(Mutex::new(Seen {
        members: BTreeMap::new(),
        taken: 0,
        in_force: MAX,
        most: 0,
        excused: 0,
        wrong: Vec::new(),
        begin: Instant::now(),
        log: Vec::new(),
    }));
    tokio::spawn(probe(listener, Arc::clone(&seen)));
    let log = |event: String| seen.lock().unwrap().log(event);

    let (mut ways, mut stores, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..MEMBERS {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        stores.push(format!("redis://{}", listener.local_addr()?));
        let way = Arc::new(Way::default());
        way.bad.store(index % 2 == 0, Relaxed);
        tokio::spawn(relay(listener, plain.clone(), Arc::clone(&way)));
        ways.push(way);
        members.push(Process::start(index, &stores[index], &listens)?);
    }
    // One that only looks, and sets max.
    let fleet = joined(&address).await?;

    let mut random = Random(u64::from(std::process::id()));
    let mut counts = [0; 4];
    // What ends a fault: tasks of their own, which no other fault holds up.
    let mut busy: Vec<Option<tokio::task::JoinHandle<()>>> = Vec::new();
    busy.resize_with(MEMBERS, || None);
    let (begin, mut last_max, mut last_fault) = (Instant::now(), Instant::now(), Instant::now());
    let (mut max, mut restarts_at) = (MAX, Duration::from_secs(4));
    let mut trust = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds) {
        if last_max.elapsed() >= Duration::from_secs(2) {
            last_max = Instant::now();
            max = if max == MAX { 8 } else { MAX };
            {
                // Before it is sent, and also if the answer is lost.
                let mut seen = seen.lock().unwrap();
                seen.in_force = seen.in_force.max(max);
            }
            let done = fleet.set_max(max).await;
            if done.is_err() {
                trust = Instant::now() + LEASE + GRACE;
            }
            log(format!("max {max}: {done:?}"));
        }
        if begin.elapsed() >= restarts_at {
            restarts_at += Duration::from_secs(20);
            {
                // What was set last may be lost with it.
                let mut seen = seen.lock().unwrap();
                seen.in_force = MAX;
                seen.log("the server starts again");
            }
            server = tokio::task::spawn_blocking(move || {
                server.restart();
                server
            })
            .await?;
            // Not from now on, but from when the first has reported.
            while fleet.snapshot().await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
            trust = Instant::now() + LEASE + GRACE;
            counts[3] += 1;
            log("somebody has reported".to_owned());
        }
        if last_fault.elapsed() >= Duration::from_millis(500) {
            last_fault = Instant::now();
            let index = random.below(MEMBERS as u64) as usize;
            if busy[index].as_ref().is_none_or(|fault| fault.is_finished()) {
                let what = random.below(3) as usize;
                counts[what] += 1;
                log(format!(
                    "member {index}: {}",
                    ["killed", "stopped", "cut"][what]
                ));
                let seen = Arc::clone(&seen);
                match what {
                    0 => {
                        members[index] = Process::start(index, &stores[index], &listens)?;
                    }
                    1 => {
                        let (process, leases) = (members[index].0.id(), 500 + random.below(2501));
                        signal(process, "-STOP")?;
                        busy[index] = Some(tokio::spawn(async move {
                            sleep(LEASE * leases as u32 / 1000).await;
                            signal(process, "-CONT").expect("it is not killed while it is stopped");
                            seen.lock().unwrap().log(format!("member {index}: goes on"));
                        }));
                    }
                    _ => {
                        let way = Arc::clone(&ways[index]);
                        way.cut.store(true, Relaxed);
                        busy[index] = Some(tokio::spawn(async move {
                            sleep(PARTITION).await;
                            way.cut.store(false, Relaxed);
                            seen.lock().unwrap().log(format!("member {index}: healed"));
                        }));
                    }
                }
            }
        }
        // All that is out is counted, and fits: from here on that is the bound.
        let snapshot = fleet.snapshot().await.ok();
        let fits = |s: &FleetSnapshot| Instant::now() >= trust && s.counted() <= u64::from(s.max);
        if let Some(snapshot) = snapshot.filter(fits) {
            let mut seen = seen.lock().unwrap();
            if seen.in_force != snapshot.max as usize {
                seen.in_force = snapshot.max as usize;
                seen.log(format!(
                    "in force: {} ({:?})",
                    snapshot.max, snapshot.members
                ));
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    for fault in busy.into_iter().flatten() {
        fault.await?;
    }
    ways.iter().for_each(|way| way.bad.store(false, Relaxed));

    // All is as it should be again. Those that were killed are forgotten after lease and grace.
    seen.lock().unwrap().in_force = MAX;
    let quiet = Instant::now();
    let sums = loop {
        let sums = fleet.snapshot().await.ok();
        let done = sums.as_ref().is_some_and(|s| {
            s.members.len() == MEMBERS + 1
                && s.shares() == u64::from(s.max)
                && s.max as usize == MAX
        });
        if done || quiet.elapsed() > Duration::from_secs(60) {
            break done;
        }
        if sums.is_none_or(|s| s.max as usize != MAX) {
            let _ = fleet.set_max(MAX).await;
        }
        sleep(Duration::from_millis(20)).await;
    };
    let took = quiet.elapsed();
    let last_snapshot = fleet.snapshot().await;
    let seen = seen.lock().unwrap();
    println!(
        "{} killed, {} stood still, {} partitions, {} servers that came back empty",
        counts[0], counts[1], counts[2], counts[3]
    );
    println!("{} permits, at most {} held at once", seen.taken, seen.most);
    println!(
        "{} times a member was silent for longer than is promised",
        seen.excused
    );
    match sums {
        true => println!("all shares add up to max {took:.1?} after the last fault"),
        false => println!("NEVER DO THE SHARES ADD UP TO MAX: {last_snapshot:?}"),
    }
    if seen.wrong.is_empty() {
        println!("never more than the max in force");
    } else {
        let last = seen.log.len().saturating_sub(200);
        seen.log[last..].iter().for_each(|line| println!("{line}"));
    }
    Ok(seen.wrong.is_empty() && sums && seen.taken > 0)
}
