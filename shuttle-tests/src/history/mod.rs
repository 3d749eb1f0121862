//! Is what the threads were told explained by some order of their calls?
//!
//! A [`Recorder`] writes down each call with the moments at which it began and
//! ended. [`check`](Recorder::check) then looks for an order of all calls in
//! which each gets from a plain model the answer that it has got in truth, and in
//! which a call that had ended before another began comes before that (Wing and
//! Gong, "Testing and Verifying Concurrent Objects", 1993).
//!
//! Grants are steps of their own: a release of three permits to three waiters
//! may be interrupted by a shrink after the first. A call that must serve the
//! line is asked for it by a second step, after its first: at that moment,
//! before it ends, the front does not fit, or another call is still to serve.
//!
//! Of a waiter that steps aside while a growth is under way the queue says that
//! who comes in that moment may pass it. So it may here, until that growth has
//! served the line.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use dynaphore::{
    AcquireTimeoutError, OwnedSemaphorePermit, Semaphore, TryAcquireError,
    future::AcquireOwnedUntil,
};

use crate::{Count, Kind, lock};

mod model;
mod search;

use model::Model;

/// Who waits.
type Id = usize;

/// What somebody who asked for permits has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    No,
    Granted,
    Closed,
}

/// A call and its outcome.
#[derive(Clone, Copy, Debug)]
enum Call {
    Try {
        n: usize,
        got: Answer,
    },
    Poll {
        id: Id,
        n: usize,
        got: Answer,
    },
    Drop {
        id: Id,
    },
    Release {
        n: usize,
    },
    Forget {
        n: usize,
    },
    ForgetPermits {
        n: usize,
        gone: usize,
    },
    SetMax {
        max: usize,
        before: usize,
    },
    AddPermits {
        n: usize,
    },
    Close,
    Read {
        max: usize,
        active: usize,
        closed: bool,
    },
}

impl Call {
    fn may_grow(self) -> bool {
        matches!(self, Call::SetMax { .. } | Call::AddPermits { .. })
    }
}

#[derive(Clone, Copy, Debug)]
struct Record {
    call: Call,
    begun: usize,
    ended: usize,
}

/// A semaphore whose calls are written down.
#[derive(Clone)]
pub struct Recorder {
    semaphore: Arc<Semaphore>,
    kind: Kind,
    max: usize,
    moment: Arc<AtomicUsize>,
    ids: Arc<AtomicUsize>,
    records: Arc<Mutex<Vec<Record>>>,
}

/// A waiter with its name, and a deadline that comes when it is told so.
pub struct Named {
    id: Id,
    n: usize,
    future: Pin<Box<AcquireOwnedUntil<Deadline>>>,
    deadline: Deadline,
    woken: Arc<Count>,
    /// The wake-ups before its last poll.
    heard: usize,
}

impl Named {
    /// Has it been woken since it was last polled?
    pub fn is_woken(&self) -> bool {
        self.woken.get() > self.heard
    }

    fn poll(&mut self) -> Poll<Result<OwnedSemaphorePermit, AcquireTimeoutError>> {
        self.heard = self.woken.get();
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// A deadline. A poll of the request looks at it between two calls: one that finds no
/// permits, and one that gives up, which may find that there are some after all.
#[derive(Clone)]
struct Deadline {
    is_over: Arc<AtomicBool>,
    moment: Arc<AtomicUsize>,
    /// When it was found to be over.
    found: Arc<AtomicUsize>,
}

const NEVER: usize = usize::MAX;

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if !self.is_over.load(SeqCst) {
            return Poll::Pending;
        }
        // The end of the first call, and the beginning of the second.
        self.found.store(self.moment.fetch_add(2, SeqCst), SeqCst);
        Poll::Ready(())
    }
}

impl Recorder {
    pub fn new(kind: Kind, max: usize) -> Self {
        Self {
            semaphore: kind.semaphore(max),
            kind,
            max,
            moment: Arc::default(),
            ids: Arc::default(),
            records: Arc::default(),
        }
    }

    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    fn record<T>(&self, call: impl FnOnce(&Arc<Semaphore>) -> (T, Call)) -> T {
        let begun = self.moment.fetch_add(1, SeqCst);
        let (outcome, call) = call(&self.semaphore);
        let ended = self.moment.fetch_add(1, SeqCst);
        lock(&self.records).push(Record { call, begun, ended });
        outcome
    }

    pub fn try_acquire(&self, n: usize) -> Option<OwnedSemaphorePermit> {
        self.record(|s| {
            let (permit, got) = match s.clone().try_acquire_many_owned(n as u32) {
                Ok(permit) => (Some(permit), Answer::Granted),
                Err(TryAcquireError::NoPermits) => (None, Answer::No),
                Err(TryAcquireError::Closed) => (None, Answer::Closed),
                Err(other) => unreachable!("{other}"),
            };
            (permit, Call::Try { n, got })
        })
    }

