//! The gateway of the examples, under load and under wrong input.

#[path = "../examples/gateway/gateway.rs"]
mod gateway;
#[path = "../examples/gateway/load.rs"]
mod load;
#[path = "../examples/gateway/upstream.rs"]
mod upstream;

use std::{
    collections::BTreeMap,
    io::Read,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{
    body::Body,
    http::{
        Method, Request, StatusCode, Uri,
        header::{AUTHORIZATION, HOST},
    },
};
use dynaphore_tower::Rejections;
use gateway::{Gateway, Options};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use load::{Load, nothing_is_held, seen_with_max};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use upstream::Upstream;

/// Only turns a hang into a failure.
const LONG: Duration = Duration::from_secs(100);

async fn started_with(options: Options) -> (Gateway, Upstream) {
    let upstream = Upstream::start().await.unwrap();
    let gateway = Gateway::start(&options, upstream.address).await;
    (gateway.unwrap(), upstream)
}

async fn started() -> (Gateway, Upstream) {
    started_with(Options::default()).await
}

/// Counts by reason.
type Told = BTreeMap<String, u64>;

/// What `/metrics` counts under a name and a label.
struct Figures(String);

impl Figures {
    async fn scrape(gateway: &Gateway) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let url = format!("http://{}/metrics", gateway.control);
        let answer = client.get(url.parse().unwrap()).await.unwrap();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        Self(String::from_utf8(text.into()).unwrap())
    }

    /// 0 if it is not there.
    fn count(&self, family: &str, name: &str, label: &str) -> u64 {
        let sample = format!("dynaphore_permit_{family}_total{{name=\"{name}\",{label}}} ");
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(&sample));
        value.map_or(0, |value| value.parse().unwrap())
    }

    fn rejections(&self, name: &str, reason: &str) -> u64 {
        self.count("rejections", name, &format!("reason=\"{reason}\""))
    }

    /// By what clients are told, over both limits.
    fn told(&self) -> Told {
        let reasons = Rejections::new().by_reason();
        let counts = reasons.map(|(reason, _)| {
            let of = |name| self.rejections(name, reason.as_str());
            (reason.to_string(), of("requests") + of("tenants"))
        });
        counts.filter(|&(_, count)| count > 0).collect()
    }

    /// The statistics of the semaphore over all know of the same rejections as its layer.
    fn agree(&self) {
        for (outcome, reason) in [
            ("too_many_waiters", "too_many_waiting"),
            ("timed_out", "timeout"),
        ] {
            let outcome = format!("outcome=\"{outcome}\"");
            let count = self.count("requests", "requests", &outcome);
            assert_eq!(count, self.rejections("requests", reason), "{reason}");
        }
    }
}

/// Ends with this.
struct Wrk(Child);

