//! Who wants to be told that something has drained.

use std::{collections::BTreeMap, mem, task::Waker};

use crate::{
    foreign::Deferred,
    sync::{AtomicUsize, Mutex, MutexGuard, Relaxed, const_fn},
};

/// Wakers, each under a number of its own.
pub(super) struct Waiters {
    /// How many there are, for those who do not want the lock.
    waiting: AtomicUsize,
    list: Mutex<List>,
}

struct List {
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Waiters {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                waiting: AtomicUsize::new(0),
                list: Mutex::new(List {
                    wakers: BTreeMap::new(),
                    next: 0,
                }),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.list
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How many wait. Only a fence before it makes a zero mean something.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Makes `waker` the one that is woken for `number`, which is given out here
    /// on the first call.
    pub(super) fn register(&self, number: &mut Option<u64>, waker: &Waker) {
        if let Some(number) = number {
            let registered = self
                .lock()
                .wakers
                .get(number)
                .map(|old| old.will_wake(waker));
            if registered == Some(true) {
                return;
            }
        }
        let waker = waker.clone();
        // Outlives the lock: dropping a waker may run foreign code.
        let _old;
        let mut list = self.lock();
        let number = *number.get_or_insert_with(|| {
            list.next += 1;
            list.next
        });
        _old = list.wakers.insert(number, waker);
        self.waiting.store(list.wakers.len(), Relaxed);
    }

    /// Takes out one that does not wait any more.
    pub(super) fn remove(&self, number: u64) {
        let _old;
        let mut list = self.lock();
        _old = list.wakers.remove(&number);
        self.waiting.store(list.wakers.len(), Relaxed);
    }

    /// Wakes all, even if one panics. Those who have to go on waiting come back.
    pub(super) fn wake(&self) {
        let woken = {
            let mut list = self.lock();
            self.waiting.store(0, Relaxed);
            mem::take(&mut list.wakers)
        };
        let mut deferred = Deferred::default();
        for waker in woken.into_values() {
            deferred.run(|| waker.wake());
        }
        deferred.resume();
    }
}
