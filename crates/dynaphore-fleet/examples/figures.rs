//! The figures of the fleet, against a redis-server that it starts.
//!
//! ```sh
//! cargo run --release -p dynaphore-fleet --example figures
//! ```

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/program.rs"]
mod program;

use std::{
    env,
    future::pending,
    hint::black_box,
    io::{self, BufRead, BufReader, Read},
    process::{Command, ExitCode, Stdio, exit},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{Ended, Server, say};
use dynaphore::Semaphore;
use dynaphore_fleet::{Fleet, Options, Redis};
use program::Failure;
use tokio::{runtime::Builder, time::sleep};

fn main() -> ExitCode {
    let runtime = Builder::new_current_thread();
    program::run("figures", runtime, async |arguments| match arguments {
        [] => {
            let server = Server::try_start(&[])
                .map_err(|error| format!("redis-server: {error}; install it"))?;
            let address = server.address();
            hot_path(&address).await?;
            moving_demand(&address).await?;
            killed(&address).await?;
            Ok(true)
        }
        ["--hold", address] => hold(address).await,
        _ => Err("usage: figures".into()),
    })
}

async fn join(address: &str, name: &str, max: usize, lease: Duration) -> Result<Fleet, Failure> {
    Ok(Fleet::join(Redis::new(address)?, name, Options::new(max).lease(lease)).await?)
}

/// Nanoseconds for an acquire and a release, of one task.
async fn local(semaphore: &Semaphore, rounds: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..rounds {
        drop(black_box(semaphore.acquire().await));
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A permit for each round trip: what a ZSET and a script do, with expiry.
const ROUND_TRIP: &str = "
    local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now)
    if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
    return redis.call('ZADD', KEYS[1], now + 3000, ARGV[1])";

async fn hot_path(address: &str) -> Result<(), Failure> {
    let fleet = join(address, "hot", 64, Duration::from_secs(3)).await?;
    while fleet.semaphore().max() < 64 {
        sleep(Duration::from_millis(10)).await;
    }
    let plain = Arc::new(Semaphore::new(64));
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..41 {
        let a = local(&plain, 200_000).await;
        let b = local(fleet.semaphore(), 200_000).await;
        ratios.push(b / a);
        ours.push(b);
        theirs.push(a);
    }
    say(format_args!("async_1t  {:6.1} ns", median(&mut theirs)))?;
    let fleet_ns = median(&mut ours);
    say(format_args!(
        "fleet_1t  {fleet_ns:6.1} ns, {:.3} of async_1t",
        median(&mut ratios)
    ))?;

    let mut connection = redis::Client::open(address)?
        .get_multiplexed_async_connection()
        .await?;
    let script = redis::Script::new(ROUND_TRIP);
    let mut times = Vec::new();
    for _ in 0..11 {
        let start = Instant::now();
        for i in 0..1000 {
            let _: i64 = script
                .key("zset")
                .arg(i)
                .arg(64)
                .invoke_async(&mut connection)
                .await?;
            redis::cmd("ZREM")
                .arg("zset")
                .arg(i)
                .exec_async(&mut connection)
                .await?;
        }
        times.push(start.elapsed().as_secs_f64() * 1e9 / 1000.0);
    }
    let round_trip = median(&mut times);
    say(format_args!(
        "a permit for each round trip  {round_trip:.0} ns, {:.0} times fleet_1t",
        round_trip / fleet_ns
    ))?;

    // Idle: what the server counts, less what asking costs.
    let count = async |connection: &mut redis::aio::MultiplexedConnection| -> Result<f64, Failure> {
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(connection)
            .await?;
        let calls = info
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"))
            .and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok());
        Ok(calls.unwrap_or(0.0))
    };
    let before = count(&mut connection).await?;
    sleep(Duration::from_secs(6)).await;
    let rate = (count(&mut connection).await? - before) / 6.0;
    say(format_args!("an idle member  {rate:.1} commands a second"))?;
    Ok(())
}

/// Sixteen members, of which another four have all the demand in each second.
async fn moving_demand(address: &str) -> Result<(), Failure> {
    const MAX: usize = 64;
    let mut fleets = Vec::new();
    for _ in 0..16 {
        fleets.push(join(address, "moving", MAX, Duration::from_secs(3)).await?);
    }
    sleep(Duration::from_secs(4)).await;
    let mut in_use = Vec::new();
    for second in 0..8 {
        let mut tasks = Vec::new();
        for i in 0..4 {
            for _ in 0..40 {
                let semaphore = Arc::clone(fleets[(second * 4 + i) % 16].semaphore());
                tasks.push(tokio::spawn(async move {
                    loop {
                        let Ok(permit) = semaphore.acquire().await else {
                            return;
                        };
                        sleep(Duration::from_millis(5)).await;
                        drop(permit);
                    }
                }));
            }
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            let out: usize = fleets
                .iter()
                .map(|fleet| fleet.semaphore().snapshot().active)
                .sum();
            assert!(out <= MAX, "{out} are out");
            in_use.push(out as f64 / MAX as f64);
            sleep(Duration::from_millis(1)).await;
        }
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
    let mean = in_use.iter().sum::<f64>() / in_use.len() as f64;
    say(format_args!(
        "16 members, demand moves each second  {:.1} % of max in use",
        mean * 100.0
    ))?;
    Ok(())
}

const KILLED_LEASE: Duration = Duration::from_secs(1);
const KILLED_MAX: usize = 16;

/// A process that is to be killed: has half of all permits, and says when. It ends with the
/// one that started it, whose end of its input closes then.
async fn hold(address: &str) -> Result<bool, Failure> {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        exit(0);
    });
    let fleet = join(address, "killed", KILLED_MAX, KILLED_LEASE).await?;
    let mut permits = Vec::new();
    for _ in 0..KILLED_MAX / 2 {
        permits.push(fleet.semaphore().acquire().await?);
    }
    say(format_args!("it has them"))?;
    pending().await
}

/// Another process is killed, and its share is waited for.
async fn killed(address: &str) -> Result<(), Failure> {
    const TIMES: u32 = 24;
    let fleet = join(address, "killed", KILLED_MAX, KILLED_LEASE).await?;
    let mut took = Vec::new();
    for time in 0..TIMES {
        let child = Command::new(env::current_exe()?)
            .args(["--hold", address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut child = Ended(child);
        let mut line = String::new();
        if let Some(output) = child.0.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        if line.is_empty() {
            return Err("the process that is to be killed has ended by itself".into());
        }
        let mut waiting = Vec::new();
        for _ in 0..KILLED_MAX {
            let semaphore = Arc::clone(fleet.semaphore());
            waiting.push(tokio::spawn(semaphore.acquire_owned()));
        }
        // Wherever it may be between two renewals.
        sleep(Duration::from_millis(100) + KILLED_LEASE / 3 * time / TIMES).await;
        child.0.kill()?;
        let start = Instant::now();
        child.0.wait()?;
        let mut permits = Vec::new();
        for one in waiting {
            permits.push(one.await??);
        }
        took.push(start.elapsed().as_secs_f64() * 1e3);
        drop(permits);
    }
    let middle = median(&mut took);
    say(format_args!(
        "a member killed, lease 1000 ms  its share with who waits after {:.0} to {:.0} ms, {middle:.0} \
         in the middle",
        took[0],
        took[took.len() - 1]
    ))?;
    Ok(())
}