impl Wrk {
    /// If it is installed.
    fn start(gateway: &Gateway) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/told.lua");
        Command::new("wrk")
            .args(["--threads=1", "--duration=100s", "--timeout=30s"])
            .args(["--script", script])
            .arg(format!("--connections={}", Self::CONNECTIONS))
            .arg(format!("http://{}/", gateway.front))
            .stdout(Stdio::piped())
            .spawn()
            .ok()
            .map(Self)
    }

    const CONNECTIONS: u64 = 160;

    /// Ends it, and says what its clients have read of rejections.
    fn stop(mut self) -> Told {
        let pid = self.0.id().to_string();
        let signal = Command::new("kill").args(["-INT", &pid]).status();
        assert!(signal.is_ok_and(|status| status.success()));
        let mut said = String::new();
        let mut out = self.0.stdout.take().unwrap();
        out.read_to_string(&mut said).unwrap();
        let told = said.lines().filter_map(|line| line.strip_prefix("told\t"));
        told.map(|told| {
            let (count, reason) = told.split_once('\t').unwrap();
            (reason.to_owned(), count.parse().unwrap())
        })
        .collect()
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_never_sees_more_than_max_while_it_moves() {
    let (gateway, upstream) = started().await;
    let run = async {
        let health = Load::start(gateway.front, "/health", 1, usize::MAX);
        let wrk = Wrk::start(&gateway);
        let load = match &wrk {
            Some(_) => Load::start(gateway.front, "/", 40, 1),
            None => Load::start(gateway.front, "/", 200, 5),
        };
        let (mut flips, mut most) = (0, 0);
        // Until there has been so much load that the bound was needed.
        while flips < 60 || most <= 2 {
            let max = [2, 32][flips % 2];
            let seen = seen_with_max(&gateway, &upstream, max, Duration::from_millis(10)).await;
            assert!(seen <= max, "{seen} of {max} in flip {flips}");
            most = most.max(seen);
            flips += 1;
        }
        // What wrk leaves in the middle of an answer is nobody's any more.
        let wrk_stops = async {
            let stopped = tokio::task::spawn_blocking(|| wrk.map(Wrk::stop));
            stopped.await.unwrap()
        };
        let (tally, wrk, health) = tokio::join!(load.stop(), wrk_stops, health.stop());
        nothing_is_held(&gateway, &upstream).await;
        (tally, wrk, health, Figures::scrape(&gateway).await)
    };
    let (tally, wrk, health, figures) = timeout(LONG, run).await.expect("it does not hang");
    assert_eq!(tally.strange, [""; 0]);
    assert!(tally.cut > 0);
    let reasons = [
        "too many requests are waiting",
        "timed out waiting for a permit",
    ];
    assert!(!tally.rejected.is_empty());
    for reason in tally.rejected.keys() {
        assert!(reasons.contains(&&**reason), "{reason}");
    }
    // Each of wrk's connections may have ended before it had read its last answer.
    let on_the_way = wrk.as_ref().map_or(0, |_| Wrk::CONNECTIONS);
    let mut unread = figures.told();
    for (reason, told) in tally.rejected.iter().chain(wrk.iter().flatten()) {
        let counted = unread.get_mut(reason).expect("each reason is counted");
        *counted = counted.checked_sub(*told).expect("each one is counted");
    }
    assert!(unread.values().sum::<u64>() <= on_the_way, "{unread:?}");
    figures.agree();
    assert_eq!(health.strange, [""; 0]);
    assert!(health.rejected.is_empty() && health.served > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rejection_is_in_the_figures_by_its_reason() {
    // Of four tenants' requests twelve come to the limit over all, where one is served and two
    // wait; each tenant has ten clients.
    let options = Options {
        max: 1,
        max_waiting: 2,
        per_tenant: 3,
        per_tenant_waiting: 2,
        ..Options::default()
    };
    let (gateway, upstream) = started_with(options).await;
    let run = async {
        let load = Load::start(gateway.front, "/", 40, 5);
        loop {
            // First for as long as some time out.
            gateway.semaphore.set_max(0);
            let figures = Figures::scrape(&gateway).await;
            let seen = [
                figures.rejections("requests", "too_many_waiting"),
                figures.rejections("requests", "timeout"),
                figures.rejections("tenants", "too_many_waiting"),
            ];
            if seen.iter().all(|count| *count > 0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gateway.semaphore.set_max(1);
        let served_some = async {
            while upstream.take_peak() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        served_some.await;
        let tally = load.stop().await;
        nothing_is_held(&gateway, &upstream).await;
        (tally, Figures::scrape(&gateway).await)
    };
    let (tally, figures) = timeout(LONG, run).await.expect("it does not hang");
    assert_eq!(tally.strange, [""; 0]);
    assert_eq!(figures.told(), tally.rejected);
    figures.agree();
}

/// Whoever leaves before there is an answer, or wants no body of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_not_free_while_the_upstream_works_for_nobody() {
    let options = Options {
        max: 1,
        max_wait: LONG,
        ..Options::default()
    };
    let (gateway, upstream) = started_with(options).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let url: Uri = format!("http://{}/", gateway.front).parse().unwrap();
    let run = async {
        for _ in 0..20 {
            let mut leaves = TcpStream::connect(gateway.front).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
            leaves.write_all(request).await.unwrap();
            while upstream.take_peak() == 0 {
                tokio::task::yield_now().await;
            }
            drop(leaves);
            for method in [Method::GET, Method::HEAD, Method::GET] {
                let request = Request::builder().method(method).uri(&url);
                let request = request.body(Body::empty()).unwrap();
                let answer = client.request(request).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                answer.into_body().collect().await.unwrap();
            }
            assert!(upstream.take_peak() <= 1);
        }
        nothing_is_held(&gateway, &upstream).await;
    };
    timeout(LONG, run).await.expect("it does not hang");
}

/// Asks the control route, with that token.
async fn put(
    gateway: &Gateway,
    method: Method,
    token: Option<&str>,
    body: impl Into<Body>,
) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{}/max", gateway.control));
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(body.into()).unwrap();
    let answer = timeout(LONG, client.request(request)).await;
    let answer = answer.expect("it does not hang").unwrap();
    let (head, body) = answer.into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8(text.into()).unwrap())
}

#[tokio::test]
async fn without_the_token_nothing_changes() {
    let (gateway, _upstream) = started().await;
    let almost = gateway.token[1..].to_owned() + "g";
    for token in [None, Some(""), Some("wrong"), Some(&*almost)] {
        let (status, _) = put(&gateway, Method::PUT, token, "3").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(gateway.semaphore.max(), 8);
    let (status, _) = put(&gateway, Method::PUT, Some(&gateway.token), "3").await;
    assert_eq!((status, gateway.semaphore.max()), (StatusCode::OK, 3));
}

#[tokio::test]
async fn control_is_for_the_names_of_the_loopback() {
    let (gateway, _upstream) = started().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    for (host, expected) in [
        ("localhost", StatusCode::OK),
        ("127.0.0.1:8081", StatusCode::OK),
        ("[::1]:8081", StatusCode::OK),
        ("", StatusCode::FORBIDDEN),
        ("elsewhere.example", StatusCode::FORBIDDEN),
        ("127.0.0.1.elsewhere.example:8081", StatusCode::FORBIDDEN),
        ("192.0.2.1", StatusCode::FORBIDDEN),
    ] {
        for path in ["", "metrics"] {
            let request = Request::get(format!("http://{}/{path}", gateway.control))
                .header(HOST, host)
                .body(Body::empty());
            let answer = client.request(request.unwrap()).await.unwrap();
            assert_eq!(answer.status(), expected, "{host:?}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let (gateway, upstream) = started().await;
    let options = Options {
        front: gateway.front,
        ..Options::default()
    };
    let taken = Gateway::start(&options, upstream.address).await;
    let error = taken.err().expect("it is taken").to_string();
    assert!(
        error.starts_with(&format!("{}: ", gateway.front)),
        "{error}"
    );
}

#[tokio::test]
async fn wrong_input_is_told_and_changes_nothing() {
    let (gateway, _upstream) = started().await;
    let token = Some(&*gateway.token);
    let wrong = ["", "x", "-1", "1.5", "2147483648", "1099511627776", "\0"];
    for body in wrong {
        let (status, text) = put(&gateway, Method::PUT, token, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body:?}");
        assert!(text.contains("a number from 0 to 2147483647"), "{text}");
    }
    let (status, text) = put(&gateway, Method::PUT, token, vec![b'1'; 10_000_000]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text.contains("at most 32 bytes"), "{text}");
    let (status, _) = put(&gateway, Method::POST, token, "3").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(gateway.semaphore.max(), 8);
}
