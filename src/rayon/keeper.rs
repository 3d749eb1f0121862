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
    onduty::Blocked,
    source::Source,
    stuck::{self, Beneath},
};
use crate::AcquireError;

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
        beneath: frames::held(crew.source.id()),
    };
    let blocked = Blocked::new();
    broker::off_worker(|| keeper.run());
    drop(blocked);
}

struct Keeper<'a, 's, H: Handle<'s>> {
    crew: &'a H,
    scope: &'a Scope<'s>,
    mailbox: &'a Arc<Mailbox>,
    born: u64,
    waker: Waker,
    ask: Option<Ask<H::Source>>,
    /// What cannot go on before the keeper leaves.
    beneath: Option<Beneath>,
}

/// What there is to be done.
struct Missing {
    /// What the next job needs, if one more runner is of use.
    need: Option<u32>,
    /// Nobody runs jobs, nor will before the keeper leaves.
    starves: bool,
}

/// A place in line.
struct Ask<S: Source> {
    need: u32,
    future: Pin<Box<S::Ask>>,
}

/// What has become of it.
enum Answer<E> {
    /// It is over.
    Served,
    /// It is pending, or there is none.
    Pending,
    /// There was no place to be had.
    TurnedAway(E),
}

/// The latest plea.
#[derive(Clone, Copy)]
struct Pleaded {
    need: u32,
    denied: bool,
}

impl<'s, H: Handle<'s>> Keeper<'_, 's, H> {
    fn run(mut self) {
        let mut plea: Option<Pleaded> = None;
        while let Some(Missing { need, starves }) = self.missing() {
            self.line_up(need);
            let turned_away = match self.answer() {
                Answer::Served => continue,
                Answer::Pending => None,
                Answer::TurnedAway(error) => Some(error),
            };
            if let (Some(need), true) = (need, starves) {
                let before = plea.filter(|plea| plea.need == need);
                if let (Some(error), Some(Pleaded { denied: true, .. })) = (turned_away, before) {
                    // Nobody is there by whom it would be told that it has become
                    // worth while to ask again.
                    crew::turn_away(self.crew, self.scope, error);
                    continue;
                }
                if before.is_none() {
                    self.plead(need);
                    let denied = false;
                    plea = Some(Pleaded { need, denied });
                }
            }
            let starving = need.filter(|_| starves && turned_away.is_none());
            let noted = match (&self.beneath, starving) {
                (Some(beneath), Some(need)) => {
                    let noted = beneath.note(&self.crew.source, need, self.mailbox);
                    if noted.is_none() {
                        self.refuse(need, beneath.sum(), stuck::message);
                        continue;
                    }
                    noted
                }
                _ => None,
            };
            let mail = self.mailbox.wait(noted.as_ref().map(|_| stuck::LOOK));
            drop(noted);
            if mail.poked || !mail.loans.is_empty() {
                plea = None;
            } else if let Some(plea) = &mut plea {
                plea.denied |= mail.denied;
            }
            for loan in mail.loans {
                crew::hire(self.crew, self.scope, Papers::Loan(loan));
            }
            if let (Some(held), Some(need)) = (mail.refused, need) {
                self.refuse(need, held, frames::hopeless);
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
            self.crew.roll.set_keeper(None);
            return None;
        }
        let is_of_use = self.crew.is_short_handed(&duty);
        let need = self.crew.jobs.need().filter(|_| is_of_use);
        duty.asks = need.is_some();
        Some(Missing {
            need,
            starves: duty.runners <= self.crew.roll.blocked(),
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

    /// Looks what has come of the place in line.
    fn answer(&mut self) -> Answer<<H::Source as Source>::Error> {
        let Some(ask) = &mut self.ask else {
            return Answer::Pending;
        };
        let mut cx = Context::from_waker(&self.waker);
        let Poll::Ready(answer) = ask.future.as_mut().poll(&mut cx) else {
            return Answer::Pending;
        };
        self.line_up(None);
        match answer {
            Ok(permit) => crew::hire(self.crew, self.scope, Papers::Permit(permit)),
            Err(error) if error != AcquireError::CLOSED.into() => {
                return Answer::TurnedAway(error);
            }
            Err(error) if self.crew.jobs.len() > 0 => self.crew.end(error),
            // The last one has begun meanwhile.
            Err(_) => {}
        }
        Answer::Served
    }

    /// Asks every worker of the pool for a loan.
    fn plead(&self, need: u32) {
        let source = &self.crew.source;
        let plea = Plea::new(source.id(), need, self.born, Arc::clone(self.mailbox));
        let (max, _) = source.max_and_active();
        // This thread is in no pool, or in one of its own.
        self.scope.spawn(move |_| {
            rayon::spawn_broadcast(move |_| frames::lend(&plea, max));
        });
    }

    /// Gives the jobs up, with a panic in the scope.
    fn refuse(&self, need: u32, held: u64, message: fn(u32, u64, usize) -> String) {
        let (max, _) = self.crew.source.max_and_active();
        crew::refuse(self.crew, self.scope, message(need, held, max));
    }
}
