//! The search for an order of calls.

use std::{cmp::Reverse, collections::HashSet};

use super::{
    Call, Record,
    model::{Model, Then},
};
use crate::Kind;

/// Is there an order of the calls in which `model` gives all the answers? Each
/// place of the search is tried once.
pub(super) fn explains(kind: Kind, records: &[Record], model: Model) -> bool {
    let start = (Progress::default(), model);
    let mut seen = HashSet::from([start.clone()]);
    let mut places = vec![start];
    while let Some((mut progress, model)) = places.pop() {
        progress.settle(records, &model);
        let left = |&(at, _): &(usize, &Record)| progress.over & bit(at) == 0;
        let left = records.iter().enumerate().filter(left);
        let Some(horizon) = left.clone().map(|(_, record)| record.ended).min() else {
            return true;
        };
        let may_come_next =
            left.filter(|&(at, record)| progress.serves & bit(at) == 0 && record.begun < horizon);
        let growing = may_come_next
            .clone()
            .any(|(_, record)| record.call.may_grow());
        let calls = may_come_next.filter_map(|(at, record)| {
            let (next, then) = model.clone().step(kind, record.call, growing)?;
            let mut progress = progress;
            match then {
                Then::Nothing => progress.over |= bit(at),
                Then::Serve => progress.serves |= bit(at),
            }
            Some((record.ended, (progress, next)))
        });
        // What ended first is tried first: it is likely to be right.
        let mut calls: Vec<_> = calls.collect();
        calls.sort_by_key(|&(ended, _)| Reverse(ended));
        let grants = model.serve(growing).chain(model.may_serve());
        let grants = grants.map(|next| (progress, next));
        let next = grants.chain(calls.into_iter().map(|(_, place)| place));
        places.extend(next.filter(|place| seen.insert(place.clone())));
    }
    false
}

const fn bit(at: usize) -> u128 {
    1 << at
}

/// How far the calls have come, a bit for each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Progress {
    /// It has had its effect, and has yet to serve.
    serves: u128,
    over: u128,
}

