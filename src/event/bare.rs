//! The event of programs without the standard library: who listens, in order, behind a lock.
//!
//! It promises what the one of `event.rs` does, and needs neither a parked thread nor a
//! thread's locals. Nothing here is as fast as that one under many threads, nor has to be.
//!
//! One that listens is *waiting* until it is notified, and *notified* until it has seen that
//! or gives its place up. Each move is made under the lock:
//!
//! | who | moves what |
//! |---|---|
//! | listener | comes at the end of those that wait; leaves its waker there when it is polled; takes itself out when it has been notified, or gives up |
//! | notifier | moves the first that wait to those that are notified, and takes their wakers along; wakes when the lock is free |
//!
//! - *No wake-up is lost.* Somebody changes something and then notifies; somebody else listens
//!   and then looks. If the notifier takes the lock later, the listener is notified. If it was
//!   earlier, the listener sees the change. A notifier takes no lock if it finds that nobody
//!   has ever listened. The first time, to listen therefore ends with a SeqCst fence, and to
//!   notify begins with one: the notifier sees the listeners, or the listener the change.
//! - *Each notification is for one.* One that gives its place up, and has been notified and
//!   not seen it, notifies another.
//! - *Foreign code.* No waker is cloned, woken or dropped under the lock.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    mem,
    task::{Poll, Waker},
};

use crate::{
    foreign::Deferred,
    sync::{Arc, Lazy, Mutex, PoisonError, SeqCst, const_fn, fence},
};

/// Something that can be waited for. The list is made when somebody listens for the first time.
pub(crate) struct Event(Lazy<Arc<Listeners>>);

#[derive(Default)]
struct Listeners(Mutex<Places>);

/// Places are numbered as they are taken.
#[derive(Default)]
struct Places {
    /// The number of the one that was taken last.
    newest: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
    /// How many there are beside these: they have been notified.
    notified: usize,
}

impl Listeners {
    /// Runs `step` under the lock, in which no foreign code may run.
    fn with<R>(&self, step: impl FnOnce(&mut Places) -> R) -> R {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a place at the end.
    fn take(&self) -> u64 {
        self.with(|places| {
            places.newest += 1;
            places.waiting.insert(places.newest, None);
            places.newest
        })
    }

    /// Notifies as many of those that wait as `how_many` says, if there are. How many it
    /// notifies.
    fn notify(&self, how_many: impl FnOnce(&Places) -> usize) -> (usize, Deferred) {
        let wakers: Vec<Option<Waker>> = self.with(|places| {
            let n = how_many(places).min(places.waiting.len());
            places.notified += n;
            (0..n).map(|_| places.waiting.pop_first()?.1).collect()
        });
        let notified = wakers.len();
        let mut deferred = Deferred::default();
        for waker in wakers.into_iter().flatten() {
            deferred.run(|| waker.wake());
        }
        (notified, deferred)
    }
}

impl Event {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(Lazy::new())
        }
    }

    /// Does nobody listen?
    pub(crate) fn is_empty(&self) -> bool {
        let is_empty = |places: &mut Places| places.waiting.is_empty() && places.notified == 0;
        self.0
            .get()
            .is_none_or(|listeners| listeners.with(is_empty))
    }

    /// Takes a place at the end of those that listen. A notification from now on counts,
    /// polled or not; the waker of its last poll is woken.
    pub(crate) fn listen(&self, _: &Waker) -> Listener {
        let listeners = Arc::clone(self.0.force());
        let place = listeners.take();
        // ORDERING: SeqCst, pairs with the fence in `notify_some`, and with that of `Queue`
        // before `is_empty`. Who does not find the listeners made takes no lock.
        fence(SeqCst);
        Listener {
            place: Some(place),
            listeners,
        }
    }

    /// Sees to it that at least `n` of those that listen have been notified and have not
    /// come yet, in the order in which they began to listen. Says how many are notified by
    /// this call.
    pub(crate) fn notify(&self, n: usize) -> (usize, Deferred) {
        self.notify_some(|places| n.saturating_sub(places.notified))
    }

    /// Notifies one more, whoever has been notified and has not come.
    pub(crate) fn notify_one_more(&self) -> Deferred {
        self.notify_some(|_| 1).1
    }

    /// Notifies all that listen.
    pub(crate) fn notify_all(&self) -> Deferred {
        self.notify(usize::MAX).1
    }

    fn notify_some(&self, how_many: impl FnOnce(&Places) -> usize) -> (usize, Deferred) {
        // ORDERING: SeqCst, pairs with the fence in `listen`.
        fence(SeqCst);
        match self.0.get() {
            Some(listeners) => listeners.notify(how_many),
            None => (0, Deferred::default()),
        }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

/// A place among those that listen, to be given up by [leaving](Self::leave).
#[must_use]
pub(crate) struct Listener {
    /// `None` once it has been notified and has seen that.
    place: Option<u64>,
    listeners: Arc<Listeners>,
}

impl Listener {
    /// Has it been notified? If not, `waker` is the one that is woken.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Some(place) = self.place else {
            return Poll::Ready(());
        };
        // Cloned before the lock is taken, and dropped when it is free.
        let mut newest = Some(waker.clone());
        self.listeners
            .with(|places| match places.waiting.get_mut(&place) {
                Some(known) => {
                    mem::swap(known, &mut newest);
                    Poll::Pending
                }
                None => {
                    places.notified -= 1;
                    self.place = None;
                    Poll::Ready(())
                }
            })
    }

    /// Has it been polled since it was notified?
    pub(crate) const fn has_come(&self) -> bool {
        self.place.is_none()
    }

    /// Takes a new place at the end.
    pub(crate) fn listen_again(&mut self, _: &Event) {
        // The lock orders this and the looks of others, who find the listeners made.
        self.place = Some(self.listeners.take());
    }

    /// Gives its place at the event up. A notification that it has not seen goes to the first
    /// that has none.
    pub(crate) fn leave(mut self, _: &Event) -> Deferred {
        self.give_up()
    }

    fn give_up(&mut self) -> Deferred {
        let mut deferred = Deferred::default();
        if let Some(place) = self.place.take() {
            let waited = self.listeners.with(|places| {
                let waited = places.waiting.remove(&place);
                places.notified -= usize::from(waited.is_none());
                waited
            });
            match waited {
                Some(waker) => deferred.run(|| drop(waker)),
                None => deferred.merge(self.listeners.notify(|_| 1).1),
            }
        }
        deferred
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.give_up().resume();
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests;
