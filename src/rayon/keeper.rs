//! Waits for permits on behalf of jobs that were set aside.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
};

use rayon::Scope;

use super::{
    broker,
    crew::{self, Handle, Jobs as _},
    frames::{self, Plea},
    grant::Papers,
    mailbox::Mailbox,
    source::Source,
};

/// Stands in the semaphore's line for as long as there are jobs set aside, and
/// hires a runner for each grant. One at a time for each crew: it is in the
/// crew's books as `mailbox`.
///
/// `born` is the number of a call that is on this thread's stack: what is
/// beneath it cannot go on before the keeper leaves.
pub(super) fn keep<'s, H: Handle<'s>>(
    crew: &H,
    scope: &Scope<'s>,
    mailbox: &Arc<Mailbox>,
    born: u64,
) {
    let keeper = Keeper {
        crew,
        scope,
        mailbox,
        born,
        waker: Waker::from(Arc::clone(mailbox)),
        ask: None,
    };
    broker::off_worker(|| keeper.run());
}

struct Keeper<'a, 's, H: Handle<'s>> {
    crew: &'a H,
    scope: &'a Scope<'s>,
    mailbox: &'a Arc<Mailbox>,
    born: u64,
    waker: Waker,
    ask: Option<Ask<H::Source>>,
}

/// What there is to be done.
struct Missing {
    /// What the next job needs, if one more runner is of use.
    need: Option<u32>,
    /// Nobody runs jobs.
    starves: bool,
}

/// A place in line.
struct Ask<S: Source> {
    need: u32,
    future: Pin<Box<S::Ask>>,
}

impl<'s, H: Handle<'s>> Keeper<'_, 's, H> {
    fn run(mut self) {
        let mut pleaded = false;
        while let Some(Missing { need, starves }) = self.missing() {
            self.line_up(need);
            if self.is_served() {
                continue;
            }
            if let (Some(need), true, false) = (need, starves, pleaded) {
                self.plead(need);
                pleaded = true;
            }
            let mail = self.mailbox.wait();
            pleaded &= !mail.poked && mail.loans.is_empty();
            for loan in mail.loans {
                crew::hire(self.crew, self.scope, Papers::Loan(loan));
            }
            if let (Some(held), Some(need)) = (mail.refused, need) {
                self.refuse(need, held);
            }
        }
        self.line_up(None);
        self.mailbox.close();
    }

    /// What there is to be done; `None` when the keeper is off duty.
    fn missing(&self) -> Option<Missing> {
        let mut duty = self.crew.duty();
        // Looked at while the duty is locked: who adds a job later finds no
        // keeper in the books.
        if self.crew.is_done(&duty) {
            duty.keeper = None;
            return None;
        }
        let is_of_use = self.crew.is_short_handed(&duty);
        let need = self.crew.jobs.need().filter(|_| is_of_use);
        duty.asks = need.is_some();
        Some(Missing {
            need,
            starves: duty.runners == 0,
        })
    }

    /// Has a place in line for `need` permits or more, or none.
    fn line_up(&mut self, need: Option<u32>) {
        if let (Some(ask), Some(need)) = (&self.ask, need) {
            if ask.need >= need {
                return;
            }
        }
        self.ask = need.map(|need| Ask {
            need,
            future: Box::pin(self.crew.source.ask(need)),
        });
        let asking = usize::from(self.ask.is_some());
        self.crew.asking.store(asking, Relaxed);
    }

    /// Looks whether it has been served in line.
    fn is_served(&mut self) -> bool {
        let Some(ask) = &mut self.ask else {
            return false;
        };
        let mut cx = Context::from_waker(&self.waker);
        let Poll::Ready(answer) = ask.future.as_mut().poll(&mut cx) else {
            return false;
        };
        self.line_up(None);
        match answer {
            Ok(permit) => crew::hire(self.crew, self.scope, Papers::Permit(permit)),
            Err(_) if self.crew.jobs.len() > 0 => self.crew.close(),
            // The last one has begun meanwhile.
            Err(_) => {}
        }
        true
    }

    /// Asks every worker of the pool for a loan.
    fn plead(&self, need: u32) {
        let source = &self.crew.source;
        let plea = Plea {
            id: source.id(),
            need,
            born: self.born,
            mailbox: Arc::clone(self.mailbox),
        };
        let max = source.max();
        // This thread is in no pool, or in one of its own.
        self.scope.spawn(move |_| {
            rayon::spawn_broadcast(move |_| frames::lend(&plea, max));
        });
    }

    /// Gives the jobs up, with a panic in the scope.
    fn refuse(&self, need: u32, held: u64) {
        let message = frames::hopeless(need, held, self.crew.source.max());
        let crew = self.crew.clone();
        self.scope.spawn(move |_| {
            crew.give_up();
            panic!("{message}");
        });
    }
}
