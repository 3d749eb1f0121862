//! The gateway: a limit over all requests and one for each tenant, figures, and control
//! routes on an address of their own.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        StatusCode, Uri,
        header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap},
        uri::{Authority, Scheme},
    },
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::{get, put},
};
use dynaphore::{KeyedSemaphore, Semaphore};
use dynaphore_metrics::{NameTaken, Registry};
use dynaphore_tower::{LimitLayer, Rejections};
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, sync::mpsc};

/// The longest body that may be a number.
const LONGEST: usize = 32;
/// How much of a longer one is read, so that its sender comes to read the answer.
const READ: usize = 64 << 20;

pub struct Options {
    pub front: SocketAddr,
    /// A loopback address.
    pub control: SocketAddr,
    pub max: usize,
    pub max_waiting: usize,
    pub max_wait: Duration,
    pub per_tenant: usize,
    pub per_tenant_waiting: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            front: ([127, 0, 0, 1], 0).into(),
            control: ([127, 0, 0, 1], 0).into(),
            max: 8,
            max_waiting: 16,
            max_wait: Duration::from_millis(50),
            per_tenant: 32,
            per_tenant_waiting: usize::MAX,
        }
    }
}

/// A gateway that is served until the runtime ends.
pub struct Gateway {
    pub front: SocketAddr,
    pub control: SocketAddr,
    /// What the control routes want to see.
    pub token: String,
    pub semaphore: Arc<Semaphore>,
    pub tenants: Arc<KeyedSemaphore<String>>,
}

impl Gateway {
    pub async fn start(options: &Options, upstream: SocketAddr) -> io::Result<Self> {
        // Bounds of the semaphores themselves, so that the statistics tell of them.
        let semaphore = Semaphore::builder(options.max)
            .max_waiting(options.max_waiting)
            .stats(true)
            .build();
        let semaphore = Arc::new(semaphore);
        let tenants = KeyedSemaphore::builder(options.per_tenant)
            .max_keys(10_000)
            .max_waiters_per_key(options.per_tenant_waiting)
            .build();
        let tenants = Arc::new(tenants);

        let (all_rejections, tenants_rejections) = (Rejections::new(), Rejections::new());
        let over_all = LimitLayer::new(Arc::clone(&semaphore))
            .count_rejections(&all_rejections)
            .max_wait(options.max_wait)
            .exempt(is_health)
            .until_body_ends()
            .respond();
        let per_tenant = LimitLayer::keyed(Arc::clone(&tenants), tenant)
            .count_rejections(&tenants_rejections)
            .max_wait(options.max_wait)
            .exempt(is_health)
            .until_body_ends()
            .respond();

        let registry = Registry::new();
        let named = registry
            .add("requests", Arc::clone(&semaphore))
            .and_then(|()| registry.add_keyed("tenants", Arc::clone(&tenants), |_| "all"))
            .and_then(|()| count(&registry, "requests", all_rejections))
            .and_then(|()| count(&registry, "tenants", tenants_rejections));
        named.map_err(io::Error::other)?;

        let upstream = upstream.to_string().parse().map_err(io::Error::other)?;
        let front = Router::new()
            .route("/health", get(async || "ok"))
            .fallback(forward)
            .layer(over_all)
            .layer(per_tenant)
            .layer(from_fn(to_the_end))
            .with_state(Upstream {
                address: upstream,
                client: Client::builder(TokioExecutor::new()).build_http(),
            });

        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(io::Error::other)?;
        let token = format!("{:032x}", u128::from_ne_bytes(token));
        let control = Router::new()
            .route("/", get(async || Html(include_str!("page.html"))))
            .route("/metrics", get(metrics))
            .route("/max", put(set_max))
            .layer(from_fn(of_this_machine))
            .with_state(Arc::new(Control {
                token: token.clone(),
                semaphore: Arc::clone(&semaphore),
                registry,
            }));

        Ok(Self {
            front: serve(options.front, front).await?,
            control: serve(options.control, control).await?,
            token,
            semaphore,
            tenants,
        })
    }
}

