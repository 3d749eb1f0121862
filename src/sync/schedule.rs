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

/// Each schedule has its own.
macro_rules! statics {
    ($($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
        $crate::sync::lazy_static! { $($(#[$meta])* static ref $name: $type = $value;)* }
    };
}
pub(crate) use statics;

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
        let [late, over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (wakes, is_late, is_over) = (self.0.clone(), late.clone(), over.clone());
        // Longer bounds are longer on the whole, or a wait for many would never end otherwise.
        let turns = thread_rng().gen_range(0..=at_most.as_millis());
        // Whenever its turn comes; nobody waits for it.
        drop(future::spawn(async move {
            for _ in 0..turns {
                if is_over.load(Relaxed) {
                    return;
                }
                thread::yield_now();
            }
            is_late.store(true, Relaxed);
            // Not under the mutex: the waiter may be about to wait.
            while !is_over.load(Relaxed) {
                wakes.notify_all();
                thread::yield_now();
            }
        }));
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
