//! A gateway in front of a small upstream of its own: how many requests are in it, at most,
//! is moved on a page while it serves.
//!
//! ```sh
//! cargo run --release -p dynaphore-tower --example gateway            # and open the page
//! cargo run --release -p dynaphore-tower --example gateway -- --demo  # loads itself
//! ```

mod gateway;
mod load;
mod upstream;

use std::{env, io, process::ExitCode, time::Duration};

use gateway::{Gateway, Options};
use load::{Load, nothing_is_held, seen_with_max};
use tokio::time::timeout;
use upstream::Upstream;

const USAGE: &str = "usage: gateway [--demo]

  --demo   sends requests to itself, moves max, and holds what the upstream saw
           against what was allowed; exit status 1 if that was ever more";

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve().await,
        ["--demo"] => demo().await,
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

async fn serve() -> io::Result<ExitCode> {
    let upstream = Upstream::start().await?;
    let options = Options {
        front: ([127, 0, 0, 1], 8080).into(),
        control: ([127, 0, 0, 1], 8081).into(),
        ..Options::default()
    };
    let gateway = Gateway::start(&options, upstream.address).await?;
    let Gateway {
        front,
        control,
        token,
        ..
    } = &gateway;
    println!("serving http://{front}/ (not limited: http://{front}/health)");
    println!("the page: http://{control}/#{token}");
    println!("figures to scrape: http://{control}/metrics");
    println!(
        "max by hand: curl -X PUT -H 'Authorization: Bearer {token}' -d 4 http://{control}/max"
    );
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

async fn demo() -> io::Result<ExitCode> {
    let upstream = Upstream::start().await?;
    let gateway = Gateway::start(&Options::default(), upstream.address).await?;
    let load = Load::start(gateway.front, "/", 100, 5);
    let health = Load::start(gateway.front, "/health", 1, 2);
    let mut excess = 0;
    println!("max   the upstream saw, at most");
    for max in [8, 2, 32, 1, 16, 0, 4] {
        let seen = seen_with_max(&gateway, &upstream, max, Duration::from_millis(400)).await;
        println!("{max:3}   {seen:3}");
        excess += usize::from(seen > max);
    }
    let (tally, health) = (load.stop().await, health.stop().await);
    timeout(
        Duration::from_secs(10),
        nothing_is_held(&gateway, &upstream),
    )
    .await?;
    println!("{} served, {} cut in mid-body", tally.served, tally.cut);
    for (reason, n) in &tally.rejected {
        println!("{n} turned away: {reason}");
    }
    println!("{} health checks answered", health.served);
    let strange = [&tally.strange[..], &health.strange[..]].concat();
    for what in &strange {
        println!("not expected: {what}");
    }
    let healthy = health.rejected.is_empty() && health.served > 0;
    Ok(if excess == 0 && strange.is_empty() && healthy {
        println!("never more than allowed");
        ExitCode::SUCCESS
    } else {
        println!("more than allowed in {excess} of the phases");
        ExitCode::FAILURE
    })
}
