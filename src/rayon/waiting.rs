//! A spawned job that waits for its permits: not a thread, a closure.
//!
//! # States
//!
//! ```text
//!            pending              woken
//! Polling ------------> Parked ----------> Queued
//!    ^  \__ woken: poll once more             |
//!    |________________________________________|
//!                 a worker's turn
//! ```
//!
//! Whoever polls has the future and the job out of the cell, so nobody else
//! does. A wake-up finds the cell in one of the states:
//!
//! 1. `Parked`: it moves to `Queued`, and whoever moved it spawns the
//!    continuation, the only one.
//! 2. `Polling`: the poll may have looked before the news. It is marked, and the
//!    poller, which cannot park without looking at the mark, polls again.
//! 3. `Queued`: the poll is yet to come, and will see the news.
//! 4. `Done`: there is nothing to be woken for.
//!
//! Each step is one look at the cell under its lock, which is held for a move
//! and no foreign code, by those only who wait and who wake them.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use super::{
    grant::{Grant, Papers},
    home::Home,
    permit::{Plain, ThrottlePermit},
    source::{Permit, Source},
};
use crate::sync::{Mutex, MutexGuard};

/// A job that waits for its permits.
pub(super) struct Waiting<S: Source, F> {
    home: Home,
    cell: Mutex<Cell<S, F>>,
}

enum Cell<S: Source, F> {
    Polling { woken: bool },
    Parked(Parcel<S, F>),
    Queued(Parcel<S, F>),
    Done,
}

/// What is to be polled, and what is to be run then.
struct Parcel<S: Source, F> {
    ask: Pin<Box<S::Ask>>,
    job: F,
}

impl<S, F> Waiting<S, F>
where
    S: Source + 'static,
    F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
{
    /// Takes a place in line on behalf of `job`, which is spawned with its
    /// permits as soon as it has them.
    pub(super) fn start(source: &S, home: &Home, need: u32, job: F) -> Result<(), S::Error> {
        let parcel = Parcel {
            ask: Box::pin(source.ask(need)),
            job,
        };
        let waiting = Arc::new(Self {
            home: home.clone(),
            cell: Mutex::new(Cell::Polling { woken: false }),
        });
        if let Some((permit, job)) = waiting.poll(parcel)? {
            spawn(home, permit, job);
        }
        Ok(())
    }

    /// Polls until it is parked, or has the permits.
    fn poll(
        self: &Arc<Self>,
        mut parcel: Parcel<S, F>,
    ) -> Result<Option<(S::Permit, F)>, S::Error> {
        let waker = Waker::from(Arc::clone(self));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(answer) = parcel.ask.as_mut().poll(&mut cx) {
                *self.cell() = Cell::Done;
                // Refused, the job is dropped here.
                return Ok(Some((answer?, parcel.job)));
            }
            let mut cell = self.cell();
            if !matches!(*cell, Cell::Polling { woken: true }) {
                *cell = Cell::Parked(parcel);
                return Ok(None);
            }
            *cell = Cell::Polling { woken: false };
        }
    }

    /// The continuation: a worker's turn.
    fn resume(self: Arc<Self>) {
        let queued = mem::replace(&mut *self.cell(), Cell::Polling { woken: false });
        let Cell::Queued(parcel) = queued else {
            unreachable!("spawned by the one that queued it");
        };
        if let Ok(Some((permit, job))) = self.poll(parcel) {
            run(permit, job);
        }
    }

    fn cell(&self) -> MutexGuard<'_, Cell<S, F>> {
        // Moves do not panic.
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, F> Wake for Waiting<S, F>
where
    S: Source + 'static,
    F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        {
            let mut cell = self.cell();
            *cell = match mem::replace(&mut *cell, Cell::Done) {
                Cell::Parked(parcel) => Cell::Queued(parcel),
                Cell::Polling { .. } => {
                    *cell = Cell::Polling { woken: true };
                    return;
                }
                other => {
                    *cell = other;
                    return;
                }
            };
        }
        let home = self.home.clone();
        home.spawn(move || self.resume());
    }
}

