//! What the semaphore must do, with neither threads nor speed in mind.

use std::collections::BTreeMap;

use super::{Answer, Call, Id};
use crate::Kind;

/// A semaphore.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Model {
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
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            active: 0,
            closed: false,
            queued: false,
            line: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// The first that does not stand aside.
    fn front(&self) -> Option<usize> {
        self.line
            .iter()
            .position(|place| place.stands == Stands::InLine)
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

    fn serve_front(&self, growing: bool) -> Option<Self> {
        let mut next = self.clone();
        if self.closed {
            for Place { id, n, .. } in next.line.drain(..) {
                next.told.insert(id, (Answer::Closed, n));
            }
            next.queued = false;
            return (next != *self).then_some(next);
        }
        let Some(at) = self.front() else {
            next.queued = false;
            return self.queued.then_some(next);
        };
        let Place { id, n, .. } = self.line[at];
        let returns = |place: &Place| place.stands == Stands::JustAside && place.n <= self.max;
        if self.line.iter().any(returns) {
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
            _ if !self.queued => &[Granted],
            Kind::Fifo => &[No],
            Kind::Barging(_) => &[Granted],
            Kind::Eventual(_) => &[Granted, No],
        }
    }

    /// The call, if it may have its outcome now.
    pub(super) fn step(mut self, kind: Kind, call: Call, growing: bool) -> Option<(Self, Then)> {
        let fifo = kind == Kind::Fifo;
        // Those who compete are called by a release, rather than served.
        let released = if fifo { Then::Serve } else { Then::Nothing };
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
                if self.queued != self.front().is_some() && !self.closed && got == Answer::No {
                    // It has to look under the lock, which is taken.
                    return None;
                }
                let possible = match kind {
                    // Told by others only, however well it would fit.
                    _ if waits && (fifo || self.closed) => &[Answer::No],
                    _ => self.answers(kind, n),
                };
                if !possible.contains(&got) {
                    return None;
                }
                match (place, got) {
                    (None, Answer::No) => {
                        let aside = self.front().is_none() && self.is_too_large(n);
                        let stands = if aside {
                            Stands::aside(growing)
                        } else {
                            Stands::InLine
                        };
                        self.queued |= !aside;
                        self.line.push(Place { id, n, stands });
                    }
                    (Some(at), Answer::Granted) => drop(self.line.remove(at)),
                    _ => {}
                }
                if got == Answer::Granted {
                    self.active += n;
                }
                if waits && !fifo {
                    Then::Serve
                } else {
                    Then::Nothing
                }
            }
            Call::Drop { id } => {
                let place = self.line.iter().position(|place| place.id == id);
                match (place, self.told.remove(&id)) {
                    (Some(at), _) => {
                        let front = self.front() == Some(at);
                        self.line.remove(at);
                        if front || !fifo {
                            Then::Serve
                        } else {
                            Then::Nothing
                        }
                    }
                    (None, Some((Answer::Granted, n))) => {
                        self.active -= n;
                        released
                    }
                    (None, _) => Then::Nothing,
                }
            }
            Call::Release { n } => {
                self.active -= n;
                released
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
                    Kind::Eventual(_) => gone == 0 || gone == free,
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
