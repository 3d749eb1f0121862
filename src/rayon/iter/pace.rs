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
    const ENOUGH: Duration = Duration::from_micros(1);

    /// How many are fetched without a look at the clock, so that they do not wait
    /// for each other where they are slow to come.
    pub(super) const AT_ONCE: usize = 256;

    /// Measured on empty items, 1024 at a time cost a third less than 256; 4096
    /// cost no less than that.
    const MOST: usize = 1024;

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
