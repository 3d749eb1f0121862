//! The layer: who is served, who waits, who is turned away.

use std::{
    cell::Cell,
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use dynaphore::{Fairness, KeyedSemaphore, Semaphore};
use dynaphore_tower::{LimitLayer, Reason, Rejected, Rejections};
use futures::{StreamExt, future::poll_fn};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, advance},
};
use tokio_test::{assert_pending, assert_ready, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

/// A request is answered when its sender says so.
type Request = oneshot::Receiver<u32>;

async fn answer(request: Request) -> Result<u32, BoxError> {
    Ok(request.await?)
}

macro_rules! serving {
    ($layer:expr) => {
        $layer.layer(service_fn(answer))
    };
}

fn reason<T: std::fmt::Debug>(answer: Result<T, BoxError>) -> Reason {
    let error = answer.unwrap_err();
    error.downcast_ref::<Rejected>().expect("rejected").reason
}

fn semaphore(max: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(max))
}

#[test]
fn a_permit_is_held_from_the_call_to_the_response() {
    let s = semaphore(1);
    let mut service = serving!(LimitLayer::new(s.clone()));
    let (reply, request) = oneshot::channel();
    assert_eq!(s.active(), 0);
    let mut response = spawn(service.call(request));
    assert_eq!(s.active(), 1);
    assert_pending!(response.poll());
    reply.send(7).unwrap();
    assert_eq!(assert_ready!(response.poll()).unwrap(), 7);
    assert_eq!(
        s.active(),
        0,
        "the response is there, the future not yet dropped"
    );
}

#[test]
fn one_that_waits_is_passed_on_when_it_has_its_permit() {
    let s = semaphore(1);
    let mut service = serving!(LimitLayer::new(s.clone()));
    let held = s.try_acquire().unwrap();
    let (reply, request) = oneshot::channel();
    reply.send(1).unwrap();
    let mut response = spawn(service.call(request));
    assert_pending!(response.poll());
    assert_eq!(s.waiting(), 1);
    drop(held);
    assert!(response.is_woken());
    assert_eq!(assert_ready!(response.poll()).unwrap(), 1);
    assert_eq!((s.active(), s.waiting()), (0, 0));
}

#[test]
fn a_future_that_is_dropped_leaves_no_trace() {
    let s = semaphore(1);
    let mut service = serving!(LimitLayer::new(s.clone()).max_waiting(1));
    let (_reply, request) = oneshot::channel();
    let mut served = spawn(service.call(request));
    assert_pending!(served.poll());
    for _ in 0..2 {
        let (_reply, request) = oneshot::channel();
        let mut waits = spawn(service.call(request));
        assert_pending!(waits.poll());
        assert_eq!((s.active(), s.waiting()), (1, 1));
        drop(waits);
        assert_eq!(s.waiting(), 0);
    }
    drop(served);
    assert_eq!(s.active(), 0);
}