impl Progress {
    /// Ends the calls that have served, or may leave it to one that ends later.
    fn settle(&mut self, records: &[Record], model: &Model) {
        let served = model.is_served();
        let serving = |(at, _): &(usize, &Record)| self.serves & bit(*at) != 0;
        let serving = records.iter().enumerate().filter(serving);
        let last = serving.clone().map(|(_, record)| record.ended).max();
        for (at, record) in serving.collect::<Vec<_>>() {
            let closes = matches!(record.call, Call::Close);
            // Only the closer tells of it.
            // Where waiters compete, one that changes max at the same time serves the line
            // that it makes, and nobody waits for it.
            let changes = |other: &Record| {
                other.call.may_grow() && other.begun < record.ended && other.ended > record.ended
            };
            let leaves_it = model.competes && records.iter().any(changes);
            let excused = !closes && (model.closed || leaves_it || Some(record.ended) < last);
            if served || excused {
                self.serves &= !bit(at);
                self.over |= bit(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Answer;

    /// One after the other.
    fn explained(max: usize, calls: &[Call]) -> bool {
        let records: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(at, &call)| Record {
                call,
                begun: 2 * at,
                ended: 2 * at + 1,
            })
            .collect();
        explains(Kind::Fifo, &records, Model::new(Kind::Fifo, max))
    }

    const fn poll(id: usize, got: Answer) -> Call {
        Call::Poll { id, n: 1, got }
    }

    const RELEASE: Call = Call::Release { n: 1 };

    const fn heavy(id: usize, got: Answer) -> Call {
        Call::Poll { id, n: 3, got }
    }

    const fn read(active: usize) -> Call {
        Call::Read {
            max: 1,
            active,
            closed: false,
        }
    }

    const fn forget_permits(gone: usize) -> Call {
        Call::ForgetPermits { n: 1, gone }
    }

    #[test]
    fn what_is_in_order_is_explained() {
        use Answer::{Granted, No};
        let start = [poll(0, Granted), poll(1, No), poll(2, No), RELEASE];
        assert!(explained(
            1,
            &[&start[..], &[poll(2, No), poll(1, Granted)]].concat()
        ));
    }

    /// Of three that wait one is in line and two compete: the closer tells the first before
    /// the others, and those together.
    #[test]
    fn a_closer_tells_those_in_line_first() {
        use Answer::{Closed, Granted, No};
        let kind = Kind::Barging(std::time::Duration::ZERO);
        let heavy = |got| Call::Poll { id: 1, n: 2, got };
        let start = [
            poll(0, Granted),
            poll(4, Granted),
            heavy(No),
            poll(2, No),
            poll(3, No),
        ];
        let closing = |told: [Call; 4]| {
            let calls = start.iter().chain(&told).enumerate();
            let mut records: Vec<_> = calls
                .map(|(at, &call)| Record {
                    call,
                    begun: 2 * at + 1,
                    ended: 2 * at + 2,
                })
                .collect();
            records.push(Record {
                call: Call::Close,
                begun: 2 * start.len(),
                ended: 100,
            });
            records.sort_by_key(|record| record.begun);
            explains(kind, &records, Model::new(kind, 2))
        };
        assert!(closing([
            heavy(Closed),
            poll(2, No),
            poll(3, Closed),
            poll(2, Closed)
        ]));
        assert!(!closing([
            heavy(Closed),
            heavy(No),
            poll(3, Closed),
            poll(2, Closed)
        ]));
    }

    /// A closer lets go of the lock when it has told eight. Nobody passes the others by the
    /// word before they are told, too.
    #[test]
    fn a_closer_tells_eight_at_once() {
        use Answer::{Closed, Granted, No};
        let closing = |waiting: usize, between: Call| {
            let mut records = vec![(0, 1, poll(0, Granted))];
            records.extend((1..=waiting).map(|id| (2 * id, 2 * id + 1, poll(id, No))));
            let grown = Call::AddPermits { n: 1 };
            records.extend([
                (30, 39, Call::Close),
                (31, 32, poll(1, Closed)),
                (33, 34, grown),
                (35, 36, between),
                (40, 41, forget_permits(1)),
            ]);
            let record = |(begun, ended, call)| Record { call, begun, ended };
            let records: Vec<_> = records.into_iter().map(record).collect();
            explains(Kind::Fifo, &records, Model::new(Kind::Fifo, 1))
        };
        assert!(closing(9, forget_permits(0)));
        assert!(closing(9, poll(9, No)));
        assert!(!closing(9, poll(8, No)));
        assert!(!closing(7, forget_permits(0)));
    }

    /// Found on real threads: the release's grant uses up the last permit, and does not look
    /// at who is behind, though that one needs more than max. So the line still stands when
    /// the granted one gives up and `forget_permits` comes in the midst of that.
    #[test]
    fn a_grant_of_the_last_permit_looks_at_nobody_else() {
        use Answer::{Granted, No};
        let records = [
            (0, 1, poll(0, Granted)),
            (2, 3, poll(1, No)),
            (4, 5, heavy(2, No)),
            (6, 7, RELEASE),
            (8, 13, Call::Drop { id: 1 }),
            (9, 10, read(0)),
            (11, 12, forget_permits(0)),
            (14, 15, forget_permits(1)),
        ];
        let records = records.map(|(begun, ended, call)| Record { call, begun, ended });
        assert!(explains(Kind::Fifo, &records, Model::new(Kind::Fifo, 1)));
    }

    #[test]
    fn a_line_of_too_large_requests_holds_up_nobody_when_a_permit_is_free() {
        use Answer::{Granted, No};
        let start = [
            poll(0, Granted),
            poll(1, No),
            heavy(2, No),
            RELEASE,
            Call::Drop { id: 1 },
        ];
        assert!(explained(1, &[&start[..], &[forget_permits(1)]].concat()));
        assert!(!explained(1, &[&start[..], &[forget_permits(0)]].concat()));
    }

    #[test]
    fn what_is_not_is_refused() {
        use Answer::{Granted, No};
        let start = [poll(0, Granted), poll(1, No), poll(2, No), RELEASE];
        for (wrong, why) in [
            (poll(2, Granted), "it passed another"),
            (poll(1, No), "a lost wake-up"),
            (poll(3, Granted), "it passed the line"),
        ] {
            assert!(!explained(1, &[&start[..], &[wrong]].concat()), "{why}");
        }
        let twice = [poll(0, Granted), poll(1, Granted)];
        assert!(!explained(1, &twice));
    }
}
