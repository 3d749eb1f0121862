//! What a keeper is told, by whom ever, from wherever.

use std::{
    mem,
    sync::{Arc, PoisonError},
    task::Wake,
    time::Duration,
};

use super::{census::Standstill, loan::Loan};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Where a [keeper](super::keeper) waits for news. As a waker it tells that its
/// request for a permit has an answer.
#[derive(Debug)]
pub(super) struct Mailbox {
    news: Mutex<News>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct News {
    /// Nobody reads any more.
    closed: bool,
    /// There is reason to look at the request, or at what is to be done.
    told: bool,
    /// A loan that was refused may be had now.
    poked: bool,
    loans: Vec<Loan>,
    /// All workers stand still.
    counted: Option<Standstill>,
    /// Somebody is there to take over.
    relieved: bool,
    /// Every worker has been asked for a loan of so many, and none has or will have
    /// one.
    denied: Option<Denial>,
}

/// What the workers answered to whom they cannot lend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denial {
    pub(super) need: u32,
    /// How many permits are held on one thread at most by jobs that are suspended
    /// there and older than the call.
    pub(super) most: u64,
    /// How many are held by jobs on the stacks of all.
    pub(super) all: u64,
}

impl News {
    fn is_none(&self) -> bool {
        let told = self.told || self.poked || self.relieved;
        let answers = self.denied.is_some() || self.counted.is_some();
        !told && !answers && self.loans.is_empty()
    }
}

/// All that has arrived.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) relieved: bool,
    pub(super) poked: bool,
    pub(super) loans: Vec<Loan>,
    pub(super) counted: Option<Standstill>,
    pub(super) denied: Option<Denial>,
}

impl Mailbox {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            news: Mutex::new(News::default()),
            arrived: Condvar::new(),
        })
    }

    /// Something is to be looked at.
    pub(super) fn tell(&self) {
        self.post(|news| news.told = true);
    }

    /// It is worth while to ask for a loan again.
    pub(super) fn poke(&self) {
        self.post(|news| news.poked = true);
    }

    /// The reader is to stop.
    pub(super) fn relieve(&self) {
        self.post(|news| news.relieved = true);
    }

    /// All workers stand still.
    pub(super) fn count(&self, still: Standstill) {
        self.post(|news| news.counted = Some(still));
    }

    pub(super) fn deny(&self, denial: Denial) {
        self.post(|news| news.denied = Some(denial));
    }

    /// Hands `loan` over. False, with the loan back at once, if nobody reads.
    pub(super) fn offer(&self, loan: Loan) -> bool {
        let mut loan = Some(loan);
        self.post(|news| {
            if !news.closed {
                news.loans.extend(loan.take());
            }
        });
        // What is left is dropped outside of the lock: it takes other locks.
        loan.is_none()
    }

    /// Blocks until there is mail, or for so long: then there is none.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> Option<Mail> {
        let news = self.lock();
        let nothing = |news: &mut News| news.is_none();
        let mut news = match at_most {
            None => {
                let waited = self.arrived.wait_while(news, nothing);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
            Some(at_most) => {
                let waited = self.arrived.wait_timeout_while(news, at_most, nothing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if news.is_none() {
            return None;
        }
        news.told = false;
        Some(Mail {
            relieved: mem::take(&mut news.relieved),
            poked: mem::take(&mut news.poked),
            loans: mem::take(&mut news.loans),
            counted: news.counted.take(),
            denied: news.denied.take(),
        })
    }

    /// Sends back what has not been read, and all that comes from now on.
    pub(super) fn close(&self) {
        let unread = {
            let mut news = self.lock();
            news.closed = true;
            mem::take(&mut news.loans)
        };
        drop(unread);
    }

    fn post(&self, write: impl FnOnce(&mut News)) {
        write(&mut self.lock());
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        // What is done inside does not panic half way.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Mailbox {
    fn wake(self: Arc<Self>) {
        self.tell();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.tell();
    }
}
