//! What the semaphore must do, with neither threads nor speed in mind.

use std::collections::BTreeMap;

use super::{Answer, Call, Id};
use crate::Kind;

/// A semaphore.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Model {
    /// Requests for one permit compete: they are woken, and look for themselves.
    pub(super) competes: bool,
    /// One that has competed for long may be in line, too.
    timed: bool,
    max: usize,
    active: usize,
    pub(super) closed: bool,
    /// Nobody passes by the word. Cleared a moment after the last has gone.
    queued: bool,
    /// Who waits, in the order of arrival.
    line: Vec<Place>,
    /// What nobody has picked up yet.
    told: BTreeMap<Id, (Answer, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    id: Id,
    n: usize,
    stands: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stands {
    InLine,
    /// It wants more than max, and holds up nobody.
    Aside,
    /// The same, since while max was about to change.
    JustAside,
}

/// So many are told under the lock before the closer lets go of it, and comes back.
const TOLD_AT_ONCE: usize = 8;

/// What a step asks for, after its own.
#[derive(Clone, Copy)]
pub(super) enum Then {
    Nothing,
    /// The line is served once more before the call ends.
    Serve,
}

impl Stands {
    fn aside(growing: bool) -> Self {
        if growing {
            Self::JustAside
        } else {
            Self::Aside
        }
    }
}

impl Model {
    pub(super) fn new(kind: Kind, max: usize) -> Self {
        Self {
            competes: kind != Kind::Fifo,
            timed: matches!(kind, Kind::Eventual(_)),
            max,
            active: 0,
            closed: false,
            queued: false,
            line: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// The first that stands in line for certain.
    fn front(&self) -> Option<usize> {
        self.line
            .iter()
            .position(|place| place.stands == Stands::InLine && !self.may_compete(place.n))
    }

    fn may_compete(&self, n: usize) -> bool {
        self.competes && n == 1
    }

    /// What the semaphore may do by itself, and need not: grant one that has competed for
    /// long what it needs, or find out that nobody waits.
    pub(super) fn may_serve(&self) -> impl Iterator<Item = Self> {
        let late = self.timed && !self.closed && self.fits(1);
        let late = self.line.iter().filter(move |place| late && place.n == 1);
        late.map(|place| {
            let mut next = self.clone();
            next.line.retain(|other| other.id != place.id);
            next.active += 1;
            next.told.insert(place.id, (Answer::Granted, 1));
            next
        })
    }

    fn fits(&self, n: usize) -> bool {
        self.active + n <= self.max
    }

    /// During a pause nobody is held up.
    fn is_too_large(&self, n: usize) -> bool {
        n > self.max && self.max > 0
    }

    /// max has changed: who `stands` so and fits again has its old place again.
    fn rejoin(&mut self, stands: Stands) {
        for place in &mut self.line {
            if place.stands == stands && place.n <= self.max {
                place.stands = Stands::InLine;
                self.queued = true;
            }
        }
    }

    /// What may happen next by itself: the front is told what it has to be told,
    /// or steps aside while max is `growing` or not; or somebody rejoins.
    pub(super) fn serve(&self, growing: bool) -> impl Iterator<Item = Self> {
        let served = self.serve_front(growing);
        let mut rejoined = self.clone();
        rejoined.rejoin(Stands::JustAside);
        served
            .into_iter()
            .chain((rejoined != *self).then_some(rejoined))
    }

    /// Has a call that serves done all that it must? With no permit free it need not look at
    /// a front that is too large: whoever frees one does.
    pub(super) fn is_served(&self) -> bool {
        let may_stay = |at: usize| self.is_too_large(self.line[at].n) && !self.fits(1);
        let done = !self.closed && self.front().is_some_and(may_stay);
        done && !self.line.iter().any(|place| self.returns(place))
            || self.serve(false).next().is_none()
    }

    /// It has stepped aside though max has grown since.
    fn returns(&self, place: &Place) -> bool {
        place.stands == Stands::JustAside && place.n <= self.max
    }

    fn serve_front(&self, growing: bool) -> Option<Self> {
        let mut next = self.clone();
        if self.closed {
            // Those in line are told first, under the lock, so many at a time and those aside
            // last; then those that compete.
            let in_line = self.line.iter().filter(|place| !self.may_compete(place.n));
            let mut in_line: Vec<_> = in_line.copied().collect();
            in_line.sort_by_key(|place| place.stands != Stands::InLine);
            in_line.truncate(TOLD_AT_ONCE);
            next.queued &= in_line.len() == TOLD_AT_ONCE;
            let only_in_line = !in_line.is_empty();
            next.line
                .retain(|place| only_in_line && !in_line.contains(place));
            for place in self.line.iter().filter(|place| !next.line.contains(place)) {
                next.told.insert(place.id, (Answer::Closed, place.n));
            }
            return (next != *self).then_some(next);
        }
        let Some(at) = self.front() else {
            // QUEUED may stay for a while where waiters compete: it refuses nobody there.
            next.queued = false;
            return (self.queued && !self.competes).then_some(next);
        };
        let Place { id, n, .. } = self.line[at];
        if self.line.iter().any(|place| self.returns(place)) {
            // Not past one that may come before it.
            return None;
        }
        if self.is_too_large(n) {
            next.line[at].stands = Stands::aside(growing);
        } else if self.fits(n) {
            next.line.remove(at);
            next.active += n;
            next.told.insert(id, (Answer::Granted, n));
        } else {
            return None;
        }
        Some(next)
    }

    /// Which answers somebody may get who asks for `n` and does not wait.
    fn answers(&self, kind: Kind, n: usize) -> &'static [Answer] {
        use Answer::{Closed, Granted, No};
        if self.closed {
            return &[Closed];
        }
        if !self.fits(n) {
            return &[No];
        }
        match kind {
            // One that just comes, and leaves again, may hold others up for that moment.
            Kind::Eventual(_) => &[Granted, No],
            _ if !self.queued => &[Granted],
            Kind::Fifo => &[No],
            Kind::Barging(_) => &[Granted],
        }
    }

    /// The same for one that competes, whom the closer may not have told yet.
    fn looks(&self, kind: Kind) -> &'static [Answer] {
        use Answer::{Closed, Granted, No};
        match kind {
            _ if self.closed => &[Closed, No],
            _ if !self.fits(1) => &[No],
            Kind::Eventual(_) => &[Granted, No],
            _ => &[Granted],
        }
    }

    /// The call, if it may have its outcome now.
    pub(super) fn step(mut self, kind: Kind, call: Call, growing: bool) -> Option<(Self, Then)> {
        let then = match call {
            Call::Try { n, got } => {
                if !self.answers(kind, n).contains(&got) {
                    return None;
                }
                if got == Answer::Granted {
                    self.active += n;
                }
                Then::Nothing
            }
            Call::Poll { id, n, got } => {
                if let Some((told, _)) = self.told.remove(&id) {
                    return (told == got).then_some((self, Then::Nothing));
                }
                let place = self.line.iter().position(|place| place.id == id);
                let waits = place.is_some();
                let in_line = !self.may_compete(n);
                let takes_the_lock = in_line && !self.closed && got == Answer::No;
                if self.queued != self.front().is_some() && takes_the_lock && !self.competes {
                    // It has to look under the lock, which is taken.
                    return None;
                }
                let possible = match kind {
                    // Told by others only, however well it would fit.
                    _ if waits && in_line => &[Answer::No],
                    _ if waits => self.looks(kind),
                    _ => self.answers(kind, n),
                };
                if !possible.contains(&got) {
                    return None;
                }
                match (place, got) {
                    (None, Answer::No) => {
                        let aside = in_line && self.front().is_none() && self.is_too_large(n);
                        let stands = if aside {
                            Stands::aside(growing)
                        } else {
                            Stands::InLine
                        };
                        self.queued |= !aside;
                        self.line.push(Place { id, n, stands });
                    }
                    (Some(at), Answer::Granted | Answer::Closed) => drop(self.line.remove(at)),
                    _ => {}
                }
                if got == Answer::Granted {
                    self.active += n;
                }
                Then::Nothing
            }
            Call::Drop { id } => {
                let place = self.line.iter().position(|place| place.id == id);
                match (place, self.told.remove(&id)) {
                    (Some(at), _) => {
                        let front = self.front() == Some(at);
                        self.line.remove(at);
                        if front { Then::Serve } else { Then::Nothing }
                    }
                    (None, Some((Answer::Granted, n))) => {
                        self.active -= n;
                        Then::Serve
                    }
                    (None, _) => Then::Nothing,
                }
            }
            Call::Release { n } => {
                self.active -= n;
                Then::Serve
            }
            Call::Forget { n } => {
                self.active -= n;
                self.max = self.max.saturating_sub(n);
                Then::Serve
            }
            Call::ForgetPermits { n, gone } => {
                let free = self.max.saturating_sub(self.active).min(n);
                let possible = match kind {
                    _ if !self.queued => gone == free,
                    Kind::Fifo => gone == 0,
                    Kind::Barging(_) => gone == free,
                    Kind::Eventual(_) => gone <= free,
                };
                if !possible {
                    return None;
                }
                self.max -= gone;
                Then::Nothing
            }
            Call::SetMax { max, before } => {
                if self.max != before {
                    return None;
                }
                self.max = max;
                self.rejoin(Stands::Aside);
                Then::Serve
            }
            Call::AddPermits { n } => {
                self.max += n;
                self.rejoin(Stands::Aside);
                Then::Serve
            }
            Call::Close => {
                self.closed = true;
                Then::Serve
            }
            Call::Read {
                max,
                active,
                closed,
            } => {
                if (max, active, closed) != (self.max, self.active, self.closed) {
                    return None;
                }
                Then::Nothing
            }
        };
        Some((self, then))
    }
}
