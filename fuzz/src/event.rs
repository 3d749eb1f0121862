//! Those who listen, as both models need them.

/// Which future.
pub(crate) type Id = usize;

/// Which waker, counted from 0.
pub(crate) type WakerId = usize;

struct Listener {
    id: Id,
    newest: WakerId,
    notified: bool,
}

/// Those that listen to an event of the library, in order. The first of them are notified.
#[derive(Default)]
pub(crate) struct Event(Vec<Listener>);

impl Event {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, id: Id) -> bool {
        self.find(id).is_some()
    }

    pub(crate) fn is_notified(&self, id: Id) -> bool {
        self.find(id).is_some_and(|at| self.0[at].notified)
    }

    /// The newest waker of each.
    pub(crate) fn wakers(&self) -> impl Iterator<Item = WakerId> {
        self.0.iter().map(|listener| listener.newest)
    }

    pub(crate) fn listen(&mut self, id: Id, newest: WakerId) {
        self.0.push(Listener {
            id,
            newest,
            notified: false,
        });
    }

    /// Its future is polled with this waker.
    pub(crate) fn register(&mut self, id: Id, newest: WakerId) {
        if let Some(at) = self.find(id) {
            self.0[at].newest = newest;
        }
    }

    /// It has come in vain.
    pub(crate) fn listen_again(&mut self, id: Id) {
        if let Some(at) = self.find(id) {
            let listener = self.0.remove(at);
            self.listen(id, listener.newest);
        }
    }

    /// It has come and been served.
    pub(crate) fn remove(&mut self, id: Id) {
        self.0.retain(|listener| listener.id != id);
    }

    /// Its future is dropped. A notification of somebody who has not come goes to the next.
    pub(crate) fn cancel(&mut self, id: Id, wakes: &mut [usize]) {
        let was_notified = self.is_notified(id);
        self.remove(id);
        if was_notified {
            self.notify_more(1, wakes);
        }
    }

    /// Polls one that waits for a state, which may be `met` now. Has it what it wants?
    pub(crate) fn come_for(&mut self, id: Id, newest: WakerId, met: bool) -> bool {
        self.register(id, newest);
        if !self.is_notified(id) {
            return false;
        }
        if met {
            self.remove(id);
        } else {
            self.listen_again(id);
        }
        met
    }

    /// Sees to it that `n` are notified. Says how many that took.
    pub(crate) fn notify(&mut self, n: usize, wakes: &mut [usize]) -> usize {
        self.notify_more(n.saturating_sub(self.notified()), wakes)
    }

    pub(crate) fn notify_more(&mut self, n: usize, wakes: &mut [usize]) -> usize {
        let asleep = self.0.iter_mut().filter(|listener| !listener.notified);
        let mut count = 0;
        for listener in asleep.take(n) {
            listener.notified = true;
            wakes[listener.newest] += 1;
            count += 1;
        }
        count
    }

    pub(crate) fn notified(&self) -> usize {
        self.0.iter().filter(|listener| listener.notified).count()
    }

    fn find(&self, id: Id) -> Option<usize> {
        self.0.iter().position(|listener| listener.id == id)
    }
}