#[test]
fn clones_that_are_ready_and_idle_hold_nothing() {
    let s = semaphore(1);
    let service = serving!(LimitLayer::new(s.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    let mut idle = Vec::new();
    for n in 0..100_000 {
        let mut clone = service.clone();
        assert!(clone.poll_ready(&mut cx).is_ready());
        if n % 2 == 0 {
            idle.push(clone);
        }
    }
    assert_eq!((s.active(), s.waiting()), (0, 0));
    drop(idle);

    // What tower's own does with the first of them.
    let mut theirs = ConcurrencyLimit::new(service_fn(answer), 1);
    assert!(theirs.poll_ready(&mut cx).is_ready());
    assert!(theirs.clone().poll_ready(&mut cx).is_pending());
}

#[test]
fn too_many_waiting() {
    let s = semaphore(0);
    let mut service = serving!(LimitLayer::new(s.clone()).max_waiting(1));
    let (_reply, request) = oneshot::channel();
    let mut waits = spawn(service.call(request));
    assert_pending!(waits.poll());
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(service.clone().call(request)).poll());
    assert_eq!(reason(refused), Reason::TooManyWaiting);
    drop(waits);
    let (_reply, request) = oneshot::channel();
    assert_pending!(spawn(service.call(request)).poll());
}

#[test]
fn the_bound_of_the_semaphore_itself_is_told_too() {
    let s = Arc::new(Semaphore::builder(0).max_waiting(0).build());
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(serving!(LimitLayer::new(s)).call(request)).poll());
    assert_eq!(reason(refused), Reason::TooManyWaiting);
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait() {
    let s = semaphore(0);
    let layer = LimitLayer::new(s.clone()).max_wait(Duration::from_millis(50));
    let mut service = serving!(layer.retry_after(Duration::from_secs(3)));
    let (_reply, request) = oneshot::channel();
    let mut late = spawn(service.call(request));
    assert_pending!(late.poll());
    advance(Duration::from_millis(49)).await;
    assert_pending!(late.poll());
    advance(Duration::from_millis(2)).await;
    let error = assert_ready!(late.poll()).unwrap_err();
    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.reason, Reason::Timeout);
    assert_eq!(rejected.retry_after, Duration::from_secs(3));
    assert_eq!(s.waiting(), 0, "given up in the same poll");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_request_itself() {
    let s = semaphore(0);
    let layer = LimitLayer::new(s.clone())
        .max_wait(Duration::from_secs(1))
        .deadline(|deadline: &Option<std::time::Instant>| *deadline);
    let mut service = layer.layer(service_fn(async |_| Ok::<_, BoxError>(())));
    let soon = Instant::now().into_std() + Duration::from_millis(10);
    let mut hasty = spawn(service.call(Some(soon)));
    let mut patient = spawn(service.call(None));
    assert_pending!(hasty.poll());
    assert_pending!(patient.poll());
    advance(Duration::from_millis(20)).await;
    assert_eq!(reason(assert_ready!(hasty.poll())), Reason::Timeout);
    assert_pending!(patient.poll());
    advance(Duration::from_secs(1)).await;
    assert_eq!(reason(assert_ready!(patient.poll())), Reason::Timeout);
}

#[test]
fn who_is_overdue_in_the_line_of_the_semaphore_is_told_so() {
    let nothing = std::time::Duration::ZERO;
    let s = Arc::new(Semaphore::builder(0).overdue(nothing, nothing).build());
    let mut service = serving!(LimitLayer::new(s));
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(service.call(request)).poll());
    assert_eq!(reason(refused), Reason::Overdue);
    assert_eq!(Reason::Overdue.as_str(), "overdue");
}

#[tokio::test(start_paused = true)]
async fn rejections_are_counted_by_reason_when_they_are_told() {
    let rejections = Rejections::new();
    let s = semaphore(0);
    let layer = LimitLayer::new(s.clone()).count_rejections(&rejections);
    let mut late = serving!(layer.clone().max_wait(Duration::from_millis(1)));
    let mut hasty = serving!(layer.max_waiting(0));
    let counted = || {
        let counts = rejections.by_reason().filter(|(_, count)| *count > 0);
        counts.collect::<Vec<_>>()
    };

    let (_reply, request) = oneshot::channel();
    drop(hasty.call(request));
    assert!(counted().is_empty(), "nobody was told");
    let (_reply, request) = oneshot::channel();
    assert_ready!(spawn(hasty.call(request)).poll()).unwrap_err();
    assert_eq!(counted(), [(Reason::TooManyWaiting, 1)]);

    let (_reply, request) = oneshot::channel();
    let mut waits = spawn(late.call(request));
    assert_pending!(waits.poll());
    advance(Duration::from_millis(2)).await;
    assert_ready!(waits.poll()).unwrap_err();
    s.close();
    for _ in 0..2 {
        let (_reply, request) = oneshot::channel();
        assert_ready!(spawn(late.call(request)).poll()).unwrap_err();
    }
    let all = [
        (Reason::TooManyWaiting, 1),
        (Reason::Timeout, 1),
        (Reason::Closed, 2),
    ];
    assert_eq!(counted(), all, "both layers count here");
    assert_eq!(rejections.clone().count(Reason::Closed), 2);
}

#[test]
fn a_layer_without_options_says_when_to_come_again() {
    let s = semaphore(0);
    s.close();
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(serving!(LimitLayer::new(s)).call(request)).poll());
    let error = refused.unwrap_err();
    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.retry_after, Duration::from_secs(1));
}

