//! The command line.

use std::time::Duration;

use lexopt::prelude::*;

pub const USAGE: &str = "\
Usage: crawl [OPTIONS]

Crawls a small site of its own on the loopback, with a max of requests for each
host and one for all, and holds what the server saw against them.

Options:
  --hosts N      host names that the server answers under (default: 5)
  --pages N      pages of each host (default: 80)
  --per-host N   requests to one host at once (default: 4)
  --then N       the same for the first host from half-way on (default: 1)
  --total N      requests at once over all hosts (default: 12)
  --delay MS     how long the server works on a page (default: 5)
  --lawless      ask for no permits, to see that the check is one
  -h, --help     print this and exit

Exit status: 0 all is well, 1 the server saw more at once than was allowed or a
page was not fetched exactly once, 2 bad arguments.
";

/// What the command line asks for.
pub enum Request {
    Run(Options),
    Help,
}

#[derive(Debug)]
pub struct Options {
    pub hosts: usize,
    pub pages: usize,
    pub per_host: usize,
    pub then: usize,
    pub total: usize,
    pub delay: Duration,
    pub lawless: bool,
}

/// Reads the command line of this process.
pub fn parse() -> Result<Request, lexopt::Error> {
    let mut options = Options {
        hosts: 5,
        pages: 80,
        per_host: 4,
        then: 1,
        total: 12,
        delay: Duration::from_millis(5),
        lawless: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("hosts") => options.hosts = count(&mut arguments, 1_000)?,
            Long("pages") => options.pages = count(&mut arguments, 100_000)?,
            Long("per-host") => options.per_host = count(&mut arguments, 10_000)?,
            Long("then") => options.then = count(&mut arguments, 10_000)?,
            Long("total") => options.total = count(&mut arguments, 10_000)?,
            Long("delay") => {
                options.delay = Duration::from_millis(arguments.value()?.parse::<u16>()?.into());
            }
            Long("lawless") => options.lawless = true,
            Short('h') | Long("help") => return Ok(Request::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Run(options))
}

/// A number from 1 to `most`: with none at all nothing would move.
fn count(arguments: &mut lexopt::Parser, most: usize) -> Result<usize, lexopt::Error> {
    let number = arguments.value()?.parse()?;
    if (1..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} is not in 1 to {most}").into())
    }
}
