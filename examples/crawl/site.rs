//! The server: a site of several hosts, which records how many requests it works
//! on at once.
//!
//! Page `n` of a host links to its pages `2n + 1` and `2n + 2`, and to page `n`
//! of the next host, so that all are found from page 0 of the first.

use std::{
    convert::Infallible,
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::HOST,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::options::Options;

/// How many are served at once, and the most so far.
#[derive(Default)]
pub struct Gauge(Mutex<(usize, usize)>);

impl Gauge {
    fn counts(&self) -> MutexGuard<'_, (usize, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Inside<'_> {
        let mut counts = self.counts();
        let (now, most) = &mut *counts;
        *now += 1;
        *most = (*most).max(*now);
        Inside(self)
    }

    /// The most since this was asked last.
    pub fn take_most(&self) -> usize {
        let mut counts = self.counts();
        let (now, most) = &mut *counts;
        std::mem::replace(most, *now)
    }
}

struct Inside<'a>(&'a Gauge);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.counts().0 -= 1;
    }
}

/// One host of the site.
pub struct Host {
    pub name: String,
    pub gauge: Gauge,
    /// How often pages were served.
    pub served: AtomicUsize,
}

pub struct Site {
    pub address: SocketAddr,
    pub hosts: Vec<Host>,
    /// Over all hosts.
    pub gauge: Gauge,
    pages: usize,
    delay: Duration,
}

impl Site {
    /// Listens on a free port of the loopback and serves from now on.
    pub async fn start(options: &Options) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = |number| Host {
            name: format!("host-{number}.example"),
            gauge: Gauge::default(),
            served: AtomicUsize::new(0),
        };
        let site = Arc::new(Self {
            address: listener.local_addr()?,
            hosts: (0..options.hosts).map(host).collect(),
            gauge: Gauge::default(),
            pages: options.pages,
            delay: options.delay,
        });
        tokio::spawn(Arc::clone(&site).serve(listener));
        Ok(site)
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(Arc::clone(&self).serve_one(stream))),
                // It went away before it was accepted, or descriptors are short.
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    async fn serve_one(self: Arc<Self>, stream: TcpStream) {
        let answer = service_fn(|request| self.answer(request));
        // A client that hangs up will say so itself.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer)
            .await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let page = self.page(&request).await;
        let status = match page {
            Some(_) => StatusCode::OK,
            None => StatusCode::NOT_FOUND,
        };
        let mut response = Response::new(Full::from(page.unwrap_or_default()));
        *response.status_mut() = status;
        Ok(response)
    }

    /// The page that is asked for, if there is one.
    async fn page(&self, request: &Request<Incoming>) -> Option<String> {
        let name = request.headers().get(HOST)?.to_str().ok()?;
        let at = self.hosts.iter().position(|host| host.name == name)?;
        let number: usize = request.uri().path().strip_prefix("/page/")?.parse().ok()?;
        if number >= self.pages {
            return None;
        }
        let host = &self.hosts[at];
        let _inside = (host.gauge.enter(), self.gauge.enter());
        host.served.fetch_add(1, SeqCst);
        tokio::time::sleep(self.delay).await;

        let next = &self.hosts[(at + 1) % self.hosts.len()];
        let mut links = vec![(next, number)];
        let children = [2 * number + 1, 2 * number + 2];
        links.extend(
            children
                .into_iter()
                .filter(|&child| child < self.pages)
                .map(|child| (host, child)),
        );
        let mut page = format!("<html><title>{name}, page {number}</title><ul>\n");
        for (Host { name, .. }, number) in links {
            let _ = writeln!(
                page,
                "<li><a href=\"http://{name}/page/{number}\">there</a>"
            );
        }
        Some(page + "</ul></html>\n")
    }
}
