//! A keeper on duty.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use rayon::Scope;

use super::{Keeper, Place};
use crate::{
    AcquireError,
    rayon::{
        asks::{self, Asks},
        census::{Census, Standstill},
        crew::{self, Handle, Jobs as _},
        frames::{self, Plea},
        grant::Papers,
        mailbox::Denial,
        posts,
        refusals::Refusal,
        source::Source,
        stuck::{self, Beneath},
    },
    sync::Instant,
};

/// A keeper on duty.
pub(super) struct AtWork<'a, 's, H: Handle<'s>> {
    pub(super) keeper: Box<Keeper<H::Source>>,
    pub(super) crew: &'a H,
    pub(super) scope: &'a Scope<'s>,
    pub(super) entry: asks::Entry,
    pub(super) is_refused: bool,
    /// What waits for the call that the keeper is of.
    pub(super) beneath: Option<Beneath>,
    /// Until all is done.
    pub(super) stays: bool,
}

/// How long it starves at least before it goes ahead of the line.
const AHEAD: Duration = if cfg!(shuttle) {
    Duration::ZERO
} else {
    stuck::LOOK
};

/// How often a keeper leaves a refusal to those on top of it.
const DEFERS: u32 = 4;

/// Why a keeper stops.
pub(super) enum End {
    /// It is struck off.
    Gone,
    /// Somebody else is to go on with what it has.
    Relieved { makes_way: u32 },
}

/// What there is to be done.
struct Missing {
    /// What the next job needs, if one more runner is of use.
    need: Option<u32>,
    /// Nobody runs jobs, nor will before the keeper leaves.
    starves: bool,
}

/// A place in line.
pub(super) struct Ask<S: Source> {
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
pub(super) struct Pleaded {
    need: u32,
    /// Nobody lends: if all have answered.
    denied: Option<Denial>,
}

impl<'s, H: Handle<'s>> AtWork<'_, 's, H> {
    pub(super) fn run(&mut self) -> End {
        while let Some(Missing { need, starves }) = self.missing() {
            if self.is_missed() {
                self.crew.strike_off(&mut self.crew.duty());
                break;
            }
            self.line_up(need);
            let turned_away = match self.answer() {
                Answer::Served => continue,
                Answer::Pending => None,
                Answer::TurnedAway(error) => Some(error),
            };
            if let (Some(need), true) = (need, starves) {
                let before = self.keeper.plea.filter(|plea| plea.need == need);
                let is_denied = before.is_some_and(|plea| plea.denied.is_some());
                if let (Some(error), true) = (turned_away, is_denied) {
                    // Nobody is there by whom it would be told that it has become
                    // worth while to ask again.
                    crew::turn_away(self.crew, self.scope, error);
                    continue;
                }
                if before.is_none() {
                    self.plead(need);
                    let denied = None;
                    self.keeper.plea = Some(Pleaded { need, denied });
                }
            }
            let starving = need.filter(|_| starves && turned_away.is_none());
            let noted = match (&self.beneath, starving) {
                (Some(beneath), Some(need)) => {
                    let noted = beneath.note(&self.crew.source, need, &self.keeper.mailbox);
                    if noted.is_none() {
                        self.refuse(need, beneath.sum());
                        continue;
                    }
                    noted
                }
                _ => None,
            };
            self.list(starving);
            let looks = noted.is_some() || (starving.is_some() && self.may_be_waited_for());
            let since = self.keeper.starves_since.unwrap_or_else(Instant::now);
            self.keeper.starves_since = starving.map(|_| since);
            let patience = (!self.stays).then_some(self.keeper.patience);
            let look = looks.then_some(stuck::LOOK);
            let at_most = patience.into_iter().chain(look).min();
            let mail = self.keeper.mailbox.wait(at_most);
            drop(noted);
            let Some(mail) = mail else {
                if starving.is_some_and(|need| looks && self.go_ahead(need)) {
                    continue;
                }
                match self.when_nothing_comes() {
                    None => continue,
                    Some(end) => return end,
                }
            };
            if mail.poked || !mail.loans.is_empty() {
                self.keeper.plea = None;
                self.keeper.was_denied = None;
            } else if let Some(plea) = &mut self.keeper.plea {
                let own = mail.denied.filter(|denial| denial.need == plea.need);
                plea.denied = own.or(plea.denied);
                self.keeper.was_denied = plea.denied.map(|denial| denial.need);
            }
            for loan in mail.loans {
                crew::hire(self.crew, self.scope, Papers::Loan(loan));
            }
            if let (Some(denial), Some(need)) = (mail.denied, starving) {
                if denial.need == need {
                    self.suspect(need, denial);
                }
            }
            if let (Some(still), Some(need)) = (mail.counted, starving) {
                self.look_at(need, &still);
            }
            if mail.relieved {
                return End::Relieved {
                    makes_way: self.keeper.makes_way.saturating_sub(1),
                };
            }
        }
        // The next one may be in line already, and is not spoken for.
        self.keeper.ask = None;
        self.keeper.mailbox.close();
        End::Gone
    }

