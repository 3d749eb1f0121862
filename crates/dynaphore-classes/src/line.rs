//! Who waits, by class: a plain structure, without a lock, a clock or a thread.
//!
//! Who waits is *in line* in its class, in order of arrival, or *aside*: it needs more than
//! max, and is in nobody's way. For the shares it does not wait then. When max allows it, it
//! has its place in line again. During a pause, with max 0, nobody moves.
//!
//! A line says three things:
//!
//! - [`wanted`](Line::wanted): for how many permits to ask. Whose turn it is stays at that until
//!   permits have come, or it does not want them any more.
//! - [`next`](Line::next): who has permits that have come. The turn is found anew then.
//! - [`next_that_fits`](Line::next_that_fits): the same, for permits that are too few for the
//!   one whose turn it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::Waker,
};

use crate::shares::Shares;

/// Where one waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) class: usize,
    pub(crate) need: u32,
    /// By the order of arrival, of all classes.
    pub(crate) ticket: u64,
}

impl Place {
    fn new(class: usize, (need, ticket): (u32, u64)) -> Self {
        Self {
            class,
            need,
            ticket,
        }
    }
}

/// For how many permits to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// So many needs the one whose turn it is.
    pub(crate) need: u32,
    /// No one needs less than that.
    pub(crate) least: u32,
}

struct Waiter {
    need: u32,
    waker: Waker,
}

#[derive(Default)]
struct Class {
    in_line: BTreeMap<u64, Waiter>,
    /// The same, the lightest first.
    by_need: BTreeSet<(u32, u64)>,
    /// The lightest first.
    aside: BTreeMap<(u32, u64), Waker>,
}

impl Class {
    fn insert(&mut self, ticket: u64, waiter: Waiter) {
        self.by_need.insert((waiter.need, ticket));
        self.in_line.insert(ticket, waiter);
    }

    fn remove(&mut self, ticket: u64) -> Option<Waiter> {
        let waiter = self.in_line.remove(&ticket)?;
        self.by_need.remove(&(waiter.need, ticket));
        Some(waiter)
    }

    /// The first in line.
    fn first(&self) -> Option<(u32, u64)> {
        let (&ticket, waiter) = self.in_line.first_key_value()?;
        Some((waiter.need, ticket))
    }

    /// The lightest in line.
    fn lightest(&self) -> Option<(u32, u64)> {
        self.by_need.first().copied()
    }

    /// The lightest aside.
    fn lightest_aside(&self) -> Option<(u32, u64)> {
        self.aside.first_key_value().map(|(&key, _)| key)
    }
}

/// All that wait.
pub(crate) struct Line {
    pub(crate) shares: Shares,
    classes: Box<[Class]>,
    tickets: u64,
    /// Whose turn it is, while permits are asked for.
    turn: Option<Place>,
}

impl Line {
    pub(crate) fn new(shares: Shares, classes: usize) -> Self {
        Self {
            shares,
            classes: (0..classes).map(|_| Class::default()).collect(),
            tickets: 0,
            turn: None,
        }
    }

    /// How many wait in a class.
    pub(crate) fn waiting(&self, class: usize) -> usize {
        let Class { in_line, aside, .. } = &self.classes[class];
        in_line.len() + aside.len()
    }

    /// One comes, into a class with so many `active` permits.
    pub(crate) fn join(
        &mut self,
        class: usize,
        need: u32,
        max: u32,
        active: u32,
        waker: Waker,
    ) -> Place {
        let ticket = self.tickets;
        self.tickets += 1;
        self.classes[class].insert(ticket, Waiter { need, waker });
        // What it may not have is no claim for those of its class who may.
        self.shares.arrives(class, active, need.min(max.max(1)));
        Place::new(class, (need, ticket))
    }

