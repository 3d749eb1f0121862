//! Ending a generation, and waiting until it has drained.

use core::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
#[cfg(feature = "std")]
use std::{hint, time::Instant};

use super::{
    barrier::heavy_fence,
    tracker::{Tracker, Waiting},
};
#[cfg(feature = "std")]
use crate::park;
use crate::{
    event::Listener,
    park::Wait,
    sync::{AcqRel, Clock, Relaxed},
};

/// How long a future goes on looking by itself: some hundred times what it takes
/// a store to reach the other cores.
const WINDOW: Duration = Duration::from_micros(200);

/// How long a thread sleeps at most before it looks for the first time; each
/// time after that, twice as long.
const FIRST_SLEEP: Duration = Duration::from_micros(50);

impl Tracker {
    /// Begins a new generation, and returns what tells when the old one has
    /// drained. Never waits. It may be called from many threads at once, and
    /// again before the last generation has drained.
    ///
    /// # Panics
    ///
    /// When the waker of somebody who waits does, after all have been woken. The new
    /// generation has begun then; the next increment waits for both.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let (first, second) = (tracker.increment(), tracker.increment());
    /// assert_eq!((first.generation(), second.generation()), (0, 1));
    /// second.wait();
    /// first.wait();
    /// ```
    #[must_use = "does not wait for the old generation"]
    pub fn increment(&self) -> Pending<'_> {
        // ORDERING: Release, for tokens of the new generation, which see what
        // the caller did; Acquire, so that it passes on what came before.
        let generation = self.words.generation.fetch_add(1, AcqRel);
        // ORDERING: argument 2. Pairs with the read-modify-write in `count_in`.
        heavy_fence();
        let phase = self.phase();
        self.begin_next(phase);
        Pending::new(self, generation, phase)
    }
}

/// Between the two looks of a thread before it sleeps.
#[cfg(feature = "std")]
const PAUSES: u32 = 64;

/// A generation that is over, and may still have tokens.
///
/// Wait for its end by [`wait`](Self::wait), or as a future: `pending.await`.
/// What it waits for does not depend on it: it may be dropped, and another one
/// waited for instead.
///
/// # Examples
///
/// ```
/// # futures::executor::block_on(async {
/// let tracker = dynaphore::generation::Tracker::new();
/// let token = tracker.acquire();
/// let pending = tracker.increment();
/// drop(token);
/// pending.await;
/// # });
/// ```
#[derive(Clone)]
#[must_use = "nothing waits for the old generation unless this is waited for"]
pub struct Pending<'a> {
    tracker: &'a Tracker,
    generation: u64,
    /// The last phase that may have tokens of this generation.
    phase: u64,
}

impl<'a> Pending<'a> {
    pub(super) fn new(tracker: &'a Tracker, generation: u64, phase: u64) -> Self {
        Self {
            tracker,
            generation,
            phase,
        }
    }

    /// The generation that drains: the one that `increment` has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// assert_eq!(tracker.increment().generation(), 0);
    /// assert_eq!(tracker.generation(), 1);
    /// ```
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether all tokens of this generation, and of those before it, are gone.
    /// Once they are, they always will be.
    ///
    /// # Memory ordering
    ///
    /// If so, all that their holders did is visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// assert!(tracker.increment().is_drained());
    /// ```
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.tracker.drain(self.phase)
    }
}

#[cfg(feature = "std")]
impl Pending<'_> {
    /// Blocks the thread until all tokens of this generation, and of those
    /// before it, are gone.
    ///
    /// A thread that holds such a token itself waits for ever.
    ///
    /// # Memory ordering
    ///
    /// All that the holders did before they dropped their tokens is visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let tracker = dynaphore::generation::Tracker::new();
    /// std::thread::scope(|scope| {
    ///     let token = tracker.acquire();
    ///     scope.spawn(move || drop(token));
    ///     tracker.increment().wait();
    /// });
    /// ```
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// [`wait`](Self::wait) that gives up when `timeout` is over. Returns whether
    /// the generation has drained.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let tracker = dynaphore::generation::Tracker::new();
    /// let token = tracker.acquire();
    /// let pending = tracker.increment();
    /// assert!(!pending.wait_timeout(Duration::from_millis(1)));
    /// drop(token);
    /// assert!(pending.wait_timeout(Duration::ZERO));
    /// ```
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(park::after(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        self.drains_soon() || park::wait(&mut Watch::new(self.clone()), deadline).is_some()
    }

    /// Looks twice, before anybody has to know that somebody waits. Tokens that live
    /// shortly go in between, and each look takes the counts' cache lines from acquirers.
    fn drains_soon(&self) -> bool {
        self.is_drained() || {
            (0..PAUSES).for_each(|_| hint::spin_loop());
            self.is_drained()
        }
    }
}

