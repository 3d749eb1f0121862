//! How many items are taken at a time.

use std::time::{Duration, Instant};

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

    pub(super) fn new(uniform: bool) -> Self {
        Self {
            items: 1,
            most: if uniform { 256 } else { 1 },
            since: Instant::now(),
        }
    }

    /// How many to take next.
    pub(super) fn items(&self) -> usize {
        self.items
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
