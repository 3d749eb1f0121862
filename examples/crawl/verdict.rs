//! What the server saw against what was allowed.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    sync::atomic::Ordering::SeqCst,
};

use crate::{crawl::Crawled, options::Options, site::Site};

/// Prints the table. Says whether all is well.
pub fn print(options: &Options, site: &Site, crawled: &Crawled) -> io::Result<bool> {
    let (table, well) = table(options, site, crawled);
    match io::stdout().write_all(table.as_bytes()) {
        // Whoever closes it has seen what he wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(io::Error::new(
            error.kind(),
            format!("standard output: {error}"),
        )),
        _ => Ok(well),
    }
}

fn table(options: &Options, site: &Site, crawled: &Crawled) -> (String, bool) {
    let mut table = String::new();
    let mut well = true;
    let mut held = |seen: usize, allowed: usize| {
        well &= seen <= allowed;
        let mark = if seen <= allowed { "" } else { " EXCESS" };
        format!("{seen} of {allowed}{mark}")
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "{:<20} {:>16} {:>16} {:>8}",
        "host", "before", "after", "pages"
    );
    let seen = crawled.before.iter().zip(&crawled.after);
    for (at, (host, (&before, &after))) in site.hosts.iter().zip(seen).enumerate() {
        let then = if at == 0 {
            options.then
        } else {
            options.per_host
        };
        let served = host.served.load(SeqCst);
        let _ = writeln!(
            table,
            "{:<20} {:>16} {:>16} {served:>8}",
            host.name,
            held(before, options.per_host),
            held(after, then),
        );
    }
    let all = held(site.gauge.take_most(), options.total);
    let _ = writeln!(
        table,
        "{:<20} {all:>16} {:>16} {:>8}",
        "all", "", crawled.fetched
    );
    let each_once = |served: usize| served == options.pages;
    let complete = site
        .hosts
        .iter()
        .all(|host| each_once(host.served.load(SeqCst)));
    if !complete {
        let _ = writeln!(table, "not every page was fetched exactly once");
    }
    let well = well && complete && crawled.fetched == options.hosts * options.pages;
    (table, well)
}
