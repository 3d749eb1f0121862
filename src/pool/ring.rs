//! Whose turn it is: the keys that have a place free, one after the other.
//!
//! A queue in the order of turns, which rise. Each entry knows its own, so one that leaves
//! before it is found in O(log n). It leaves a gap; more gaps than keys are closed at once,
//! so that what has left costs nothing. The pool's lock guards it all.

use std::{collections::VecDeque, sync::Arc};

use super::entry::Entry;

/// A queue of at most this length is not worth shrinking.
const KEEP: usize = 64;

pub(super) struct Ring<K> {
    /// By turns. The first is no gap.
    line: VecDeque<(u64, Option<Arc<Entry<K>>>)>,
    gaps: usize,
    last_turn: u64,
}

impl<K> Ring<K> {
    pub(super) const fn new() -> Self {
        Self {
            line: VecDeque::new(),
            gaps: 0,
            last_turn: 0,
        }
    }

    /// Takes out whose turn it is.
    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Arc<Entry<K>>> {
        let entry = self.line.pop_front()?.1?;
        self.trim();
        entry.set_turn(None);
        Some(entry)
    }

    /// Lets an entry in that is not in yet; all others come before it.
    #[inline]
    pub(super) fn push(&mut self, entry: Arc<Entry<K>>) {
        debug_assert!(entry.turn().is_none(), "in the ring already");
        self.last_turn += 1;
        entry.set_turn(Some(self.last_turn));
        self.line.push_back((self.last_turn, Some(entry)));
    }

    /// Takes an entry out, if it is in.
    pub(super) fn remove(&mut self, entry: &Entry<K>) -> Option<Arc<Entry<K>>> {
        let turn = entry.turn()?;
        let at = self.line.binary_search_by_key(&turn, |&(turn, _)| turn);
        let removed = self.line[at.ok()?].1.take();
        self.gaps += 1;
        self.trim();
        entry.set_turn(None);
        removed
    }

    #[inline]
    fn trim(&mut self) {
        while let Some((_, None)) = self.line.front() {
            self.line.pop_front();
            self.gaps -= 1;
        }
        if self.gaps > self.line.len() / 2 {
            self.line.retain(|(_, entry)| entry.is_some());
            self.gaps = 0;
        }
        if self.line.capacity() > KEEP && self.line.len() < self.line.capacity() / 4 {
            self.line.shrink_to(self.line.len() * 2);
        }
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Push(usize),
        Remove(usize),
        Rotate,
        PopFront,
    }

    fn ops(keys: usize) -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            (0..keys).prop_map(Op::Push),
            (0..keys).prop_map(Op::Remove),
            Just(Op::Rotate),
            Just(Op::PopFront),
        ];
        proptest::collection::vec(op, 0..200)
    }

    /// Whoever is next, and those after it.
    fn order(ring: &Ring<usize>) -> Vec<usize> {
        assert!(!matches!(ring.line.front(), Some((_, None))));
        assert!(ring.gaps <= ring.line.len() / 2);
        let gaps = ring.line.iter().filter(|(_, entry)| entry.is_none());
        assert_eq!(gaps.count(), ring.gaps);
        let entries = ring.line.iter().filter_map(|(turn, entry)| {
            let entry = entry.as_ref()?;
            assert_eq!(entry.turn(), Some(*turn), "it knows its turn");
            Some(entry.key)
        });
        entries.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_what_a_plain_queue_is(ops in ops(7)) {
            let entries: Vec<_> = (0..7).map(|key| Arc::new(Entry::new(key, 0))).collect();
            let (mut ring, mut model) = (Ring::new(), VecDeque::new());
            for op in ops {
                match op {
                    Op::Push(key) if !model.contains(&key) => {
                        ring.push(Arc::clone(&entries[key]));
                        model.push_back(key);
                    }
                    Op::Push(_) => {}
                    Op::Remove(key) => {
                        let at = model.iter().position(|&other| other == key);
                        let removed = ring.remove(&entries[key]);
                        assert_eq!(removed.map(|entry| entry.key), at.and_then(|at| model.remove(at)));
                        assert_eq!(entries[key].turn(), None);
                    }
                    Op::Rotate if !model.is_empty() => {
                        let front = ring.pop_front().unwrap();
                        assert_eq!(front.key, model[0]);
                        ring.push(front);
                        model.rotate_left(1);
                    }
                    Op::Rotate => {}
                    Op::PopFront => {
                        assert_eq!(ring.pop_front().map(|entry| entry.key), model.pop_front());
                    }
                }
                assert_eq!(order(&ring), Vec::from(model.clone()));
            }
        }
    }

    #[test]
    fn what_has_left_costs_nothing() {
        const MANY: usize = 10_000;
        let entries: Vec<_> = (0..MANY).map(|key| Arc::new(Entry::new(key, 0))).collect();
        let mut ring = Ring::new();
        for entry in &entries {
            ring.push(Arc::clone(entry));
        }
        for entry in &entries[1..] {
            assert!(ring.remove(entry).is_some());
            assert_eq!(Arc::strong_count(entry), 1);
        }
        assert_eq!(order(&ring), [0]);
        assert!(ring.line.capacity() <= KEEP, "{}", ring.line.capacity());
    }
}