    /// One does not wait any more. `None` if it has left already.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waker> {
        let class = &mut self.classes[place.class];
        if let Some(waiter) = class.remove(place.ticket) {
            self.shares.leaves(place.class);
            return Some(waiter.waker);
        }
        class.aside.remove(&(place.need, place.ticket))
    }

    /// The waker of one that waits.
    pub(crate) fn waker_mut(&mut self, place: Place) -> Option<&mut Waker> {
        let class = &mut self.classes[place.class];
        match class.in_line.get_mut(&place.ticket) {
            Some(waiter) => Some(&mut waiter.waker),
            None => class.aside.get_mut(&(place.need, place.ticket)),
        }
    }

    /// For how many permits to ask. `None` if nobody waits.
    pub(crate) fn wanted(&mut self, max: u32, active: impl Fn(usize) -> u32) -> Option<Wanted> {
        self.settle(max, &active);
        let lightest = |class: &Class| class.lightest().into_iter().chain(class.lightest_aside());
        let (least, _) = self.classes.iter().flat_map(lightest).min()?;
        let in_line = |&Place { class, ticket, .. }: &Place| {
            let class = &self.classes[class];
            class.in_line.contains_key(&ticket)
        };
        let turn = self.turn.filter(in_line);
        self.turn = turn.or_else(|| self.find_turn(active));
        // If all are aside, the first whom max allows is one of the lightest.
        let need = self.turn.map_or(least, |place| place.need);
        Some(Wanted { need, least })
    }

    /// Takes the one out whose turn it is, if so many permits are enough for it.
    pub(crate) fn next(
        &mut self,
        permits: u32,
        max: u32,
        active: impl Fn(usize) -> u32,
    ) -> Option<(Place, Waker)> {
        self.settle(max, &active);
        self.turn = self.find_turn(active);
        let place = self.turn.filter(|place| place.need <= permits)?;
        self.serve(place)
    }

    /// Takes one out for which so many permits are enough: the lightest of the class whose
    /// turn it is of those that have one.
    pub(crate) fn next_that_fits(
        &mut self,
        permits: u32,
        active: impl Fn(usize) -> u32,
    ) -> Option<(Place, Waker)> {
        let lightest = |class: usize| {
            let lightest = self.classes[class].lightest();
            lightest.filter(|&(need, _)| need <= permits)
        };
        let class = self
            .shares
            .next(active, |class| lightest(class).is_some())?;
        let place = Place::new(class, lightest(class)?);
        self.serve(place)
    }

    /// Takes one out that is told that there is nothing for it: the one whose turn it is or,
    /// if all are aside, one of those.
    pub(crate) fn next_in_vain(&mut self, active: impl Fn(usize) -> u32) -> Option<(Place, Waker)> {
        let classes = || self.classes.iter().enumerate();
        let aside = |(at, class): (usize, &Class)| Some(Place::new(at, class.lightest_aside()?));
        let place = self.find_turn(active);
        self.take(place.or_else(|| classes().find_map(aside))?)
    }

    fn serve(&mut self, place: Place) -> Option<(Place, Waker)> {
        self.shares.serves(place.class, place.need);
        self.take(place)
    }

    fn take(&mut self, place: Place) -> Option<(Place, Waker)> {
        self.leave(place).map(|waker| (place, waker))
    }

    /// The first in line of the class whose turn it is.
    fn find_turn(&self, active: impl Fn(usize) -> u32) -> Option<Place> {
        let class = self.shares.next(active, |_| true)?;
        Some(Place::new(class, self.classes[class].first()?))
    }

    /// Lets those into the line whom `max` allows again, and the first of each class aside
    /// that needs more.
    fn settle(&mut self, max: u32, active: impl Fn(usize) -> u32) {
        if max == 0 {
            return;
        }
        for (at, class) in self.classes.iter_mut().enumerate() {
            while let Some(lightest) = class.aside.first_entry() {
                let &(need, ticket) = lightest.key();
                if need > max {
                    break;
                }
                let waker = lightest.remove();
                class.insert(ticket, Waiter { need, waker });
                self.shares.arrives(at, active(at), need);
            }
            while let Some((need, ticket)) = class.first().filter(|&(need, _)| need > max) {
                let Some(Waiter { waker, .. }) = class.remove(ticket) else {
                    break;
                };
                class.aside.insert((need, ticket), waker);
                self.shares.leaves(at);
            }
        }
    }
}
