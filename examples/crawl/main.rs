//! A crawler that is polite to each host and bounded over all, on real HTTP:
//!
//! ```text
//! cargo run --release --example crawl -- --per-host 4 --then 1 --total 12
//! ```
//!
//! A small server on the loopback answers under several host names and records
//! how many requests of each host it works on at once. The crawler starts at one
//! page and fetches what it finds linked. Half-way, the max of one host is
//! changed. At the end what the *server* has seen is held against what was
//! allowed.
//!
//! | module | role |
//! |---|---|
//! | `options` | the command line |
//! | `site` | the server: pages with links, and who is served at once |
//! | `fetch` | the client: one page over one connection |
//! | `crawl` | what is known and what is not, the permits, the change half-way |
//! | `verdict` | what was seen against what was allowed |
//!
//! Exit status: 0 when all went well, 1 when a host or all together saw more at
//! once than was allowed or a page was not fetched exactly once, or the table
//! cannot be written, 2 for bad arguments.

mod crawl;
mod fetch;
mod options;
mod site;
mod verdict;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use options::{Options, Request};
use site::Site;

const EXCESS: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    match options::parse() {
        Ok(Request::Run(options)) => {
            #[cfg(unix)]
            raise_descriptors();
            run(&options)
        }
        Ok(Request::Help) => {
            // Nothing is left to do when nobody reads the help.
            let _ = io::stdout().write_all(options::USAGE.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = write!(io::stderr(), "crawl: {error}\n\n{}", options::USAGE);
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

/// Each connection is two descriptors here: takes as many as it may.
#[cfg(unix)]
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer it may do as well.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[tokio::main]
async fn run(options: &Options) -> ExitCode {
    let outcome = async {
        let site = Site::start(options).await?;
        let crawled = crawl::crawl(options, &site).await?;
        verdict::print(options, &site, &crawled)
    };
    match outcome.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXCESS),
        Err(error) => {
            let _ = writeln!(io::stderr(), "crawl: {error}");
            ExitCode::from(EXCESS)
        }
    }
}
