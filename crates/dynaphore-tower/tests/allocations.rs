//! A request allocates nothing, whether it finds its permit or waits for it. Allocations
//! are counted for the thread or the process, so this has a process to itself.

#[allow(dead_code)] // Uses a part of it.
#[path = "../../../tests/allocations/counting.rs"]
mod counting;

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use counting::count;
use dynaphore::Semaphore;
use dynaphore_tower::{LimitLayer, PollSemaphore};
use tower::{Layer, Service, service_fn};

fn allocations(call: impl FnOnce()) -> usize {
    let before = count().allocations;
    call();
    count().allocations - before
}

fn echo(n: u32) -> Ready<Result<u32, Infallible>> {
    ready(Ok(n))
}

#[test]
fn a_request_allocates_nothing() {
    let s = Arc::new(Semaphore::new(1));
    let layer = LimitLayer::new(s.clone())
        .max_waiting(2)
        .max_wait(Duration::from_secs(1))
        .weight(|_| 1)
        .exempt(|n| *n == 0);
    let service = layer.layer(service_fn(echo));
    let mut cx = Context::from_waker(Waker::noop());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let mut request = |waits: bool| {
        let mut clone = service.clone();
        assert!(clone.poll_ready(&mut cx).is_ready());
        let held = waits.then(|| s.try_acquire().unwrap());
        let mut response = pin!(clone.call(1));
        if let Some(held) = held {
            assert!(response.as_mut().poll(&mut cx).is_pending());
            drop(held);
        }
        assert!(response.poll(&mut cx).is_ready());
    };
    // The first wait makes the line.
    request(true);
    for waits in [false, true] {
        let all = allocations(|| (0..100).for_each(|_| request(waits)));
        assert_eq!(all, 0, "waits: {waits}");
    }
}

#[test]
fn a_poll_semaphore_allocates_for_its_first_wait_only() {
    let s = Arc::new(Semaphore::new(1));
    let mut p = PollSemaphore::new(s.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = || {
        let held = s.try_acquire().unwrap();
        assert!(p.poll_acquire(&mut cx).is_pending());
        drop(held);
        assert!(p.poll_acquire(&mut cx).is_ready());
    };
    wait();
    assert_eq!(allocations(|| (0..100).for_each(|_| wait())), 0);
}
