//! The client: one page over one connection.

use std::{io, net::SocketAddr};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    pub host: String,
    pub path: String,
}

impl Link {
    fn parse(url: &str) -> Option<Self> {
        let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
        Some(Self {
            host: host.to_owned(),
            path: format!("/{path}"),
        })
    }
}

/// Fetches a page, and returns the links in it. All hosts are at `address`.
pub async fn fetch(address: SocketAddr, link: &Link) -> io::Result<Vec<Link>> {
    let stream = TcpStream::connect(address).await?;
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::get(&link.path)
        .header(HOST, &link.host)
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let exchange = async {
        let response = requests.send_request(request).await?;
        let status = response.status();
        let page = response.into_body().collect().await?.to_bytes();
        drop(requests);
        Ok::<_, hyper::Error>((status, page))
    };
    let (exchanged, connection) = tokio::join!(exchange, connection);
    let (status, page) = exchanged.map_err(io::Error::other)?;
    connection.map_err(io::Error::other)?;
    if !status.is_success() {
        let Link { host, path } = link;
        return Err(io::Error::other(format!("http://{host}{path}: {status}")));
    }
    let page = String::from_utf8(page.into()).map_err(io::Error::other)?;
    let links = page.split("href=\"").skip(1);
    Ok(links
        .filter_map(|rest| Link::parse(rest.split('"').next()?))
        .collect())
}
