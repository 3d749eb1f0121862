//! Who gets a permit that is free while others wait for one.

use std::time::Duration;

/// Who gets a permit that comes back while others wait for one.
///
/// Set by [`Builder::fairness`](crate::Builder::fairness).
///
/// | | order of the waiters | may a newcomer pass them | how long a wait may be |
/// |---|---|---|---|
/// | `Fifo` | exact | never | as long as those before it hold their permits |
/// | `Eventual` | as they are woken | until the first has waited for the bound | the bound, then as for `Fifo` |
/// | `Barging` | as they are woken | always | without end, under constant load |
///
/// Handing a permit to a thread that sleeps leaves it unused until that thread
/// runs. Where holds are short, letting whoever runs have it multiplies the
/// throughput.
///
/// # Examples
///
/// ```
/// use dynaphore::{Fairness, Semaphore};
///
/// static FILES: Semaphore = Semaphore::builder(8).fairness(Fairness::Eventual).build();
/// assert_eq!(FILES.fairness(), Fairness::Eventual);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fairness {
    /// First in, first out, exactly: a permit is handed to the first in line,
    /// and nobody who comes later passes. What tokio promises. The default.
    #[default]
    Fifo,
    /// Whoever comes takes a free permit, until the first in line has waited
    /// for longer than a [bound](crate::Builder::bound): from then on it is as
    /// with `Fifo` until the line has moved on.
    Eventual,
    /// Whoever comes takes a free permit. Waiters are woken in order and
    /// compete; one may lose again and again.
    Barging,
}

/// The fairness of one semaphore, in eight bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) fairness: Fairness,
    /// In microseconds.
    bound: u32,
}

impl Policy {
    pub(crate) const FIFO: Self = Self {
        fairness: Fairness::Fifo,
        bound: 500,
    };

    pub(crate) const fn with_fairness(self, fairness: Fairness) -> Self {
        Self { fairness, ..self }
    }

    /// Whole microseconds, up to 71 minutes.
    pub(crate) const fn with_bound(self, bound: Duration) -> Self {
        let micros = bound.as_micros();
        let bound = if micros < u32::MAX as u128 {
            micros as u32
        } else {
            u32::MAX
        };
        Self { bound, ..self }
    }

    pub(crate) const fn bound(self) -> Duration {
        Duration::from_micros(self.bound as u64)
    }

    pub(crate) const fn is_fifo(self) -> bool {
        matches!(self.fairness, Fairness::Fifo)
    }
}
