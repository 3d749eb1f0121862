//! A future that a test polls, with a waker that counts.

use alloc::{boxed::Box, vec::Vec};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use portable_atomic::{AtomicUsize, Ordering::SeqCst};
use portable_atomic_util::{Arc, task::Wake};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(this: Arc<Self>) {
        this.0.fetch_add(1, SeqCst);
    }
}

pub(crate) struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

/// One that has been polled once, and waits.
pub(crate) fn waiting<F: Future>(future: F) -> Task<F> {
    let mut task = Task::new(future);
    assert!(task.poll().is_pending());
    task
}

/// So many of them.
pub(crate) fn all_waiting<F: Future>(many: usize, make: impl Fn() -> F) -> Vec<Task<F>> {
    (0..many).map(|_| waiting(make())).collect()
}

/// What `future` returns when it is polled for the first time.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    Task::new(future).ready()
}

impl<F: Future> Task<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::default(),
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// What it returns, which is there.
    pub(crate) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    /// How often it has been woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(SeqCst)
    }
}
