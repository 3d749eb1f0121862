//! Who is the next: who gets a permit that is free while others wait for one, in which order a
//! line is served, and for how long one may wait in it.

use core::time::Duration;

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

/// In which order those who stand in line are served.
///
/// Set by [`Builder::order`](crate::Builder::order).
///
/// First in, first out is right while a line is short. When more is asked for than can be
/// done, the line grows until everybody waits for longer than anybody has patience, and all
/// work is for callers who have left. The last to come is the one who still waits for an
/// answer. The idea, and the way to tell overload from a burst, are Facebook's (Ben Maurer,
/// *Fail at Scale*, ACM Queue 13(8), 2015).
///
/// # Examples
///
/// ```
/// use dynaphore::{Order, Semaphore};
///
/// static WORK: Semaphore = Semaphore::builder(8).order(Order::AdaptiveLifo).build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub enum Order {
    /// First in, first out, exactly. The default.
    #[default]
    Fifo,
    /// Last in, first out, exactly. Under constant load the first waits without end.
    Lifo,
    /// As `Fifo`; as `Lifo` while the line has not been empty for the interval of
    /// [`Builder::overdue`](crate::Builder::overdue), or for 100 ms if there is none.
    AdaptiveLifo,
}

/// 71 minutes, in microseconds.
const FOR_EVER: u32 = u32::MAX;

/// When a wait is too long. Times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    target: u32,
    interval: u32,
}

impl Overdue {
    pub(super) const NEVER: Self = Self {
        target: FOR_EVER,
        interval: 100_000,
    };

    pub(super) const fn new(target: Duration, interval: Duration) -> Self {
        let (target, interval) = (micros(target), micros(interval));
        let is_shorter = interval < target && target < FOR_EVER;
        Self {
            target,
            interval: if is_shorter { target } else { interval },
        }
    }

    pub(super) const fn is_never(self) -> bool {
        self.target == FOR_EVER
    }
}

/// How a line is served: what a builder asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Discipline {
    pub(super) order: Order,
    pub(super) overdue: Overdue,
    /// A grant belongs to the task: see `line/told.rs`.
    pub(super) by_task: bool,
}

impl Discipline {
    /// Does the time decide who is the next, or who has waited for too long?
    pub(super) const fn looks_at_clock(self) -> bool {
        !matches!(self.order, Order::Fifo) || !self.overdue.is_never()
    }

    /// Is a line overloaded in which somebody has been for so long?
    pub(super) const fn is_overload(self, busy_for: u64) -> bool {
        is_over(self.overdue.interval, busy_for)
    }

    /// Does the newest go first?
    pub(super) const fn newest_first(self, overload: bool) -> bool {
        match self.order {
            Order::Fifo => false,
            Order::Lifo => true,
            Order::AdaptiveLifo => overload,
        }
    }

    /// Is a wait of so long too long?
    pub(super) const fn is_overdue(self, waited: u64, overload: bool) -> bool {
        let Overdue { target, interval } = self.overdue;
        let patience = if overload { target } else { interval };
        !self.overdue.is_never() && is_over(patience, waited)
    }
}

/// The fairness of one semaphore, in 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) fairness: Fairness,
    /// Of those who stand in line under `Fifo`.
    pub(super) order: Order,
    pub(super) overdue: Overdue,
    /// In any line.
    pub(super) by_task: bool,
    /// One of them is not the usual one.
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

    /// Whole microseconds, up to 71 minutes.
    pub(crate) const fn with_bound(self, bound: Duration) -> Self {
        let bound = micros(bound);
        Self { bound, ..self }
    }

    /// All has been asked for: what this fairness does not use is as usual.
    pub(super) const fn complete(mut self) -> Self {
        if !self.is_fifo() {
            self.order = Order::Fifo;
            self.overdue = Overdue::NEVER;
        }
        self.has_discipline = self.by_task || self.discipline().looks_at_clock();
        self
    }

    /// Is its line served in another way than the usual one?
    #[inline]
    pub(crate) const fn has_discipline(&self) -> bool {
        self.has_discipline
    }

    /// How it is.
    pub(crate) const fn discipline(&self) -> Discipline {
        Discipline {
            order: self.order,
            overdue: self.overdue,
            by_task: self.by_task,
        }
    }

    /// Do grants belong to tasks?
    #[inline]
    pub(crate) const fn by_task(&self) -> bool {
        self.by_task
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

/// Is that so long ago?
const fn is_over(time: u32, since: u64) -> bool {
    time != FOR_EVER && since >= time as u64
}

pub(super) const fn micros(time: Duration) -> u32 {
    let micros = time.as_micros();
    if micros < FOR_EVER as u128 {
        micros as u32
    } else {
        FOR_EVER
    }
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests;
