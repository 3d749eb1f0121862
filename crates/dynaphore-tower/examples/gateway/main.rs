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

use std::{
    env, fmt,
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use gateway::{Gateway, Options};
use load::{Load, nothing_is_held, seen_with_max};
use tokio::time::timeout;
use upstream::Upstream;

const USAGE: &str = "\
usage: gateway [--front ADDRESS] [--control ADDRESS]
       gateway --demo

  --front ADDRESS     where it serves (default: 127.0.0.1:8080)
  --control ADDRESS   where its page is, on the loopback (default: 127.0.0.1:8081)
  --demo              sends requests to itself, moves max, and holds what the upstream saw
                      against what was allowed; exit status 1 if that was ever more
";

enum Asked {
    Serve(Options),
    Demo,
    Help,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut options = Options {
        front: ([127, 0, 0, 1], 8080).into(),
        control: ([127, 0, 0, 1], 8081).into(),
        // Of 24 that are served or wait.
        per_tenant: 4,
        ..Options::default()
    };
    while let Some(argument) = arguments.next() {
        let mut address = || -> Result<SocketAddr, String> {
            let value = arguments.next().unwrap_or_default();
            let wrong = |_| format!("{argument}: {value:?} is not an address such as 127.0.0.1:80");
            value.parse().map_err(wrong)
        };
        match &*argument {
            "--front" => options.front = address()?,
            "--control" => options.control = address()?,
            "--demo" => return Ok(Asked::Demo),
            "-h" | "--help" => return Ok(Asked::Help),
            _ => return Err(format!("what is {argument:?}?")),
        }
    }
    if !options.control.ip().is_loopback() {
        return Err("--control: not on the loopback".to_owned());
    }
    Ok(Asked::Serve(options))
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match parse(env::args().skip(1)) {
        Ok(Asked::Serve(options)) => serve(&options).await,
        Ok(Asked::Demo) => demo().await,
        Ok(Asked::Help) => {
            // Nothing is left to do when nobody reads the help.
            let _ = io::stdout().write_all(USAGE.as_bytes());
            Ok(true)
        }
        Err(error) => {
            let _ = write!(io::stderr(), "gateway: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> io::Result<bool> {
    let upstream = Upstream::start().await?;
    let gateway = Gateway::start(options, upstream.address).await?;
    let Gateway {
        front,
        control,
        token,
        ..
    } = &gateway;
    say(format_args!(
        "serving http://{front}/ (not limited: http://{front}/health)"
    ))?;
    say(format_args!(
        "{} at once of each tenant, who is the header x-tenant",
        options.per_tenant
    ))?;
    say(format_args!("the page: http://{control}/#{token}"))?;
    say(format_args!("figures to scrape: http://{control}/metrics"))?;
    say(format_args!(
        "max by hand: curl -X PUT -H 'Authorization: Bearer {token}' -d 4 http://{control}/max"
    ))?;
    tokio::signal::ctrl_c().await?;
    Ok(true)
}

async fn demo() -> io::Result<bool> {
    let upstream = Upstream::start().await?;
    let gateway = Gateway::start(&Options::default(), upstream.address).await?;
    let load = Load::start(gateway.front, "/", 100, 5);
    let health = Load::start(gateway.front, "/health", 1, 2);
    let mut excess = 0;
    say(format_args!("max   the upstream saw, at most"))?;
    for max in [8, 2, 32, 1, 16, 0, 4] {
        let seen = seen_with_max(&gateway, &upstream, max, Duration::from_millis(400)).await;
        say(format_args!("{max:3}   {seen:3}"))?;
        excess += usize::from(seen > max);
    }
    let (tally, health) = (load.stop().await, health.stop().await);
    timeout(
        Duration::from_secs(10),
        nothing_is_held(&gateway, &upstream),
    )
    .await?;
    let (served, cut) = (tally.served, tally.cut);
    say(format_args!("{served} served, {cut} cut in mid-body"))?;
    for (reason, n) in &tally.rejected {
        say(format_args!("{n} turned away: {reason}"))?;
    }
    say(format_args!("{} health checks answered", health.served))?;
    let strange = [&tally.strange[..], &health.strange[..]].concat();
    for what in &strange {
        say(format_args!("not expected: {what}"))?;
    }
    if excess > 0 {
        say(format_args!("more than allowed in {excess} of the phases"))?;
    } else {
        say(format_args!("never more than allowed"))?;
    }
    let healthy = health.rejected.is_empty() && health.served > 0;
    if !healthy {
        say(format_args!(
            "health checks were turned away, or none was answered"
        ))?;
    }
    Ok(excess == 0 && strange.is_empty() && healthy)
}

/// Writes a line to standard output. Whoever closes that has seen what he wanted.
fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let why = format!("standard output: {error}");
            Err(io::Error::new(error.kind(), why))
        }
        _ => Ok(()),
    }
}
