//! Can these threads read those values? By the axioms of C++20, which are Rust's, as
//! Lahav, Vafeiadis, Kang, Hur and Dreyer write them down ("Repairing Sequential
//! Consistency in C/C++11", PLDI 2017). All that read from what and all orders of writes
//! are tried, so the answer is exact for these threads; loom's is not where it comes to
//! SeqCst.

use crate::source::Ordering::{self, Relaxed, SeqCst};

/// A place in memory. All are zero at first.
pub type Place = usize;

/// What a thread does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Reads this value.
    Load(Place, Ordering, u64),
    /// Writes this value.
    Store(Place, Ordering, u64),
    /// Reads the first, writes the second, in one.
    Change(Place, Ordering, u64, u64),
    /// A fence, if there is one.
    Fence(Option<Ordering>),
}

use Step::{Change, Fence, Load, Store};

impl Step {
    fn place(self) -> Option<Place> {
        match self {
            Load(place, ..) | Store(place, ..) | Change(place, ..) => Some(place),
            Fence(_) => None,
        }
    }

    fn ordering(self) -> Ordering {
        match self {
            Load(_, ordering, _) | Store(_, ordering, _) | Change(_, ordering, ..) => ordering,
            Fence(ordering) => ordering.unwrap_or(Relaxed),
        }
    }

    fn reads(self) -> Option<u64> {
        match self {
            Load(_, _, value) | Change(_, _, value, _) => Some(value),
            _ => None,
        }
    }

    fn writes(self) -> Option<u64> {
        match self {
            Store(_, _, value) | Change(_, _, _, value) => Some(value),
            _ => None,
        }
    }

    fn is_fence(self) -> bool {
        matches!(self, Fence(_))
    }
}

/// A relation between at most 32 events: of each, a bit for each that it is before.
#[derive(Clone, Copy, PartialEq)]
struct Relation([u32; 32]);

impl Relation {
    const NONE: Self = Self([0; 32]);

    fn of(n: usize, holds: impl Fn(usize, usize) -> bool) -> Self {
        let mut all = Self::NONE;
        for a in 0..n {
            for b in 0..n {
                if holds(a, b) {
                    all.0[a] |= 1 << b;
                }
            }
        }
        all
    }

    fn has(&self, a: usize, b: usize) -> bool {
        self.0[a] & 1 << b != 0
    }

    fn or(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
        self
    }

    /// This one, then the other.
    fn then(self, other: Self) -> Self {
        let mut both = Self::NONE;
        for (row, reached) in both.0.iter_mut().zip(self.0) {
            *row = (0..32)
                .filter(|b| reached & 1 << b != 0)
                .fold(0, |row, b| row | other.0[b]);
        }
        both
    }

    fn or_same(mut self) -> Self {
        self.0
            .iter_mut()
            .enumerate()
            .for_each(|(a, row)| *row |= 1 << a);
        self
    }

    fn closed(mut self) -> Self {
        for via in 0..32 {
            let beyond = self.0[via];
            for row in &mut self.0 {
                if *row & 1 << via != 0 {
                    *row |= beyond;
                }
            }
        }
        self
    }

    fn is_irreflexive(&self) -> bool {
        (0..32).all(|a| !self.has(a, a))
    }

    fn is_acyclic(self) -> bool {
        self.closed().is_irreflexive()
    }

    fn among(mut self, from: u32, to: u32) -> Self {
        for (a, row) in self.0.iter_mut().enumerate() {
            *row = if from & 1 << a != 0 { *row & to } else { 0 };
        }
        self
    }
}

/// Is there an execution in which all steps read what they say?
///
/// # Panics
///
/// With more than 32 steps and places together.
pub fn is_possible(threads: &[Vec<Step>]) -> bool {
    let places = threads.iter().flatten().filter_map(|step| step.place());
    let places = places.max().map_or(0, |last| last + 1);
    // What memory is at first was written before all else.
    let mut events: Vec<(Option<usize>, Step)> = (0..places)
        .map(|place| (None, Store(place, Relaxed, 0)))
        .collect();
    for (thread, steps) in threads.iter().enumerate() {
        events.extend(steps.iter().map(|&step| (Some(thread), step)));
    }
    assert!(events.len() <= 32, "a bit for each");
    let reads: Vec<usize> = (0..events.len())
        .filter(|&e| events[e].1.reads().is_some())
        .collect();
    let mut sources = vec![None; events.len()];
    choose_sources(&events, places, &reads, &mut sources)
}

