//! In which order a line is served, and for how long one may wait in it.

use core::time::Duration;

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
    /// A grant belongs to the task: see `line/claims.rs`.
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