/// Spawns `job` with its permit.
pub(super) fn spawn<P, F>(home: &Home, permit: P, job: F)
where
    P: Permit + 'static,
    F: FnOnce(ThrottlePermit<'_>) + Send + 'static,
{
    home.spawn(move || run(permit, job));
}

/// Runs `job` here and now.
fn run<P: Permit>(permit: P, job: impl FnOnce(ThrottlePermit<'_>)) {
    Plain::run(Grant::new(Papers::Permit(permit)), job);
}

#[cfg(test)]
mod tests {
    use std::{future::Future, sync::mpsc};

    use super::*;
    use crate::{
        AcquireError, OwnedSemaphorePermit, Semaphore,
        rayon::source::{Id, NotNow, sealed::Sealed},
    };

    /// A semaphore whose answer comes while it is being asked, the first
    /// `pending` times.
    #[derive(Clone, Debug)]
    struct Hasty {
        semaphore: Arc<Semaphore>,
        pending: usize,
    }

    struct Ask(Hasty);

    impl Future for Ask {
        type Output = Result<OwnedSemaphorePermit, AcquireError>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if self.0.pending > 0 {
                self.0.pending -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let permit = self.0.take(1);
            Poll::Ready(permit.map_err(|_| AcquireError::CLOSED))
        }
    }

    impl Sealed for Hasty {}

    impl Source for Hasty {
        type Error = AcquireError;
        type Permit = OwnedSemaphorePermit;
        type Ask = Ask;

        fn id(&self) -> Id {
            self.semaphore.id()
        }

        fn take(&self, n: u32) -> Result<Self::Permit, NotNow<AcquireError>> {
            self.semaphore.take(n)
        }

        fn take_ahead(&self, n: u32) -> Option<Self::Permit> {
            self.semaphore.take_ahead(n)
        }

        fn ask(&self, _: u32) -> Ask {
            Ask(self.clone())
        }

        fn would_refuse(&self, n: u32) -> Option<AcquireError> {
            self.semaphore.would_refuse(n)
        }

        fn is_closed(&self) -> bool {
            Source::is_closed(&self.semaphore)
        }

        fn max_and_active(&self) -> (usize, usize) {
            self.semaphore.max_and_active()
        }
    }

    /// Fails by a hang up where the wake-up is lost: nobody else has the sender.
    #[test]
    fn a_wake_up_during_the_poll_is_not_lost() {
        for pending in 0..4 {
            let source = Hasty {
                semaphore: Arc::new(Semaphore::new(1)),
                pending,
            };
            let (sender, receiver) = mpsc::channel();
            let job = move |_: ThrottlePermit<'_>| sender.send(()).unwrap();
            Waiting::start(&source, &Home::Global, 1, job).unwrap();
            receiver.recv().expect("the job ran");
        }
    }

    #[test]
    fn many_wake_ups_are_one() {
        let semaphore = Arc::new(Semaphore::new(0));
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::new(Waiting::<Arc<Semaphore>, _> {
            home: Home::Global,
            cell: Mutex::new(Cell::Polling { woken: false }),
        });
        let parcel = Parcel {
            ask: Box::pin(semaphore.ask(1)),
            job: move |_: ThrottlePermit<'_>| sender.send(()).unwrap(),
        };
        assert!(waiting.poll(parcel).unwrap().is_none());
        // Those before its time find nothing new, those after it nobody.
        for _ in 0..100 {
            Arc::clone(&waiting).wake();
        }
        semaphore.set_max(1);
        for _ in 0..100 {
            Arc::clone(&waiting).wake();
        }
        receiver.recv().expect("the job ran");
        assert!(receiver.recv().is_err(), "and ran once");
    }
}
