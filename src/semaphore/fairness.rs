//! Who gets a permit that is free while others wait for one.

use core::time::Duration;

use super::order::{Discipline, Order, Overdue, micros};

/// Who gets a permit that comes back while others wait for one.
///
/// Set by [`Builder::fairness`](crate::Builder::fairness).
///
/// | | order of the waiters | may a newcomer pass them | how long a wait may be |
/// |---|---|---|---|
/// | `Fifo` | exact | never | as long as those before it hold their permits |
/// | `Eventual` | as they are woken, then exact | until one has waited for the bound | the bound, then as for `Fifo` |
/// | `Barging` | as they are woken | always | without end, under constant load |
///
/// Where waiters are woken rather than served (`Eventual` and `Barging`), that goes for
/// requests for one permit. A request for several stands in line from the start, and is
/// handed its permits when they are there. Under `Eventual` nobody passes it; under
/// `Barging` everybody may.
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
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub enum Fairness {
    /// First in, first out, exactly: a permit is handed to the first in line,
    /// and nobody who comes later passes. What tokio promises. The default.
    #[default]
    Fifo,
    /// Whoever comes takes a free permit. A waiter that has waited for longer than a
    /// [bound](crate::Builder::bound), and is woken in vain, joins a line; as long
    /// as somebody is in it, it is as with `Fifo`.
    Eventual,
    /// Whoever comes takes a free permit. Waiters are woken in order, as many as
    /// permits are free, and compete; one may lose again and again. (When one that
    /// has been woken does not come, the next is woken after some more releases.)
    Barging,
}

/// The fairness of one semaphore, in 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) fairness: Fairness,
    /// Of those who stand in line under `Fifo`.
    order: Order,
    overdue: Overdue,
    /// In any line.
    by_task: bool,
    /// One of them is not the usual one, and is used.
    has_discipline: bool,
    /// In microseconds.
    bound: u32,
}

impl Policy {
    pub(crate) const FIFO: Self = Self {
        fairness: Fairness::Fifo,
        order: Order::Fifo,
        overdue: Overdue::NEVER,
        by_task: false,
        has_discipline: false,
        bound: 500,
    };

    pub(crate) const fn with_fairness(self, fairness: Fairness) -> Self {
        Self { fairness, ..self }.noted()
    }

    pub(crate) const fn with_order(self, order: Order) -> Self {
        Self { order, ..self }.noted()
    }

    pub(crate) const fn with_overdue(self, target: Duration, interval: Duration) -> Self {
        let overdue = Overdue::new(target, interval);
        Self { overdue, ..self }.noted()
    }

    pub(crate) const fn with_by_task(self, by_task: bool) -> Self {
        Self { by_task, ..self }.noted()
    }

    const fn noted(self) -> Self {
        Self {
            has_discipline: self.by_task || self.discipline().looks_at_clock(),
            ..self
        }
    }

    /// Is its line served in another way than the usual one?
    #[inline]
    pub(crate) const fn has_discipline(&self) -> bool {
        self.has_discipline
    }

    /// How it is.
    pub(crate) const fn discipline(&self) -> Discipline {
        let by_task = self.by_task;
        if self.is_fifo() {
            Discipline {
                order: self.order,
                overdue: self.overdue,
                by_task,
            }
        } else {
            Discipline {
                order: Order::Fifo,
                overdue: Overdue::NEVER,
                by_task,
            }
        }
    }

    /// Do grants belong to tasks?
    #[inline]
    pub(crate) const fn by_task(&self) -> bool {
        self.by_task
    }

    /// Whole microseconds, up to 71 minutes.
    pub(crate) const fn with_bound(self, bound: Duration) -> Self {
        let bound = micros(bound);
        Self { bound, ..self }
    }

    /// How long one competes, in nanoseconds.
    pub(crate) const fn bound(self) -> u64 {
        match self.fairness {
            Fairness::Fifo => 0,
            Fairness::Eventual => self.bound as u64 * 1_000,
            Fairness::Barging => u64::MAX,
        }
    }

    /// Do all stand in line?
    pub(crate) const fn is_fifo(self) -> bool {
        matches!(self.fairness, Fairness::Fifo)
    }
}
