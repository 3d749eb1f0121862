//! How many items are taken at a time.

use std::time::Duration;

use crate::sync::Instant;

/// As many items as take about as long as [`Pace::ENOUGH`], one if one takes
/// longer, so that what is done once for them all costs little.
#[derive(Debug)]
pub(super) struct Pace {
    items: usize,
    most: usize,
    since: Instant,
}

impl Pace {
    /// To take permits, give them back and look at the clock costs half a
    /// microsecond where two workers do it by turns. Measured on items of 20 ns,
    /// it adds 40 % to them with a microsecond here, and 10 % with 20 or 50.
    const ENOUGH: Duration = Duration::from_micros(20);

    /// Measured on empty items and two workers: 8192 at a time cost 0.58 ns each, 4096
    /// 0.61, 2048 0.80, since each worker's taking and giving back slows the other's
    /// looks down; 16384 cost no less than 8192.
    const MOST: usize = 8192;

    pub(super) fn new(uniform: bool) -> Self {
        Self {
            items: 1,
            most: if uniform { Self::MOST } else { 1 },
            since: Instant::now(),
        }
    }

    /// How many to take next.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// The same in two parts. The second is for those that are not slow to come,
    /// so that they do not wait for each other where they are.
    pub(super) fn parts(&self) -> (usize, usize) {
        let first = self.items.div_ceil(4);
        (first, self.items - first)
    }

    /// Are the items slow to come?
    pub(super) fn is_late(&self) -> bool {
        self.since.elapsed() > Self::ENOUGH
    }

    /// Those are done.
    pub(super) fn done(&mut self) {
        if self.most == 1 {
            return;
        }
        let now = Instant::now();
        let took = now.duration_since(self.since);
        self.since = now;
        if took < Self::ENOUGH {
            self.items = (2 * self.items).min(self.most);
        } else if took > 4 * Self::ENOUGH {
            self.items = (self.items / 4).max(1);
        }
    }
}