/// What clients are told, in the figures: the limit of a tenant keeps no statistics of its own.
fn count(registry: &Registry, name: &str, rejections: Rejections) -> Result<(), NameTaken> {
    registry.add_rejections(name, move || {
        rejections
            .by_reason()
            .map(|(reason, count)| (reason.as_str(), count))
    })
}

async fn serve(address: SocketAddr, app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(address)
}

fn is_health(request: &Request) -> bool {
    request.uri().path() == "/health"
}

fn tenant(request: &Request) -> String {
    let name = request.headers().get("x-tenant");
    let name = name.and_then(|name| name.to_str().ok());
    name.unwrap_or("nobody").to_owned()
}

#[derive(Clone)]
struct Upstream {
    address: Authority,
    client: Client<HttpConnector, Body>,
}

async fn forward(State(upstream): State<Upstream>, mut request: Request) -> Response {
    let mut uri = request.uri().clone().into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(upstream.address);
    let Ok(uri) = Uri::from_parts(uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    match upstream.client.request(request).await {
        Ok(response) => response.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// Serves in a task of its own, and reads the body to its end, also if the client has gone:
/// until then the upstream is at work, and the permits, which are in the future and then in
/// the body, are for that. Who leaves while he waits for them is in line until `max_wait`.
async fn to_the_end(request: Request, next: Next) -> Response {
    let served = tokio::spawn(async {
        let (head, mut body) = next.run(request).await.into_parts();
        let (frames, mut received) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(frame) = body.frame().await {
                let _ = frames.send(frame).await;
            }
        });
        let frames = stream::poll_fn(move |cx| received.poll_recv(cx));
        Response::from_parts(head, Body::new(StreamBody::new(frames)))
    });
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
    served.await.unwrap_or_else(failed)
}

struct Control {
    token: String,
    semaphore: Arc<Semaphore>,
    registry: Registry,
}

async fn metrics(State(control): State<Arc<Control>>) -> impl IntoResponse {
    let content_type = [(CONTENT_TYPE, Registry::CONTENT_TYPE)];
    (content_type, control.registry.render())
}

/// A page of elsewhere whose name has come to mean the loopback is still known by that name.
async fn of_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.as_bytes().try_into().ok());
    let is_ours = host.is_some_and(|host: Authority| {
        let name = host.host().trim_matches(['[', ']']);
        name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    });
    if is_ours {
        next.run(request).await
    } else {
        let why = "this is for the names of the loopback";
        (StatusCode::FORBIDDEN, why).into_response()
    }
}

/// `PUT /max`: a number, and the token as the header `Authorization: Bearer`.
async fn set_max(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    body: Body,
) -> Result<String, (StatusCode, String)> {
    let expected = format!("Bearer {}", control.token);
    let given = headers.get(AUTHORIZATION).map(|given| given.as_bytes());
    if !given.is_some_and(|given| same(given, expected.as_bytes())) {
        let why = "the token that was printed at start is missing".to_owned();
        return Err((StatusCode::UNAUTHORIZED, why));
    }
    let text = read(body).await?;
    let wrong = || {
        let why = format!(
            "max is a number from 0 to {}, not {text:?}",
            Semaphore::MAX_PERMITS
        );
        (StatusCode::BAD_REQUEST, why)
    };
    let max = text.trim().parse().map_err(|_| wrong())?;
    let before = control.semaphore.try_set_max(max).map_err(|_| wrong())?;
    Ok(format!("max was {before} and is {max}\n"))
}

/// Are they? The time this takes does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

async fn read(mut body: Body) -> Result<String, (StatusCode, String)> {
    let (mut text, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
        length += data.len();
        if length <= LONGEST {
            text.extend_from_slice(data);
        } else if length > READ {
            break;
        }
    }
    if length > LONGEST {
        let why = format!("max is a number, of at most {LONGEST} bytes");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
