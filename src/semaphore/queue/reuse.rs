//! May a queue serve again, for another semaphore?

use super::{Queue, shared::Shared};

impl Queue {
    /// Has it memory of its own, from those who have waited?
    #[inline]
    pub(crate) fn is_made(&self) -> bool {
        // Under loom it is made at once.
        self.shared.get().is_some() && !cfg!(loom)
    }

    /// For one that nobody else can reach, so that it can only be empty: makes
    /// it as good as new, but for the order of the tickets. `false` if it is not
    /// worth that. Then it has changed nothing.
    pub(crate) fn renew(&mut self) -> bool {
        self.shared.get().is_none_or(|shared| shared.renew())
    }
}

impl Shared {
    fn renew(&self) -> bool {
        let mut line = self.lock();
        let renewed = line.renew();
        if renewed {
            self.publish(&mut line);
        }
        renewed
    }
}

#[cfg(all(test, not(loom)))]
impl Queue {
    pub(crate) fn places_kept(&self) -> usize {
        let shared = self.shared.get();
        shared.map_or(0, |shared| shared.lock().places_kept())
    }
}
