//! A line that nobody stands in any more, for others.

use std::collections::VecDeque;

use super::Line;

/// A buffer of at most this length is kept.
const KEEP: usize = 64;

impl Line {
    /// Makes it as good as new, but for the order of the tickets: they are not
    /// used again. `false`, and nothing changed, if it is not empty or closed.
    pub(crate) fn renew(&mut self) -> bool {
        let is_at_rest = self.places.is_empty()
            && self.aside.is_empty()
            && self.watchers.is_empty()
            && self.refused.is_empty()
            && self.stragglers == 0
            && self.closed_at.0 == u64::MAX;
        if !is_at_rest {
            return false;
        }
        if self.places.capacity() > KEEP {
            self.places = VecDeque::new();
        }
        // Few ever stand there.
        self.aside = VecDeque::new();
        self.watchers = VecDeque::new();
        self.timed = false;
        true
    }
}

#[cfg(all(test, not(loom)))]
impl Line {
    pub(crate) fn places_kept(&self) -> usize {
        self.places.capacity() + self.aside.capacity() + self.watchers.capacity()
    }
}
