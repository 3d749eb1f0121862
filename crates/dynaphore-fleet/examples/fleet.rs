//! A fleet of processes without a coordinator, and a probe that counts what is held.
//!
//! ```sh
//! cargo run --release -p dynaphore-fleet --example fleet              # starts a redis-server
//! cargo run --release -p dynaphore-fleet --example fleet -- --memory  # members in one process
//! ```
//!
//! Members are processes of this program. Each takes permits, tells the probe, and gives
//! them back; one is killed and others are added as it goes on. The probe is this process: a
//! member's permits are back when the member is gone. Exit status 1 if it ever saw more than
//! max. Needs Unix.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/probe.rs"]
mod probe;
#[path = "../tests/common/program.rs"]
mod program;

use std::{
    collections::BTreeMap,
    env,
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{Ended, Server, say};
use dynaphore_fleet::{Fleet, Memory, Options, Redis, Store};
use probe::{Listener, Teller};
use program::Failure;
use tokio::{runtime::Builder, time::sleep};

const MAX: usize = 12;
const LEASE: Duration = Duration::from_millis(900);
const SECONDS: u32 = 8;

fn main() -> ExitCode {
    program::run(
        "fleet",
        Builder::new_multi_thread(),
        async |arguments| match arguments {
            [] => show(false).await,
            ["--memory"] => show(true).await,
            ["--member", store, tasks] => {
                member(Redis::new(*store)?, Teller::inherited()?, tasks.parse()?).await?;
                Ok(true)
            }
            _ => Err("usage: fleet [--memory]".into()),
        },
    )
}

/// Joins, and works with so many tasks until it is killed.
async fn member(store: impl Store, teller: Teller, tasks: usize) -> Result<(), Failure> {
    let fleet = Fleet::join(store, "demo", Options::new(MAX).lease(LEASE)).await?;
    let teller = Arc::new(teller);
    let mut running = Vec::new();
    for _ in 0..tasks {
        let (semaphore, teller) = (Arc::clone(fleet.semaphore()), Arc::clone(&teller));
        running.push(tokio::spawn(async move {
            while let Ok(permit) = semaphore.acquire().await {
                // The probe has counted it before the work begins, and it is out of the
                // count before the permit is back.
                teller.tell(b'+', || 0).await?;
                sleep(Duration::from_millis(7)).await;
                teller.tell(b'-', || 0).await?;
                drop(permit);
            }
            Ok::<(), std::io::Error>(())
        }));
    }
    for task in running {
        task.await??;
    }
    Ok(())
}

/// What is held under permits, as the probe sees it.
#[derive(Default)]
struct Seen {
    held: BTreeMap<u64, usize>,
    most: usize,
    taken: u64,
}

async fn listen(listener: Listener, number: u64, seen: Arc<Mutex<Seen>>) {
    listener.listen(|what, _| count(&seen, number, what)).await;
    seen.lock().unwrap().held.remove(&number);
}

fn count(seen: &Mutex<Seen>, number: u64, what: u8) {
    let mut seen = seen.lock().unwrap();
    let held = seen.held.entry(number).or_default();
    if what == b'+' {
        *held += 1;
        seen.taken += 1;
    } else {
        *held = held.saturating_sub(1);
    }
    let all = seen.held.values().sum();
    seen.most = seen.most.max(all);
}

/// One that works: a process, or a task.
enum Worker {
    Process(#[allow(dead_code, reason = "ends it when it is dropped")] Ended),
    Task(tokio::task::JoinHandle<Result<(), Failure>>),
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

async fn show(memory: bool) -> Result<bool, Failure> {
    let server = match memory {
        true => None,
        false => Some(
            Server::try_start(&[])
                .map_err(|error| format!("redis-server: {error}; install it, or use --memory"))?,
        ),
    };
    let address = server.as_ref().map_or_else(String::new, Server::address);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Memory::new();
    let mut number = 0;
    let mut start = |tasks: usize| -> Result<Worker, Failure> {
        let (end, listener) = probe::pair()?;
        number += 1;
        tokio::spawn(listen(listener, number, Arc::clone(&seen)));
        if memory {
            let teller = Teller::new(end)?;
            return Ok(Worker::Task(tokio::spawn(member(
                shared.clone(),
                teller,
                tasks,
            ))));
        }
        let child = Command::new(env::current_exe()?)
            .args(["--member", &address, &tasks.to_string()])
            .stdin(end)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Worker::Process(Ended(child)))
    };
    let mut workers = vec![start(3)?, start(6)?, start(20)?];
    // One that only looks, and sets max.
    let fleet = if memory {
        Fleet::join(shared.clone(), "demo", Options::new(MAX).lease(LEASE)).await?
    } else {
        Fleet::join(
            Redis::new(address.as_str())?,
            "demo",
            Options::new(MAX).lease(LEASE),
        )
        .await?
    };

    say(format_args!("  time  max  out at most  held  shares"))?;
    let (begin, mut good, mut shrunk) = (Instant::now(), true, 0);
    for step in 0..SECONDS * 2 {
        match step {
            4 => {
                say(format_args!("        one more member"))?;
                workers.push(start(9)?);
            }
            8 => {
                say(format_args!("        a member is killed"))?;
                drop(workers.remove(2));
            }
            12 => {
                say(format_args!("        max is 5"))?;
                fleet.set_max(5).await?;
                fleet.settled().await?;
                // From here on no more than 5 may be seen.
                good &= seen.lock().unwrap().most <= MAX;
                let mut seen = seen.lock().unwrap();
                seen.most = seen.held.values().sum();
                shrunk = step;
            }
            _ => {}
        }
        sleep(Duration::from_millis(500)).await;
        let snapshot = fleet.snapshot().await?;
        let shares: Vec<_> = snapshot
            .members
            .iter()
            .map(|m| m.share.to_string())
            .collect();
        let seen = seen.lock().unwrap();
        let held: usize = seen.held.values().sum();
        good &= seen.most <= if shrunk > 0 { 5 } else { MAX };
        say(format_args!(
            "{:5.1}s  {:3}  {:11}  {:4}  {}",
            begin.elapsed().as_secs_f64(),
            snapshot.max,
            snapshot.counted(),
            held,
            shares.join(" ")
        ))?;
    }
    let taken = seen.lock().unwrap().taken;
    let verdict = if good {
        "never more than max"
    } else {
        "MORE THAN MAX"
    };
    say(format_args!("{taken} permits, {verdict}"))?;
    drop(workers);
    drop(server);
    Ok(good && taken > 0)
}
