//! What the server saw against what was allowed.

use std::sync::atomic::Ordering::SeqCst;

use crate::{crawl::Crawled, options::Options, site::Site};

/// Prints the table. Says whether all is well.
pub fn print(options: &Options, site: &Site, crawled: &Crawled) -> bool {
    let mut well = true;
    let mut held = |seen: usize, allowed: usize| {
        well &= seen <= allowed;
        let mark = if seen <= allowed { "" } else { " EXCESS" };
        format!("{seen} of {allowed}{mark}")
    };
    println!(
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
        println!(
            "{:<20} {:>16} {:>16} {served:>8}",
            host.name,
            held(before, options.per_host),
            held(after, then),
        );
    }
    let all = held(site.gauge.take_most(), options.total);
    println!("{:<20} {all:>16} {:>16} {:>8}", "all", "", crawled.fetched);
    let each_once = |served: usize| served == options.pages;
    let complete = site
        .hosts
        .iter()
        .all(|host| each_once(host.served.load(SeqCst)));
    if !complete {
        println!("not every page was fetched exactly once");
    }
    well && complete && crawled.fetched == options.hosts * options.pages
}
