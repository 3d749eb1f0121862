//! Requests to a service: what a layer adds to the service's own time.

use std::convert::Infallible;
use std::future::ready;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tower::{Service, ServiceExt, service_fn};

use super::Runner;
use super::handoff::{TASKS, multi_thread, run_tasks};
use crate::subject::Limits;

/// One caller and a service that answers at once.
pub fn tower_1t<S: Limits>() -> Runner {
    let bare = service_fn(|n| ready(Ok::<u64, Infallible>(n)));
    let (mut limited, mut bare) = (S::limit(TASKS, bare), bare);
    Box::new(move |ops| {
        pollster::block_on(async {
            let start = Instant::now();
            requests(&mut limited, ops).await;
            let between = Instant::now();
            requests(&mut bare, ops).await;
            added(between - start, between.elapsed())
        })
    })
}

/// 64 callers on two workers, max 4, and a service that yields once.
pub fn tower_mt<S: Limits>() -> Runner {
    let runtime = multi_thread();
    let bare = service_fn(async |n| {
        yield_now().await;
        Ok::<u64, Infallible>(n)
    });
    let limited = S::limit(4, bare);
    Box::new(move |ops| {
        added(
            callers(&runtime, &limited, ops),
            callers(&runtime, &bare, ops),
        )
    })
}

fn callers<S>(runtime: &Runtime, service: &S, ops: u64) -> Duration
where
    S: Service<u64, Future: Send> + Clone + Send + 'static,
{
    run_tasks(runtime, TASKS, ops, |_, ops| {
        let mut service = service.clone();
        async move { requests(&mut service, ops).await }
    })
}

async fn requests(service: &mut impl Service<u64>, ops: u64) {
    for n in 0..ops {
        let ready = service.ready().await.ok().expect("it does not fail");
        assert!(ready.call(n).await.is_ok());
    }
}

fn added(limited: Duration, bare: Duration) -> Duration {
    limited.saturating_sub(bare).max(Duration::from_nanos(1))
}
