//! Clients of the gateway, and what the upstream saw of them while max was moved.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{Request, StatusCode, header::RETRY_AFTER},
};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{task::JoinSet, time::sleep};

use super::{gateway::Gateway, upstream::Upstream};

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Tally {
    pub served: u64,
    /// The client has gone in the middle of the body.
    pub cut: u64,
    /// By the reason that the client was told.
    pub rejected: BTreeMap<String, u64>,
    /// What a client of this gateway should never see.
    pub strange: Vec<String>,
}

/// One connection, which asks again and again.
async fn client(
    front: SocketAddr,
    path: &'static str,
    tenant: String,
    cuts: bool,
    stop: Arc<AtomicBool>,
) -> Tally {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut tally = Tally::default();
    while !stop.load(Relaxed) {
        let request = Request::get(format!("http://{front}{path}"))
            .header("x-tenant", &tenant)
            .body(Empty::new());
        let answer = client.request(request.expect("a request")).await;
        let mut response = match answer {
            Ok(response) => response,
            Err(error) => {
                tally.strange.push(error.to_string());
                continue;
            }
        };
        if cuts && response.status() == StatusCode::OK {
            let first = response.frame().await;
            tally.cut += u64::from(first.is_some());
            continue;
        }
        let (head, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                tally.strange.push(error.to_string());
                continue;
            }
        };
        match head.status {
            StatusCode::OK => tally.served += 1,
            StatusCode::SERVICE_UNAVAILABLE if head.headers.contains_key(RETRY_AFTER) => {
                let reason = String::from_utf8_lossy(&body).into_owned();
                *tally.rejected.entry(reason).or_default() += 1;
                sleep(Duration::from_millis(1)).await;
            }
            status => tally.strange.push(status.to_string()),
        }
    }
    tally
}

/// Clients that go on until they are stopped.
pub struct Load {
    clients: JoinSet<Tally>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// `n` of them, of four tenants, every `cut`th of which goes away in the middle of each body.
    pub fn start(front: SocketAddr, path: &'static str, n: usize, cut: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let clients = (1..=n)
            .map(|i| {
                let tenant = format!("tenant {}", i % 4);
                client(front, path, tenant, i % cut == 0, Arc::clone(&stop))
            })
            .collect();
        Self { clients, stop }
    }

    /// What became of their requests, when the last ones have ended.
    pub async fn stop(self) -> Tally {
        self.stop.store(true, Relaxed);
        let mut all = Tally::default();
        for tally in self.clients.join_all().await {
            all.served += tally.served;
            all.cut += tally.cut;
            all.strange.extend(tally.strange);
            for (reason, n) in tally.rejected {
                *all.rejected.entry(reason).or_default() += n;
            }
        }
        all
    }
}

/// Sets max, and tells the most bodies that the upstream had open from when the shrink was
/// through, if it was one, until `time` was over.
pub async fn seen_with_max(
    gateway: &Gateway,
    upstream: &Upstream,
    max: usize,
    time: Duration,
) -> usize {
    gateway.semaphore.set_max(max);
    gateway.semaphore.settled().await;
    upstream.take_peak();
    sleep(time).await;
    upstream.take_peak()
}

/// When nobody holds or waits for anything any more.
pub async fn nothing_is_held(gateway: &Gateway, upstream: &Upstream) {
    gateway.semaphore.idle().await;
    while gateway.semaphore.waiting() > 0 || !gateway.tenants.is_empty() || upstream.open() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
}
