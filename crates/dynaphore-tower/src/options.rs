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

use dynaphore::Semaphore;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Reason, Rejected, Rejections};

/// A function that is shared by all clones.
pub(crate) type Ask<Req, T> = Arc<dyn Fn(&Req) -> T + Send + Sync>;

/// What the layer was asked for, shared by all that it makes; nothing at all if it was asked for
/// nothing. Then there is nothing to look at, and no count of users to keep.
pub(crate) struct Options<Req>(Option<Arc<Choices<Req>>>);

/// When those that are turned away come again, if nobody says anything else.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl<Req> Options<Req> {
    pub(crate) const NONE: Self = Self(None);

    /// Those who have the same options already keep what they have.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Choices<Req>)) {
        let choices = self.0.get_or_insert_with(|| Arc::new(Choices::new()));
        change(Arc::make_mut(choices));
    }

    /// How many permits `request` needs; none at all if it is exempt.
    #[inline(always)]
    pub(crate) fn need(&self, request: &Req) -> Option<u32> {
        match &self.0 {
            None => Some(1),
            Some(choices) => choices.need(request),
        }
    }

    /// A place for one more that waits, if there is one.
    pub(crate) fn take_place(&self) -> Option<Place> {
        match &self.0 {
            None => Some(Place(None)),
            Some(choices) => Place::take(&choices.waiting, choices.max_waiting),
        }
    }

    /// When `request` may wait no longer.
    pub(crate) fn deadline(&self, request: &Req) -> Deadline {
        Deadline::new(self.0.as_ref().and_then(|choices| choices.end(request)))
    }

    /// What a request is told that is turned away now, which is counted.
    #[cold]
    pub(crate) fn reject(&self, reason: Reason) -> Rejected {
        let choices = self.0.as_deref();
        if let Some(rejections) = choices.and_then(|choices| choices.rejections.as_ref()) {
            rejections.add(reason);
        }
        Rejected {
            reason,
            retry_after: choices.map_or(RETRY_AFTER, |choices| choices.retry_after),
        }
    }
}

impl<Req> Clone for Options<Req> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Req> fmt::Debug for Options<Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Options"),
            Some(choices) => choices.fmt(f),
        }
    }
}

pub(crate) struct Choices<Req> {
    pub(crate) max_waiting: usize,
    /// How many do, of those that the layer's services serve.
    waiting: Arc<AtomicUsize>,
    pub(crate) rejections: Option<Rejections>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) deadline: Option<Ask<Req, Option<std::time::Instant>>>,
    pub(crate) weight: Option<Ask<Req, u32>>,
    pub(crate) exempt: Option<Ask<Req, bool>>,
    pub(crate) retry_after: Duration,
}

impl<Req> Choices<Req> {
    fn new() -> Self {
        Self {
            max_waiting: usize::MAX,
            waiting: Arc::default(),
            rejections: None,
            max_wait: None,
            deadline: None,
            weight: None,
            exempt: None,
            retry_after: RETRY_AFTER,
        }
    }

    // Out of line, so that its answer comes in registers: where calls that are inlined meet it,
    // the response future would go through memory.
    #[inline(never)]
    fn need(&self, request: &Req) -> Option<u32> {
        if self.exempt.as_ref().is_some_and(|exempt| exempt(request)) {
            return None;
        }
        let weight = self.weight.as_ref().map_or(1, |weight| weight(request));
        Some(weight.min(Semaphore::MAX_PERMITS as u32))
    }

    fn end(&self, request: &Req) -> Option<Instant> {
        let by_function = self
            .deadline
            .as_ref()
            .and_then(|deadline| deadline(request));
        let by_function = by_function.map(Instant::from_std);
        // One that is too far away to be told is none.
        let by_time = self
            .max_wait
            .and_then(|max_wait| Instant::now().checked_add(max_wait));
        by_time.into_iter().chain(by_function).min()
    }
}

impl<Req> Clone for Choices<Req> {
    fn clone(&self) -> Self {
        Self {
            max_waiting: self.max_waiting,
            waiting: Arc::default(),
            rejections: self.rejections.clone(),
            max_wait: self.max_wait,
            deadline: self.deadline.clone(),
            weight: self.weight.clone(),
            exempt: self.exempt.clone(),
            retry_after: self.retry_after,
        }
    }
}

impl<Req> fmt::Debug for Choices<Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_waiting", &self.max_waiting)
            .field("waiting", &self.waiting)
            .field("rejections", &self.rejections)
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
    fn new(at: Option<Instant>) -> Self {
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
    fn take(waiting: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
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