type Events = [(Option<usize>, Step)];

fn choose_sources(
    events: &Events,
    places: usize,
    reads: &[usize],
    sources: &mut [Option<usize>],
) -> bool {
    let Some((&read, rest)) = reads.split_first() else {
        return choose_orders(events, places, sources, &mut vec![]);
    };
    let step = events[read].1;
    (0..events.len()).any(|write| {
        let other = events[write].1;
        if write == read || other.writes() != step.reads() || other.place() != step.place() {
            return false;
        }
        // Two changes cannot both follow one write at once.
        let changes = |e: usize| matches!(events[e].1, Change(..));
        let mut taken = sources.iter().enumerate();
        if changes(read) && taken.any(|(e, &source)| source == Some(write) && changes(e)) {
            return false;
        }
        sources[read] = Some(write);
        let possible = choose_sources(events, places, rest, sources);
        sources[read] = None;
        possible
    })
}

/// Orders the writes of one place after the other.
fn choose_orders(
    events: &Events,
    places: usize,
    sources: &[Option<usize>],
    orders: &mut Vec<Vec<usize>>,
) -> bool {
    let place = orders.len();
    if place == places {
        return is_consistent(events, sources, orders);
    }
    let writes: Vec<usize> = (places..events.len())
        .filter(|&e| events[e].1.place() == Some(place) && events[e].1.writes().is_some())
        .collect();
    extend(events, places, sources, orders, &writes, vec![place])
}

fn extend(
    events: &Events,
    places: usize,
    sources: &[Option<usize>],
    orders: &mut Vec<Vec<usize>>,
    writes: &[usize],
    order: Vec<usize>,
) -> bool {
    if order.len() == writes.len() + 1 {
        orders.push(order);
        let possible = choose_orders(events, places, sources, orders);
        orders.pop();
        return possible;
    }
    writes
        .iter()
        .filter(|write| !order.contains(write))
        .any(|&write| {
            // A change comes right after what it has read.
            if sources[write].is_some() && sources[write] != order.last().copied() {
                return false;
            }
            let mut order = order.clone();
            order.push(write);
            extend(events, places, sources, orders, writes, order)
        })
}