    /// It has waited for as long as it was to, for nothing. `None` if it stays.
    fn when_nothing_comes(&mut self) -> Option<End> {
        if self.withheld() > 0 {
            self.keeper.plea = None;
            self.keeper.looks += 1;
        }
        if self.stays || self.keeper.place == Place::Leaf {
            return None;
        }
        self.keeper.patience = Keeper::<H::Source>::MOST.min(2 * self.keeper.patience);
        Some(End::Relieved {
            makes_way: posts::TRIES,
        })
    }

    /// Is it a leaf's, and nobody is at the source? It looks now and then, not always:
    /// whoever comes from there goes back soon.
    fn is_missed(&mut self) -> bool {
        if self.keeper.place != Place::Leaf {
            return false;
        }
        let now = Instant::now();
        let next = *self
            .keeper
            .next_look
            .get_or_insert(now + self.keeper.patience);
        if now < next && !cfg!(shuttle) {
            return false;
        }
        self.keeper.next_look = None;
        !self.crew.jobs.have_readers()
    }

    /// Takes `need` permits ahead of the line, if it has starved for a while: those who
    /// wait before it may wait for what is beneath. False if there are not so many free.
    fn go_ahead(&mut self, need: u32) -> bool {
        let since = self.keeper.starves_since;
        if since.is_none_or(|since| since.elapsed() < AHEAD) {
            return false;
        }
        let Some(permit) = self.crew.source.take_ahead(need) else {
            return false;
        };
        crew::hire(self.crew, self.scope, Papers::Permit(permit));
        self.line_up(None);
        true
    }

    /// How many permits somebody holds who may wait for this call, and does not lend
    /// any.
    fn withheld(&self) -> u64 {
        let denied = self.keeper.plea.and_then(|plea| plea.denied);
        denied.map_or(0, |denial| denial.most)
    }

    /// Somebody may wait for this call who has permits.
    fn may_be_waited_for(&self) -> bool {
        // A leaf's plea is not heard by who waits for the next item.
        self.withheld() > 0 || (self.keeper.place == Place::Leaf && self.crew.is_nested)
    }

    /// Nobody lends `need` permits.
    fn suspect(&mut self, need: u32, denial: Denial) {
        let source = &self.crew.source;
        let (max, active) = source.max_and_active();
        if let Some(beneath) = &self.beneath {
            // What is beneath waits for this call, for certain.
            if frames::is_hopeless(need, beneath.sum(), max) {
                return self.refuse(need, beneath.sum());
            }
        }
        if self.keeper.place == Place::Leaf {
            // Its panic would come through only with the end of the items.
            return;
        }
        let is_hopeless = frames::is_hopeless(need, denial.all, max);
        if denial.most == 0 || denial.all != active as u64 || !is_hopeless {
            return;
        }
        self.keeper.suspected = denial.most;
        self.keeper.stills = 0;
        self.take_census();
    }

    fn take_census(&self) {
        let stay = Duration::from_millis(1 << self.keeper.looks.min(5));
        let mailbox = Arc::clone(&self.keeper.mailbox);
        if let Some(census) = Census::new(self.crew.source.id(), mailbox, stay) {
            self.scope.spawn(move |_| census.call());
        }
    }

