//! Wakers on their way out of the lock.

use std::task::Waker;

use crate::foreign::Deferred;

/// Wakers on their way out of the lock. As many as one critical section may
/// grant; then it lets go, wakes, and comes back.
#[derive(Default)]
pub(super) struct Wakes {
    wakers: [Option<Waker>; Self::MANY],
    len: usize,
    deferred: Deferred,
}

impl Wakes {
    const MANY: usize = 8;

    pub(super) fn is_full(&self) -> bool {
        self.len == Self::MANY
    }

    /// Adds one, if there is one. There must be room.
    pub(super) fn push(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            self.wakers[self.len] = waker;
            self.len += 1;
        }
    }

    /// Wakes them all, even if one panics.
    pub(super) fn wake(&mut self) {
        for waker in self.wakers[..self.len].iter_mut().filter_map(Option::take) {
            self.deferred.run(|| waker.wake());
        }
        self.len = 0;
    }

    /// Drops a waker that nobody needs any more.
    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            self.deferred.run(|| drop(waker));
        }
    }

    pub(super) fn finish(self) -> Deferred {
        self.deferred
    }

    /// The same, after something that came `before`.
    pub(super) fn finish_with(self, mut before: Deferred) -> Deferred {
        before.merge(self.deferred);
        before
    }
}
