//! What shuttle does not have, made of what it has.

use std::{
    ops::Add,
    sync::{Arc, LockResult, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use shuttle::{
    future,
    rand::{Rng, thread_rng},
    sync::{Condvar as Wakes, MutexGuard},
    thread,
};

use super::{AtomicU64, Relaxed, lazy_static};

lazy_static! {
    /// In nanoseconds.
    static ref NOW: AtomicU64 = AtomicU64::new(0);
}

/// A moment. Each look at the clock takes up to three microseconds, and a bounded wait
/// that ends by its bound takes that long. Nothing else takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        let took = thread_rng().gen_range(0..3_000);
        Self(Duration::from_nanos(NOW.fetch_add(took, Relaxed)))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    pub(crate) fn duration_since(self, earlier: Self) -> Duration {
        self.0 - earlier.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// One whose bounded waits may end at any time: shuttle's end only if told.
#[derive(Debug, Default)]
pub(crate) struct Condvar(Arc<Wakes>);

impl Condvar {
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        at_most: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let (late, over) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let timer = {
            let (wakes, late, over) = (Arc::clone(&self.0), Arc::clone(&late), Arc::clone(&over));
            // Longer bounds are longer on the whole, or a wait for many would never end
            // otherwise.
            let turns = thread_rng().gen_range(0..=at_most.as_millis());
            move || {
                for _ in 0..turns {
                    if over.load(Relaxed) {
                        return;
                    }
                    thread::yield_now();
                }
                late.store(true, Relaxed);
                // Not under the mutex: the waiter may be about to wait.
                while !over.load(Relaxed) {
                    wakes.notify_all();
                    thread::yield_now();
                }
            }
        };
        // Whenever its turn comes; nobody waits for it.
        drop(future::spawn(async move { timer() }));
        let goes_on = |value: &mut T| condition(value) && !late.load(Relaxed);
        let guard = self.0.wait_while(guard, goes_on);
        over.store(true, Relaxed);
        if late.load(Relaxed) {
            // Without this a program that naps would take as many steps as it takes looks
            // at the clock to let the time of its naps pass.
            NOW.fetch_add(at_most.as_nanos() as u64, Relaxed);
        }
        Ok((guard.unwrap_or_else(PoisonError::into_inner), ()))
    }
}
