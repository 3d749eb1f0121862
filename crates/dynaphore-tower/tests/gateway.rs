//! The gateway of the examples, under load and under wrong input.

#[path = "../examples/gateway/gateway.rs"]
mod gateway;
#[path = "../examples/gateway/load.rs"]
mod load;
#[path = "../examples/gateway/upstream.rs"]
mod upstream;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header::AUTHORIZATION},
};
use gateway::{Gateway, Options};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use load::{Load, nothing_is_held, seen_with_max};
use tokio::time::timeout;
use upstream::Upstream;

/// Only turns a hang into a failure.
const LONG: Duration = Duration::from_secs(100);

async fn started() -> (Gateway, Upstream) {
    let upstream = Upstream::start().await.unwrap();
    let gateway = Gateway::start(&Options::default(), upstream.address).await;
    (gateway.unwrap(), upstream)
}

/// Ends with this.
struct Wrk(Child);

impl Wrk {
    /// If it is installed.
    fn start(gateway: &Gateway, connections: usize) -> Option<Self> {
        Command::new("wrk")
            .args(["--threads=1", "--duration=100s", "--timeout=30s"])
            .arg(format!("--connections={connections}"))
            .arg(format!("http://{}/", gateway.front))
            .stdout(Stdio::null())
            .spawn()
            .ok()
            .map(Self)
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
        let wrk = Wrk::start(&gateway, 160);
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
        drop(wrk);
        let (tally, health) = (load.stop().await, health.stop().await);
        nothing_is_held(&gateway, &upstream).await;
        (tally, health)
    };
    let (tally, health) = timeout(LONG, run).await.expect("it does not hang");
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
    assert_eq!(health.strange, [""; 0]);
    assert!(health.rejected.is_empty() && health.served > 0);
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
