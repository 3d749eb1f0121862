//! May a queue serve another semaphore?

use super::Queue;

impl Queue {
    /// Has nobody ever waited? Under loom, where the queue is made at once, it
    /// is as good as new when it is empty.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.shared.get().is_none() || cfg!(loom)
    }
}
