//! Requests that are polled by hand, of each kind of semaphore. Nothing here knows of
//! schedules: `proof/tests/histories.rs` uses it with real threads.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use dynaphore::{AcquireError, Fairness, OwnedSemaphorePermit, Semaphore, future::AcquireOwned};

/// Who is served first, with the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Fifo,
    Eventual(Duration),
    Barging(Duration),
}

impl Kind {
    pub fn semaphore(self, max: usize) -> Arc<Semaphore> {
        let (fairness, bound) = match self {
            Kind::Fifo => (Fairness::Fifo, Duration::ZERO),
            Kind::Eventual(bound) => (Fairness::Eventual, bound),
            Kind::Barging(bound) => (Fairness::Barging, bound),
        };
        let builder = Semaphore::builder(max).fairness(fairness);
        Arc::new(builder.bound(bound).build())
    }
}

/// Counts its wake-ups. It is no scheduling point.
#[derive(Debug, Default)]
pub struct Count(AtomicUsize);

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A request that is polled by hand.
pub struct Waiter {
    future: Pin<Box<AcquireOwned>>,
    woken: Arc<Count>,
}

impl Waiter {
    /// Not polled yet.
    pub fn new(semaphore: &Arc<Semaphore>, permits: u32) -> Self {
        Self {
            future: Box::pin(Arc::clone(semaphore).acquire_many_owned(permits)),
            woken: Arc::default(),
        }
    }

    /// Polled once, and in line or aside.
    #[track_caller]
    pub fn queued(semaphore: &Arc<Semaphore>, permits: u32) -> Self {
        let mut waiter = Self::new(semaphore, permits);
        assert!(waiter.poll().is_pending());
        waiter
    }

    pub fn poll(&mut self) -> Poll<Result<OwnedSemaphorePermit, AcquireError>> {
        let waker = Waker::from(self.woken.clone());
        self.poll_with(&mut Context::from_waker(&waker))
    }

    pub fn poll_with(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<OwnedSemaphorePermit, AcquireError>> {
        self.future.as_mut().poll(context)
    }

    /// The permits of one that has been woken and got them.
    #[track_caller]
    pub fn granted(&mut self) -> OwnedSemaphorePermit {
        assert!(self.woken() > 0, "not woken");
        match self.poll() {
            Poll::Ready(permit) => permit.expect("open"),
            Poll::Pending => panic!("woken and not granted"),
        }
    }

    /// How often it has been woken.
    pub fn woken(&self) -> usize {
        self.woken.get()
    }

    /// Its waker, to see whether somebody has kept it.
    pub fn waker(&self) -> Arc<Count> {
        self.woken.clone()
    }
}