#[test]
fn closing_turns_away_those_who_wait_and_those_who_come() {
    let s = semaphore(0);
    let mut service = serving!(LimitLayer::new(s.clone()));
    let (_reply, request) = oneshot::channel();
    let mut waits = spawn(service.call(request));
    assert_pending!(waits.poll());
    s.close();
    assert_eq!(reason(assert_ready!(waits.poll())), Reason::Closed);
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(service.call(request)).poll());
    assert_eq!(reason(refused), Reason::Closed);
}

#[test]
fn weights_and_exemptions() {
    let s = semaphore(3);
    let layer = LimitLayer::new(s.clone())
        .weight(|n: &u32| *n)
        .exempt(|n: &u32| *n == 0);
    let mut service = layer.layer(service_fn(|n: u32| async move {
        pending::<()>().await;
        Ok::<_, BoxError>(n)
    }));
    let mut two = spawn(service.call(2));
    assert_pending!(two.poll());
    assert_eq!(s.active(), 2);
    let mut waits = spawn(service.call(2));
    assert_pending!(waits.poll());
    assert_eq!(s.waiting(), 1);
    let mut health = spawn(service.call(0));
    assert_pending!(health.poll());
    assert_eq!(
        (s.active(), s.waiting()),
        (2, 1),
        "it holds nothing and does not wait"
    );
}

