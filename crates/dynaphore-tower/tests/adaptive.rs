//! `LimitLayer::adaptive`: what the semaphore's steering is told.
#![cfg(feature = "adaptive")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use dynaphore::Semaphore;
use dynaphore_adaptive::{Adaptive, Controller, Outcome, Overload, Window};
use dynaphore_tower::{Limit, LimitLayer, Permits, Steered};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Wants max 9, and keeps what it saw.
#[derive(Clone, Default)]
struct Nine(Arc<Mutex<Vec<Window>>>);

impl Controller for Nine {
    fn name(&self) -> &'static str {
        "nine"
    }

    fn window(&mut self, window: &Window) -> u32 {
        self.0.lock().unwrap().push(window.clone());
        9
    }
}

fn steered(max: usize) -> (Adaptive, Nine) {
    let nine = Nine::default();
    let semaphore = Arc::new(Semaphore::new(max));
    (Adaptive::new(semaphore, nine.clone()), nine)
}

fn window(adaptive: &Adaptive, nine: &Nine) -> Window {
    adaptive
        .step(Instant::now() + Duration::from_secs(3600))
        .unwrap();
    let seen = nine.0.lock().unwrap();
    seen.last().expect("a window has ended").clone()
}

type Answer = Result<u16, u16>;

fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Ok(_) => Outcome::Served,
        Err(504) => Outcome::Overload(Overload::TimedOut),
        Err(503) => Outcome::Overload(Overload::Rejected),
        Err(_) => Outcome::Ignored,
    }
}

async fn echo(status: u16) -> Result<u16, StatusError> {
    match status {
        200 => Ok(status),
        _ => Err(StatusError(status)),
    }
}

#[derive(Debug)]
struct StatusError(u16);

impl std::fmt::Display for StatusError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}", self.0)
    }
}

impl std::error::Error for StatusError {}

fn told(answer: &Result<u16, StatusError>) -> Outcome {
    let plain = answer.as_ref().map(|ok| *ok);
    outcome(&plain.map_err(|error| error.0))
}

#[tokio::test]
async fn each_answer_is_told_by_its_kind() {
    let (adaptive, nine) = steered(3);
    let service = LimitLayer::adaptive(adaptive.clone(), told).layer(service_fn(echo));
    for status in [200, 200, 503, 504, 404] {
        let _ = service.clone().oneshot(status).await;
    }
    let window = window(&adaptive, &nine);
    assert_eq!(
        (
            window.served,
            window.rejected,
            window.timed_out,
            window.ignored
        ),
        (2, 1, 1, 1)
    );
    assert_eq!((window.arrived, window.gave_up), (5, 0));
}

#[tokio::test]
async fn a_request_that_is_dropped_says_nothing() {
    let (adaptive, nine) = steered(1);
    let mut service = LimitLayer::adaptive(adaptive.clone(), told)
        .layer(service_fn(async |_: u16| std::future::pending().await));
    let served = service.ready().await.unwrap().call(200);
    drop(served);
    let window = window(&adaptive, &nine);
    assert_eq!((window.ignored, window.served), (1, 0));
    assert_eq!(adaptive.semaphore().active(), 0);
}

#[tokio::test]
async fn who_waits_and_is_turned_away_gave_up() {
    let (adaptive, nine) = steered(1);
    let held = adaptive.try_acquire().unwrap();
    let service = LimitLayer::adaptive(adaptive.clone(), told)
        .max_wait(Duration::from_millis(1))
        .layer(service_fn(echo));
    assert!(service.clone().oneshot(200).await.is_err());
    let window = window(&adaptive, &nine);
    assert_eq!((window.gave_up, window.limited), (1, true));
    assert_eq!(adaptive.semaphore().max(), 9);
    held.finish(Outcome::Served);
}

#[tokio::test]
async fn who_waits_is_served_and_told() {
    let (adaptive, nine) = steered(1);
    let held = adaptive.try_acquire().unwrap();
    let service = LimitLayer::adaptive(adaptive.clone(), told).layer(service_fn(echo));
    let waits = tokio::spawn(service.oneshot(200));
    while adaptive.semaphore().waiting() == 0 {
        tokio::task::yield_now().await;
    }
    held.finish(Outcome::Served);
    assert_eq!(waits.await.unwrap().unwrap(), 200);
    assert_eq!(window(&adaptive, &nine).served, 2);
}

/// Wants max 1, where any request that ends completes a window.
struct One;

impl Controller for One {
    fn name(&self) -> &'static str {
        "one"
    }

    fn window(&mut self, _: &Window) -> u32 {
        1
    }
}

#[tokio::test]
async fn requests_that_weigh_as_much_as_max_go_on_where_the_controller_wants_less() {
    let (shortest, longest) = (Duration::from_nanos(1), Duration::from_secs(3600));
    let adaptive = Adaptive::new(Arc::new(Semaphore::new(4)), One).windows(shortest, 1, longest);
    let layer = LimitLayer::adaptive(adaptive.clone(), told).weight(|_| 4);
    let service = layer.layer(service_fn(echo));
    let held = adaptive.acquire_many(4).try_now().expect("there are");
    let waits = tokio::spawn(service.clone().oneshot(200));
    while adaptive.semaphore().waiting() == 0 {
        tokio::task::yield_now().await;
    }
    held.finish(Outcome::Served);
    assert_eq!(waits.await.unwrap().unwrap(), 200);
    let next = tokio::time::timeout(Duration::from_secs(30), service.oneshot(200));
    assert_eq!(next.await.expect("hangs").unwrap(), 200);
}

#[tokio::test]
async fn a_request_lasts_until_its_body_ends() {
    let (adaptive, nine) = steered(1);
    let service = LimitLayer::adaptive(
        adaptive.clone(),
        |_: &Result<http::Response<Full<&'static [u8]>>, tower::BoxError>| Outcome::Served,
    )
    .until_body_ends()
    .layer(service_fn(async |(): ()| {
        Ok::<_, tower::BoxError>(http::Response::new(Full::new(&b"hello"[..])))
    }));
    let response = service.oneshot(()).await.unwrap();
    assert_eq!(window(&adaptive, &nine).served, 0);
    response.into_body().collect().await.unwrap();
    assert_eq!(adaptive.semaphore().active(), 0);
    let again = Instant::now() + Duration::from_secs(7200);
    adaptive.step(again).unwrap();
    assert_eq!(nine.0.lock().unwrap().last().unwrap().served, 1);
}

#[tokio::test]
async fn a_panic_of_the_inner_service_says_nothing_and_gives_back() {
    let (adaptive, nine) = steered(1);
    let service = LimitLayer::adaptive(adaptive.clone(), told).layer(service_fn(async |_: u16| {
        std::panic::resume_unwind(Box::new("inner"))
    }));
    assert!(tokio::spawn(service.oneshot(200)).await.is_err());
    assert_eq!(adaptive.semaphore().active(), 0);
    assert_eq!(window(&adaptive, &nine).ignored, 1);
}

#[test]
fn it_goes_where_tower_wants_it() {
    fn everywhere<T: Send + Sync + Clone>() {}
    fn source<T: Permits<u16>>() {}

    type F = fn(&Answer) -> Outcome;
    everywhere::<Steered<F>>();
    everywhere::<Limit<(), u16, Steered<F>>>();
    source::<Steered<F>>();
}