impl<'a> IntoFuture for Pending<'a> {
    type Output = ();
    type IntoFuture = Drained<'a>;

    fn into_future(self) -> Drained<'a> {
        Drained(Watch::new(self))
    }
}

impl fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Somebody who waits.
struct Watch<'a> {
    pending: Pending<'a>,
    /// From the first poll on. It counts among the waiters then.
    listener: Option<Listener>,
    /// The current phase when it last looked, and for how long it has been that.
    seen: Option<(u64, Clock)>,
    max_sleep: Duration,
}

impl<'a> Watch<'a> {
    fn new(pending: Pending<'a>) -> Self {
        Self {
            pending,
            listener: None,
            seen: None,
            max_sleep: FIRST_SLEEP,
        }
    }

    fn leave(&mut self) {
        if let Some(listener) = self.listener.take() {
            let Waiting { event, waiters, .. } = &*self.pending.tracker.waiting;
            waiters.fetch_sub(1, Relaxed);
            listener.leave(event).resume();
        }
    }

    /// May there be a count-out on its way of which nobody will tell (argument
    /// 5)? Only in the first moments of a phase.
    fn may_miss(&mut self) -> bool {
        !self.pending.tracker.is_exact() && self.age() < WINDOW
    }

    /// For how long it has been waiting in the same phase.
    fn age(&mut self) -> Duration {
        let now = self.pending.tracker.phase();
        match &self.seen {
            Some((phase, since)) if *phase == now => Duration::from_nanos(since.nanos()),
            _ => {
                self.seen = Some((now, Clock::default()));
                self.max_sleep = FIRST_SLEEP;
                Duration::ZERO
            }
        }
    }
}

impl Wait for Watch<'_> {
    type Answer = ();

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Waiting { event, waiters, .. } = &*self.pending.tracker.waiting;
        // Argument 4: it listens first, then comes the look that counts.
        while !self.pending.is_drained() {
            match &mut self.listener {
                None => {
                    self.listener = Some(event.listen(waker));
                    waiters.fetch_add(1, Relaxed);
                }
                Some(listener) => {
                    if listener.poll(waker).is_pending() {
                        return Poll::Pending;
                    }
                    // Something is new.
                    listener.listen_again(event);
                }
            }
        }
        self.leave();
        Poll::Ready(())
    }

    #[cfg(feature = "std")]
    fn may_be_ready(&self) -> bool {
        if self.pending.tracker.is_exact() {
            // A look at the counts would be a system call.
            return self.listener.as_ref().is_none_or(Listener::is_woken);
        }
        self.pending.is_drained()
    }

    #[cfg(feature = "std")]
    fn max_sleep(&mut self) -> Option<Duration> {
        if self.pending.tracker.is_exact() {
            return None;
        }
        self.age();
        let max_sleep = self.max_sleep;
        self.max_sleep = max_sleep.saturating_mul(2);
        Some(max_sleep)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Waits until a generation has drained. Made by awaiting a [`Pending`].
///
/// For the first 200 microseconds it has itself polled again; after that it
/// sleeps until the last token goes. Polled after it has returned `Ready`, it returns
/// `Ready` again.
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
///
/// # Examples
///
/// ```
/// use std::future::IntoFuture;
/// use dynaphore::generation::{Drained, Tracker};
///
/// # futures::executor::block_on(async {
/// let tracker = Tracker::new();
/// let drained: Drained<'_> = tracker.increment().into_future();
/// drained.await;
/// # });
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Drained<'a>(Watch<'a>);

impl Future for Drained<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let watch = &mut self.0;
        let polled = watch.poll(context.waker());
        if polled.is_pending() && watch.may_miss() {
            #[cfg(dynaphore_loom)]
            crate::sync::thread::yield_now();
            context.waker().wake_by_ref();
        }
        polled
    }
}

impl fmt::Debug for Drained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std", not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use super::*;

    /// Argument 5 of `tracker.rs`. The clock of unit tests stands still.
    #[test]
    fn who_waits_looks_by_itself_often_at_first() {
        let tracker = Tracker::new();
        let _token = tracker.acquire();
        let mut watch = Watch::new(tracker.increment());
        let is_inexact = !tracker.is_exact();
        for (micros, may_miss) in [(0, true), (199, true), (200, false)] {
            if let Some((_, since)) = &watch.seen {
                since.set(micros * 1_000);
            }
            assert_eq!(watch.may_miss(), is_inexact && may_miss, "{micros}");
        }
        for sleep in [FIRST_SLEEP, 2 * FIRST_SLEEP, 4 * FIRST_SLEEP] {
            assert_eq!(watch.max_sleep(), is_inexact.then_some(sleep));
        }
    }
}