fn is_consistent(events: &Events, sources: &[Option<usize>], orders: &[Vec<usize>]) -> bool {
    let n = events.len();
    let step = |e: usize| events[e].1;
    let set =
        |holds: &dyn Fn(usize) -> bool| (0..n).filter(|&e| holds(e)).fold(0, |s, e| s | 1 << e);
    let rank = |e: usize| {
        let order = &orders[step(e).place()?];
        order.iter().position(|&write| write == e)
    };
    let same_place =
        |a: usize, b: usize| step(a).place().is_some() && step(a).place() == step(b).place();

    let program = Relation::of(n, |a, b| match (events[a].0, events[b].0) {
        (None, Some(_)) => true,
        (Some(x), Some(y)) => x == y && a < b,
        _ => false,
    });
    let from = Relation::of(n, |a, b| sources[b] == Some(a));
    if !program.or(from).is_acyclic() {
        return false;
    }
    let order = Relation::of(n, |a, b| {
        same_place(a, b) && matches!((rank(a), rank(b)), (Some(x), Some(y)) if x < y)
    });
    let before = Relation::of(n, |read, write| {
        read != write && sources[read].is_some_and(|source| order.has(source, write))
    });

    // Synchronizes-with. A release sequence goes on through changes.
    let changes = set(&|e| matches!(step(e), Change(..)));
    let fences = set(&|e| step(e).is_fence());
    let all = u32::MAX;
    let writes = set(&|e| step(e).writes().is_some());
    let reads = set(&|e| step(e).reads().is_some());
    let sequence = from.among(all, changes).closed().or_same();
    let release = set(&|e| step(e).ordering().releases());
    let acquire = set(&|e| step(e).ordering().acquires());
    let same = Relation::NONE.or_same();
    let to_write = program
        .among(fences & release, writes)
        .or(same.among(release & writes, all));
    let to_acquire = program
        .among(reads, fences & acquire)
        .or(same.among(acquire & reads, all));
    let with = to_write.then(sequence).then(from).then(to_acquire);
    let happens = program.or(with).closed();

    let any = from.or(order).or(before).closed();
    if !happens.is_irreflexive() || !happens.then(any).is_irreflexive() || !any.is_irreflexive() {
        return false;
    }

    // The order of all that is SeqCst.
    let sc = set(&|e| step(e).ordering() == SeqCst);
    let elsewhere = Relation::of(n, |a, b| program.has(a, b) && !same_place(a, b));
    let here = Relation::of(n, |a, b| happens.has(a, b) && same_place(a, b));
    let partly = program
        .or(elsewhere.then(happens).then(elsewhere))
        .or(here)
        .or(order)
        .or(before);
    let sc_fences = sc & fences;
    let start = same
        .among(sc & !fences, all)
        .or(happens.or_same().among(sc_fences, all));
    let end = same
        .among(all, sc & !fences)
        .or(happens.or_same().among(all, sc_fences));
    let base = start.then(partly).then(end);
    let fenced = happens
        .or(happens.then(any).then(happens))
        .among(sc_fences, sc_fences);
    base.or(fenced).is_acyclic()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Ordering::{AcqRel, Acquire, Release};

    fn passing_a_message(store: Ordering, load: Ordering) -> bool {
        is_possible(&[
            vec![Store(0, Relaxed, 1), Store(1, store, 1)],
            vec![Load(1, load, 1), Load(0, Relaxed, 0)],
        ])
    }

    #[test]
    fn a_message_needs_release_and_acquire() {
        assert!(!passing_a_message(Release, Acquire));
        assert!(passing_a_message(Relaxed, Acquire));
        assert!(passing_a_message(Release, Relaxed));
    }

    fn store_buffers(fences: [Option<Ordering>; 2], ordering: [Ordering; 2]) -> bool {
        is_possible(&[
            vec![
                Store(0, ordering[0], 1),
                Fence(fences[0]),
                Load(1, ordering[1], 0),
            ],
            vec![
                Store(1, ordering[0], 1),
                Fence(fences[1]),
                Load(0, ordering[1], 0),
            ],
        ])
    }

    #[test]
    fn store_buffers_need_two_fences_or_seq_cst() {
        let relaxed = [Relaxed; 2];
        assert!(!store_buffers([Some(SeqCst); 2], relaxed));
        assert!(store_buffers([Some(SeqCst), Some(AcqRel)], relaxed));
        assert!(store_buffers([Some(SeqCst), None], relaxed));
        assert!(!store_buffers([None; 2], [SeqCst; 2]));
        assert!(store_buffers([None; 2], [Release, Acquire]));
    }

    #[test]
    fn independent_readers_of_independent_writes_agree_by_seq_cst_only() {
        let readers = |store, load| {
            is_possible(&[
                vec![Store(0, store, 1)],
                vec![Store(1, store, 1)],
                vec![Load(0, load, 1), Load(1, load, 0)],
                vec![Load(1, load, 1), Load(0, load, 0)],
            ])
        };
        assert!(!readers(SeqCst, SeqCst));
        assert!(readers(Release, Acquire));
    }

    #[test]
    fn changes_of_one_place_carry_a_release_on() {
        let chain = |middle: Step| {
            is_possible(&[
                vec![Store(0, Relaxed, 1), Change(1, Release, 0, 1)],
                vec![middle],
                vec![Load(1, Acquire, 2), Load(0, Relaxed, 0)],
            ])
        };
        assert!(!chain(Change(1, Relaxed, 1, 2)));
        assert!(chain(Store(1, Relaxed, 2)));
    }

    #[test]
    fn two_changes_never_read_the_same() {
        assert!(!is_possible(&[
            vec![Change(0, Relaxed, 0, 1)],
            vec![Change(0, Relaxed, 0, 1)],
        ]));
    }

    #[test]
    fn one_place_has_one_order() {
        assert!(!is_possible(&[
            vec![Store(0, Relaxed, 1), Store(0, Relaxed, 2)],
            vec![Load(0, Relaxed, 2), Load(0, Relaxed, 1)],
        ]));
    }
}