#[test]
fn keys_have_permits_of_their_own() {
    let keyed = Arc::new(KeyedSemaphore::<&'static str>::new(1));
    let layer = LimitLayer::keyed(keyed.clone(), |request: &(&'static str, Request)| request.0);
    let mut service = layer
        .max_waiting(1)
        .layer(service_fn(|(_, request)| answer(request)));
    let (reply, request) = oneshot::channel();
    let mut first = spawn(service.call(("a", request)));
    assert_pending!(first.poll());
    let (other, request) = oneshot::channel();
    let mut waits = spawn(service.call(("a", request)));
    assert_pending!(waits.poll());
    assert_eq!(keyed.snapshot(&"a").waiting, 1);
    let (_reply, request) = oneshot::channel();
    let mut elsewhere = spawn(service.call(("b", request)));
    assert_pending!(elsewhere.poll());
    assert_eq!(keyed.snapshot(&"b").active, 1);
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(service.call(("a", request))).poll());
    assert_eq!(reason(refused), Reason::TooManyWaiting);
    reply.send(1).unwrap();
    other.send(2).unwrap();
    assert_eq!(assert_ready!(first.poll()).unwrap(), 1);
    assert_eq!(assert_ready!(waits.poll()).unwrap(), 2);
    drop(elsewhere);
    assert!(keyed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_have_the_same_bounds() {
    let keyed = KeyedSemaphore::<u32>::builder(0).max_keys(1).build();
    let keyed = Arc::new(keyed);
    let layer = LimitLayer::keyed(keyed.clone(), |key: &u32| *key);
    let layer = layer.max_wait(Duration::from_millis(50));
    let mut service = layer.layer(service_fn(async |n: u32| Ok::<_, BoxError>(n)));
    let mut late = spawn(service.call(1));
    assert_pending!(late.poll());
    let refused = assert_ready!(spawn(service.call(2)).poll());
    assert_eq!(reason(refused), Reason::TooManyKeys);
    advance(Duration::from_millis(51)).await;
    assert_eq!(reason(assert_ready!(late.poll())), Reason::Timeout);
    assert!(keyed.is_empty());
    keyed.close();
    let refused = assert_ready!(spawn(service.call(2)).poll());
    assert_eq!(reason(refused), Reason::Closed);
}

#[test]
fn a_reserved_permit_is_held_while_the_service_is_ready() {
    let s = semaphore(1);
    let mut service = serving!(LimitLayer::new(s.clone()).reserve());
    let mut other = service.clone();
    let mut ready = spawn(poll_fn(|cx| service.poll_ready(cx)));
    assert_ready!(ready.poll()).unwrap();
    drop(ready);
    assert_eq!(s.active(), 1);
    let mut waits = spawn(poll_fn(|cx| other.poll_ready(cx)));
    assert_pending!(waits.poll());
    let (reply, request) = oneshot::channel();
    reply.send(1).unwrap();
    let mut response = spawn(service.call(request));
    assert_eq!(assert_ready!(response.poll()).unwrap(), 1);
    assert!(waits.is_woken());
    assert_ready!(waits.poll()).unwrap();
    drop(waits);
    drop(other);
    assert_eq!(s.active(), 0);
}

#[test]
fn a_closed_semaphore_is_told_to_the_request_that_has_reserved() {
    let s = semaphore(1);
    s.close();
    let mut service = serving!(LimitLayer::new(s).reserve());
    let mut ready = spawn(poll_fn(|cx| service.poll_ready(cx)));
    assert_ready!(ready.poll()).unwrap();
    drop(ready);
    let (_reply, request) = oneshot::channel();
    let refused = assert_ready!(spawn(service.call(request)).poll());
    assert_eq!(reason(refused), Reason::Closed);
}

#[test]
fn a_service_that_panics_gives_its_permit_back() {
    let s = semaphore(1);
    let panics = service_fn(|()| -> std::future::Ready<Result<(), BoxError>> {
        std::panic::resume_unwind(Box::new(()))
    });
    let service = LimitLayer::new(s.clone()).layer(panics);
    let call = |mut service: dynaphore_tower::Limit<_, ()>| {
        let call = std::panic::AssertUnwindSafe(|| drop(service.call(())));
        assert!(std::panic::catch_unwind(call).is_err());
    };
    call(service.clone());
    assert_eq!(s.active(), 0);
    let held = s.try_acquire().unwrap();
    let mut service = service;
    let mut waits = spawn(service.call(()));
    assert_pending!(waits.poll());
    drop(held);
    let poll = std::panic::AssertUnwindSafe(|| waits.poll().is_ready());
    assert!(std::panic::catch_unwind(poll).is_err());
    drop(waits);
    assert_eq!((s.active(), s.waiting()), (0, 0));
}

/// A key that panics when it goes, once that is asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PanickingKey;

thread_local!(static PANICS: Cell<bool> = const { Cell::new(false) });

impl Drop for PanickingKey {
    fn drop(&mut self) {
        if PANICS.take() {
            std::panic::resume_unwind(Box::new(()));
        }
    }
}

#[test]
fn a_key_that_panics_when_it_goes_keeps_no_permit() {
    let keyed = Arc::new(KeyedSemaphore::<PanickingKey>::new(2));
    // So that the key is in use, and the request's is not needed.
    let held = keyed.try_acquire_many(&PanickingKey, 1).unwrap();
    let mut service = serving!(LimitLayer::keyed(keyed.clone(), |_: &Request| PanickingKey));
    let (_reply, request) = oneshot::channel();
    let call = std::panic::AssertUnwindSafe(|| {
        PANICS.set(true);
        drop(service.call(request));
    });
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(keyed.snapshot(&PanickingKey).active, 1);

    let more = keyed.try_acquire_many(&PanickingKey, 1).unwrap();
    let (_reply, request) = oneshot::channel();
    let mut waits = spawn(service.call(request));
    assert_pending!(waits.poll());
    drop(more);
    let poll = std::panic::AssertUnwindSafe(|| {
        PANICS.set(true);
        waits.poll().is_ready()
    });
    assert!(std::panic::catch_unwind(poll).is_err());
    drop(waits);
    assert_eq!(keyed.snapshot(&PanickingKey).active, 1);
    drop(held);
}

/// A shrink counts from the next request on, also while others wait.
#[test]
fn a_shrink_under_load_takes_effect_within_one_request() {
    let s = semaphore(4);
    let mut service = serving!(LimitLayer::new(s.clone()));
    let mut replies = std::collections::VecDeque::new();
    let mut responses: Vec<_> = (0..12)
        .map(|n| {
            let (reply, request) = oneshot::channel();
            replies.push_back((n, reply));
            let mut response = spawn(service.call(request));
            assert_pending!(response.poll());
            response
        })
        .collect();
    assert_eq!((s.active(), s.waiting()), (4, 8));
    s.set_max(1);
    for left in (0..12).rev() {
        let (n, reply) = replies.pop_front().unwrap();
        reply.send(n).unwrap();
        assert_eq!(assert_ready!(responses.remove(0).poll()).unwrap(), n);
        // Those that have been granted call the inner service.
        for response in &mut responses {
            assert_pending!(response.poll());
        }
        // Three more end before the next begins.
        let begun = left.min(if left >= 9 { left - 8 } else { 1 });
        assert_eq!(s.active(), begun, "{left} left");
    }
}

/// What a limit does that takes permits out of tokio's semaphore one by one: it finds none
/// as long as anybody waits for them.
#[test]
fn with_tower_acc_a_shrink_waits_until_nobody_does() {
    #[derive(Clone)]
    struct Max(Arc<AtomicUsize>);
    impl tower_acc::Algorithm for Max {
        fn max_concurrency(&self) -> usize {
            self.0.load(SeqCst)
        }
        fn update(&mut self, _: Duration, _: usize, _: bool, _: bool) {}
    }
    let max = Max(Arc::new(AtomicUsize::new(4)));
    let inside = Arc::new(AtomicUsize::new(0));
    let count = inside.clone();
    let inner = service_fn(move |request: Request| {
        count.fetch_add(1, SeqCst);
        let count = count.clone();
        async move {
            let answer = answer(request).await;
            count.fetch_sub(1, SeqCst);
            answer
        }
    });
    let service = tower_acc::ConcurrencyLimit::new(inner, max.clone());
    let (mut replies, mut responses) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        let (reply, request) = oneshot::channel();
        replies.push(reply);
        let mut response = spawn(service.clone().oneshot(request));
        assert_pending!(response.poll());
        responses.push(response);
    }
    max.0.store(1, SeqCst);
    for (n, reply) in replies.into_iter().enumerate() {
        reply.send(0).unwrap();
        assert_ready!(responses.remove(0).poll()).unwrap();
        for response in &mut responses {
            assert_pending!(response.poll());
        }
        // It was 4 when there were 8 more requests, and is 4 until there are no more.
        assert_eq!(inside.load(SeqCst), 4.min(11 - n), "after {n}");
    }
}

/// A stage that makes its requests through `call_all`, a full channel for its responses,
/// and a stage behind that which needs the same limit for each response. While the first
/// one waits for the channel it polls nothing, so it must not be handed a permit.
#[tokio::test(start_paused = true)]
async fn call_all_with_a_full_response_channel_finishes() {
    macro_rules! two_stages {
        ($service:expr) => {{
            let service = $service;
            let (responses, mut received) = futures::channel::mpsc::channel(0);
            let first = service.clone().call_all(futures::stream::iter(0..8));
            let first = first.map(|n| Ok(n.unwrap())).forward(responses);
            let second = async {
                let mut sum = 0;
                while let Some(n) = received.next().await {
                    sum += service.clone().oneshot(n).await.unwrap();
                }
                sum
            };
            let both = async { futures::join!(first, second).1 };
            // The time stands still until nobody has anything to do.
            tokio::time::timeout(Duration::from_secs(60), both).await
        }};
    }
    let inner = service_fn(async |n: u32| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(n)
    });
    let s = Semaphore::builder(1).fairness(Fairness::Barging).build();
    let s = Arc::new(s);
    let ours = two_stages!(LimitLayer::new(s.clone()).layer(inner));
    assert_eq!((ours, s.active()), (Ok(28), 0));
    // In a first-in-first-out line the permit goes to the one that polls nothing, unless
    // there is no more than one request ahead.
    assert!(two_stages!(LimitLayer::new(semaphore(1)).layer(inner)).is_err());
    let reserved = two_stages!(LimitLayer::new(semaphore(1)).reserve().layer(inner));
    assert_eq!(reserved, Ok(28));
}

/// Who is ready before there is a request keeps nobody from anything. With tower's own
/// limit it does.
#[tokio::test(start_paused = true)]
async fn a_stage_that_is_ready_and_idle_holds_up_no_other() {
    macro_rules! stages {
        ($service:expr) => {{
            let mut first = $service;
            let second = first.clone();
            let idle = async {
                first.ready().await.unwrap();
                pending::<()>().await;
            };
            let busy = second.oneshot(1);
            let either = async { tokio::select!(biased; () = idle => 0, n = busy => n.unwrap()) };
            tokio::time::timeout(Duration::from_secs(60), either).await
        }};
    }
    let inner = service_fn(async |n: u32| Ok::<_, Infallible>(n));
    let ours = stages!(LimitLayer::new(semaphore(1)).layer(inner));
    assert_eq!(ours, Ok(1));
    let theirs = stages!(ConcurrencyLimit::new(inner, 1));
    assert!(theirs.is_err(), "stands still");
}

/// Requests that are served, late, dropped and refused, while max moves: the inner
/// service never sees more than the largest max, and nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_behind() {
    let s = semaphore(4);
    let inside = Arc::new(AtomicUsize::new(0));
    let count = inside.clone();
    let inner = service_fn(move |_: u32| {
        let count = count.clone();
        async move {
            let before = count.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
            count.fetch_sub(1, SeqCst);
            Ok::<_, Infallible>(before + 1)
        }
    });
    let layer = LimitLayer::new(s.clone())
        .max_waiting(8)
        .max_wait(Duration::from_millis(2));
    let service = layer.layer(inner);
    let (done, mut ended) = mpsc::channel::<()>(1);
    for task in 0..32_u32 {
        let (service, done) = (service.clone(), done.clone());
        tokio::spawn(async move {
            for round in 0..100_u32 {
                let mut response = pin!(service.clone().oneshot(round));
                if (task + round) % 5 == 0 {
                    // Given up in the middle.
                    let _ = futures::poll!(response.as_mut());
                    continue;
                }
                match response.await {
                    Ok(inside) => assert!(inside <= 4),
                    Err(error) => assert!(error.is::<Rejected>()),
                }
            }
            drop(done);
        });
    }
    drop(done);
    let mut max = 4;
    while futures::poll!(pin!(ended.recv())).is_pending() {
        max = 5 - max;
        s.set_max(max);
        tokio::task::yield_now().await;
    }
    s.set_max(4);
    assert_eq!((s.active(), s.waiting()), (0, 0));
}

#[test]
fn a_future_of_a_service_that_is_not_ready_is_not_made() {
    // Polled by hand: `oneshot` is the usual caller, and asks the inner service first.
    let s = semaphore(1);
    let inner = tower::service_fn(answer);
    let inner = ConcurrencyLimit::new(inner, 0);
    let mut service = LimitLayer::new(s.clone()).layer(inner);
    let mut cx = Context::from_waker(Waker::noop());
    let polled: Poll<Result<(), BoxError>> = service.poll_ready(&mut cx);
    assert!(polled.is_pending());
    assert_eq!(s.active(), 0);
}

const _: () = {
    fn is_send<T: Send>(_: T) {}
    fn assert(request: Request) {
        let mut service = serving!(LimitLayer::new(semaphore(1)));
        is_send(service.call(request));
    }
    let _ = assert;
};

#[test]
fn who_comes_to_a_closed_semaphore_is_told_so_whatever_else_is_the_matter() {
    let s = Arc::new(Semaphore::builder(1).stats(true).build());
    s.close();
    let mut service = serving!(LimitLayer::new(s.clone()).max_waiting(0));
    let answer = assert_ready!(spawn(service.call(oneshot::channel().1)).poll());
    assert_eq!(reason(answer), Reason::Closed);
    assert_eq!(s.stats().blocking_take().closed, 1);
}

#[test]
fn a_reservation_that_is_overdue_says_so() {
    let builder = Semaphore::builder(1).overdue(Duration::ZERO, Duration::ZERO);
    let s = Arc::new(builder.build());
    let held = s.try_acquire().unwrap();
    let mut service = serving!(LimitLayer::new(s.clone()).reserve());
    let mut ready = spawn(poll_fn(|cx| service.poll_ready(cx)));
    // With no patience at all the look that follows its arrival may tell it already.
    let told = ready.poll().is_ready() || {
        drop(held);
        ready.poll().is_ready()
    };
    assert!(told);
    drop(ready);
    let answer = assert_ready!(spawn(service.call(oneshot::channel().1)).poll());
    assert_eq!(reason(answer), Reason::Overdue);
}