    pub fn waiter(&self, n: usize) -> Named {
        let deadline = Deadline {
            is_over: Arc::default(),
            moment: Arc::clone(&self.moment),
            found: Arc::new(AtomicUsize::new(NEVER)),
        };
        let request = Arc::clone(&self.semaphore).acquire_many_owned(n as u32);
        Named {
            id: self.ids.fetch_add(1, SeqCst),
            n,
            future: Box::pin(request.until(deadline.clone())),
            deadline,
            woken: Arc::default(),
            heard: 0,
        }
    }

    /// The waiter comes back as long as it waits.
    pub fn poll(&self, mut named: Named) -> (Option<Named>, Option<OwnedSemaphorePermit>) {
        let Named { id, n, .. } = named;
        let (permit, got) = self.record(|_| {
            let (permit, got) = match named.poll() {
                Poll::Pending => (None, Answer::No),
                Poll::Ready(Ok(permit)) => (Some(permit), Answer::Granted),
                Poll::Ready(Err(_)) => (None, Answer::Closed),
            };
            ((permit, got), Call::Poll { id, n, got })
        });
        (Some(named).filter(|_| got == Answer::No), permit)
    }

    /// Polls the waiter for the last time: its deadline has come.
    pub fn expire(&self, mut named: Named) -> Option<OwnedSemaphorePermit> {
        named.deadline.is_over.store(true, SeqCst);
        let mut begun = self.moment.fetch_add(1, SeqCst);
        let answer = named.poll();
        let ended = self.moment.fetch_add(1, SeqCst);
        let Named { id, n, .. } = named;
        let poll = |got| Call::Poll { id, n, got };
        let (permit, last) = match answer {
            Poll::Ready(Ok(permit)) => (Some(permit), poll(Answer::Granted)),
            Poll::Ready(Err(AcquireTimeoutError::Timeout)) => (None, Call::Drop { id }),
            Poll::Ready(Err(_)) => (None, poll(Answer::Closed)),
            Poll::Pending => unreachable!("it waits no longer than this"),
        };
        let mut records = lock(&self.records);
        let found = named.deadline.found.load(SeqCst);
        if found != NEVER {
            let before = mem::replace(&mut begun, found + 1);
            records.push(Record {
                call: poll(Answer::No),
                begun: before,
                ended: found,
            });
        }
        records.push(Record {
            call: last,
            begun,
            ended,
        });
        permit
    }

    pub fn drop(&self, Named { id, future, .. }: Named) {
        self.record(|_| (drop(future), Call::Drop { id }));
    }

    pub fn release(&self, permit: OwnedSemaphorePermit) {
        let n = permit.num_permits();
        self.record(|_| (drop(permit), Call::Release { n }));
    }

    pub fn forget(&self, permit: OwnedSemaphorePermit) {
        let n = permit.num_permits();
        self.record(|_| (permit.forget(), Call::Forget { n }));
    }

    pub fn forget_permits(&self, n: usize) {
        self.record(|s| {
            let gone = s.forget_permits(n);
            ((), Call::ForgetPermits { n, gone })
        });
    }

    pub fn set_max(&self, max: usize) {
        self.record(|s| {
            let before = s.set_max(max);
            ((), Call::SetMax { max, before })
        });
    }

    pub fn add_permits(&self, n: usize) {
        self.record(|s| (s.add_permits(n), Call::AddPermits { n }));
    }

    pub fn close(&self) {
        self.record(|s| (s.close(), Call::Close));
    }

    pub fn read(&self) {
        self.record(|s| {
            let now = s.snapshot();
            let (max, active, closed) = (now.max, now.active, now.closed);
            (
                (),
                Call::Read {
                    max,
                    active,
                    closed,
                },
            )
        });
    }

    /// How many have been made so far, or since the last check.
    pub fn calls(&self) -> usize {
        lock(&self.records).len()
    }

    /// How many of those another one has begun or ended in.
    pub fn overlapping(&self) -> usize {
        let records = lock(&self.records);
        records.iter().filter(|r| r.ended - r.begun > 1).count()
    }

    /// Looks for an order of all the calls.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn check(&self) {
        let mut records = std::mem::take(&mut *lock(&self.records));
        records.sort_by_key(|record| record.begun);
        assert!(records.len() <= 128, "a bit for each");
        if !search::explains(self.kind, &records, Model::new(self.kind, self.max)) {
            let mut story = String::new();
            for Record { call, begun, ended } in &records {
                story += &format!("\n{begun:3} to {ended:3}  {call:?}");
            }
            panic!(
                "{:?}, max {}: no order explains{story}",
                self.kind, self.max
            );
        }
    }
}