    /// No worker goes on.
    fn look_at(&mut self, need: u32, still: &Standstill) {
        let source = &self.crew.source;
        let (max, active) = source.max_and_active();
        let free = max.saturating_sub(active);
        let is_stuck = still.held == active as u64
            && frames::is_hopeless(need, still.held, max)
            && [&still.asks, &Asks::now()].iter().all(|asks| {
                let own = &self.keeper.mailbox;
                asks.others_need_more(own, &still.workers, source.id(), free)
            });
        // Its panic could not come through before those on top of it are done. They look,
        // too, unless they are older.
        let comes_through = self.keeper.place == Place::Scope || self.entry.is_topmost();
        if is_stuck && !comes_through && self.keeper.defers < DEFERS {
            self.keeper.defers += 1;
            return;
        }
        self.keeper.stills += 1;
        if is_stuck && self.keeper.stills == 1 {
            // Once more, after what waits for a worker in the pool's queue: it may be
            // somebody's plea.
            self.take_census();
            return;
        }
        if let (true, Some(refusal)) = (is_stuck, Refusal::after(still.refusals)) {
            self.refuse_by(need, self.keeper.suspected, refusal);
        }
    }

    /// What there is to be done; `None` when the keeper is off duty.
    fn missing(&self) -> Option<Missing> {
        let mut duty = self.crew.duty();
        // Looked at while the duty is locked: who adds a job later finds no
        // keeper in the books.
        if self.crew.is_done() {
            self.crew.strike_off(&mut duty);
            return None;
        }
        let is_of_use = self.crew.is_short_handed(&duty);
        let need = self.crew.jobs.need().filter(|_| is_of_use);
        duty.asks = need.is_some();
        Some(Missing {
            need,
            starves: self.crew.runners() <= self.crew.roll.blocked(),
        })
    }

    /// Has a place in line for `need` permits or more, or none.
    fn line_up(&mut self, need: Option<u32>) {
        if let (Some(ask), Some(need)) = (&self.keeper.ask, need) {
            if ask.need >= need {
                return;
            }
        }
        let source = &self.crew.source;
        self.keeper.ask = need.map(|need| Ask {
            need,
            future: Box::pin(source.ask(need)),
        });
        let asking = usize::from(self.keeper.ask.is_some());
        self.crew.asking.store(asking, Relaxed);
    }

    /// Says what it waits for, before it does, and after it has hired for what came:
    /// whoever takes a census finds the one or the other.
    fn list(&self, starving: Option<u32>) {
        let may_get_loan = starving.is_some() && self.keeper.was_denied != starving;
        self.entry.set(match &self.keeper.ask {
            _ if may_get_loan || self.is_refused => asks::Ask::Unknown,
            None => asks::Ask::Nothing,
            Some(ask) => asks::Ask::Line(self.crew.source.id(), ask.need),
        });
    }

    /// Looks what has come of the place in line.
    fn answer(&mut self) -> Answer<<H::Source as Source>::Error> {
        let Some(ask) = &mut self.keeper.ask else {
            return Answer::Pending;
        };
        let mut cx = Context::from_waker(&self.keeper.waker);
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
        let born = match self.keeper.place {
            Place::Call | Place::Leaf => self.crew.born,
            // Beneath it there may be anything that began before.
            Place::Scope => frames::number_call(),
        };
        let plea = Plea::new(source.id(), need, born, Arc::clone(&self.keeper.mailbox));
        // This thread is in no pool, or in one of its own.
        self.scope.spawn(move |_| {
            rayon::spawn_broadcast(move |_| frames::lend(&plea));
        });
    }

    /// Gives the jobs up, with a panic in the scope.
    fn refuse(&mut self, need: u32, held: u64) {
        self.refuse_by(need, held, Refusal::new());
    }

    fn refuse_by(&mut self, need: u32, held: u64, refusal: Refusal) {
        // Until its permits are back nobody else is stuck for certain.
        self.is_refused = true;
        self.entry.set(asks::Ask::Unknown);
        let (max, _) = self.crew.source.max_and_active();
        let message = if frames::is_hopeless(need, held, max) {
            frames::hopeless(need, held, max)
        } else {
            stuck::message(need, held, max)
        };
        crew::refuse(self.crew, self.scope, message, refusal);
    }
}
