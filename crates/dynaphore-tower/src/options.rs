//! What a layer was asked for, and what its services share of it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Reason, Rejected};

/// A function that is shared by all clones.
pub(crate) type Ask<Req, T> = Arc<dyn Fn(&Req) -> T + Send + Sync>;

/// What the layer was asked for.
pub(crate) struct Options<Req> {
    pub(crate) max_waiting: usize,
    /// How many do, of those that the layer's services serve.
    pub(crate) waiting: Arc<AtomicUsize>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) deadline: Option<Ask<Req, Option<std::time::Instant>>>,
    pub(crate) weight: Option<Ask<Req, u32>>,
    pub(crate) exempt: Option<Ask<Req, bool>>,
    pub(crate) retry_after: Duration,
}

impl<Req> Options<Req> {
    pub(crate) fn new() -> Self {
        Self {
            max_waiting: usize::MAX,
            waiting: Arc::default(),
            max_wait: None,
            deadline: None,
            weight: None,
            exempt: None,
            retry_after: Duration::from_secs(1),
        }
    }

    /// When `request` may wait no longer.
    pub(crate) fn deadline(&self, request: &Req) -> Deadline {
        let by_function = self
            .deadline
            .as_ref()
            .and_then(|deadline| deadline(request));
        let by_function = by_function.map(Instant::from_std);
        // One that is too far away to be told is none.
        let by_time = self
            .max_wait
            .and_then(|max_wait| Instant::now().checked_add(max_wait));
        Deadline::new(by_time.into_iter().chain(by_function).min())
    }

    pub(crate) fn rejected(&self, reason: Reason) -> Rejected {
        Rejected {
            reason,
            retry_after: self.retry_after,
        }
    }
}

impl<Req> Clone for Options<Req> {
    fn clone(&self) -> Self {
        Self {
            max_waiting: self.max_waiting,
            waiting: Arc::default(),
            max_wait: self.max_wait,
            deadline: self.deadline.clone(),
            weight: self.weight.clone(),
            exempt: self.exempt.clone(),
            retry_after: self.retry_after,
        }
    }
}

impl<Req> fmt::Debug for Options<Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_waiting", &self.max_waiting)
            .field("waiting", &self.waiting)
            .field("max_wait", &self.max_wait)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Completes at a moment, or never. It makes its timer when it is first polled: most
    /// requests need none.
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct Deadline {
        at: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Deadline {
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self { at, sleep: None }
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.sleep.is_none() {
            let Some(at) = *this.at else {
                return Poll::Pending;
            };
            this.sleep.set(Some(sleep_until(at)));
        }
        this.sleep.as_pin_mut().expect("just put there").poll(cx)
    }
}

/// A place among those who wait, of which a layer may have only so many.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<AtomicUsize>>);

impl Place {
    /// One of `max` places, of which as many are taken as `waiting` says.
    pub(crate) fn take(waiting: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        if max == usize::MAX {
            return Some(Self(None));
        }
        let one_more = |n| (n < max).then_some(n + 1);
        let taken = waiting.fetch_update(Relaxed, Relaxed, one_more);
        taken.is_ok().then(|| Self(Some(Arc::clone(waiting))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.fetch_sub(1, Relaxed);
        }
    }
}
