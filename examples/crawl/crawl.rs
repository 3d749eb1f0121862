//! The crawler: what is known, and who may fetch.
//!
//! Each page is a task. It first waits for its host and then for its share of
//! all, in this order: whoever waits for a slow host keeps nothing from others.

use std::{collections::HashSet, io, net::SocketAddr, sync::Arc};

use dynaphore::{KeyedSemaphore, Semaphore};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::{
    fetch::{Link, fetch},
    options::Options,
    site::Site,
};

/// What the server saw of each host at most, before the change and after it.
pub struct Crawled {
    pub fetched: usize,
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

/// Who may fetch.
struct Manners {
    hosts: KeyedSemaphore<String>,
    all: Semaphore,
    lawless: bool,
}

impl Manners {
    async fn fetch(&self, address: SocketAddr, link: &Link) -> io::Result<Vec<Link>> {
        if self.lawless {
            return fetch(address, link).await;
        }
        let host = self.hosts.acquire(&link.host).await;
        let _host = host.map_err(io::Error::other)?;
        let _share = self.all.acquire().await.map_err(io::Error::other)?;
        fetch(address, link).await
    }
}

/// Fetches all that can be found from page 0 of the first host.
pub async fn crawl(options: &Options, site: &Site) -> io::Result<Crawled> {
    let manners = Arc::new(Manners {
        hosts: KeyedSemaphore::new(options.per_host),
        all: Semaphore::new(options.total),
        lawless: options.lawless,
    });
    let bar = ProgressBar::new(1).with_style(
        ProgressStyle::with_template("{bar:32} {pos}/{len} pages, {msg}")
            .expect("the template is well formed"),
    );
    let half = options.hosts * options.pages / 2;
    let mut before = None;
    let mut fetched = 0;
    let mut known = HashSet::new();
    let mut tasks = JoinSet::new();
    let mut found = vec![Link {
        host: site.hosts[0].name.clone(),
        path: "/page/0".to_owned(),
    }];
    loop {
        for link in found {
            if known.insert(link.clone()) {
                let (manners, address) = (Arc::clone(&manners), site.address);
                tasks.spawn(async move { manners.fetch(address, &link).await });
            }
        }
        bar.set_length(known.len() as u64);
        bar.set_message(format!(
            "{} hosts in use, {}/{} at once",
            manners.hosts.len(),
            manners.all.active(),
            options.total,
        ));
        let Some(links) = tasks.join_next().await else {
            break;
        };
        found = links.map_err(io::Error::other)??;
        fetched += 1;
        bar.set_position(fetched as u64);
        if fetched == half {
            before = Some(change(options, site, &manners.hosts).await);
        }
    }
    bar.finish_and_clear();
    let before = before.unwrap_or_else(|| most(site));
    Ok(Crawled {
        fetched,
        before,
        after: most(site),
    })
}

/// Gives the first host a max of its own while requests are on their way, and
/// returns what was seen of each host until it was in force.
async fn change(options: &Options, site: &Site, hosts: &KeyedSemaphore<String>) -> Vec<usize> {
    let first = site.hosts[0].name.as_str();
    if options.then >= options.per_host {
        let before = most(site);
        hosts
            .set_max(first, options.then)
            .expect("any number of keys");
        return before;
    }
    hosts
        .set_max(first, options.then)
        .expect("any number of keys");
    // Who is in stays in. From when they are out the new max is all there is.
    hosts.settled(first).await;
    most(site)
}

fn most(site: &Site) -> Vec<usize> {
    site.hosts
        .iter()
        .map(|host| host.gauge.take_most())
        .collect()
}
